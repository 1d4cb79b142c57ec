//! Refresh tokens over REST: each is used once, a stolen one ends its login, a lost answer does not.

use super::people::PASSWORD;
use super::{World, assert_problem};
use crate::auth::{RefreshSecret, TicketSecret};
use actix_web::test;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

#[test]
async fn a_refresh_token_is_exchanged_again_and_again() {
    let world = World::start().await;
    let first = world.join("ada@example.test").await;
    let mut person = world.go_on(&first.refresh).await;
    for _ in 0..5 {
        let next = world.go_on(&person.refresh).await;
        assert!(next.refresh != person.refresh && next.access != person.access);
        person = next;
    }
    assert!(world.opens(&person.access).await);
    assert!(world.opens(&first.access).await, "an access token lives its own time");
    world.stop().await;
}

#[test]
async fn a_token_that_comes_twice_ends_its_login() {
    let world = World::start().await;
    let email = "ada@example.test";
    let other = world.join(email).await;
    let grandparent = world.come_back(email, PASSWORD).await;
    let parent = world.go_on(&grandparent.refresh).await;
    let person = world.go_on(&parent.refresh).await;
    assert_problem(world.exchange(&grandparent.refresh).await, 401, "refresh_reused").await;
    for dead in [&grandparent, &parent, &person] {
        assert_problem(world.exchange(&dead.refresh).await, 401, "refresh_invalid").await;
        assert!(!world.opens(&dead.access).await);
    }
    assert!(world.opens(&world.go_on(&other.refresh).await.access).await, "another login is another family");

    let index = world.index().await;
    let lines = index.identity().audit_log(None, 10).await.unwrap();
    index.close().await;
    let reuse: Vec<_> = lines.iter().filter(|line| line.event == "refresh_reused").collect();
    assert!(reuse.len() == 1 && reuse[0].account.is_some());
    world.stop().await;
}

#[test]
async fn a_lost_answer_is_given_again() {
    let world = World::start().await;
    let first = world.join("ada@example.test").await;
    let lost = world.go_on(&first.refresh).await;
    let person = world.go_on(&first.refresh).await;
    let person = world.go_on(&person.refresh).await;
    assert!(world.opens(&person.access).await);
    // The answer was not lost after all, but stolen.
    assert_problem(world.exchange(&lost.refresh).await, 401, "refresh_reused").await;
    assert!(world.is_out(&person).await);
    world.stop().await;
}

#[test]
async fn without_a_grace_a_lost_answer_is_a_theft() {
    let world = World::start_with(Default::default(), |config| config.auth.refresh_grace_ms = 0).await;
    let first = world.join("ada@example.test").await;
    let person = world.go_on(&first.refresh).await;
    assert_problem(world.exchange(&first.refresh).await, 401, "refresh_reused").await;
    assert!(world.is_out(&person).await);
    world.stop().await;
}

#[test]
async fn of_many_that_come_with_one_token_one_gets_it() {
    let world = World::start_with(Default::default(), |config| config.auth.refresh_grace_ms = 0).await;
    for round in 0..5 {
        let person = world.join(&format!("ada{round}@example.test")).await;
        let answers = join_all((0..8).map(|_| world.exchange(&person.refresh))).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401, 401, 401, 401, 401, 401, 401]);
        let winner = answers.into_iter().find(|answer| answer.status() == 200).unwrap();
        let winner: serde_json::Value = winner.json().await.unwrap();
        let refused = world.exchange(winner["refresh_token"].as_str().unwrap()).await;
        assert_problem(refused, 401, "refresh_invalid").await;
    }
    world.stop().await;
}

#[test]
async fn hostile_tokens_are_refused() {
    let world = World::start().await;
    let person = world.join("ada@example.test").await;
    let (unknown, ticket) = (RefreshSecret::generate().unwrap(), TicketSecret::generate().unwrap());
    let cut = &person.refresh[..person.refresh.len() - 1];
    for token in [
        "",
        " ",
        "svr_",
        "null",
        "svr_' OR state='active' --",
        "svr_ä\u{0}\u{202e}",
        &"svr_".repeat(1000),
        cut,
        &format!("{}0", person.refresh),
        &format!(" {}", person.refresh),
        &person.refresh.to_uppercase(),
        &person.access,
        &world.key,
        unknown.expose(),
        ticket.expose(),
    ] {
        assert_problem(world.exchange(token).await, 401, "refresh_invalid").await;
    }
    for body in
        [json!({}), json!({"refresh_token": null}), json!({"refresh_token": [person.refresh]}), json!([])]
    {
        assert_problem(world.post("/auth/refresh", &body).await, 400, "bad_request").await;
    }
    // Nowhere but in the body or the cookie.
    for path in ["/auth/refresh", &format!("/auth/refresh?refresh_token={}", person.refresh)] {
        let answer = world.bare(Method::POST, path).bearer_auth(&person.refresh).send().await.unwrap();
        assert_problem(answer, 401, "refresh_invalid").await;
    }
    assert!(!world.opens(&person.refresh).await, "a refresh token opens nothing by itself");
    world.go_on(&person.refresh).await;
    world.stop().await;
}

#[test]
async fn refreshes_are_counted_by_login() {
    let world = World::start_with(Default::default(), |config| config.limits.refreshes_per_minute = 3).await;
    let mut person = world.join("ada@example.test").await;
    let mut refused = None;
    for _ in 0..8 {
        let answer = world.exchange(&person.refresh).await;
        if answer.status() == 429 {
            refused = Some(answer);
            break;
        }
        person.refresh = answer.json::<serde_json::Value>().await.unwrap()["refresh_token"]
            .as_str()
            .expect("a token")
            .to_owned();
    }
    let refused = refused.expect("more than three refreshes in a minute or two");
    let wait_s: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait_s));
    assert_problem(refused, 429, "rate_limited").await;
    // Another login has a count of its own.
    let other = world.come_back("ada@example.test", PASSWORD).await;
    world.go_on(&other.refresh).await;
    world.stop().await;
}
