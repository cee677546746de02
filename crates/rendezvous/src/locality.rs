//! Where a connection comes from.

use core::net::{IpAddr, Ipv4Addr};

/// Where a connection comes from, as the server sees it: nothing here is said by the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locality {
    /// The peer's address; behind a proxy that of the proxy's client. IPv4 in IPv6 form is taken for IPv4.
    pub address: IpAddr,
    /// The autonomous system of the address, where the server knows it.
    pub asn: Option<u32>,
}

impl Locality {
    pub(crate) fn canonical(self) -> Self {
        Self { address: self.address.to_canonical(), ..self }
    }
}

/// On loopback: nothing is known of it.
impl Default for Locality {
    fn default() -> Self {
        Self { address: Ipv4Addr::LOCALHOST.into(), asn: None }
    }
}

impl From<IpAddr> for Locality {
    fn from(address: IpAddr) -> Self {
        Self { address, asn: None }
    }
}
