//! The one origin policy, used by CORS and, because browsers do not apply CORS to WebSockets, before every upgrade.

use reqwest::Url;
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// The exact origins that may call from a browser.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Origins {
    allowed: BTreeSet<String>,
}

impl Origins {
    /// Allows the listed origins, parsed and written as browsers write them: scheme, host in ASCII, port unless it is the
    /// scheme's own.
    pub fn listed<'a>(origins: impl IntoIterator<Item = &'a str>) -> Self {
        let allowed = origins
            .into_iter()
            .filter_map(|origin| Url::parse(origin).ok())
            .map(|url| url.origin().ascii_serialization())
            .collect();
        Self { allowed }
    }

    /// Allows the server's own address too, under its loopback names: the embedded mode.
    #[must_use]
    pub fn with_own(mut self, bound: SocketAddr) -> Self {
        let port = bound.port();
        for host in ["127.0.0.1", "localhost", "[::1]"] {
            self.allowed.insert(format!("http://{host}:{port}"));
        }
        self.allowed.insert(format!("http://{bound}"));
        self
    }

    /// Returns the origin that an `Origin` header names, if it is allowed; `null` never is.
    pub fn allowed(&self, origin: &[u8]) -> Option<&str> {
        self.allowed.get(std::str::from_utf8(origin).ok()?).map(String::as_str)
    }

    /// Returns whether the value of an `Origin` header is allowed.
    pub fn allows(&self, origin: &[u8]) -> bool {
        self.allowed(origin).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_origins_pass() {
        let origins = Origins::listed(["https://captions.example.org/", ""])
            .with_own(SocketAddr::from(([127, 0, 0, 1], 7070)));
        for allowed in [
            "https://captions.example.org",
            "http://127.0.0.1:7070",
            "http://localhost:7070",
            "http://[::1]:7070",
        ] {
            assert!(origins.allows(allowed.as_bytes()), "{allowed}");
        }
        for refused in [
            "",
            "null",
            "http://captions.example.org",
            "https://captions.example.org.evil.test",
            "https://captions.example.org:444",
            "http://localhost",
            "http://localhost:7071",
            "https://localhost:7070",
        ] {
            assert!(!origins.allows(refused.as_bytes()), "{refused}");
        }
        assert!(!origins.allows(b"\xff"));
    }
}
