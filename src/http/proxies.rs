//! Whose `X-Forwarded-For` is believed: only that of proxies the operator lists. Anyone else could name any address.

use actix_web::HttpRequest;
use std::net::IpAddr;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Addresses and networks of the operator's own proxies; none by default.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<Network>);

#[derive(Clone, Copy, Debug)]
struct Network {
    address: IpAddr,
    bits: u32,
}

impl TrustedProxies {
    /// Reads `ADDRESS` or `ADDRESS/BITS` items, which the configuration has checked; others trust nobody.
    pub fn listed<'a>(items: impl IntoIterator<Item = &'a str>) -> Self {
        Self(items.into_iter().filter_map(Network::parse).collect())
    }

    /// Returns the address a request came from: the peer, or, where that is a trusted proxy, the nearest one in
    /// `X-Forwarded-For` that is not.
    pub fn client_of(&self, request: &HttpRequest) -> Option<IpAddr> {
        let mut client = plain(request.peer_addr()?.ip());
        let headers = request.headers().get_all(FORWARDED_FOR).filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = headers.flat_map(|value| value.split(',')).map(str::trim).collect();
        for hop in hops.into_iter().rev() {
            if !self.trusts(client) {
                break;
            }
            let Ok(named) = hop.parse::<IpAddr>() else { break };
            client = plain(named);
        }
        Some(client)
    }

    /// Returns what stands for the client in counts: its address, or the /64 network that one IPv6 subscriber has.
    pub fn counted(&self, request: &HttpRequest) -> Option<IpAddr> {
        self.client_of(request).map(|client| match client {
            IpAddr::V4(_) => client,
            IpAddr::V6(address) => IpAddr::V6((u128::from(address) & (u128::MAX << 64)).into()),
        })
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.holds(address))
    }
}

impl Network {
    fn parse(item: &str) -> Option<Self> {
        let (address, bits) = match item.split_once('/') {
            Some((address, bits)) => (address.parse().ok()?, bits.parse().ok()?),
            None => {
                let address: IpAddr = item.parse().ok()?;
                (address, if address.is_ipv4() { 32 } else { 128 })
            }
        };
        Some(Self { address, bits })
    }

    fn holds(&self, address: IpAddr) -> bool {
        let differing = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (u32::from(own) ^ u32::from(other)).leading_zeros(),
            (IpAddr::V6(own), IpAddr::V6(other)) => (u128::from(own) ^ u128::from(other)).leading_zeros(),
            _ => return false,
        };
        differing >= self.bits
    }
}

/// Returns an IPv4 address that came in as an IPv6 one as IPv4.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let peer = format!("{peer}:1234").parse().expect("a socket address");
        let mut request = TestRequest::default().peer_addr(peer);
        for value in forwarded {
            request = request.append_header((FORWARDED_FOR, *value));
        }
        let proxies = TrustedProxies::listed(trusted.iter().copied());
        proxies.client_of(&request.to_http_request()).expect("a peer").to_string()
    }

    #[test]
    fn strangers_cannot_name_an_address() {
        assert_eq!(client(&[], "203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(client(&["10.0.0.0/8"], "203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
    }

    #[test]
    fn behind_proxies_the_nearest_stranger_is_the_client() {
        let trusted = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"];
        assert_eq!(client(&trusted, "10.1.2.3", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client(&trusted, "10.1.2.3", &["1.1.1.1, 198.51.100.1", "192.0.2.7"]), "198.51.100.1");
        assert_eq!(client(&trusted, "[2001:db8::5]", &["2001:470::1"]), "2001:470::1");
        assert_eq!(client(&trusted, "[::ffff:10.1.2.3]", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client(&trusted, "10.1.2.3", &["garbage"]), "10.1.2.3");
        assert_eq!(client(&trusted, "10.1.2.3", &[]), "10.1.2.3");
        assert_eq!(client(&trusted, "192.0.2.8", &["198.51.100.1"]), "192.0.2.8");
    }
}
