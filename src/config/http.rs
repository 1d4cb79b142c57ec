//! `[http]`: the main listener.

use super::Mode;
use super::defect::Checker;
use reqwest::Url;
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};

/// The main listener; keys as in `default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// `ADDRESS:PORT`, checked; see [`HttpConfig::bind_address`].
    pub bind: String,
    /// The address users see, or empty.
    pub public_url: String,
    /// Browser origins allowed besides the server's own.
    pub allowed_origins: Vec<String>,
    /// Addresses or CIDR networks whose `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<String>,
    /// Worker threads.
    pub workers: usize,
    /// Time for a request's head.
    pub request_timeout_ms: u64,
    /// Idle connection.
    pub keep_alive_ms: u64,
    /// Running requests at shutdown.
    pub shutdown_timeout_ms: u64,
    /// `TCP_USER_TIMEOUT`; 0: the system's.
    pub tcp_user_timeout_ms: u64,
}

impl HttpConfig {
    /// Returns what links begin with, without a final slash: the public address, or the one that is listened on.
    pub fn base_url(&self, listening: impl std::fmt::Display) -> String {
        match self.public_url.trim_end_matches('/') {
            "" => format!("http://{listening}"),
            url => url.to_owned(),
        }
    }

    /// Returns the address to listen on.
    pub fn bind_address(&self) -> SocketAddr {
        self.bind
            .parse()
            .unwrap_or_else(|_| panic!("http.bind was checked when the configuration was loaded"))
    }

    pub(super) fn check(&self, mode: Mode, checker: &mut Checker<'_>) {
        checker.require("http.bind", self.bind.parse::<SocketAddr>().is_ok(), || {
            format!(
                "{} is no address; write ADDRESS:PORT, e.g. 127.0.0.1:7070 or [::1]:7070",
                shown(&self.bind)
            )
        });
        checker.require("http.public_url", self.public_url.is_empty() || is_origin(&self.public_url), || {
            "it must be like https://captions.example.org, without a path or user".into()
        });
        for origin in &self.allowed_origins {
            checker.require("http.allowed_origins", !origin.contains('*'), || {
                "a wildcard would let every page act for its visitors; list each origin".into()
            });
            checker.require("http.allowed_origins", origin.contains('*') || is_origin(origin), || {
                format!(
                    "{} is no origin; write scheme://host or scheme://host:port, without a path",
                    shown(origin)
                )
            });
        }
        if mode == Mode::Production {
            self.check_public(checker);
        }
        for proxy in &self.trusted_proxies {
            checker.require("http.trusted_proxies", is_network(proxy), || {
                format!("{} is neither an address nor a network such as 10.0.0.0/8", shown(proxy))
            });
        }
        checker.within("http.workers", self.workers as u64, 1, 256);
        checker.within("http.request_timeout_ms", self.request_timeout_ms, 10, 600_000);
        checker.within("http.keep_alive_ms", self.keep_alive_ms, 0, 3_600_000);
        checker.within("http.shutdown_timeout_ms", self.shutdown_timeout_ms, 0, 3_600_000);
        checker.within("http.tcp_user_timeout_ms", self.tcp_user_timeout_ms, 0, 3_600_000);
    }
}

impl HttpConfig {
    /// What the public needs: TLS in front, and a list of who may call from a browser.
    fn check_public(&self, checker: &mut Checker<'_>) {
        checker.require("http.public_url", self.public_url.starts_with("https://"), || {
            "it must be the https address that users see, e.g. https://captions.example.org".into()
        });
        checker.require("http.allowed_origins", !self.allowed_origins.is_empty(), || {
            "it is empty; list each origin that may call from a browser, at least the public one".into()
        });
        checker.require("http.trusted_proxies", !self.trusted_proxies.is_empty(), || {
            "it is empty; name the proxy that ends TLS, or all clients would count as one, the proxy".into()
        });
        for origin in &self.allowed_origins {
            checker.require("http.allowed_origins", !origin.starts_with("http://"), || {
                format!(
                    "{} is not https; a page that anybody on the way can alter must not be allowed",
                    shown(origin)
                )
            });
        }
    }
}

/// Quotes an entry, unless it may hold a password.
fn shown(entry: &str) -> String {
    if entry.contains('@') { "an entry with an @".into() } else { format!("`{entry}`") }
}

/// Returns whether the text is `http(s)://host[:port]`, a final slash allowed.
pub(super) fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

/// Returns whether the text is an address or `ADDRESS/BITS`.
fn is_network(text: &str) -> bool {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let most = if address.is_ipv4() { 32 } else { 128 };
    bits.is_none_or(|bits| bits.parse::<u8>().is_ok_and(|bits| bits <= most))
}
