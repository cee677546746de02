//! Addresses as they may stand in a log.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::OnceLock,
};

use ipnet::IpNet;

/// An address for the log: its network, and a hash of the whole by which lines about one client are found. The key of the hash is drawn
/// when the process begins and is nowhere else, so that nobody finds the address by trying all.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Masked(pub IpAddr);

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        static KEY: OnceLock<RandomState> = OnceLock::new();
        let address = self.0.to_canonical();
        let prefix = if address.is_ipv4() { 16 } else { 32 };
        let hash = KEY.get_or_init(RandomState::new).hash_one(address) as u32;
        match IpNet::new(address, prefix) {
            Ok(network) => write!(f, "{}#{hash:08x}", network.trunc()),
            Err(_) => write!(f, "#{hash:08x}"),
        }
    }
}

impl fmt::Debug for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_cut_and_told_from_others_and_always_the_same() {
        let [one, other, mapped, six] =
            ["203.0.113.77", "203.0.113.78", "::ffff:203.0.113.77", "2001:db8:1:2::3"]
                .map(|address| Masked(address.parse().unwrap()).to_string());
        assert!(one.starts_with("203.0.0.0/16#") && one.len() == 21, "{one}");
        assert!(six.starts_with("2001:db8::/32#"), "{six}");
        assert_ne!(one, other);
        assert_eq!(one, mapped);
    }
}
