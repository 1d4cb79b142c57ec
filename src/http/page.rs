//! The page that uses one-time links: three static files, compiled in, without inline script and without a third party.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};

/// What the page may do: its own script and style, requests to this server, nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; \
                      base-uri 'none'; frame-ancestors 'none'";
/// Asked for again after an update within the hour.
const CACHED: &str = "public, max-age=3600";

/// `GET /`.
pub async fn document() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .content_type("text/html; charset=utf-8")
        .body(include_str!("../../static/index.html"))
}

/// `GET /page.css`.
pub async fn style() -> HttpResponse {
    let style = include_str!("../../static/page.css");
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, CACHED))
        .content_type("text/css; charset=utf-8")
        .body(style)
}

/// `GET /page.js`.
pub async fn script() -> HttpResponse {
    let script = include_str!("../../static/page.js");
    let kind = "text/javascript; charset=utf-8";
    HttpResponse::Ok().insert_header((CACHE_CONTROL, CACHED)).content_type(kind).body(script)
}
