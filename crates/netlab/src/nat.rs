//! A NAT (RFC 4787 for UDP; TCP and ICMP echoes go the same way), in virtual time. Invariant: nothing comes in but for a host
//! inside that has a mapping, and as its filter allows; tables have a bound.

use crate::plan::{Behaviour, NatPlan};
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddrV4;
use std::time::Duration;

/// Mappings of one NAT, and destinations that one of them remembers.
const MAX_MAPPINGS: usize = 16_384;
const MAX_PEERS: usize = 4_096;
/// What a mapping gets if its own port is taken.
const PORTS: std::ops::Range<u16> = 1024..65_535;

/// UDP, TCP, or ICMP echoes, whose identifier stands for a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Udp,
    Tcp,
    Echo,
}

struct Mapping {
    inside: SocketAddrV4,
    /// Where packets went by it.
    peers: BTreeSet<SocketAddrV4>,
    /// When the last of them did.
    used: Duration,
}

pub(crate) struct Nat {
    plan: NatPlan,
    /// By what is inside, and where to if the mapping depends on it.
    ports: HashMap<(Protocol, SocketAddrV4, Option<SocketAddrV4>), u16>,
    mappings: HashMap<(Protocol, u16), Mapping>,
    /// Packets that came for nobody, or from somebody whom nobody had spoken to.
    pub refused: u64,
}

impl Nat {
    pub fn new(plan: NatPlan) -> Self {
        Self { plan, ports: HashMap::new(), mappings: HashMap::new(), refused: 0 }
    }

    pub fn plan(&self) -> &NatPlan {
        &self.plan
    }

    /// What a packet from inside has as its source from here on.
    pub fn outbound(
        &mut self,
        now: Duration,
        protocol: Protocol,
        from: SocketAddrV4,
        to: SocketAddrV4,
        random: &mut fastrand::Rng,
    ) -> SocketAddrV4 {
        let depends = (self.plan.behaviour == Behaviour::Symmetric).then_some(to);
        let key = (protocol, from, depends);
        let known = self.ports.get(&key).copied();
        let alive = known.filter(|port| self.is_alive(now, protocol, *port));
        let port = alive.unwrap_or_else(|| {
            if let Some(port) = known {
                self.mappings.remove(&(protocol, port));
            }
            self.forget(now);
            let port = self.free_port(protocol, from.port(), random);
            let mapping = Mapping { inside: from, peers: BTreeSet::new(), used: now };
            self.mappings.insert((protocol, port), mapping);
            self.ports.insert(key, port);
            port
        });
        if let Some(mapping) = self.mappings.get_mut(&(protocol, port)) {
            mapping.used = now;
            if mapping.peers.len() >= MAX_PEERS {
                mapping.peers.pop_first();
            }
            mapping.peers.insert(to);
        }
        SocketAddrV4::new(self.plan.address, port)
    }

    /// Whom inside a packet from outside is for.
    pub fn inbound(
        &mut self,
        now: Duration,
        protocol: Protocol,
        from: SocketAddrV4,
        port: u16,
    ) -> Option<SocketAddrV4> {
        let alive = self.is_alive(now, protocol, port);
        let mapping = self.mappings.get(&(protocol, port)).filter(|_| alive);
        let allowed = mapping.filter(|mapping| match self.plan.behaviour {
            Behaviour::FullCone => true,
            Behaviour::AddressRestricted => {
                let ip = *from.ip();
                let every_port = SocketAddrV4::new(ip, 0)..=SocketAddrV4::new(ip, u16::MAX);
                mapping.peers.range(every_port).next().is_some()
            }
            Behaviour::PortRestricted | Behaviour::Symmetric => mapping.peers.contains(&from),
        });
        let inside = allowed.map(|mapping| mapping.inside);
        self.refused += u64::from(inside.is_none());
        inside
    }

    fn is_alive(&self, now: Duration, protocol: Protocol, port: u16) -> bool {
        let mapping = self.mappings.get(&(protocol, port));
        mapping.is_some_and(|mapping| now.saturating_sub(mapping.used) <= self.plan.timeout)
    }

    /// Drops mappings that were not used for too long, and all if there are too many.
    fn forget(&mut self, now: Duration) {
        let timeout = self.plan.timeout;
        if self.mappings.len() >= MAX_MAPPINGS {
            self.mappings.retain(|_, mapping| now.saturating_sub(mapping.used) <= timeout);
            if self.mappings.len() >= MAX_MAPPINGS {
                self.mappings.clear();
            }
            let mappings = &self.mappings;
            self.ports.retain(|(protocol, ..), port| mappings.contains_key(&(*protocol, *port)));
        }
    }

    /// The port inside if it is free and does not have to be hidden, else one by chance.
    fn free_port(&self, protocol: Protocol, wanted: u16, random: &mut fastrand::Rng) -> u16 {
        let is_free = |port: &u16| !self.mappings.contains_key(&(protocol, *port));
        let own = Some(wanted).filter(|_| self.plan.behaviour != Behaviour::Symmetric).filter(is_free);
        // There are fewer mappings than ports.
        own.unwrap_or_else(|| {
            loop {
                let port = random.u16(PORTS);
                if is_free(&port) {
                    break port;
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 5000);
    const THERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 18, 0, 7), 1);
    const OTHER_PORT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 18, 0, 7), 2);
    const OTHER_HOST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 18, 0, 8), 1);

    fn nat(behaviour: Behaviour) -> Nat {
        let address = Ipv4Addr::new(198, 18, 0, 1);
        let timeout = Duration::from_secs(120);
        Nat::new(NatPlan { name: "n".into(), address, behaviour, hairpin: true, timeout })
    }

    /// Whether the mapping is the same for all, and whether packets come in from another port, and from another host.
    fn behaves(behaviour: Behaviour) -> (bool, bool, bool) {
        let (mut nat, mut random) = (nat(behaviour), fastrand::Rng::with_seed(1));
        let now = Duration::ZERO;
        let first = nat.outbound(now, Protocol::Udp, HERE, THERE, &mut random);
        assert_eq!(nat.inbound(now, Protocol::Udp, THERE, first.port()), Some(HERE));
        assert_eq!(nat.inbound(now, Protocol::Tcp, THERE, first.port()), None);
        let port = nat.inbound(now, Protocol::Udp, OTHER_PORT, first.port()).is_some();
        let host = nat.inbound(now, Protocol::Udp, OTHER_HOST, first.port()).is_some();
        let second = nat.outbound(now, Protocol::Udp, HERE, OTHER_HOST, &mut random);
        assert_eq!(nat.outbound(now, Protocol::Udp, HERE, THERE, &mut random), first);
        (first == second, port, host)
    }

    #[test]
    fn each_behaves_as_its_name_says() {
        assert_eq!(behaves(Behaviour::FullCone), (true, true, true));
        assert_eq!(behaves(Behaviour::AddressRestricted), (true, true, false));
        assert_eq!(behaves(Behaviour::PortRestricted), (true, false, false));
        assert_eq!(behaves(Behaviour::Symmetric), (false, false, false));
    }

    #[test]
    fn a_mapping_lives_for_as_long_as_it_is_used_from_inside() {
        let (mut nat, mut random) = (nat(Behaviour::FullCone), fastrand::Rng::with_seed(1));
        let at = Duration::from_secs;
        let outside = nat.outbound(at(0), Protocol::Udp, HERE, THERE, &mut random);
        nat.outbound(at(100), Protocol::Udp, HERE, THERE, &mut random);
        assert_eq!(nat.inbound(at(220), Protocol::Udp, THERE, outside.port()), Some(HERE));
        assert_eq!(nat.inbound(at(221), Protocol::Udp, THERE, outside.port()), None);
        assert_eq!(nat.refused, 1);
    }

    #[test]
    fn two_inside_with_the_same_port_get_two_outside() {
        let (mut nat, mut random) = (nat(Behaviour::FullCone), fastrand::Rng::with_seed(1));
        let neighbour = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 3), HERE.port());
        let one = nat.outbound(Duration::ZERO, Protocol::Udp, HERE, THERE, &mut random);
        let other = nat.outbound(Duration::ZERO, Protocol::Udp, neighbour, THERE, &mut random);
        assert_eq!(one.port(), HERE.port());
        assert_ne!(other.port(), one.port());
        assert_eq!(nat.inbound(Duration::ZERO, Protocol::Udp, THERE, other.port()), Some(neighbour));
    }

    #[test]
    fn its_table_has_a_bound() {
        let (mut nat, mut random) = (nat(Behaviour::Symmetric), fastrand::Rng::with_seed(1));
        for n in 0..3 * MAX_MAPPINGS {
            let to = SocketAddrV4::new(Ipv4Addr::from(n as u32), 1);
            nat.outbound(Duration::ZERO, Protocol::Udp, HERE, to, &mut random);
            assert!(nat.mappings.len() <= MAX_MAPPINGS && nat.ports.len() <= MAX_MAPPINGS);
        }
    }
}
