//! `/openapi.json`: the hand-written description of the surface, compared with the route table by a test.

use actix_web::HttpResponse;

/// The document.
pub const DOCUMENT: &str = include_str!("../../static/openapi.json");

/// `GET /openapi.json`.
pub async fn document() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(DOCUMENT)
}
