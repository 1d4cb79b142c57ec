//! Object-level authorisation: with another account's id every route answers exactly as with one that never was.

use super::{World, assert_problem, wav};
use crate::http::routes::{Access, ENDPOINTS};
use actix_web::test;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ABSENT: &str = "01920000-0000-7000-8000-000000000000";

/// What a caller can tell of an answer: status, headers but the id and date, body but the id.
async fn seen(response: Response) -> (u16, BTreeMap<String, String>, Value) {
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .filter(|(name, _)| !["x-request-id", "dg-request-id", "date"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let mut body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default();
    if let Some(body) = body.as_object_mut() {
        body.remove("request_id");
    }
    (status, headers, body)
}

#[test]
async fn anothers_id_is_as_absent_as_one_that_never_was() {
    let world = World::start().await;
    let job = world.submit(wav(&[5, 6, 7, 8])).await;
    let job = world.ended(job["id"].as_str().unwrap()).await;
    let owner = world.log_in("owner@example.test").await;
    let made = world.client.post(format!("{}/auth/api-keys", world.base)).bearer_auth(&owner);
    let key: Value = made.json(&json!({"name": "theirs"})).send().await.unwrap().json().await.unwrap();
    let ids = [job["id"].as_str().unwrap(), key["id"].as_str().unwrap()];

    let eve = world.log_in("eve@example.test").await;
    let eves_key = world.make_key("eve@example.test").await;
    let mut tried = 0;
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.path.contains("{id}")) {
        assert_ne!(endpoint.access, Access::Open, "{}", endpoint.path);
        for kind in ["transcript", "translation", "srt", "vtt", "json"] {
            let path = endpoint.path.replace("{kind}", kind);
            let method = Method::from_bytes(endpoint.verb.as_str().as_bytes()).unwrap();
            for credential in [&eve, &eves_key] {
                let ask = async |id: &str| {
                    let url = format!("{}{}", world.base, path.replace("{id}", id));
                    seen(
                        world
                            .client
                            .request(method.clone(), url)
                            .bearer_auth(credential)
                            .send()
                            .await
                            .unwrap(),
                    )
                    .await
                };
                let absent = ask(ABSENT).await;
                for id in ids {
                    assert_eq!(ask(id).await, absent, "{method} {path}");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried >= 5 * 4 * 2, "{tried} tries");

    // In a body, too.
    for id in [ids[0], ABSENT] {
        let ticket = world.client.post(format!("{}/auth/ws-tickets", world.base)).bearer_auth(&eve);
        let ticket = ticket.json(&json!({"purpose": "status", "job_id": id})).send().await.unwrap();
        assert_problem(ticket, 404, "not_found").await;
    }

    // Nothing of it happened: the owner still has all.
    assert_eq!(world.get(&format!("/saas/jobs/{}", ids[0])).await.status(), 200);
    let list = world.client.get(format!("{}/auth/api-keys", world.base)).bearer_auth(&owner);
    assert!(list.send().await.unwrap().text().await.unwrap().contains(ids[1]));
    world.stop().await;
}

#[test]
async fn lists_hold_ones_own_only() {
    let world = World::start().await;
    world.submit(wav(&[5, 6])).await;
    let eves_key = world.make_key("eve@example.test").await;
    let list = world.client.get(format!("{}/saas/jobs", world.base)).bearer_auth(eves_key);
    assert_eq!(list.send().await.unwrap().json::<Value>().await.unwrap()["items"], json!([]));
    world.stop().await;
}
