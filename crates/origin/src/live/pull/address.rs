//! Which machines may be asked. The invariant: an address is judged by the machine that it leads to, however it is written; what
//! is not known to be public is not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 networks that are not the internet: the registry of RFC 6890, multicast, and what is reserved. Base and prefix length.
const NOT_PUBLIC: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// IPv6 networks within 2000::/3 that are not the internet: special assignments (Teredo among them), documentation, 6to4.
const NOT_PUBLIC_6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Global unicast (RFC 4291 section 2.4, as assigned).
const UNICAST: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// IPv4 through a translator (RFC 6052).
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// Which addresses may be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rule {
    /// Those of one's own networks and of this machine too.
    pub private: bool,
    /// One that stands for the internet.
    #[cfg(test)]
    pub public: Option<IpAddr>,
}

impl Rule {
    pub fn new(private: bool) -> Self {
        Self {
            private,
            #[cfg(test)]
            public: None,
        }
    }

    pub fn permits(self, address: IpAddr) -> bool {
        #[cfg(test)]
        if self.public == Some(address) {
            return true;
        }
        let address = meant(address);
        if !self.private {
            return is_public(address);
        }
        let nobody = match address {
            IpAddr::V4(v4) => v4.octets()[0] == 0 || v4.octets()[0] >= 240,
            IpAddr::V6(_) => false,
        };
        !nobody && !address.is_unspecified() && !address.is_multicast()
    }
}

/// The machine that is meant: an IPv4 address in IPv6's clothes is one of IPv4.
fn meant(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if within(v6, NAT64) => IpAddr::V4(Ipv4Addr::from_bits(v6.to_bits() as u32)), // its last 32 bits
        other => other.to_canonical(),
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !NOT_PUBLIC.iter().any(|(base, prefix)| (v4.to_bits() ^ base.to_bits()) >> (32 - prefix) == 0)
        }
        IpAddr::V6(v6) => within(v6, UNICAST) && !NOT_PUBLIC_6.iter().any(|network| within(v6, *network)),
    }
}

fn within(address: Ipv6Addr, (base, prefix): (Ipv6Addr, u32)) -> bool {
    (address.to_bits() ^ base.to_bits()) >> (128 - prefix) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(private: bool, text: &str) -> bool {
        Rule::new(private).permits(text.parse().unwrap())
    }

    #[test]
    fn only_the_internet_is_public() {
        for text in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert!(permits(false, text) && permits(true, text), "{text}");
        }
        for text in [
            "127.0.0.1",
            "127.255.255.254",
            "10.1.2.3",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.2.1",
            "198.19.0.1",
            "203.0.113.9",
            "::1",
            "::ffff:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "3fff::1",
            "fe80::1",
            "fc00::1",
            "fd12:3456::1",
        ] {
            assert!(!permits(false, text) && permits(true, text), "{text}");
        }
    }

    #[test]
    fn nobody_is_never_asked() {
        for text in ["0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "255.255.255.255", "ff02::1", "::ffff:0.0.0.0"]
        {
            assert!(!permits(false, text) && !permits(true, text), "{text}");
        }
    }
}
