//! What holds for every route: the document, the headers, the shape of errors.

use super::{World, assert_problem};
use crate::http::openapi::DOCUMENT;
use crate::http::routes::{Access, ENDPOINTS};
use actix_web::test;
use reqwest::{Method, Response};
use serde_json::Value;
use std::collections::BTreeSet;

#[::core::prelude::v1::test]
fn the_document_describes_exactly_the_routes() {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if method != "parameters" {
                let open = operation["security"].as_array().is_some_and(Vec::is_empty);
                described.insert((method.to_ascii_uppercase(), path.clone(), open));
                assert!(operation["operationId"].is_string() && operation["summary"].is_string());
            }
        }
    }
    let routed: BTreeSet<_> = ENDPOINTS
        .iter()
        .map(|end| (end.verb.as_str().to_owned(), end.path.to_owned(), end.access == Access::Open))
        .collect();
    assert_eq!(described, routed);
}

#[test]
async fn unknown_paths_and_methods_are_problems() {
    let world = World::start().await;
    for path in ["/saas", "/saas/job", "/mobile-auth/login", "/saas/jobs/1/2/3/4", "/saas/jobs/"] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let response = world.request(method, path).send().await.unwrap();
            assert_problem(response, 404, "not_found").await;
        }
    }
    let response = world.request(Method::PUT, "/saas/jobs").send().await.unwrap();
    assert_eq!(response.headers()["allow"], "POST, GET");
    assert_problem(response, 405, "method_not_allowed").await;
    assert_problem(world.get("/saas/jobs?limit=x").await, 400, "bad_request").await;
    assert_problem(world.get("/saas/jobs?colour=red").await, 400, "bad_request").await;
    world.stop().await;
}

/// Asserts what every answer carries, whatever it says.
fn assert_secure(response: &Response, behind_tls: bool) {
    let headers = response.headers();
    let what = format!("{} {headers:?}", response.url());
    assert_eq!(headers["x-content-type-options"], "nosniff", "{what}");
    assert_eq!(headers["referrer-policy"], "no-referrer", "{what}");
    assert_eq!(headers["x-frame-options"], "DENY", "{what}");
    assert_eq!(headers["cross-origin-resource-policy"], "same-origin", "{what}");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{what}");
    assert!(!policy.contains("unsafe"), "{what}");
    assert_eq!(headers.contains_key("strict-transport-security"), behind_tls, "{what}");
    assert!(!headers.contains_key("server") && !headers.contains_key("x-powered-by"), "{what}");
}

#[test]
async fn every_answer_of_every_route_carries_an_id_and_the_security_headers() {
    for behind_tls in [false, true] {
        let world = World::start_with(Default::default(), |config| {
            if behind_tls {
                config.http.public_url = "https://captions.example.org".into();
            }
        })
        .await;
        let mut ids = BTreeSet::new();
        let mut statuses = BTreeSet::new();
        let id = "01920000-0000-7000-8000-000000000000";
        let paths = ENDPOINTS.iter().map(|end| end.path.replace("{id}", id).replace("{kind}", "json"));
        for path in paths.chain(["/nowhere".into(), "/mobile-auth/login".into(), "/saas/jobs/x".into()]) {
            for method in
                [Method::GET, Method::POST, Method::DELETE, Method::PUT, Method::OPTIONS, Method::TRACE]
            {
                for credential in [None, Some(&world.key)] {
                    let mut request = world.client.request(method.clone(), format!("{}{path}", world.base));
                    if let Some(key) = credential {
                        request = request.bearer_auth(key);
                    }
                    let response = request.send().await.unwrap();
                    assert_secure(&response, behind_tls);
                    assert!(ids.insert(response.headers()["x-request-id"].to_str().unwrap().to_owned()));
                    statuses.insert(response.status().as_u16());
                }
            }
        }
        for status in [200, 401, 403, 404, 405, 426] {
            assert!(statuses.contains(&status), "{status} was not met: {statuses:?}");
        }
        world.stop().await;
    }
}

#[test]
async fn what_is_no_static_file_is_not_stored() {
    let world = World::start().await;
    for path in ["/livez", "/openapi.json", "/saas/jobs", "/nowhere", "/v1/auth/token", "/auth/api-keys"] {
        assert_eq!(world.get(path).await.headers()["cache-control"], "no-store", "{path}");
    }
    world.stop().await;
}

/// The owner's rule: nothing is ever found there.
#[test]
async fn nothing_is_found_under_mobile_auth() {
    let world = World::start().await;
    let person = world.log_in("ada@example.test").await;
    for path in [
        "/mobile-auth",
        "/mobile-auth/",
        "/mobile-auth/login",
        "/mobile-auth/token/refresh",
        "/mobile-auth/%2e",
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            for credential in [None, Some(&world.key), Some(&person)] {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                let mut request = world.client.request(method.clone(), format!("{}{path}", world.base));
                if let Some(credential) = credential {
                    request = request.bearer_auth(credential);
                }
                assert_eq!(request.send().await.unwrap().status(), 404, "{method} {path}");
            }
        }
    }
    world.stop().await;
}

#[test]
async fn only_allowed_origins_may_read_answers() {
    let world = World::start().await;
    let own = world.base.clone();
    for (origin, allowed) in [(own.as_str(), true), ("https://evil.test", false), ("null", false)] {
        let response =
            world.request(Method::GET, "/saas/jobs").header("origin", origin).send().await.unwrap();
        let seen = response.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap());
        assert_eq!(seen, allowed.then_some(origin));
        assert_eq!(response.headers()["access-control-allow-credentials"], "true");
    }
    world.stop().await;
}

#[test]
async fn too_many_requests_are_refused_with_the_time_to_wait() {
    let world = World::start_with(Default::default(), |config| config.limits.requests_per_minute = 3).await;
    let mut refused = None;
    for _ in 0..8 {
        let response = world.get("/saas/jobs").await;
        if response.status() == 429 {
            refused = Some(response);
        }
    }
    let refused = refused.expect("more than three requests within one minute or two");
    let wait_s: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait_s));
    assert_problem(refused, 429, "rate_limited").await;
    world.stop().await;
}
