//! Accounts over REST: how they are made, who gets in, what they are told, how they end.

use super::people::PASSWORD;
use super::{World, assert_problem, wav};
use crate::auth::LinkSecret;
use crate::files::LocalFiles;
use crate::system::{SystemClock, SystemIds};
use actix_web::test;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sottovoce_actors::credential_watch::{self, WatchConfig, WatchPorts};
use sottovoce_actors::janitor;
use sottovoce_actors::ports::clock::{Clock, Ids};
use sottovoce_actors::ports::identity::{LinkPurpose, NewLink};
use sottovoce_actors::ports::store::StoreError;
use sottovoce_actors::testkit::{MemoryMail, ScriptedEngine};
use sottovoce_protocol::ids::AccountId;
use std::sync::Arc;
use std::time::Duration;

#[test]
async fn who_registers_is_logged_in() {
    let world = World::start().await;
    let body = json!({"email": "Ada@Example.test", "password": PASSWORD, "client": "native"});
    let made = world.post("/auth/register", &body).await;
    assert_eq!(made.status(), 201);
    assert!(!made.headers().contains_key("set-cookie"));
    let tokens: Value = made.json().await.unwrap();
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(600)));
    let access = tokens["access_token"].as_str().unwrap();
    let me = world.bare(Method::GET, "/auth/me").bearer_auth(access).send().await.unwrap();
    let me: Value = me.json().await.unwrap();
    assert_eq!(me["email"], "ada@example.test");
    assert_eq!((&me["email_verified"], &me["has_password"]), (&json!(false), &json!(true)));
    assert_eq!(me["scopes"], json!(["listen", "jobs:read", "jobs:write", "usage:read"]));
    assert!(me["created_at"].as_str().unwrap().ends_with('Z'));
    let jobs = world.bare(Method::GET, "/saas/jobs").bearer_auth(access).send().await.unwrap();
    assert_eq!(jobs.json::<Value>().await.unwrap(), json!({"items": []}));
    world.stop().await;
}

#[test]
async fn a_key_sees_the_account_and_its_own_scopes() {
    let world = World::start().await;
    let key = world.make_key_with("owner@example.test", ["jobs:read"].map(scope).into_iter().collect()).await;
    let me = world.bare(Method::GET, "/auth/me").bearer_auth(key).send().await.unwrap();
    let me: Value = me.json().await.unwrap();
    assert_eq!((&me["email"], &me["scopes"]), (&json!("owner@example.test"), &json!(["jobs:read"])));
    assert_eq!(me["has_password"], false);
    assert_problem(world.request(Method::DELETE, "/auth/me").send().await.unwrap(), 403, "scope").await;
    world.stop().await;
}

fn scope(name: &str) -> sottovoce_protocol::scope::Scope {
    sottovoce_protocol::scope::Scope::parse(name).unwrap()
}

#[test]
async fn an_account_that_cannot_be_is_not_made() {
    let world = World::start().await;
    world.join("ada@example.test").await;
    let long = format!("{PASSWORD}{}", "x".repeat(1024));
    for (email, password, status, code) in [
        ("ada@example.test", PASSWORD, 409, "email_taken"),
        ("ADA@example.TEST", PASSWORD, 409, "email_taken"),
        ("ada", PASSWORD, 400, "bad_request"),
        ("ada@", PASSWORD, 400, "bad_request"),
        ("a da@example.test", PASSWORD, 400, "bad_request"),
        ("eve@example.test", "short", 422, "password_unsuitable"),
        ("eve@example.test", "", 422, "password_unsuitable"),
        ("eve@example.test", &long, 422, "password_unsuitable"),
        ("eve@example.test", "EVE@example.test", 422, "password_unsuitable"),
        ("eve@example.test", "password123", 422, "password_unsuitable"),
    ] {
        let refused = world.post("/auth/register", &json!({"email": email, "password": password})).await;
        assert!(!refused.headers().contains_key("set-cookie"));
        assert_problem(refused, status, code).await;
    }
    assert_eq!(world.try_login("eve@example.test", PASSWORD).await.0, 401);
    world.stop().await;
}

#[test]
async fn where_registration_is_closed_nobody_registers() {
    let world =
        World::start_with(Default::default(), |config| config.auth.registration = "closed".into()).await;
    let body = json!({"email": "ada@example.test", "password": PASSWORD, "invitation": "svl_x"});
    assert_problem(world.post("/auth/register", &body).await, 403, "registration_closed").await;
    world.stop().await;
}

#[test]
async fn an_invitation_lets_one_person_in() {
    let world =
        World::start_with(Default::default(), |config| config.auth.registration = "invite".into()).await;
    let register = |email: &str, invitation: Option<&str>| {
        let body =
            json!({"email": email, "password": PASSWORD, "invitation": invitation, "client": "native"});
        let sending = world.bare(Method::POST, "/auth/register").json(&body).send();
        async { sending.await.unwrap() }
    };
    let index = world.index().await;
    let invite = |email: Option<&str>, life_ms: i64| {
        let secret = LinkSecret::generate().unwrap();
        let link = NewLink {
            hash: secret.hash(),
            purpose: LinkPurpose::Invitation,
            account: None,
            email: email.map(str::to_owned),
            expires_at: SystemClock.now().plus_ms(life_ms),
        };
        let adding = index.identity();
        async move {
            adding.add_link(link).await.unwrap();
            secret.expose().to_owned()
        }
    };
    assert_problem(register("ada@example.test", None).await, 403, "registration_closed").await;
    let never_made = LinkSecret::generate().unwrap();
    for bad in ["", "svl_x", never_made.expose(), &invite(None, -1).await] {
        assert_problem(register("ada@example.test", Some(bad)).await, 400, "link_invalid").await;
    }
    let anyones = invite(None, 60_000).await;
    assert_eq!(register("ada@example.test", Some(&anyones)).await.status(), 201);
    assert_problem(register("eve@example.test", Some(&anyones)).await, 400, "link_invalid").await;

    let bobs = invite(Some("bob@example.test"), 60_000).await;
    assert_problem(register("eve@example.test", Some(&bobs)).await, 400, "link_invalid").await;
    assert_eq!(register("Bob@example.test", Some(&bobs)).await.status(), 201, "a refusal uses nothing up");
    let (bob, _) = index.identity().account_by_email("bob@example.test").await.unwrap().unwrap();
    assert!(bob.email_verified, "the invitation went to this address");
    index.close().await;
    world.stop().await;
}

/// What a client can tell two answers apart by, but for the id and the time.
async fn told(answer: Response) -> (u16, Vec<(String, String)>, Value) {
    let mut headers: Vec<_> = answer
        .headers()
        .iter()
        .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    let status = answer.status().as_u16();
    let mut body: Value = answer.json().await.unwrap();
    assert!(body["request_id"].take().is_string());
    (status, headers, body)
}

#[test]
async fn whoever_does_not_get_in_is_told_the_same() {
    let world = World::start().await;
    world.join("ada@example.test").await;
    world.join("suspended@example.test").await;
    world.join("deleted@example.test").await;
    let index = world.index().await;
    let identity = index.identity();
    let now = SystemClock.now();
    let id = AccountId::from_uuid(SystemIds.uuid());
    identity.ensure_account("no-password@example.test", id, now).await.unwrap();
    let (suspended, _) = identity.account_by_email("suspended@example.test").await.unwrap().unwrap();
    identity.set_suspended(suspended.id, true, now).await.unwrap();
    let (deleted, _) = identity.account_by_email("deleted@example.test").await.unwrap().unwrap();
    identity.delete_account(deleted.id, now).await.unwrap();

    let mut answers = Vec::new();
    for (email, password) in [
        ("unknown@example.test", PASSWORD),
        ("ada@example.test", "canary-password of another"),
        ("ada@example.test", ""),
        ("no-password@example.test", PASSWORD),
        ("no-password@example.test", ""),
        ("suspended@example.test", PASSWORD),
        ("deleted@example.test", PASSWORD),
    ] {
        let refused = world.post("/auth/login", &json!({"email": email, "password": password})).await;
        answers.push(told(refused).await);
    }
    assert_eq!(answers[0].2["code"], "login_failed");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");

    assert_eq!(world.try_login("Ada@example.test", PASSWORD).await.0, 200);
    identity.set_suspended(suspended.id, false, now).await.unwrap();
    assert_eq!(world.try_login("suspended@example.test", PASSWORD).await.0, 200);
    index.close().await;
    world.stop().await;
}

#[test]
async fn bodies_that_are_not_as_they_should_be_are_refused() {
    let world = World::start().await;
    let good = json!({"email": "ada@example.test", "password": PASSWORD}).to_string();
    let huge = json!({"email": "ada@example.test", "password": "canary-password".repeat(1000)}).to_string();
    let json = Some("application/json");
    for path in ["/auth/register", "/auth/login"] {
        for (content_type, body, status, code) in [
            (None, good.clone(), 415, "media_unsupported"),
            (Some("text/plain"), good.clone(), 415, "media_unsupported"),
            (
                Some("application/x-www-form-urlencoded"),
                "email=a&password=b".into(),
                415,
                "media_unsupported",
            ),
            (json, String::new(), 400, "bad_request"),
            (json, "{".into(), 400, "bad_request"),
            (json, "[]".into(), 400, "bad_request"),
            (json, "null".into(), 400, "bad_request"),
            (json, r#"{"email":"ada@example.test"}"#.into(), 400, "bad_request"),
            (json, r#"{"email":"ada@example.test","password":7}"#.into(), 400, "bad_request"),
            (json, good.replace('}', r#","role":"admin"}"#), 400, "bad_request"),
            (json, good.replace('}', r#","client":"fridge"}"#), 400, "bad_request"),
            (json, format!("{good}{good}"), 400, "bad_request"),
            (json, huge.clone(), 413, "too_large"),
        ] {
            let mut request = world.bare(Method::POST, path).body(body.clone());
            if let Some(content_type) = content_type {
                request = request.header("content-type", content_type);
            }
            assert_problem(request.send().await.unwrap(), status, code).await;
        }
        let chunks = futures_util::stream::iter(
            huge.as_bytes()
                .chunks(1000)
                .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
                .collect::<Vec<_>>(),
        );
        let chunked = world.bare(Method::POST, path).header("content-type", "application/json");
        let chunked = chunked.body(reqwest::Body::wrap_stream(chunks)).send().await.unwrap();
        assert_problem(chunked, 413, "too_large").await;
    }
    world.stop().await;
}

#[test]
async fn tokens_end_with_the_logout() {
    let world = World::start().await;
    let email = "ada@example.test";
    world.join(email).await;
    let (one, two, three) = (
        world.come_back(email, PASSWORD).await,
        world.come_back(email, PASSWORD).await,
        world.come_back(email, PASSWORD).await,
    );
    for _ in 0..2 {
        let out = world.post("/auth/logout", &json!({"refresh_token": one.refresh})).await;
        assert_eq!(out.status(), 204, "it may be repeated");
    }
    assert!(world.is_out(&one).await);
    let out = world.bare(Method::POST, "/auth/logout").bearer_auth(&two.access).send().await.unwrap();
    assert_eq!(out.status(), 204);
    assert!(out.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert!(world.is_out(&two).await);
    assert!(world.opens(&three.access).await, "other logins go on");

    for body in [json!({"refresh_token": "svr_x"}), json!({"refresh_token": ""})] {
        assert_eq!(world.post("/auth/logout", &body).await.status(), 204);
    }
    assert_eq!(world.bare(Method::POST, "/auth/logout").send().await.unwrap().status(), 204);
    let dead = world.bare(Method::POST, "/auth/logout").bearer_auth(&two.access).send().await.unwrap();
    assert_problem(dead, 401, "unauthorized").await;
    assert_problem(world.request(Method::POST, "/auth/logout").send().await.unwrap(), 403, "scope").await;
    assert_problem(world.post("/auth/logout", &json!({"token": "x"})).await, 400, "bad_request").await;
    world.stop().await;
}

#[test]
async fn tokens_end_with_the_logout_everywhere() {
    let world = World::start().await;
    let (one, stranger) = (world.join("ada@example.test").await, world.join("eve@example.test").await);
    let two = world.come_back("ada@example.test", PASSWORD).await;
    let key = world.make_key("ada@example.test").await;
    let out = world.bare(Method::POST, "/auth/logout-all").bearer_auth(&one.access).send().await.unwrap();
    assert_eq!(out.status(), 204);
    assert!(world.is_out(&one).await && world.is_out(&two).await);
    assert!(world.opens(&stranger.access).await && world.opens(&key).await);
    assert!(world.opens(&world.come_back("ada@example.test", PASSWORD).await.access).await);
    world.stop().await;
}

#[test]
async fn tokens_and_keys_sleep_while_the_account_is_suspended() {
    let world = World::start().await;
    let person = world.join("ada@example.test").await;
    let key = world.make_key("ada@example.test").await;
    let index = world.index().await;
    let (account, _) = index.identity().account_by_email("ada@example.test").await.unwrap().unwrap();
    index.identity().set_suspended(account.id, true, SystemClock.now()).await.unwrap();
    assert!(!world.opens(&person.access).await && !world.opens(&key).await);
    assert_problem(world.exchange(&person.refresh).await, 401, "refresh_invalid").await;
    index.close().await;
    world.stop().await;
}

#[test]
async fn a_deleted_account_takes_everything_with_it() {
    let mut world = World::start().await;
    let person = world.join("ada@example.test").await;
    let stranger = world.join("eve@example.test").await;
    let key = world.make_key("ada@example.test").await;
    let owner = std::mem::replace(&mut world.key, key);
    let job = world.submit(wav(&[1, 2, 3])).await;
    let id = job["id"].as_str().unwrap().to_owned();
    assert_eq!(world.ended(&id).await["status"], "done");
    assert!(!world.objects().is_empty());

    let gone = world.bare(Method::DELETE, "/auth/me").bearer_auth(&person.access).send().await.unwrap();
    assert_eq!(gone.status(), 202);
    assert!(world.is_out(&person).await && !world.opens(&world.key).await);
    assert_eq!(world.try_login("ada@example.test", PASSWORD).await, (401, json!("login_failed")));
    let again = world.bare(Method::DELETE, "/auth/me").bearer_auth(&person.access).send().await.unwrap();
    assert_problem(again, 401, "unauthorized").await;
    assert!(world.opens(&stranger.access).await && world.opens(&owner).await);

    // What the watch and the janitor do each in its time, done now.
    let index = world.index().await;
    let ports = WatchPorts { identity: index.identity(), store: index.store(), clock: Arc::new(SystemClock) };
    let day = Duration::from_secs(24 * 3600);
    let config = WatchConfig { recheck_every: day, forget_every: day, keep_sessions: day, keep_audit: day };
    let (account, job) = index.identity().jobs_of_deleted(10).await.unwrap()[0];
    assert_eq!(job.to_string(), id);
    credential_watch::forget(&ports, &config).await.unwrap();
    let files = LocalFiles::open(world.folder.path().join("data/objects")).await.unwrap();
    janitor::delete_garbage(&*ports.store, &files, &SystemClock).await.unwrap();
    assert!(matches!(ports.store.job(account, job).await, Err(StoreError::NotFound)));
    assert_eq!(world.objects(), Vec::<std::path::PathBuf>::new());
    index.close().await;

    let next = world.join("ada@example.test").await;
    let jobs = world.bare(Method::GET, "/saas/jobs").bearer_auth(&next.access).send().await.unwrap();
    assert_eq!(
        jobs.json::<Value>().await.unwrap(),
        json!({"items": []}),
        "the address is free, the jobs gone"
    );
    world.stop().await;
}

#[test]
async fn what_cannot_be_undone_needs_a_young_login() {
    let world = World::start_with(Default::default(), |config| config.auth.recent_login_ms = 0).await;
    let person = world.join("ada@example.test").await;
    // A refresh makes no login younger.
    let person = world.go_on(&person.refresh).await;
    let refused = world.bare(Method::DELETE, "/auth/me").bearer_auth(&person.access).send().await.unwrap();
    assert_problem(refused, 401, "reauth_required").await;
    assert!(world.opens(&person.access).await);
    world.stop().await;
}

async fn with_mail(change: impl FnOnce(&mut crate::config::Config)) -> (World, Arc<MemoryMail>) {
    let mail = Arc::new(MemoryMail::default());
    let sender = mail.clone();
    let world = World::start_on(ScriptedEngine::new(), change, |ports| ports.mail = Some(sender)).await;
    (world, mail)
}

/// Returns the secret of the link in the next letter, which must be to this address and for this.
async fn link_to(mail: &MemoryMail, email: &str, purpose: &str) -> String {
    let letter = mail.next().await;
    assert_eq!(letter.to, email);
    let (_, secret) = letter.text.split_once(&format!("/#{purpose}=")).expect("a link");
    secret.lines().next().unwrap().to_owned()
}

#[test]
async fn a_forgotten_password_is_set_by_a_letter() {
    let (world, mail) = with_mail(|_| {}).await;
    let email = "ada@example.test";
    let person = world.join(email).await;
    let asked = world.post("/auth/password/forgotten", &json!({"email": "unknown@example.test"})).await;
    let told_unknown = (asked.status(), asked.text().await.unwrap());
    let asked = world.post("/auth/password/forgotten", &json!({"email": "ADA@example.test"})).await;
    assert_eq!(told_unknown, (asked.status(), asked.text().await.unwrap()));
    assert_eq!(told_unknown.0, 202);
    let link = link_to(&mail, email, "password").await;

    let reset = |token: &str, password: &str| {
        let body = json!({"token": token, "new_password": password});
        let sending = world.bare(Method::POST, "/auth/password/reset").json(&body).send();
        async { sending.await.unwrap() }
    };
    assert_problem(reset(&link, "short").await, 422, "password_unsuitable").await;
    for bad in ["", "svl_x", LinkSecret::generate().unwrap().expose(), &person.refresh] {
        assert_problem(reset(bad, "canary-password, the second").await, 400, "link_invalid").await;
    }
    assert_eq!(reset(&link, "canary-password, the second").await.status(), 204);
    assert_problem(reset(&link, "canary-password, the third").await, 400, "link_invalid").await;
    assert!(world.is_out(&person).await);
    assert_eq!(world.try_login(email, PASSWORD).await, (401, json!("login_failed")));
    let person = world.come_back(email, "canary-password, the second").await;
    let me = world.bare(Method::GET, "/auth/me").bearer_auth(&person.access).send().await.unwrap();
    assert_eq!(me.json::<Value>().await.unwrap()["email_verified"], true, "the letter arrived there");

    // A new letter ends the link of the one before.
    world.post("/auth/password/forgotten", &json!({"email": email})).await;
    let earlier = link_to(&mail, email, "password").await;
    world.post("/auth/password/forgotten", &json!({"email": email})).await;
    let later = link_to(&mail, email, "password").await;
    assert_problem(reset(&earlier, "canary-password, the third").await, 400, "link_invalid").await;
    assert_eq!(reset(&later, "canary-password, the third").await.status(), 204);
    world.stop().await;
}

#[test]
async fn without_mail_the_operator_is_named() {
    let world = World::start().await;
    let asked = world.post("/auth/password/forgotten", &json!({"email": "ada@example.test"})).await;
    assert_eq!(asked.status(), 202);
    assert!(asked.json::<Value>().await.unwrap()["detail"].as_str().unwrap().contains("operator"));
    assert_eq!(world.post("/auth/verify/resend", &json!({"email": "ada@example.test"})).await.status(), 202);
    for path in ["/auth/password/forgotten", "/auth/verify/resend"] {
        assert_problem(world.post(path, &json!({"email": "ada"})).await, 400, "bad_request").await;
    }
    world.stop().await;
}

#[test]
async fn where_addresses_are_confirmed_nothing_goes_before() {
    let (world, mail) = with_mail(|config| config.auth.verify_email = true).await;
    let email = "ada@example.test";
    let made = world.post("/auth/register", &json!({"email": email, "password": PASSWORD})).await;
    assert_eq!(made.status(), 202);
    assert!(!made.headers().contains_key("set-cookie"));
    let made: Value = made.json().await.unwrap();
    assert!(made["detail"].is_string() && made["access_token"].is_null());
    let earlier = link_to(&mail, email, "verify").await;

    assert_eq!(world.try_login(email, PASSWORD).await, (403, json!("email_unverified")));
    let wrong = "canary-password of another";
    assert_eq!(world.try_login(email, wrong).await, (401, json!("login_failed")), "only its owner is told");
    for address in ["unknown@example.test", email] {
        assert_eq!(world.post("/auth/verify/resend", &json!({"email": address})).await.status(), 202);
    }
    let link = link_to(&mail, email, "verify").await;
    for bad in [&earlier, "", "svl_x"] {
        assert_problem(world.post("/auth/verify", &json!({"token": bad})).await, 400, "link_invalid").await;
    }
    // A link does what it was made for and nothing else.
    let reset = json!({"token": link, "new_password": "canary-password, the second"});
    assert_problem(world.post("/auth/password/reset", &reset).await, 400, "link_invalid").await;
    assert_eq!(world.post("/auth/verify", &json!({"token": link})).await.status(), 204);
    assert_problem(world.post("/auth/verify", &json!({"token": link})).await, 400, "link_invalid").await;
    assert_eq!(world.try_login(email, PASSWORD).await.0, 200);

    // Confirmed: another letter would be none of ours. The next one is the other account's.
    assert_eq!(world.post("/auth/verify/resend", &json!({"email": email})).await.status(), 202);
    world.post("/auth/register", &json!({"email": "eve@example.test", "password": PASSWORD})).await;
    link_to(&mail, "eve@example.test", "verify").await;
    world.stop().await;
}

#[test]
async fn tries_are_counted_by_address_and_at_each_e_mail_address() {
    let world = World::start_with(Default::default(), |config| {
        config.limits.logins_per_minute = 3;
        config.limits.letters_per_hour = 3;
        config.http.trusted_proxies = vec!["127.0.0.1".into()];
    })
    .await;
    let body = |email: &str| json!({"email": email, "password": PASSWORD, "new_password": PASSWORD, "token": "svl_x"});
    let fields = |path: &str, email: &str| {
        let mut body = body(email);
        let keep: &[&str] = match path {
            "/auth/login" | "/auth/register" => &["email", "password"],
            "/auth/password/reset" => &["token", "new_password"],
            "/auth/verify" => &["token"],
            _ => &["email"],
        };
        body.as_object_mut().unwrap().retain(|key, _| keep.contains(&key.as_str()));
        body
    };
    let mut address = 0;
    for (path, same_email) in [
        ("/auth/login", true),
        ("/auth/register", true),
        ("/auth/password/forgotten", true),
        ("/auth/verify/resend", true),
        ("/auth/login", false),
        ("/auth/register", false),
        ("/auth/password/forgotten", false),
        ("/auth/password/reset", false),
        ("/auth/verify", false),
        ("/auth/verify/resend", false),
    ] {
        // Either the e-mail address stays and the client moves, or the other way round. A minute may end meanwhile.
        let mut refused = None;
        address += 1;
        for n in 0..8 {
            let (client, email) = match same_email {
                true => (format!("10.{address}.0.{n}"), format!("same{address}@example.test")),
                false => (format!("10.{address}.0.0"), format!("other{address}-{n}@example.test")),
            };
            let request = world.bare(Method::POST, path).header("x-forwarded-for", client);
            let answer = request.json(&fields(path, &email)).send().await.unwrap();
            if answer.status() == 429 {
                refused = Some(answer);
                break;
            }
        }
        let refused = refused.unwrap_or_else(|| panic!("{path} is not counted"));
        let wait_s: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        // Letters to one address are counted by the hour.
        assert!((1..=if same_email { 3_600 } else { 60 }).contains(&wait_s));
        assert_problem(refused, 429, "rate_limited").await;
    }
    world.stop().await;
}

#[test]
async fn what_happens_to_an_account_is_recorded_without_secrets() {
    let world = World::start().await;
    let email = "ada@example.test";
    let person = world.join(email).await;
    world.try_login(email, "canary-password of another").await;
    let other = world.come_back(email, PASSWORD).await;
    world.post("/auth/logout", &json!({"refresh_token": other.refresh})).await;
    let body = json!({"current_password": PASSWORD, "new_password": "canary-password, the second"});
    let changed = world.bare(Method::POST, "/auth/password").bearer_auth(&person.access).json(&body);
    assert_eq!(changed.send().await.unwrap().status(), 204);
    let index = world.index().await;
    let (account, _) = index.identity().account_by_email(email).await.unwrap().unwrap();
    world.bare(Method::POST, "/auth/logout-all").bearer_auth(&person.access).send().await.unwrap();
    let last = world.come_back(email, "canary-password, the second").await;
    world.bare(Method::DELETE, "/auth/me").bearer_auth(&last.access).send().await.unwrap();

    let lines = index.identity().audit_log(Some(account.id), 100).await.unwrap();
    index.close().await;
    let events: Vec<&str> = lines.iter().rev().map(|line| line.event.as_str()).collect();
    assert_eq!(
        events,
        [
            "registered",
            "login_failed",
            "logged_in",
            "logged_out",
            "password_changed",
            "logged_out",
            "logged_in",
            "account_deleted"
        ]
    );
    for line in &lines {
        assert_eq!(line.address.as_deref(), Some("127.0.0.1"));
        assert!(!line.detail.contains("canary") && !line.detail.contains('@'), "{}", line.detail);
    }
    world.stop().await;
}
