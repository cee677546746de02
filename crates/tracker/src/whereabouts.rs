//! Where clients are: by their sockets, or by what proxies say whom they stand for.
//!
//! The invariant: a header counts only as far as a proxy that the operator named has written it. Anybody can send one.

use std::{net::IpAddr, sync::Arc};

use axum::{
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use ipnet::IpNet;
use rendezvous::Locality;

use crate::asn::Asns;

/// The header that most proxies write, older than RFC 7239.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What is known of where clients are. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Whereabouts {
    proxies: Arc<[IpNet]>,
    asns: Option<Asns>,
}

/// The two headers name different clients. A proxy writes one of them, the other is the client's own, and which is which cannot be
/// known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Forwarded and X-Forwarded-For name different clients")]
pub struct Contradiction;

impl IntoResponse for Contradiction {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, format!("{self}.\n")).into_response()
    }
}

impl Whereabouts {
    /// With the proxies that are believed. None are at first, and headers say nothing.
    pub fn behind(proxies: impl IntoIterator<Item = IpNet>) -> Self {
        Self { proxies: proxies.into_iter().collect(), asns: None }
    }

    /// With a file that says which autonomous system an address is of.
    pub fn with_asns(self, asns: Option<Asns>) -> Self {
        Self { asns, ..self }
    }

    /// The file of autonomous systems, to be read again.
    pub fn asns(&self) -> Option<&Asns> {
        self.asns.as_ref()
    }

    /// The proxies that are believed.
    pub fn proxies(&self) -> &[IpNet] {
        &self.proxies
    }

    /// Whether a proxy is there that is believed.
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.proxies.iter().any(|network| network.contains(&address))
    }

    /// Where the client is whose request came from `peer`. Behind proxies that are believed that is the last address in `Forwarded`
    /// (RFC 7239) or `X-Forwarded-For` that is none of theirs: what stands before it the client may have written itself. A proxy that
    /// does not say for whom it asks, asks for itself.
    ///
    /// # Errors
    /// If there are both headers, and they do not agree.
    pub fn of(&self, peer: IpAddr, headers: &HeaderMap) -> Result<Locality, Contradiction> {
        let peer = peer.to_canonical();
        if !self.is_proxy(peer) {
            return Ok(self.locality(peer));
        }
        let named = |name: &HeaderName, node: fn(&str) -> Option<IpAddr>| {
            // From the end, for there the proxies write, and in bytes: so neither a quote that a client left open nor a letter that is
            // none swallows what is theirs.
            let lines = headers.get_all(name).iter().rev();
            let elements = lines.flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b','));
            let mut nodes = elements.map(|element| node(std::str::from_utf8(element).ok()?)).peekable();
            nodes.peek()?;
            Some(self.nearest(peer, nodes))
        };
        let client = match (named(&header::FORWARDED, forwarded), named(&X_FORWARDED_FOR, address)) {
            (Some(one), Some(other)) if one != other => return Err(Contradiction),
            (one, other) => one.or(other).unwrap_or(peer),
        };
        Ok(self.locality(client))
    }

    /// The first that is no proxy, or the last that can be read.
    fn nearest(&self, peer: IpAddr, nodes: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut nearest = peer;
        for node in nodes {
            match node {
                Some(address) if self.is_proxy(nearest) => nearest = address,
                _ => break,
            }
        }
        nearest
    }

    fn locality(&self, address: IpAddr) -> Locality {
        Locality { address, asn: self.asns.as_ref().and_then(|asns| asns.of(address)) }
    }
}

/// Whom an element of `Forwarded` is for.
fn forwarded(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node) = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case("for"))?;
    address(node)
}

/// An address, with or without a port, brackets and quotes.
fn address(node: &str) -> Option<IpAddr> {
    let node = node.trim().trim_matches('"');
    let bare = node.strip_prefix('[').and_then(|node| node.strip_suffix(']')).unwrap_or(node);
    let socket = || node.parse::<std::net::SocketAddr>().map(|socket| socket.ip());
    bare.parse::<IpAddr>().or_else(|_| socket()).ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn behind(proxies: &[&str]) -> Whereabouts {
        Whereabouts::behind(proxies.iter().map(|proxy| proxy.parse().unwrap()))
    }

    fn seen(
        places: &Whereabouts,
        peer: &str,
        lines: &[(&'static str, &str)],
    ) -> Result<String, Contradiction> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        places.of(peer.parse().unwrap(), &headers).map(|locality| locality.address.to_string())
    }

    #[test]
    fn who_is_no_proxy_of_ours_is_where_its_socket_is_whatever_it_says() {
        let lines = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.2")];
        for places in [behind(&[]), behind(&["10.0.0.0/8"])] {
            assert_eq!(seen(&places, "203.0.113.5", &lines).unwrap(), "203.0.113.5");
        }
    }

    #[test]
    fn the_last_address_that_is_no_proxy_is_the_client() {
        let places = behind(&["10.0.0.0/8", "127.0.0.1/32", "2001:db8:1::/48"]);
        let of = |lines: &[(&'static str, &str)]| seen(&places, "127.0.0.1", lines).unwrap();
        let by = |value: &str| of(&[("x-forwarded-for", value)]);
        assert_eq!(by("203.0.113.5"), "203.0.113.5");
        assert_eq!(by("192.0.2.1, 203.0.113.5"), "203.0.113.5", "what the client wrote is before it");
        assert_eq!(by("192.0.2.1, 203.0.113.5, 10.0.0.7"), "203.0.113.5");
        assert_eq!(
            of(&[("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "203.0.113.5")]),
            "203.0.113.5"
        );
        assert_eq!(by("203.0.113.5:4711"), "203.0.113.5");
        assert_eq!(by("2001:db8:9::1"), "2001:db8:9::1");
        assert_eq!(by("::ffff:203.0.113.5, [2001:db8:1::2]:443"), "203.0.113.5");
        assert_eq!(by("10.0.0.9"), "10.0.0.9", "a client within the proxies' network");
        for nothing in ["", "unknown", "junk, 10.0.0.1, unknown"] {
            assert_eq!(by(nothing), "127.0.0.1", "{nothing}");
        }
        assert_eq!(by("192.0.2.1, unknown, 10.0.0.1"), "10.0.0.1");
        let by = |value: &str| of(&[("forwarded", value)]);
        assert_eq!(by(r#"for="[2001:db8:9::1]:4711";proto=https"#), "2001:db8:9::1");
        assert_eq!(by("For=192.0.2.1, by=10.0.0.2; for=203.0.113.5"), "203.0.113.5");
        assert_eq!(by(r#"for="192.0.2.1, for=203.0.113.5"#), "203.0.113.5", "a quote that is left open");
        assert_eq!(by("for=_hidden"), "127.0.0.1");
    }

    #[test]
    fn two_headers_that_do_not_agree_say_that_one_is_forged() {
        let places = behind(&["127.0.0.1/32"]);
        let both = |one, other| seen(&places, "127.0.0.1", &[("forwarded", one), ("x-forwarded-for", other)]);
        assert_eq!(both("for=203.0.113.5", "203.0.113.5").unwrap(), "203.0.113.5");
        assert_eq!(both("for=192.0.2.1", "203.0.113.5"), Err(Contradiction));
        assert_eq!(both("junk", "203.0.113.5"), Err(Contradiction));
    }

    proptest! {
        #[test]
        fn nothing_that_a_client_writes_first_changes_what_the_proxy_writes_last(
            forged in "[ -~]{0,60}", strange in any::<bool>(), seldom in any::<bool>(),
        ) {
            let places = behind(&["10.0.0.0/8"]);
            let (name, own) = if seldom { ("forwarded", "for=203.0.113.5") } else { ("x-forwarded-for", "203.0.113.5") };
            let forged = [forged.as_bytes(), if strange { b"\xff" } else { b"" }].concat();
            let mut headers = HeaderMap::new();
            headers.append(name, HeaderValue::from_bytes(&forged).unwrap());
            let (mut twice, peer) = (headers.clone(), "10.0.0.1".parse().unwrap());
            headers.insert(name, HeaderValue::from_bytes(&[&forged[..], b", ", own.as_bytes()].concat()).unwrap());
            twice.append(name, own.parse().unwrap());
            for headers in [headers, twice] {
                prop_assert_eq!(places.of(peer, &headers).unwrap().address.to_string(), "203.0.113.5");
            }
        }
    }
}
