//! With `oidc-provider`, which keeps to the letter: PKCE is required, codes are for one use, `iss` comes back.

use super::browser::Browser;
use super::providers::Provider;
use super::{
    PUBLIC_URL, account, app, app_with, assert_failed, assert_refused, kept, log_in, logged_in, set_cookies,
};
use reqwest::Url;
use sottovoce::system::SystemClock;
use sottovoce_actors::ports::clock::Clock;

/// Returns a URL's query with one field put to another value, or taken out.
fn changed(callback: &str, field: &str, value: Option<&str>) -> String {
    let mut url = Url::parse(PUBLIC_URL).expect("a URL").join(callback).expect("a URL");
    let fields: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| name != field)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(fields).extend_pairs(value.map(|value| (field, value)));
    format!("{}?{}", url.path(), url.query().expect("a query"))
}

fn field(url: &str, name: &str) -> String {
    let url = Url::parse(PUBLIC_URL).expect("a URL").join(url).expect("a URL");
    let found = url.query_pairs().find(|(found, _)| found == name);
    found.unwrap_or_else(|| panic!("no {name} in {url}")).1.into_owned()
}

#[actix::test]
async fn a_person_logs_in_and_is_the_same_one_the_next_time() {
    let provider = Provider::honest();
    let app = app(&provider).await;
    let mut browser = Browser::new();
    let begun = browser.get(&app.url("/auth/oidc/login?return_to=/app%3Fjob%3D1")).await;
    assert_eq!(begun.status(), 302);
    let to = begun.headers()["location"].to_str().expect("text").to_owned();
    assert!(to.starts_with(&format!("{}/auth?", provider.issuer)), "{to}");
    assert_eq!(field(&to, "code_challenge_method"), "S256");
    assert_eq!(field(&to, "scope"), "openid email");
    assert_eq!(field(&to, "response_type"), "code");
    assert!(!field(&to, "nonce").is_empty() && field(&to, "nonce") != field(&to, "state"));
    let cookie = set_cookies(&begun).pop().expect("a cookie");
    assert!(cookie.starts_with("sottovoce_login=svs_"), "{cookie}");
    for attribute in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Max-Age=600"] {
        assert!(cookie.contains(attribute), "{attribute} in {cookie}");
    }
    assert!(!to.contains(cookie.split(['=', ';']).nth(1).expect("a value")), "the browser's own secret");

    let mut browser = Browser::new();
    let callback =
        browser.log_in_at_provider(&app, "/auth/oidc/login?return_to=/app%3Fjob%3D1", "alice").await;
    assert_eq!(field(&callback, "iss"), provider.issuer, "this provider says who it is");
    let answer = browser.get(&app.url(&callback)).await;
    assert_eq!(answer.headers()["location"], "/app?job=1");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["referrer-policy"], "no-referrer");
    let cookies = set_cookies(&answer);
    let refresh = cookies.iter().find(|cookie| cookie.starts_with("sottovoce_rt=svr_")).expect("refresh");
    assert!(refresh.contains("; HttpOnly") && refresh.contains("; SameSite=Strict"), "{refresh}");
    assert!(
        cookies.iter().any(|cookie| cookie.starts_with("sottovoce_login=;") && cookie.contains("Max-Age=0"))
    );
    let alice = logged_in(&app, &answer).await;
    let known = account(&app, alice).await;
    assert_eq!((known.email.as_deref(), known.email_verified), (Some("alice@example.test"), true));

    let again = log_in(&app, &mut Browser::new(), "alice").await;
    assert_eq!(logged_in(&app, &again).await, alice);
    let other = log_in(&app, &mut Browser::new(), "bob").await;
    assert_ne!(logged_in(&app, &other).await, alice);
    assert_eq!(other.headers()["location"], "/", "where nothing was asked for");
    let unverified = log_in(&app, &mut Browser::new(), "unverified").await;
    let unverified = logged_in(&app, &unverified).await;
    assert_eq!(account(&app, unverified).await.email, None, "nobody checked the address");
    let (_, events) = kept(&app).await;
    let count = |event: &str| events.iter().filter(|found| *found == event).count();
    assert_eq!((count("registered"), count("logged_in"), count("login_failed")), (3, 4, 0), "{events:?}");
    app.finish().await;
}

#[actix::test]
async fn a_callback_is_good_once_and_in_the_browser_that_began() {
    let provider = Provider::honest();
    let app = app(&provider).await;
    let mut browser = Browser::new();
    let callback = browser.log_in_at_provider(&app, "/auth/oidc/login", "alice").await;

    assert_failed(Browser::new().get(&app.url(&callback)).await, "a browser without a cookie").await;
    let mut stranger = Browser::new();
    let strangers = stranger.log_in_at_provider(&app, "/auth/oidc/login", "mallory").await;
    assert_failed(stranger.get(&app.url(&callback)).await, "another browser's cookie").await;
    assert_failed(browser.get(&app.url(&strangers)).await, "the state of another's login").await;
    let swapped = changed(&strangers, "code", Some(&field(&callback, "code")));
    assert_failed(stranger.get(&app.url(&swapped)).await, "the code of another's login").await;

    // A code that came to the provider with the wrong verifier is spent there, so this is another login.
    let callback = browser.log_in_at_provider(&app, "/auth/oidc/login", "alice").await;
    let mut copy = Browser::new().with_cookies_of(&browser);
    logged_in(&app, &browser.get(&app.url(&callback)).await).await;
    assert_failed(browser.get(&app.url(&callback)).await, "replayed").await;
    assert_failed(copy.get(&app.url(&callback)).await, "replayed with the cookie it had").await;
    let mut later = Browser::new();
    let fresh = later.log_in_at_provider(&app, "/auth/oidc/login", "alice").await;
    let replayed = changed(&fresh, "code", Some(&field(&callback, "code")));
    assert_failed(later.get(&app.url(&replayed)).await, "a spent code in a new login").await;
    app.finish().await;
}

#[actix::test]
async fn callbacks_that_are_not_whole_are_refused_alike() {
    let provider = Provider::honest();
    let app = app(&provider).await;
    let mut bodies = std::collections::BTreeSet::new();
    for (name, value) in [
        ("state", None),
        ("state", Some("")),
        ("state", Some("svs_0000000000000000000000000000000000000000000")),
        ("code", None),
        ("code", Some("")),
        ("code", Some("another")),
        ("iss", None),
        ("iss", Some("http://127.0.0.1:1")),
        ("error", Some("access_denied")),
    ] {
        let mut browser = Browser::new();
        let callback = browser.log_in_at_provider(&app, "/auth/oidc/login", "alice").await;
        let answer = browser.get(&app.url(&changed(&callback, name, value))).await;
        assert_eq!(answer.status(), 401, "{name} {value:?}");
        assert!(set_cookies(&answer).is_empty());
        let mut problem: serde_json::Value = answer.json().await.expect("a problem");
        problem.as_object_mut().expect("an object").remove("request_id");
        bodies.insert(problem.to_string());
    }
    let doubled = "/auth/oidc/callback?state=a&state=b&code=c";
    assert_failed(Browser::new().get(&app.url(doubled)).await, "two states").await;
    assert_eq!(bodies.len(), 1, "one answer for all causes: {bodies:?}");
    app.finish().await;
}

#[actix::test]
async fn logins_go_on_at_paths_of_this_server_only() {
    let provider = Provider::honest();
    let app = app(&provider).await;
    for elsewhere in ["//evil.test", "/%5Cevil.test", "https://evil.test", "", "/%0d%0aa:b", "/%09/evil.test"]
    {
        let answer = Browser::new().get(&app.url(&format!("/auth/oidc/login?return_to={elsewhere}"))).await;
        assert_refused(answer, 400, "bad_return_to", elsewhere).await;
    }
    app.finish().await;
}

#[actix::test]
async fn newcomers_are_refused_where_registration_is_not_open_and_known_people_pass() {
    let provider = Provider::honest();
    let opened = app(&provider).await;
    let alice = log_in(&opened, &mut Browser::new(), "alice").await;
    let alice = logged_in(&opened, &alice).await;
    let (_, mut folder) = opened.stop().await;
    for policy in ["closed", "invite"] {
        let app = super::app_on(folder, &provider.issuer, &[("auth__registration", policy)]).await;
        let newcomer = log_in(&app, &mut Browser::new(), "carol").await;
        assert_refused(newcomer, 403, "registration_closed", policy).await;
        let known = log_in(&app, &mut Browser::new(), "alice").await;
        assert_eq!(logged_in(&app, &known).await, alice);
        assert_eq!(kept(&app).await.0, 2, "the key's account and alice's");
        folder = app.stop().await.1;
    }
    let app = super::app_on(folder, &provider.issuer, &[]).await;
    let index = app.index().await;
    index.identity().set_suspended(alice, true, SystemClock.now()).await.expect("suspended");
    index.close().await;
    assert_failed(log_in(&app, &mut Browser::new(), "alice").await, "suspended").await;
    app.stop().await;
}

#[actix::test]
async fn cookies_are_for_tls_where_the_public_address_is() {
    let provider = Provider::honest();
    let app = app_with(&provider.issuer, &[("http__public_url", "https://sottovoce.test")]).await;
    let answer = Browser::new().get(&app.url("/auth/oidc/login")).await;
    let to = answer.headers()["location"].to_str().expect("text");
    assert_eq!(field(to, "redirect_uri"), "https://sottovoce.test/auth/oidc/callback");
    let cookie = set_cookies(&answer).pop().expect("a cookie");
    assert!(cookie.starts_with("__Host-sottovoce_login=") && cookie.contains("; Secure"), "{cookie}");
    assert!(cookie.contains("; Path=/;") && !cookie.contains("Domain"), "{cookie}");
    app.finish().await;
}

#[actix::test]
async fn without_a_provider_there_are_no_such_routes() {
    let app = crate::app::TestApp::start().await;
    for path in ["/auth/oidc/login", "/auth/oidc/callback", "/auth/oidc/login?return_to=//evil.test"] {
        assert_refused(app.get(path).await, 404, "not_found", path).await;
    }
    app.finish().await;
}
