//! Which candidates of a sender a receiver may have.
//!
//! The tracker sees from which address a peer comes, and nobody can forge that: a WebSocket needs both directions. So an address
//! of the public internet passes only if the sender was seen there. What is told of the inside of a network goes only to those
//! who are in it, too.
//!
//! Addresses of documentation and of benchmarks (RFC 5737, RFC 2544) count as public: nobody on the internet is seen there, so
//! nobody can name them, and test networks use them.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::candidate::Kind;
use crate::Config;

/// Where sender and receiver of a description are, as the tracker sees them. IPv4 addresses are not in IPv6 form.
#[derive(Clone, Copy, Debug)]
pub struct Relation<'a> {
    /// The address from which the sender's connection comes.
    pub sender: IpAddr,
    /// The address from which the receiver's connection comes.
    pub receiver: IpAddr,
    /// Whether the operator says that both are on one site.
    pub same_site: bool,
    /// What is allowed beyond that: `other_family`, `relays`, `trust_inside`.
    pub config: &'a Config,
}

impl Relation<'_> {
    /// Whether a candidate of this kind and address may be told, one without an address by its multicast DNS name.
    pub(super) fn passes(&self, kind: Kind, ip: Option<IpAddr>) -> bool {
        let Some(ip) = ip else { return self.are_near() };
        match Reach::of(ip) {
            Reach::Nowhere => false,
            Reach::Loopback => {
                kind != Kind::Relay && self.sender.is_loopback() && self.receiver.is_loopback()
            }
            _ if kind == Kind::Relay => self.config.relays.iter().any(|network| network.contains(&ip)),
            Reach::Private => self.are_near() || is_inside(self.receiver) && is_same_host(self.sender, ip),
            Reach::Public if is_inside(self.sender) => self.config.trust_inside,
            Reach::Public => {
                is_same_host(self.sender, ip)
                    || self.config.other_family && self.sender.is_ipv4() != ip.is_ipv4()
            }
        }
    }

    /// Whether both may be in one network that others are not in.
    fn are_near(&self) -> bool {
        self.same_site
            || is_same_host(self.sender, self.receiver)
            || self.config.trust_inside && is_inside(self.sender) && is_inside(self.receiver)
    }
}

/// From where an address can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Public,
    /// Within a network behind a NAT: RFC 1918, RFC 4193, and RFC 6598 of carriers.
    Private,
    Loopback,
    /// It means nothing to anybody else, or too many things: link-local, multicast, broadcast, reserved, and addresses that are a
    /// disguise of others.
    Nowhere,
}

impl Reach {
    fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::of_v4(ip),
            IpAddr::V6(ip) => Self::of_v6(ip),
        }
    }

    fn of_v4(ip: Ipv4Addr) -> Self {
        match ip.octets() {
            [127, ..] => Self::Loopback,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Self::Private,
            [0 | 224..=255, ..] | [169, 254, ..] | [192, 0, 0, _] => Self::Nowhere,
            _ => Self::Public,
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Self {
        match ip.segments()[0] {
            _ if ip.is_loopback() => Self::Loopback,
            0xfc00..=0xfdff => Self::Private,
            // All that is given out (RFC 4291, 2.4). Outside are the IPv4 addresses in IPv6 form, and those of NAT64.
            0x2000..=0x3fff => Self::Public,
            _ => Self::Nowhere,
        }
    }
}

/// Whether the tracker sees this address within its own network, so that it says nothing of the public one.
pub(crate) fn is_inside(ip: IpAddr) -> bool {
    Reach::of(ip) != Reach::Public
}

/// Whether both addresses are of one host as far as can be told. In IPv6 a host has many, all of one /64.
pub(crate) fn is_same_host(one: IpAddr, other: IpAddr) -> bool {
    host(one) == host(other)
}

/// An address without what a host changes at will: of IPv6 the /64.
pub(crate) fn host(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_reaches_as_far_as_its_rfc_says() {
        let reach = |text: &str| Reach::of(text.parse().expect("an address"));
        for public in
            ["1.1.1.1", "100.63.255.255", "172.32.0.1", "192.0.2.1", "198.18.0.1", "2001:db8::1", "2606::1"]
        {
            assert_eq!(reach(public), Reach::Public, "{public}");
        }
        for private in
            ["10.255.0.1", "172.16.0.1", "172.31.9.9", "192.168.1.1", "100.64.0.1", "fd00::1", "fc00::1"]
        {
            assert_eq!(reach(private), Reach::Private, "{private}");
        }
        for loopback in ["127.0.0.1", "127.8.8.8", "::1"] {
            assert_eq!(reach(loopback), Reach::Loopback, "{loopback}");
        }
        let nowhere = [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.1.1",
            "192.0.0.4",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "::ffff:1.1.1.1",
            "::1.1.1.1",
            "64:ff9b::1.1.1.1",
        ];
        for nowhere in nowhere {
            assert_eq!(reach(nowhere), Reach::Nowhere, "{nowhere}");
        }
    }
}
