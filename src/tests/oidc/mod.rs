//! Login through real OpenID providers: an honest one with a login form, and one that lies on command.

mod browser;
mod honest;
mod hostile;
mod providers;

use crate::app::TestApp;
use browser::Browser;
use providers::{CLIENT_SECRET, Provider};
use reqwest::StatusCode;
use serde_json::Value;
use sottovoce::auth::RefreshSecret;
use sottovoce::system::SystemClock;
use sottovoce_actors::ports::clock::Clock;
use sottovoce_actors::ports::identity::Account;
use sottovoce_actors::testkit::ScriptedEngine;
use sottovoce_protocol::ids::AccountId;
use tempfile::TempDir;

/// Where the provider sends browsers back to; the tests' browser takes it to the server's real address.
pub const PUBLIC_URL: &str = "http://sottovoce.test";

/// Starts a server that logs in through this issuer.
async fn app_with(issuer: &str, more: &[(&str, &str)]) -> TestApp {
    TestApp::with(&settings(issuer, more)).await
}

fn settings<'a>(issuer: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let settings = [
        ("http__public_url", PUBLIC_URL),
        ("auth__registration", "open"),
        ("oidc__issuer", issuer),
        ("oidc__client_id", "app"),
        ("oidc__client_secret", CLIENT_SECRET),
    ];
    settings.iter().chain(more).copied().collect()
}

/// The same, on the data folder of one before.
async fn app_on(data_dir: TempDir, issuer: &str, more: &[(&str, &str)]) -> TestApp {
    TestApp::on(data_dir, &settings(issuer, more), ScriptedEngine::new()).await
}

async fn app(provider: &Provider) -> TestApp {
    app_with(&provider.issuer, &[]).await
}

/// Returns the account that a successful callback logged in.
async fn logged_in(app: &TestApp, answer: &reqwest::Response) -> AccountId {
    assert_eq!(answer.status(), StatusCode::FOUND, "{:?}", answer.headers());
    let cookie = set_cookies(answer).into_iter().find(|cookie| cookie.contains("sottovoce_rt="));
    let cookie = cookie.expect("a refresh cookie");
    let secret = cookie.split(['=', ';']).nth(1).expect("a value");
    let index = app.index().await;
    let hash = RefreshSecret::presented(secret).hash();
    let found = index.identity().session_of_refresh(&hash).await.expect("answered");
    let (session, account) = found.expect("a session");
    index.identity().session(session, SystemClock.now()).await.expect("the session holds");
    index.close().await;
    account
}

/// Asserts that a callback ended in the one answer for every cause.
async fn assert_failed(answer: reqwest::Response, cause: &str) {
    assert_refused(answer, 401, "login_failed", cause).await;
}

async fn assert_refused(answer: reqwest::Response, status: u16, code: &str, cause: &str) {
    let (seen, cookies) = (answer.status().as_u16(), set_cookies(&answer));
    let problem: Value = answer.json().await.expect("a problem");
    assert_eq!((seen, problem["code"].as_str()), (status, Some(code)), "{cause}: {problem}");
    assert!(cookies.iter().all(|cookie| !cookie.contains("sottovoce_rt")), "{cause}: {cookies:?}");
}

fn set_cookies(answer: &reqwest::Response) -> Vec<String> {
    let cookies = answer.headers().get_all("set-cookie").iter();
    cookies.map(|value| value.to_str().expect("text").to_owned()).collect()
}

async fn account(app: &TestApp, id: AccountId) -> Account {
    let index = app.index().await;
    let account = index.identity().account(id).await.expect("an account");
    index.close().await;
    account
}

/// Returns how many accounts there are, and the events of the audit log.
async fn kept(app: &TestApp) -> (usize, Vec<String>) {
    let index = app.index().await;
    let accounts = index.identity().accounts(None, 100).await.expect("accounts").len();
    let events = index.identity().audit_log(None, 1000).await.expect("audit log");
    index.close().await;
    (accounts, events.into_iter().map(|line| line.event).collect())
}

/// Goes to the provider and back, as a browser that logs in does; returns the server's last answer.
async fn log_in(app: &TestApp, browser: &mut Browser, name: &str) -> reqwest::Response {
    let callback = browser.log_in_at_provider(app, "/auth/oidc/login", name).await;
    browser.get(&app.url(&callback)).await
}
