//! A browser as far as a login needs one: keeps cookies by host and path, follows redirects, fills in the two forms of
//! `oidc-provider`.

use super::PUBLIC_URL;
use crate::app::TestApp;
use reqwest::Url;
use std::collections::BTreeMap;

/// Redirects and forms of one login; more is a loop.
const MAX_STEPS: usize = 20;

/// The browser.
pub struct Browser {
    http: reqwest::Client,
    /// By host and port, path and name.
    cookies: BTreeMap<(String, String, String), String>,
}

impl Browser {
    pub fn new() -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        Self { http: http.expect("client"), cookies: BTreeMap::new() }
    }

    pub async fn get(&mut self, url: &str) -> reqwest::Response {
        self.send(self.http.get(url), url).await
    }

    async fn send(&mut self, request: reqwest::RequestBuilder, url: &str) -> reqwest::Response {
        let url = Url::parse(url).expect("a URL");
        let host = url.authority().to_owned();
        let fitting =
            self.cookies.iter().filter(|((at, path, _), _)| *at == host && url.path().starts_with(path));
        let cookies: Vec<String> = fitting.map(|((_, _, name), value)| format!("{name}={value}")).collect();
        let request = if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) };
        let answer = request.send().await.expect("an answer");
        for cookie in super::set_cookies(&answer) {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((&cookie, ""));
            let (name, value) = pair.split_once('=').expect("a cookie");
            let attribute = |wanted: &str| {
                let mut pairs = attributes.split(';').filter_map(|one| one.trim().split_once('='));
                pairs.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
            };
            let path = attribute("path");
            let key = (host.clone(), path.unwrap_or("/").to_owned(), name.to_owned());
            if value.is_empty() || attribute("max-age") == Some("0") {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, value.to_owned());
            }
        }
        answer
    }

    /// Begins a login at this path and follows it through the provider as this person; returns the path and query of
    /// the server that it ends at.
    pub async fn log_in_at_provider(&mut self, app: &TestApp, path: &str, name: &str) -> String {
        let mut answer = self.get(&app.url(path)).await;
        let mut at = Url::parse(&app.url(path)).expect("a URL");
        for _ in 0..MAX_STEPS {
            if let Some(location) = answer.headers().get("location") {
                at = at.join(location.to_str().expect("text")).expect("a URL");
                if let Some(back) = at.as_str().strip_prefix(PUBLIC_URL) {
                    return back.to_owned();
                }
                answer = self.get(at.as_str()).await;
                continue;
            }
            assert_eq!(answer.status(), 200, "at {at}: {:?}", answer.text().await);
            let page = answer.text().await.expect("a page");
            let action = between(&page, "action=\"", "\"");
            let prompt = between(&page, "name=\"prompt\" value=\"", "\"");
            at = at.join(action).expect("a URL");
            let fields = [("prompt", prompt), ("login", name), ("password", "any")];
            let form = fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
            let request = self
                .http
                .post(at.as_str())
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form.join("&"));
            answer = self.send(request, at.as_str()).await;
        }
        panic!("the provider does not come to an end, last at {at}");
    }

    /// Returns this browser with the cookies of another.
    pub fn with_cookies_of(mut self, other: &Self) -> Self {
        self.cookies.clone_from(&other.cookies);
        self
    }
}

fn between<'a>(page: &'a str, before: &str, after: &str) -> &'a str {
    let rest = page.split_once(before).unwrap_or_else(|| panic!("no {before} in {page}")).1;
    rest.split_once(after).expect("its end").0
}
