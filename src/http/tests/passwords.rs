//! Changing a password over REST, and hashes that are renewed.

use super::people::PASSWORD;
use super::{World, assert_problem};
use crate::auth::{HashCost, Passwords};
use crate::system::SystemClock;
use actix_web::test;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sottovoce_actors::ports::clock::Clock;
use sottovoce_protocol::auth::Confidential;

const SECOND: &str = "canary-password, the second";

impl World {
    async fn change_password(&self, access: &str, body: &Value) -> Response {
        self.bare(Method::POST, "/auth/password").bearer_auth(access).json(body).send().await.unwrap()
    }
}

#[test]
async fn a_changed_password_ends_the_other_logins() {
    let world = World::start().await;
    let email = "ada@example.test";
    let (other, person) = (world.join(email).await, world.come_back(email, PASSWORD).await);
    let key = world.make_key(email).await;
    for (body, status, code) in [
        (json!({"current_password": SECOND, "new_password": SECOND}), 401, "login_failed"),
        (json!({"new_password": SECOND}), 400, "bad_request"),
        (json!({"current_password": PASSWORD, "new_password": "short"}), 422, "password_unsuitable"),
        (json!({"current_password": PASSWORD, "new_password": email}), 422, "password_unsuitable"),
        (json!({"current_password": PASSWORD}), 400, "bad_request"),
    ] {
        assert_problem(world.change_password(&person.access, &body).await, status, code).await;
    }
    assert!(world.opens(&other.access).await, "a refusal ends nothing");
    let body = json!({"current_password": PASSWORD, "new_password": SECOND});
    assert_problem(world.change_password(&key, &body).await, 403, "scope").await;
    assert_eq!(world.change_password(&person.access, &body).await.status(), 204);
    assert!(world.is_out(&other).await);
    assert!(world.opens(&person.access).await && world.opens(&key).await);
    assert!(world.opens(&world.go_on(&person.refresh).await.access).await);
    assert_eq!(world.try_login(email, PASSWORD).await, (401, json!("login_failed")));
    assert_eq!(world.try_login(email, SECOND).await.0, 200);
    world.stop().await;
}

#[test]
async fn who_has_no_password_sets_the_first_with_a_young_login() {
    for (recent_login_ms, status) in [(600_000, 204), (0, 401)] {
        let world =
            World::start_with(Default::default(), |config| config.auth.recent_login_ms = recent_login_ms)
                .await;
        let access = world.log_in("ada@example.test").await;
        let answer = world.change_password(&access, &json!({"new_password": SECOND})).await;
        assert_eq!(answer.status(), status);
        if status == 401 {
            assert_problem(answer, 401, "reauth_required").await;
        }
        let known = world.try_login("ada@example.test", SECOND).await.0 == 200;
        assert_eq!(known, status == 204);
        world.stop().await;
    }
}

#[test]
async fn guesses_at_the_current_password_are_counted() {
    let world = World::start_with(Default::default(), |config| config.limits.logins_per_minute = 3).await;
    let access = world.log_in("ada@example.test").await;
    let body = json!({"current_password": PASSWORD, "new_password": "short"});
    let mut refused = None;
    for _ in 0..8 {
        let answer = world.change_password(&access, &body).await;
        if answer.status() == 429 {
            refused = Some(answer);
        }
    }
    assert_problem(refused.expect("more than three tries in a minute or two"), 429, "rate_limited").await;
    world.stop().await;
}

#[test]
async fn strangers_cannot_flood_a_persons_letter_box() {
    let world = World::start_with(Default::default(), |config| config.limits.letters_per_hour = 2).await;
    // An hour may turn between the tries, so one more than twice the limit.
    for path in ["/auth/password/forgotten", "/auth/verify/resend"] {
        let mut refused = None;
        for _ in 0..5 {
            let answer = world.post(path, &json!({"email": "ada@example.test"})).await;
            if answer.status() == 429 {
                refused = Some(answer);
            }
        }
        let refused = refused.expect("more than two letters in an hour or two");
        let wait_s: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=3_600).contains(&wait_s), "{wait_s}");
        assert_problem(refused, 429, "rate_limited").await;
    }
    let another = world.post("/auth/password/forgotten", &json!({"email": "eve@example.test"})).await;
    assert_eq!(another.status(), 202, "another's box is not full");
    world.stop().await;
}

#[test]
async fn a_hash_of_another_cost_is_renewed_at_the_next_login() {
    let world = World::start().await;
    let email = "ada@example.test";
    world.join(email).await;
    let index = world.index().await;
    let (account, today) = index.identity().account_by_email(email).await.unwrap().unwrap();
    let cheap = Passwords::new(HashCost { memory_kib: 64, passes: 1, at_once: 1 }).unwrap();
    let old = cheap.hash(Confidential(SECOND.into())).await.unwrap();
    index.identity().set_password(account.id, None, old.clone(), None, SystemClock.now()).await.unwrap();

    assert_eq!(world.try_login(email, PASSWORD).await.0, 401);
    assert_eq!(index.identity().password(account.id).await.unwrap(), Some(old.clone()));
    let person = world.come_back(email, SECOND).await;
    let renewed = index.identity().password(account.id).await.unwrap().unwrap();
    let cost = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
    assert_eq!(cost(&renewed.0), cost(&today.unwrap().0));
    assert!(old.0.contains("m=64,") && renewed.0.contains("m=19456,"));

    world.come_back(email, SECOND).await;
    assert_eq!(index.identity().password(account.id).await.unwrap(), Some(renewed), "renewed once");
    assert!(world.opens(&person.access).await, "no login ends by it");
    index.close().await;
    world.stop().await;
}
