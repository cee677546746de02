//! One candidate: an address at which a peer may be reached (RFC 8839, 5.1).

use core::net::IpAddr;
use std::fmt::Write;

use super::{
    read::{fields, ice_chars},
    write::number,
};

/// Ports below are those of the system's services: nobody shall be made to knock there.
const LOWEST_PORT: u16 = 1024;
/// Where a peer listens that wants to be reached from networks that let nothing else out.
const HTTPS_PORT: u16 = 443;
/// What the active end of TCP has for a port: it takes no connections (RFC 6544, 4.5).
const DISCARD_PORT: u16 = 9;
const MDNS_SUFFIX: &str = ".local";

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate<'a> {
    /// Equal for candidates of one kind from one base: ice-chars only.
    foundation: &'a str,
    transport: Transport,
    pub(super) priority: u32,
    pub(super) address: Address<'a>,
    port: u16,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Address<'a> {
    Ip(IpAddr),
    /// A name that only multicast DNS in the peer's own network resolves: this before `.local`.
    Mdns(Uuid<'a>),
}

/// A UUID of either case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Uuid<'a>(&'a str);

impl PartialEq for Uuid<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
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

impl<'a> Candidate<'a> {
    /// Reads what follows `a=candidate:`. `None` for what cannot be read, and for what nobody shall be sent to: names that are
    /// not multicast DNS, components that data channels do not have, ports of the system.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let mut fields = fields(line).filter(|field| !field.is_empty());
        let foundation = ice_chars(fields.next()?, 1..=32)?;
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
    pub(super) fn write(&self, text: &mut String) {
        text.push_str("a=candidate:");
        text.push_str(self.foundation);
        text.push_str(if self.transport == Transport::Udp { " 1 udp " } else { " 1 tcp " });
        number(text, self.priority);
        text.push(' ');
        self.address.write(text);
        text.push(' ');
        number(text, self.port);
        text.push_str(" typ ");
        text.push_str(match self.kind {
            Kind::Host => "host",
            Kind::ServerReflexive => "srflx",
            Kind::PeerReflexive => "prflx",
            Kind::Relay => "relay",
        });
        match self.address {
            _ if self.kind == Kind::Host => {}
            Address::Ip(IpAddr::V6(_)) => text.push_str(" raddr :: rport 0"),
            _ => text.push_str(" raddr 0.0.0.0 rport 0"),
        }
        if let Transport::Tcp(end) = self.transport {
            text.push_str(match end {
                TcpType::Active => " tcptype active",
                TcpType::Passive => " tcptype passive",
                TcpType::SimultaneousOpen => " tcptype so",
            });
        }
    }
}

impl<'a> Address<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let fits = |(at, byte): (usize, u8)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        };
        match text.split_at_checked(36) {
            Some((uuid, suffix)) if suffix.eq_ignore_ascii_case(MDNS_SUFFIX) => {
                uuid.bytes().enumerate().all(fits).then_some(Self::Mdns(Uuid(uuid)))
            }
            _ => text.parse().ok().map(Self::Ip),
        }
    }

    pub(super) fn ip(self) -> Option<IpAddr> {
        if let Self::Ip(ip) = self { Some(ip) } else { None }
    }

    fn write(self, text: &mut String) {
        match self {
            Self::Ip(IpAddr::V4(ip)) => {
                for (at, octet) in ip.octets().into_iter().enumerate() {
                    text.push_str(if at == 0 { "" } else { "." });
                    number(text, octet);
                }
            }
            // Writing to a string cannot fail.
            Self::Ip(IpAddr::V6(ip)) => _ = write!(text, "{ip}"),
            Self::Mdns(Uuid(uuid)) => {
                let begin = text.len();
                text.push_str(uuid);
                text[begin..].make_ascii_lowercase();
                text.push_str(MDNS_SUFFIX);
            }
        }
    }
}
