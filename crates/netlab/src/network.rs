//! The network between the hosts, in virtual time and without I/O: who gets which packet when. Invariant: the same packets at
//! the same times give the same deliveries, and what is under way has a bound.
//!
//! A packet goes from a host through its NAT and up its site's access line, across the open net at once, down the other
//! site's access line, through that NAT, and is delivered. Within a LAN, and where a NAT turns it round (hairpinning), it is
//! delivered at once.

use crate::access::{Direction, Dropped};
use crate::nat::Nat;
use crate::packet::{self, Flow};
use crate::plan::{HostPlan, Plan};
use crate::report::{Report, Traffic};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Packets under way.
const MAX_FLIGHTS: usize = 65_536;
/// Addresses that lead nowhere, which are counted apart; by sender.
const MAX_UNROUTABLE: usize = 1024;

struct Site {
    up: Direction,
    down: Direction,
    nat: Option<Nat>,
    /// By address.
    hosts: HashMap<Ipv4Addr, usize>,
}

/// What happens to a packet next.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// It is on the open net.
    Cross,
    /// It is at this site.
    Enter(usize),
    /// It is for this host.
    Deliver(usize),
}

/// Ordered by time, then by the order in which they were put in.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    at: Duration,
    order: u64,
    step: Step,
    from: usize,
    packet: Vec<u8>,
}

/// A packet for a host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub to: usize,
    pub packet: Vec<u8>,
}

pub(crate) struct Network {
    hosts: Vec<HostPlan>,
    sites: Vec<Site>,
    /// Sites by the addresses that they have on the open net.
    open: HashMap<Ipv4Addr, usize>,
    flights: BinaryHeap<Reverse<Flight>>,
    order: u64,
    random: fastrand::Rng,
    traffic: BTreeMap<(usize, usize), Traffic>,
    unroutable: Vec<BTreeMap<Ipv4Addr, Traffic>>,
    /// What needs no names.
    counted: Report,
}

impl Network {
    /// A plan that was checked, as a network.
    pub fn new(plan: &Plan) -> Self {
        let mut sites = Vec::new();
        let mut open = HashMap::new();
        for (index, site) in plan.sites.iter().enumerate() {
            let inside = plan.hosts.iter().enumerate().filter(|(_, host)| host.site == index);
            let hosts: HashMap<Ipv4Addr, usize> = inside.map(|(n, host)| (host.address, n)).collect();
            match &site.nat {
                Some(nat) => open.extend([(nat.address, index)]),
                None => open.extend(hosts.keys().map(|address| (*address, index))),
            }
            let (up, down) = (Direction::up(&site.access), Direction::down(&site.access));
            sites.push(Site { up, down, nat: site.nat.clone().map(Nat::new), hosts });
        }
        Self {
            sites,
            open,
            flights: BinaryHeap::new(),
            order: 0,
            random: fastrand::Rng::with_seed(plan.seed),
            traffic: BTreeMap::new(),
            unroutable: vec![BTreeMap::new(); plan.hosts.len()],
            counted: Report::default(),
            hosts: plan.hosts.clone(),
        }
    }

    /// A host sends a packet.
    pub fn send(&mut self, now: Duration, from: usize, mut packet: Vec<u8>) {
        let host = &self.hosts[from];
        let site = &mut self.sites[host.site];
        let to = packet::destination(&packet);
        if to.is_some_and(|to| to.is_multicast() || to.is_broadcast()) {
            let mut others: Vec<usize> =
                site.hosts.values().copied().filter(|other| *other != from).collect();
            others.sort_unstable();
            self.counted.multicast += u64::from(others.is_empty());
            for other in others {
                self.put(now, Step::Deliver(other), from, packet.clone());
            }
            return;
        }
        let flow = packet::flow(&packet).filter(|flow| *flow.source.ip() == host.address);
        let Some(Flow { protocol, source, destination }) = flow else {
            self.counted.not_carried += 1;
            return;
        };
        if let Some(&neighbour) = site.hosts.get(destination.ip()) {
            self.put(now, Step::Deliver(neighbour), from, packet);
            return;
        }
        if destination.ip().is_private() {
            self.count_unroutable(from, *destination.ip(), packet.len());
            return;
        }
        if let Some(nat) = &mut site.nat {
            let outside = nat.outbound(now, protocol, source, destination, &mut self.random);
            packet::set_source(&mut packet, outside);
            if *destination.ip() == nat.plan().address {
                match nat.plan().hairpin {
                    true => self.enter(now, host.site, from, packet),
                    false => nat.refused += 1,
                }
                return;
            }
        }
        let passed = site.up.pass(now, packet.len(), &mut self.random);
        self.carry(passed, Step::Cross, from, packet);
    }

    /// When something is due next.
    pub fn next(&self) -> Option<Duration> {
        self.flights.peek().map(|Reverse(flight)| flight.at)
    }

    /// The next delivery that is due.
    pub fn take_due(&mut self, now: Duration) -> Option<Delivery> {
        while self.next().is_some_and(|at| at <= now) {
            let Reverse(Flight { at, step, from, packet, .. }) = self.flights.pop()?;
            match step {
                Step::Cross => self.cross(at, from, packet),
                Step::Enter(site) => self.enter(at, site, from, packet),
                Step::Deliver(to) => {
                    let late = u64::try_from((now - at).as_micros()).unwrap_or(u64::MAX);
                    self.counted.latest_us = self.counted.latest_us.max(late);
                    self.traffic.entry((from, to)).or_default().add(packet.len());
                    return Some(Delivery { to, packet });
                }
            }
        }
        None
    }

    /// What was counted so far.
    pub fn report(&self) -> Report {
        let mut report = self.counted.clone();
        let name = |host: usize| self.hosts[host].name.clone();
        for (&(from, to), traffic) in &self.traffic {
            report.delivered.entry(name(from)).or_default().insert(name(to), *traffic);
        }
        let unroutable = self.unroutable.iter().enumerate().filter(|(_, sent)| !sent.is_empty());
        report.unroutable = unroutable.map(|(from, sent)| (name(from), sent.clone())).collect();
        let nats = self.sites.iter().filter_map(|site| site.nat.as_ref());
        report.refused = nats.map(|nat| (nat.plan().name.clone(), nat.refused)).collect();
        report
    }

    fn cross(&mut self, now: Duration, from: usize, packet: Vec<u8>) {
        let Some(to) = packet::destination(&packet) else { return };
        let Some(&site) = self.open.get(&to) else {
            self.count_unroutable(from, to, packet.len());
            return;
        };
        let passed = self.sites[site].down.pass(now, packet.len(), &mut self.random);
        self.carry(passed, Step::Enter(site), from, packet);
    }

    fn enter(&mut self, now: Duration, site: usize, from: usize, mut packet: Vec<u8>) {
        let Some(Flow { protocol, source, destination }) = packet::flow(&packet) else { return };
        let Site { nat, hosts, .. } = &mut self.sites[site];
        let mut host = *destination.ip();
        if let Some(nat) = nat {
            let Some(inside) = nat.inbound(now, protocol, source, destination.port()) else { return };
            packet::set_destination(&mut packet, inside);
            host = *inside.ip();
        }
        if let Some(&to) = hosts.get(&host) {
            self.put(now, Step::Deliver(to), from, packet);
        }
    }

    fn carry(&mut self, passed: Result<Duration, Dropped>, step: Step, from: usize, packet: Vec<u8>) {
        match passed {
            Ok(at) => self.put(at, step, from, packet),
            Err(Dropped::Lost) => self.counted.lost += 1,
            Err(Dropped::Queue) => self.counted.queue_full += 1,
        }
    }

    fn put(&mut self, at: Duration, step: Step, from: usize, packet: Vec<u8>) {
        if self.flights.len() >= MAX_FLIGHTS {
            self.counted.overrun += 1;
            return;
        }
        self.order += 1;
        self.flights.push(Reverse(Flight { at, order: self.order, step, from, packet }));
    }

    fn count_unroutable(&mut self, from: usize, to: Ipv4Addr, bytes: usize) {
        let sent = &mut self.unroutable[from];
        // Beyond the bound they are counted as one.
        let to = if sent.len() < MAX_UNROUTABLE { to } else { Ipv4Addr::UNSPECIFIED };
        sent.entry(to).or_default().add(bytes);
    }
}

#[cfg(test)]
mod tests;
