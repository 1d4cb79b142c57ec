//! Which addresses callbacks may go to: origins that the operator listed, and of what their names lead to only what is on
//! the public internet. Pure.

use reqwest::Url;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest address.
const MAX_URL_BYTES: usize = 2048;

/// What the operator allows.
#[derive(Clone, Debug)]
pub struct CallbackPolicy {
    /// As ASCII: scheme, host, port.
    origins: Vec<String>,
    allow_private: bool,
}

impl CallbackPolicy {
    /// Takes checked origins; `allow_private` also lets names lead to private addresses.
    pub fn new(origins: &[String], allow_private: bool) -> Self {
        let parsed = origins.iter().filter_map(|origin| Url::parse(origin).ok());
        Self { origins: parsed.map(|url| url.origin().ascii_serialization()).collect(), allow_private }
    }

    /// Returns whether any address is allowed.
    pub const fn is_on(&self) -> bool {
        !self.origins.is_empty()
    }

    /// Reads an address that an owner named; the error says what would be right.
    pub fn check(&self, url: &str) -> Result<Url, &'static str> {
        if !self.is_on() {
            return Err("this server sends no callbacks; follow the job on /ws or ask for it");
        }
        let parsed = Url::parse(url).ok().filter(|_| url.len() <= MAX_URL_BYTES);
        let parsed =
            parsed.ok_or("it must be a URL such as https://hooks.example.org/jobs, of 2048 bytes at most")?;
        if !parsed.username().is_empty() || parsed.password().is_some() || parsed.fragment().is_some() {
            return Err("it must hold no user, password or fragment");
        }
        if !self.origins.contains(&parsed.origin().ascii_serialization()) {
            return Err("its origin is not among those that this server's operator allows");
        }
        let host = parsed.host_str().unwrap_or_default().trim_matches(['[', ']']);
        if host.parse().is_ok_and(|ip| !self.allows(ip)) {
            return Err("its address is a private one");
        }
        Ok(parsed)
    }

    /// Returns whether a connection to this address may be made.
    pub fn allows(&self, ip: IpAddr) -> bool {
        self.allow_private || is_public(ip)
    }
}

/// Returns whether an address is on the public internet (IANA's special-purpose registries, RFC 6890 and its updates).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_special = a == 0
        || a == 10
        || a == 127
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 192 && b == 168)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113)
        || a >= 224;
    !is_special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    if let Some(inner) = ip.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    // 2000::/3 is what is assigned at all; of it, the tunnels that carry IPv4 inside and the documentation are left out.
    match (a, b) {
        (0x2001, 0..0x0200 | 0x0db8) | (0x2002, _) | (0x3fff, 0..0x1000) => false,
        _ => (0x2000..0x4000).contains(&a),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_origins_pass() {
        let policy = CallbackPolicy::new(
            &[
                "https://hooks.example.org".into(),
                "https://hooks.example.org:8443".into(),
                "https://1.1.1.1".into(),
            ],
            false,
        );
        for good in [
            "https://hooks.example.org/jobs?for=me",
            "https://HOOKS.example.org:443/",
            "https://hooks.example.org:8443/x",
            "https://1.1.1.1/",
        ] {
            assert!(policy.check(good).is_ok(), "{good}");
        }
        let long = format!("https://hooks.example.org/{}", "x".repeat(MAX_URL_BYTES));
        for bad in [
            "http://hooks.example.org/jobs",
            "https://hooks.example.org:444/",
            "https://hooks.example.org.evil.example/",
            "https://evil.example/https://hooks.example.org",
            "https://me@hooks.example.org/",
            "https://hooks.example.org@evil.example/",
            "https://hooks.example.org/#x",
            "https://sub.hooks.example.org/",
            "ftp://hooks.example.org/",
            "file:///etc/passwd",
            "//hooks.example.org/",
            "",
            &long,
        ] {
            assert!(policy.check(bad).is_err(), "{bad}");
        }
        assert!(CallbackPolicy::new(&[], true).check("https://hooks.example.org/").is_err(), "off");
    }

    #[test]
    fn a_private_address_is_refused_even_if_it_is_listed() {
        let listed =
            ["http://127.0.0.1:9000".into(), "http://[::1]:9000".into(), "http://169.254.169.254".into()];
        let (strict, lenient) = (CallbackPolicy::new(&listed, false), CallbackPolicy::new(&listed, true));
        for url in [
            "http://127.0.0.1:9000/",
            "http://[::1]:9000/",
            "http://169.254.169.254/latest/meta-data",
            "http://2130706433:9000/",
            "http://0x7f.1:9000/",
        ] {
            assert!(strict.check(url).is_err(), "{url}");
            assert!(lenient.check(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn special_addresses_are_not_public() {
        for special in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(special.parse().expect("an address")), "{special}");
        }
        for public in ["1.1.1.1", "8.8.8.8", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"] {
            assert!(is_public(public.parse().expect("an address")), "{public}");
        }
    }
}
