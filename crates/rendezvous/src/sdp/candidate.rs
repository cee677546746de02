//! One candidate: an address at which a peer may be reached (RFC 8839, 5.1).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt::Write;

use super::read::ice_chars;

/// Ports below are those of the system's services: nobody shall be made to knock there.
const LOWEST_PORT: u16 = 1024;
/// Where a peer listens that wants to be reached from networks that let nothing else out.
const HTTPS_PORT: u16 = 443;
/// What the active end of TCP has for a port: it takes no connections (RFC 6544, 4.5).
const DISCARD_PORT: u16 = 9;
const MDNS_SUFFIX: &str = ".local";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Equal for candidates of one kind from one base: ice-chars only.
    foundation: Box<str>,
    transport: Transport,
    pub(super) priority: u32,
    pub(super) address: Address,
    port: u16,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Ip(IpAddr),
    /// A name that only multicast DNS in the peer's own network resolves: a UUID before `.local`.
    Mdns(u128),
}

/// How a peer came to know the address (RFC 8445, 5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Host,
    /// Seen by a STUN server.
    ServerReflexive,
    /// Seen by another peer.
    PeerReflexive,
    /// A TURN server's.
    Relay,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp(TcpType),
}

/// Which end connects (RFC 6544).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TcpType {
    Active,
    Passive,
    SimultaneousOpen,
}

impl Candidate {
    /// Reads what follows `a=candidate:`. `None` for what cannot be read, and for what nobody shall be sent to: names that are
    /// not multicast DNS, components that data channels do not have, ports of the system.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(' ').filter(|field| !field.is_empty());
        let foundation = ice_chars(fields.next()?, 1..=32)?.into();
        if fields.next()? != "1" {
            return None;
        }
        let transport = fields.next()?;
        let priority = fields.next()?.parse().ok()?;
        let address = Address::parse(fields.next()?)?;
        let port = fields.next()?.parse().ok()?;
        if fields.next()? != "typ" {
            return None;
        }
        let kind = match fields.next()? {
            "host" => Kind::Host,
            "srflx" => Kind::ServerReflexive,
            "prflx" => Kind::PeerReflexive,
            "relay" => Kind::Relay,
            _ => return None,
        };
        let transport = if transport.eq_ignore_ascii_case("udp") {
            Transport::Udp
        } else if transport.eq_ignore_ascii_case("tcp") {
            // The rest is pairs: raddr, rport, tcptype, and what each implementation adds.
            fields.find(|&field| field == "tcptype")?;
            Transport::Tcp(match fields.next()? {
                "active" => TcpType::Active,
                "passive" => TcpType::Passive,
                "so" => TcpType::SimultaneousOpen,
                _ => return None,
            })
        } else {
            return None;
        };
        let usual = match transport {
            Transport::Tcp(TcpType::Active) => port == DISCARD_PORT,
            Transport::Tcp(TcpType::Passive) => port == HTTPS_PORT,
            _ => false,
        };
        let named = matches!(address, Address::Mdns(_)) && kind != Kind::Host;
        (!named && (usual || port >= LOWEST_PORT)).then_some(Self {
            foundation,
            transport,
            priority,
            address,
            port,
            kind,
        })
    }

    /// Adds the line, without its end. A related address only shows more of the sender's network, so where one has to be it is
    /// the unspecified one (RFC 8839, 5.1).
    pub(super) fn write(&self, json: &mut String) {
        json.push_str("a=candidate:");
        json.push_str(&self.foundation);
        json.push_str(if self.transport == Transport::Udp { " 1 udp " } else { " 1 tcp " });
        // Writing to a string cannot fail, here and below.
        let _ = write!(json, "{} ", self.priority);
        self.address.write(json);
        let _ = write!(json, " {} typ ", self.port);
        json.push_str(match self.kind {
            Kind::Host => "host",
            Kind::ServerReflexive => "srflx",
            Kind::PeerReflexive => "prflx",
            Kind::Relay => "relay",
        });
        match self.address {
            _ if self.kind == Kind::Host => {}
            Address::Ip(IpAddr::V6(_)) => json.push_str(" raddr :: rport 0"),
            _ => json.push_str(" raddr 0.0.0.0 rport 0"),
        }
        if let Transport::Tcp(end) = self.transport {
            json.push_str(match end {
                TcpType::Active => " tcptype active",
                TcpType::Passive => " tcptype passive",
                TcpType::SimultaneousOpen => " tcptype so",
            });
        }
    }
}

impl Address {
    fn parse(text: &str) -> Option<Self> {
        if text.ends_with(|last: char| last.is_ascii_digit()) && text.contains('.') && !text.contains(':') {
            return text.parse::<Ipv4Addr>().ok().map(|ip| Self::Ip(ip.into()));
        }
        if text.contains(':') {
            return text.parse::<Ipv6Addr>().ok().map(|ip| Self::Ip(ip.into()));
        }
        let (uuid, suffix) = text.split_at_checked(36)?;
        let mut value: u128 = 0;
        for (at, byte) in uuid.bytes().enumerate() {
            match (at, byte) {
                (8 | 13 | 18 | 23, b'-') => {}
                (8 | 13 | 18 | 23, _) => return None,
                _ => value = value << 4 | u128::from(char::from(byte).to_digit(16)?),
            }
        }
        suffix.eq_ignore_ascii_case(MDNS_SUFFIX).then_some(Self::Mdns(value))
    }

    fn write(self, json: &mut String) {
        let _ = match self {
            Self::Ip(ip) => write!(json, "{ip}"),
            Self::Mdns(uuid) => {
                let part = |from: u32, digits: u32| (uuid >> from) as u64 & ((1 << (digits * 4)) - 1);
                let [a, b, c, d, e] = [part(96, 8), part(80, 4), part(64, 4), part(48, 4), part(0, 12)];
                write!(json, "{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}{MDNS_SUFFIX}")
            }
        };
    }
}
