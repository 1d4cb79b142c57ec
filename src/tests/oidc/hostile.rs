//! With `oauth2-mock-server`, made to lie: nothing but a whole and true ID token opens a session.

use super::browser::Browser;
use super::providers::Provider;
use super::{account, app, app_with, assert_failed, assert_refused, kept, log_in, logged_in};
use std::collections::BTreeSet;

/// ID tokens and answers that are refused.
const LIES: &[&str] = &[
    "wrong_aud",
    "no_aud",
    "many_aud",
    "wrong_azp",
    "wrong_iss",
    "iss_slash",
    "no_iss",
    "wrong_nonce",
    "no_nonce",
    "expired",
    "no_exp",
    "from_tomorrow",
    "no_sub",
    "empty_sub",
    "long_sub",
    "alg_none",
    "no_signature",
    "hs256_secret",
    "hs256_public_key",
    "unknown_kid",
    "foreign_key",
    "foreign_key_without_kid",
    "changed",
    "garbage",
    "no_id_token",
    "token_400",
    "foreign_sender",
    "denied",
    "no_code",
    "redirect",
];

#[actix::test]
async fn no_lie_opens_a_session() {
    let provider = Provider::hostile();
    let app = app(&provider).await;
    for lie in LIES {
        provider.lie(lie).await;
        assert_failed(log_in(&app, &mut Browser::new(), "").await, lie).await;
    }
    let (accounts, events) = kept(&app).await;
    assert_eq!(accounts, 1, "no account was made beside the key's");
    assert_eq!(events.iter().collect::<BTreeSet<_>>(), BTreeSet::from([&"login_failed".to_owned()]));
    assert_eq!(events.len(), LIES.len());

    // The same provider is believed once it says the truth, so that each lie above was refused for what it is.
    for truth in ["none", "own_azp"] {
        provider.lie(truth).await;
        logged_in(&app, &log_in(&app, &mut Browser::new(), "").await).await;
    }
    app.finish().await;
}

#[actix::test]
async fn new_keys_are_read_once_when_a_token_names_one() {
    let provider = Provider::hostile();
    let app = app(&provider).await;
    logged_in(&app, &log_in(&app, &mut Browser::new(), "").await).await;
    assert_eq!(provider.keys_read().await, 1, "with the discovery document");
    logged_in(&app, &log_in(&app, &mut Browser::new(), "").await).await;
    assert_eq!(provider.keys_read().await, 1, "they are kept");
    provider.lie("rotated").await;
    logged_in(&app, &log_in(&app, &mut Browser::new(), "").await).await;
    assert_eq!(provider.keys_read().await, 2, "read again for the new key");
    provider.lie("none").await;
    logged_in(&app, &log_in(&app, &mut Browser::new(), "").await).await;
    assert_eq!(provider.keys_read().await, 2, "and kept");
    provider.lie("unknown_kid").await;
    assert_failed(log_in(&app, &mut Browser::new(), "").await, "unknown_kid").await;
    assert_eq!(provider.keys_read().await, 3, "once for a token, not more");
    app.finish().await;
}

#[actix::test]
async fn elliptic_keys_are_taken() {
    let provider = Provider::hostile();
    let app = app(&provider).await;
    // Access tokens take the first key, ID tokens the second.
    provider.lie("rotated_es256").await;
    logged_in(&app, &log_in(&app, &mut Browser::new(), "").await).await;
    app.finish().await;
}

#[actix::test]
async fn addresses_count_only_when_verified_and_never_take_an_account_over() {
    let provider = Provider::hostile();
    let app = app(&provider).await;
    provider.lie("verified_email").await;
    let first = logged_in(&app, &log_in(&app, &mut Browser::new(), "").await).await;
    assert_eq!(account(&app, first).await.email.as_deref(), Some("john@example.test"));
    let mut seen = BTreeSet::from([first]);
    for lie in ["unverified_email", "unsaid_email", "taken_email"] {
        provider.lie(lie).await;
        let id = logged_in(&app, &log_in(&app, &mut Browser::new(), "").await).await;
        let account = account(&app, id).await;
        assert_eq!((account.email, account.email_verified), (None, false), "{lie}");
        assert!(seen.insert(id), "{lie}: an account of its own");
    }
    provider.lie("none").await;
    let again = logged_in(&app, &log_in(&app, &mut Browser::new(), "").await).await;
    assert_eq!(again, first, "by its subject, without any address");
    assert_eq!(kept(&app).await.0, 5, "four people, and the account whose address one claimed");
    app.finish().await;
}

#[actix::test]
async fn a_provider_that_fails_is_unavailable_and_the_login_can_be_begun_again() {
    let provider = Provider::hostile();
    let app = app_with(&provider.issuer, &[("oidc__timeout_ms", "1500")]).await;
    for lie in ["token_500", "token_slow", "huge"] {
        provider.lie(lie).await;
        assert_refused(log_in(&app, &mut Browser::new(), "").await, 503, "idp_unavailable", lie).await;
    }
    provider.lie("none").await;
    logged_in(&app, &log_in(&app, &mut Browser::new(), "").await).await;
    app.finish().await;
}

#[actix::test]
async fn a_server_starts_without_its_provider() {
    let provider = Provider::hostile();
    let issuer = provider.issuer.clone();
    drop(provider);
    let app = app_with(&issuer, &[]).await;
    let answer = Browser::new().get(&app.url("/auth/oidc/login")).await;
    assert!(answer.headers().contains_key("retry-after"));
    assert_refused(answer, 503, "idp_unavailable", "down").await;
    assert_eq!(app.get("/readyz").await.status(), 200);
    app.finish().await;
}

/// Many logins at once wait for one answer that does not come, not for one each.
#[actix::test]
async fn a_provider_that_hangs_holds_up_nobody_twice() {
    const TIMEOUT: std::time::Duration = std::time::Duration::from_millis(1_000);
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let issuer = format!("http://{}", silent.local_addr().expect("an address"));
    let app = app_with(&issuer, &[("oidc__timeout_ms", "1000")]).await;
    let url = app.url("/auth/oidc/login");
    let began = tokio::time::Instant::now();
    let asking = (0..8).map(|_| {
        let url = url.clone();
        async move { Browser::new().get(&url).await }
    });
    for answer in futures_util::future::join_all(asking).await {
        assert_refused(answer, 503, "idp_unavailable", "it hangs").await;
    }
    assert!(began.elapsed() < TIMEOUT * 4, "eight waits took {:?}", began.elapsed());
    drop(silent);
    app.finish().await;
}

#[actix::test]
async fn the_issuer_is_compared_to_the_last_slash() {
    let provider = Provider::hostile_with_end("/");
    let exact = app(&provider).await;
    logged_in(&exact, &log_in(&exact, &mut Browser::new(), "").await).await;
    exact.finish().await;
    let without = app_with(provider.issuer.trim_end_matches('/'), &[]).await;
    let answer = Browser::new().get(&without.url("/auth/oidc/login")).await;
    assert_refused(answer, 503, "idp_unavailable", "another issuer than configured").await;
    without.finish().await;
}
