//! The browser's refresh token: its cookie, and what a page must show to use it.

use super::people::PASSWORD;
use super::{World, assert_problem};
use crate::auth::RefreshSecret;
use actix_web::test;
use reqwest::{Method, Response};
use serde_json::{Value, json};

const NAME: &str = "sottovoce_rt";
const SECURE_NAME: &str = "__Host-sottovoce_rt";

fn cookie_of(answer: &Response) -> String {
    let cookies: Vec<_> = answer.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies.len(), 1);
    cookies[0].to_str().unwrap().to_owned()
}

/// Returns `name=value` of an answer's cookie.
fn pair_of(answer: &Response) -> String {
    cookie_of(answer).split(';').next().unwrap().to_owned()
}

impl World {
    /// A page of the server itself registers; returns the cookie.
    async fn join_in_browser(&self, email: &str) -> String {
        let body = json!({"email": email, "password": PASSWORD});
        let joining = self.bare(Method::POST, "/auth/register").header("origin", &self.base).json(&body);
        let joined = joining.send().await.unwrap();
        assert_eq!(joined.status(), 201);
        let cookie = pair_of(&joined);
        let tokens: Value = joined.json().await.unwrap();
        assert!(tokens["access_token"].is_string() && tokens["refresh_token"].is_null());
        cookie
    }

    /// Calls as a page would, with these `Origin`s and this CSRF header.
    async fn page_calls(&self, path: &str, cookie: &str, origins: &[&str], csrf: Option<&str>) -> Response {
        let mut request = self.bare(Method::POST, path).header("cookie", cookie);
        for origin in origins {
            request = request.header("origin", *origin);
        }
        if let Some(csrf) = csrf {
            request = request.header("x-sottovoce-csrf", csrf);
        }
        request.send().await.unwrap()
    }

    async fn own_page_calls(&self, path: &str, cookie: &str) -> Response {
        self.page_calls(path, cookie, &[&self.base], Some("1")).await
    }
}

#[test]
async fn the_cookie_is_for_this_host_and_no_script() {
    for (public_url, name, secure) in
        [("", NAME, ""), ("https://captions.example.org", SECURE_NAME, "; Secure")]
    {
        let world =
            World::start_with(Default::default(), |config| config.http.public_url = public_url.into()).await;
        let body = json!({"email": "ada@example.test", "password": PASSWORD});
        for path in ["/auth/register", "/auth/login"] {
            let answer = world.post(path, &body).await;
            let cookie = cookie_of(&answer);
            let (pair, attributes) = cookie.split_once("; ").unwrap();
            let (key, value) = pair.split_once('=').unwrap();
            assert!(key == name && RefreshSecret::looks_like(value), "{cookie}");
            let (path, rest) = attributes.split_once("; Max-Age=").unwrap();
            let (max_age_s, rest) = rest.split_once("; ").unwrap();
            assert_eq!(path, "Path=/");
            let max_age_s: u64 = max_age_s.parse().unwrap();
            assert!((14 * 86_400 - 60..=14 * 86_400).contains(&max_age_s));
            assert_eq!(rest, format!("HttpOnly; SameSite=Strict{secure}"));
        }
        world.stop().await;
    }
}

#[test]
async fn a_page_lives_on_the_cookie_until_it_logs_out() {
    let world = World::start().await;
    let first = world.join_in_browser("ada@example.test").await;
    let refreshed = world.own_page_calls("/auth/refresh", &first).await;
    assert_eq!(refreshed.status(), 200);
    let second = pair_of(&refreshed);
    assert_ne!(first, second);
    let tokens: Value = refreshed.json().await.unwrap();
    assert!(tokens["refresh_token"].is_null());
    let access = tokens["access_token"].as_str().unwrap();
    assert!(world.opens(access).await);

    let among_others = format!("theme=dark; {second}; {NAME}x=y");
    let third = pair_of(&world.own_page_calls("/auth/refresh", &among_others).await);
    let out = world.own_page_calls("/auth/logout", &third).await;
    assert_eq!(out.status(), 204);
    assert_eq!(out.headers()["clear-site-data"], "\"storage\"");
    assert!(cookie_of(&out).starts_with(&format!("{NAME}=; Path=/; Max-Age=0;")));
    assert!(!world.opens(access).await);
    let dead = world.own_page_calls("/auth/refresh", &third).await;
    assert!(cookie_of(&dead).contains("Max-Age=0"));
    assert_problem(dead, 401, "refresh_invalid").await;
    assert_eq!(world.own_page_calls("/auth/logout", &third).await.status(), 204);
    world.stop().await;
}

#[test]
async fn forged_requests_use_no_cookie() {
    let world = World::start().await;
    let cookie = world.join_in_browser("ada@example.test").await;
    let own = world.base.clone();
    let suffixed = format!("{own}.evil.test");
    let own = own.as_str();
    for path in ["/auth/refresh", "/auth/logout"] {
        for (origins, csrf, code) in [
            (&[own][..], None, "csrf"),
            (&[own][..], Some(""), "csrf"),
            (&[own][..], Some("0"), "csrf"),
            (&[own][..], Some("true"), "csrf"),
            (&[][..], None, "csrf"),
            (&["https://evil.test"][..], None, "csrf"),
            (&[][..], Some("1"), "origin"),
            (&["https://evil.test"][..], Some("1"), "origin"),
            (&["null"][..], Some("1"), "origin"),
            (&[""][..], Some("1"), "origin"),
            (&[suffixed.as_str()][..], Some("1"), "origin"),
            (&[own, "https://evil.test"][..], Some("1"), "origin"),
            (&["https://evil.test", own][..], Some("1"), "origin"),
            (&[own, own][..], Some("1"), "origin"),
        ] {
            let refused = world.page_calls(path, &cookie, origins, csrf).await;
            assert!(!refused.headers().contains_key("set-cookie"));
            assert_problem(refused, 403, code).await;
        }
    }
    assert_eq!(world.own_page_calls("/auth/refresh", &cookie).await.status(), 200, "nothing was used up");
    world.stop().await;
}

#[test]
async fn the_cookie_is_read_nowhere_else() {
    let world = World::start().await;
    let cookie = world.join_in_browser("ada@example.test").await;
    for (method, path) in [
        (Method::GET, "/auth/me"),
        (Method::DELETE, "/auth/me"),
        (Method::POST, "/auth/logout-all"),
        (Method::POST, "/auth/ws-tickets"),
        (Method::GET, "/auth/api-keys"),
        (Method::GET, "/saas/jobs"),
        (Method::GET, "/v1/listen"),
        (Method::GET, "/ws"),
    ] {
        let request = world.bare(method, path).header("cookie", &cookie).header("origin", &world.base);
        assert_eq!(request.header("x-sottovoce-csrf", "1").send().await.unwrap().status(), 401, "{path}");
    }
    world.stop().await;
}

#[test]
async fn foreign_pages_set_no_cookie() {
    let world = World::start().await;
    world.join("ada@example.test").await;
    for origin in ["https://evil.test", "null", "", "http://localhost"] {
        for (path, email) in [("/auth/login", "ada@example.test"), ("/auth/register", "eve@example.test")] {
            let call = |client: &str| {
                let body = json!({"email": email, "password": PASSWORD, "client": client});
                let sending = world.bare(Method::POST, path).header("origin", origin).json(&body).send();
                async { sending.await.unwrap() }
            };
            let refused = call("browser").await;
            assert!(!refused.headers().contains_key("set-cookie"));
            assert_problem(refused, 403, "origin").await;
        }
        // A native client gets no cookie; the page could not read the answer.
        let body = json!({"email": "ada@example.test", "password": PASSWORD, "client": "native"});
        let native = world.bare(Method::POST, "/auth/login").header("origin", origin).json(&body);
        let native = native.send().await.unwrap();
        assert_eq!(native.status(), 200);
        assert!(!native.headers().contains_key("set-cookie"));
        assert!(!native.headers().contains_key("access-control-allow-origin"));
    }
    assert_eq!(world.try_login("eve@example.test", PASSWORD).await.0, 401, "no account was made");
    world.stop().await;
}

#[test]
async fn a_body_needs_no_page_and_goes_before_the_cookie() {
    let world = World::start().await;
    let cookie = world.join_in_browser("ada@example.test").await;
    let person = world.come_back("ada@example.test", PASSWORD).await;
    let body = json!({"refresh_token": person.refresh});
    let request = world.bare(Method::POST, "/auth/refresh").header("cookie", &cookie);
    let answer = request.header("origin", "https://evil.test").json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("set-cookie"));
    let tokens: Value = answer.json().await.unwrap();
    assert!(tokens["refresh_token"].is_string());
    assert_eq!(world.own_page_calls("/auth/refresh", &cookie).await.status(), 200, "the cookie was not used");
    world.stop().await;
}

#[test]
async fn a_stolen_cookie_is_taken_out() {
    let world = World::start_with(Default::default(), |config| config.auth.refresh_grace_ms = 0).await;
    let first = world.join_in_browser("ada@example.test").await;
    let second = pair_of(&world.own_page_calls("/auth/refresh", &first).await);
    for (cookie, code) in [(&first, "refresh_reused"), (&second, "refresh_invalid")] {
        let refused = world.own_page_calls("/auth/refresh", cookie).await;
        assert!(cookie_of(&refused).starts_with(&format!("{NAME}=; Path=/; Max-Age=0;")));
        assert_problem(refused, 401, code).await;
    }
    world.stop().await;
}

#[test]
async fn behind_tls_only_the_cookie_of_this_host_counts() {
    let own = "https://captions.example.org";
    let world = World::start_with(Default::default(), |config| config.http.public_url = own.into()).await;
    let body = json!({"email": "ada@example.test", "password": PASSWORD});
    let joined = world.post("/auth/register", &body).await;
    let cookie = pair_of(&joined);
    let plain = cookie.replace(SECURE_NAME, NAME);
    let refused = world.page_calls("/auth/refresh", &plain, &[own], Some("1")).await;
    assert_problem(refused, 401, "refresh_invalid").await;
    assert_eq!(world.page_calls("/auth/refresh", &cookie, &[own], Some("1")).await.status(), 200);
    world.stop().await;
}

#[test]
async fn an_allowed_page_may_ask_to_use_the_cookie() {
    let world = World::start_with(Default::default(), |config| {
        config.http.allowed_origins = vec!["https://captions.example.org".into()];
    })
    .await;
    for (origin, allowed) in [("https://captions.example.org", true), ("https://evil.test", false)] {
        let asked = world.bare(Method::OPTIONS, "/auth/refresh").header("origin", origin);
        let asked = asked.header("access-control-request-method", "POST");
        let asked = asked.header("access-control-request-headers", "content-type, x-sottovoce-csrf");
        let answer = asked.send().await.unwrap();
        let seen = answer.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap());
        assert_eq!(seen, allowed.then_some(origin));
        if allowed {
            assert_eq!(answer.headers()["access-control-allow-credentials"], "true");
            let headers = answer.headers()["access-control-allow-headers"].to_str().unwrap().to_owned();
            assert!(headers.to_ascii_lowercase().contains("x-sottovoce-csrf"), "{headers}");
        }
    }
    world.stop().await;
}
