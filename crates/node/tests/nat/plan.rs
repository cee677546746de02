//! The hosts, and what theory says of them.

use netlab::{Access, Behaviour, Plan};
use std::net::Ipv4Addr;
use std::time::Duration;

/// A host of the matrix.
pub struct Spec {
    pub name: &'static str,
    /// Its site: hosts of the same one share a NAT.
    site: u8,
    /// Left out: on the open net.
    behaviour: Option<Behaviour>,
}

const fn spec(name: &'static str, site: u8, behaviour: Option<Behaviour>) -> Spec {
    Spec { name, site, behaviour }
}

/// Two of each kind, each at a site of its own, and one that shares the strictest NAT with another.
pub const HOSTS: &[Spec] = &[
    spec("open-1", 1, None),
    spec("open-2", 2, None),
    spec("full-1", 3, Some(Behaviour::FullCone)),
    spec("full-2", 4, Some(Behaviour::FullCone)),
    spec("port-1", 5, Some(Behaviour::PortRestricted)),
    spec("port-2", 6, Some(Behaviour::PortRestricted)),
    spec("symmetric-1", 7, Some(Behaviour::Symmetric)),
    spec("symmetric-2", 8, Some(Behaviour::Symmetric)),
    spec("neighbour-of-1", 7, Some(Behaviour::Symmetric)),
];

/// The addresses behind NATs, and whose they are.
pub const PRIVATE: &[(&str, Ipv4Addr)] = &[
    ("full-1", inside(3, 2)),
    ("full-2", inside(4, 2)),
    ("port-1", inside(5, 2)),
    ("port-2", inside(6, 2)),
    ("symmetric-1", inside(7, 2)),
    ("symmetric-2", inside(8, 2)),
    ("neighbour-of-1", inside(7, 3)),
];

/// The server's address: tracker and STUN.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

const fn inside(site: u8, host: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, site, host)
}

/// 40 ms there and back between any two sites, and 1 % lost each way.
pub fn plan() -> Plan {
    let line = || Access { delay: Duration::from_millis(10), loss: 0.005, ..Access::default() };
    let mut plan = Plan::new().seed(1).host("server", SERVER, Access::default());
    for host in HOSTS {
        let outside = Ipv4Addr::new(198, 18, 1, host.site);
        plan = match (host.behaviour, PRIVATE.iter().find(|(owner, _)| *owner == host.name)) {
            (Some(behaviour), Some((_, address))) => {
                let nat = format!("nat-{}", host.site);
                let is_new = *address == inside(host.site, 2);
                let plan = if is_new { plan.nat(&nat, outside, behaviour, line()) } else { plan };
                plan.behind(&nat, host.name, *address)
            }
            _ => plan.host(host.name, outside, line()),
        };
    }
    plan
}

/// Whether two hosts can have a path of their own (RFC 5128, section 3.3): where one has another mapping for every
/// destination, the other's filter must not ask for the port. Neighbours meet on their LAN.
pub fn reaches(a: usize, b: usize) -> bool {
    use Behaviour::{PortRestricted, Symmetric};
    let (a, b) = (&HOSTS[a], &HOSTS[b]);
    let is_strict = |host: &Spec| matches!(host.behaviour, Some(PortRestricted | Symmetric));
    let is_symmetric = |host: &Spec| host.behaviour == Some(Symmetric);
    a.site == b.site || !(is_symmetric(a) && is_strict(b) || is_symmetric(b) && is_strict(a))
}
