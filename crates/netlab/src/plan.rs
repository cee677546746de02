//! What a lab consists of. Invariant: a plan that was checked has no name twice, no address twice where both could be meant,
//! and no host behind a NAT that is not there.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Hosts of one lab.
const MAX_HOSTS: usize = 64;
const MAX_NAME: usize = 24;

/// Bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

impl Rate {
    /// So many kilobits per second.
    pub const fn kbit(kilobits: u64) -> Self {
        Self(kilobits.saturating_mul(1000))
    }

    /// So many megabits per second.
    pub const fn mbit(megabits: u64) -> Self {
        Self::kbit(megabits.saturating_mul(1000))
    }

    /// Bits per second.
    pub const fn bits_per_second(self) -> u64 {
        self.0
    }

    /// How long so many bytes take.
    pub(crate) fn time_of(self, bytes: usize) -> Duration {
        let nanos = bytes as u128 * 8 * 1_000_000_000 / u128::from(self.0.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// How a site is joined to the open net: the same both ways, but for the rates.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// Out of the site. Left out: no limit.
    pub up: Option<Rate>,
    /// Into the site. Left out: no limit.
    pub down: Option<Rate>,
    /// One way. The round trip between two sites is twice the sum of theirs.
    pub delay: Duration,
    /// Share of the packets that is lost each way, 0 to 1.
    pub loss: f64,
    /// Longest queue where there is a rate, as time at that rate; what comes beyond it is dropped.
    pub queue: Duration,
}

impl Default for Access {
    /// Neither delay nor loss nor limit; queues of 100 ms.
    fn default() -> Self {
        Self { up: None, down: None, delay: Duration::ZERO, loss: 0.0, queue: Duration::from_millis(100) }
    }
}

/// How a NAT maps and filters, in the terms of RFC 4787 sections 4.1 and 5, with the names of RFC 3489.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// Endpoint-independent mapping and filtering.
    FullCone,
    /// Endpoint-independent mapping, address-dependent filtering.
    AddressRestricted,
    /// Endpoint-independent mapping, address and port-dependent filtering.
    PortRestricted,
    /// Address and port-dependent mapping and filtering, ports at random.
    Symmetric,
}

#[derive(Clone, Debug)]
pub(crate) struct HostPlan {
    pub name: String,
    pub address: Ipv4Addr,
    pub site: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct NatPlan {
    pub name: String,
    pub address: Ipv4Addr,
    pub behaviour: Behaviour,
    pub hairpin: bool,
    pub timeout: Duration,
}

/// One access to the open net: a host of its own, or a NAT and those behind it.
#[derive(Clone, Debug)]
pub(crate) struct SitePlan {
    pub access: Access,
    pub nat: Option<NatPlan>,
}

/// A lab to be: hosts on the open net, NATs, and hosts behind them, which share a LAN.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub(crate) seed: u64,
    pub(crate) sites: Vec<SitePlan>,
    pub(crate) hosts: Vec<HostPlan>,
    /// Hosts whose NAT was not there.
    pub(crate) lost: Vec<(String, String)>,
}

/// What is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The file cannot be read.
    #[error("{0}")]
    File(String),
    /// A name that is empty, too long, or has more in it than letters, digits and hyphens.
    #[error("{0:?} is no name: 1 to 24 letters, digits and hyphens")]
    Name(String),
    /// Two of the same name.
    #[error("there are two {0}")]
    Twice(String),
    /// An address that is there twice.
    #[error("{0} has the address of another")]
    Address(String),
    /// Hosts behind NATs have private addresses (RFC 1918), all else has public ones.
    #[error("{0}: behind a NAT an address is private, elsewhere it is not")]
    Kind(String),
    /// No such NAT.
    #[error("{0} is behind {1}, which is not there")]
    NoNat(String, String),
    /// A loss outside of 0 to 1.
    #[error("a loss of {0} is not between 0 and 1")]
    Loss(String),
    /// None, or too many.
    #[error("a lab has 1 to 64 hosts, not {0}")]
    Count(usize),
}

impl Plan {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads what `docs/guides/netlab.md` describes.
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        crate::file::parse(text)
    }

    /// Where chance begins: which packets are lost, and which ports are drawn.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// A host on the open net.
    #[must_use]
    pub fn host(mut self, name: &str, address: Ipv4Addr, access: Access) -> Self {
        self.hosts.push(HostPlan { name: name.to_owned(), address, site: self.sites.len() });
        self.sites.push(SitePlan { access, nat: None });
        self
    }

    /// A NAT, with hairpinning, and with mappings that live for two minutes without a packet from inside (RFC 4787, REQ-5
    /// and REQ-9).
    #[must_use]
    pub fn nat(mut self, name: &str, address: Ipv4Addr, behaviour: Behaviour, access: Access) -> Self {
        let name = name.to_owned();
        let nat = NatPlan { name, address, behaviour, hairpin: true, timeout: Duration::from_secs(120) };
        self.sites.push(SitePlan { access, nat: Some(nat) });
        self
    }

    /// The NAT that was added last has no hairpinning.
    #[must_use]
    pub fn without_hairpin(mut self) -> Self {
        if let Some(nat) = self.last_nat() {
            nat.hairpin = false;
        }
        self
    }

    /// Mappings of the NAT that was added last live for so long without a packet from inside.
    #[must_use]
    pub fn forgets_after(mut self, timeout: Duration) -> Self {
        if let Some(nat) = self.last_nat() {
            nat.timeout = timeout;
        }
        self
    }

    /// A host behind a NAT that was added before.
    #[must_use]
    pub fn behind(mut self, nat: &str, name: &str, address: Ipv4Addr) -> Self {
        let is_meant = |site: &SitePlan| site.nat.as_ref().is_some_and(|plan| plan.name == nat);
        match self.sites.iter().position(is_meant) {
            Some(site) => self.hosts.push(HostPlan { name: name.to_owned(), address, site }),
            None => self.lost.push((name.to_owned(), nat.to_owned())),
        }
        self
    }

    fn last_nat(&mut self) -> Option<&mut NatPlan> {
        self.sites.last_mut()?.nat.as_mut()
    }

    /// Whether it can be built.
    pub fn check(&self) -> Result<(), PlanError> {
        if let Some((host, nat)) = self.lost.first() {
            return Err(PlanError::NoNat(host.clone(), nat.clone()));
        }
        if !(1..=MAX_HOSTS).contains(&self.hosts.len()) {
            return Err(PlanError::Count(self.hosts.len()));
        }
        let nats = self.sites.iter().filter_map(|site| site.nat.as_ref());
        let named = self.hosts.iter().map(|host| &host.name).chain(nats.clone().map(|nat| &nat.name));
        let mut names = BTreeSet::new();
        for name in named {
            let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if !is_plain || !(1..=MAX_NAME).contains(&name.len()) {
                return Err(PlanError::Name(name.clone()));
            }
            if !names.insert(name) {
                return Err(PlanError::Twice(name.clone()));
            }
        }
        let mut addresses = BTreeSet::new();
        for host in &self.hosts {
            let behind = self.sites[host.site].nat.as_ref().map(|_| host.site);
            check_address(&host.name, host.address, behind.is_some())?;
            if !addresses.insert((behind, host.address)) {
                return Err(PlanError::Address(host.name.clone()));
            }
        }
        for nat in nats {
            check_address(&nat.name, nat.address, false)?;
            if !addresses.insert((None, nat.address)) {
                return Err(PlanError::Address(nat.name.clone()));
            }
        }
        match self.sites.iter().find(|site| !(0.0..=1.0).contains(&site.access.loss)) {
            Some(site) => Err(PlanError::Loss(site.access.loss.to_string())),
            None => Ok(()),
        }
    }
}

fn check_address(name: &str, address: Ipv4Addr, is_behind: bool) -> Result<(), PlanError> {
    let is_no_host = address.is_loopback()
        || address.is_multicast()
        || address.is_unspecified()
        || address.is_link_local()
        || address.is_broadcast();
    match address.is_private() == is_behind && !is_no_host {
        true => Ok(()),
        false => Err(PlanError::Kind(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
    const NAT: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
    const INSIDE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 2);

    fn two_homes() -> Plan {
        let other = Ipv4Addr::new(198, 18, 0, 3);
        Plan::new()
            .host("a", OPEN, Access::default())
            .nat("n", NAT, Behaviour::Symmetric, Access::default())
            .behind("n", "b", INSIDE)
            .nat("m", other, Behaviour::FullCone, Access::default())
            .behind("m", "c", INSIDE)
    }

    #[test]
    fn two_homes_may_have_the_same_addresses_inside() {
        assert_eq!(two_homes().check(), Ok(()));
    }

    #[test]
    fn what_is_not_sound_is_refused() {
        let access = Access::default;
        let refused = [
            (Plan::new(), PlanError::Count(0)),
            (two_homes().host("a", NAT, access()), PlanError::Twice("a".into())),
            (two_homes().host("n", Ipv4Addr::new(198, 18, 0, 9), access()), PlanError::Twice("n".into())),
            (two_homes().host("d", NAT, access()), PlanError::Address("n".into())),
            (two_homes().behind("n", "d", INSIDE), PlanError::Address("d".into())),
            (two_homes().behind("o", "d", INSIDE), PlanError::NoNat("d".into(), "o".into())),
            (two_homes().behind("n", "d", OPEN), PlanError::Kind("d".into())),
            (two_homes().host("d", INSIDE, access()), PlanError::Kind("d".into())),
            (two_homes().host("d;", OPEN, access()), PlanError::Name("d;".into())),
            (
                two_homes().host("d", Ipv4Addr::new(198, 18, 0, 9), Access { loss: 1.5, ..access() }),
                PlanError::Loss("1.5".into()),
            ),
        ];
        for (plan, error) in refused {
            assert_eq!(plan.check(), Err(error));
        }
    }

    #[test]
    fn a_rate_is_a_time_for_bytes() {
        assert_eq!(Rate::mbit(8).time_of(1000), Duration::from_millis(1));
    }
}
