//! Who may call what: every route of the table, with every kind of credential.

use super::World;
use crate::http::routes::{Access, ENDPOINTS};
use actix_web::test;
use reqwest::Method;
use sottovoce_protocol::scope::{Scope, Scopes};

fn path(pattern: &str) -> String {
    pattern.replace("{id}", "01920000-0000-7000-8000-000000000000").replace("{kind}", "json")
}

#[test]
async fn every_route_but_the_open_ones_needs_a_valid_key() {
    let world = World::start().await;
    // What takes a refresh token asks for no other credential: `refresh.rs` tries it.
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.access != Access::Refresh) {
        let url = format!("{}{}", world.base, path(endpoint.path));
        let method = Method::from_bytes(endpoint.verb.as_str().as_bytes()).unwrap();
        for credential in [
            None,
            Some("Bearer sv_0000000000000000000000000000000000000000000".to_owned()),
            Some(format!("Basic {}", world.key)),
            Some(world.key.clone()),
            Some(format!("Bearer {}x", world.key)),
            Some(format!("Bearer {}", "k".repeat(10_000))),
        ] {
            let mut request = world.client.request(method.clone(), &url);
            if let Some(credential) = &credential {
                request = request.header("authorization", credential);
            }
            let response = request.send().await.unwrap();
            let refused = response.status() == 401 && response.headers().contains_key("www-authenticate");
            assert_eq!(refused, endpoint.access != Access::Open, "{method} {url} {credential:?}");
        }
        for scheme in ["Bearer", "Token", "token"] {
            let request = world.client.request(method.clone(), &url);
            let response =
                request.header("authorization", format!("{scheme} {}", world.key)).send().await.unwrap();
            let status = response.status();
            assert_ne!(status, 401, "{method} {url} {scheme}");
            assert!(endpoint.access != Access::Person || status == 403, "{method} {url}: a key is no person");
        }
    }
    world.stop().await;
}

#[test]
async fn every_route_needs_exactly_its_scope() {
    let world = World::start().await;
    for endpoint in ENDPOINTS {
        let Access::Scope(needed) = endpoint.access else { continue };
        let others: Scopes = Scope::ALL.iter().copied().filter(|scope| *scope != needed).collect();
        for (held, allowed) in
            [([needed].into_iter().collect(), true), (others, false), (Scopes::default(), false)]
        {
            let key = world.make_key_with("scoped@example.test", held).await;
            let method = Method::from_bytes(endpoint.verb.as_str().as_bytes()).unwrap();
            let url = format!("{}{}", world.base, path(endpoint.path));
            let status = world.client.request(method, url).bearer_auth(key).send().await.unwrap().status();
            assert_eq!(
                status != 403,
                allowed,
                "{} {} with `{held}`: {status}",
                endpoint.verb.as_str(),
                endpoint.path
            );
        }
    }
    world.stop().await;
}
