//! The network between viewers: access links, latency, loss.
//!
//! Invariant: no link carries more than its capacity, and every byte sent is received, on its way, or lost ([`Ledger`]).
//!
//! The narrow places are the access links, as they are in the world, and the lines that the hosts of an office share ([`Line`]);
//! between them there is only latency. A host's uplink sends one transfer after another, in the order of [`Net::send`], and never rests while something waits. A transfer
//! reaches the other side a latency after it left, in the receiver's downlink it may wait once more. Each step is O(1),
//! and none changes what another transfer was told before: nothing is recomputed when a transfer begins or ends, which
//! is what lets 10^5 hosts run. The price is that transfers of one host do not share its uplink side by side.
//!
//! A transfer takes two calls, because only its arrival knows in which order a receiver is reached: [`Net::send`] says when
//! the last byte reaches the receiver's access link, and at that time [`Net::receive`] says when it has come through.

mod capacity;
mod host;
mod line;
pub mod origin;
mod setup;

pub use capacity::{Capacity, Profile};
pub use host::{Host, Nat, Place};
pub use line::{Crossings, Line, LineId};
pub use setup::LinkSetup;

use core::time::Duration;
use swarm::Time;

use crate::rng::Rng;
use line::Shared;

/// What holds for all links.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// No two hosts are nearer, one way.
    pub min_latency: Duration,
    /// None are farther apart.
    pub max_latency: Duration,
    /// How large a packet is, in bytes: each is lost or not by itself.
    pub packet_bytes: u32,
    /// How long it takes to miss a lost packet, beyond the round trip to ask for it again.
    pub retransmit_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            min_latency: Duration::from_millis(5),
            max_latency: Duration::from_millis(150),
            packet_bytes: 1200,
            retransmit_after: Duration::from_millis(200),
        }
    }
}

/// A host's number; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostId(pub u32);

/// Bytes on their way. To be given back to [`Net::receive`] when it `reaches` the receiver. Transfers of one link may overtake each
/// other, where a packet is lost or a small message goes past: a driver that promises order lets the later one wait.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "bytes that nobody receives are in flight for ever"]
pub struct Transfer {
    /// Who sends.
    pub from: HostId,
    /// To whom.
    pub to: HostId,
    /// How many bytes.
    pub bytes: u32,
    /// When the last byte has left the sender's uplink.
    pub left: Time,
    /// When the last byte is at the receiver's access link.
    pub reaches: Time,
    /// The part of the latency that is due to lost packets; zero if none was lost.
    pub extra: Duration,
    /// When the first byte is at the receiver's access link, in nanoseconds.
    first_reaches: u64,
    /// Whether it goes past what waits.
    control: bool,
}

/// Where all bytes are: `sent = received + in_flight + lost`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Bytes given to uplinks.
    pub sent: u64,
    /// Bytes that came through the receiver's downlink.
    pub received: u64,
    /// Bytes sent of which nothing is known yet.
    pub in_flight: u64,
    /// Bytes whose sender or receiver left meanwhile.
    pub lost: u64,
}

/// What one host has sent and received, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// To other hosts.
    pub sent: u64,
    /// From other hosts.
    pub received: u64,
    /// From the origin.
    pub from_origin: u64,
}

/// Hosts and their links.
#[derive(Debug)]
pub struct Net {
    config: Config,
    seed: u64,
    hosts: Vec<State>,
    lines: Vec<Shared>,
    crossings: Crossings,
    ledger: Ledger,
}

#[derive(Debug)]
struct State {
    host: Host,
    line: Option<LineId>,
    /// When the uplink has sent all that it was given, in nanoseconds.
    up_free: u64,
    /// When the downlink has passed on all that has reached it, in nanoseconds.
    down_free: u64,
    /// When the host went, in nanoseconds.
    gone: Option<u64>,
    traffic: Traffic,
}

impl Net {
    /// A network without hosts. `seed` decides which packets are lost.
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            config,
            seed,
            hosts: Vec::new(),
            lines: Vec::new(),
            crossings: Crossings::new(),
            ledger: Ledger::default(),
        }
    }

    /// Connects a host.
    pub fn join(&mut self, host: Host) -> HostId {
        let id = HostId(self.hosts.len() as u32);
        let traffic = Traffic::default();
        self.hosts.push(State { host, line: None, up_free: 0, down_free: 0, gone: None, traffic });
        id
    }

    /// Takes a host away for ever. What has not left it by now is lost, and so is what has not reached it.
    pub fn leave(&mut self, now: Time, host: HostId) {
        self.state_mut(host).gone.get_or_insert(nanos(now));
    }

    /// Gives bytes to a host's uplink, behind all that waits there.
    pub fn send(&mut self, now: Time, from: HostId, to: HostId, bytes: u32) -> Transfer {
        let (uplink, free) = self.queue(from, to);
        let start = nanos(now).max(*free);
        let left = uplink.finish(start, bytes);
        *free = left;
        self.dispatch(start, left, from, to, bytes, false)
    }

    /// Gives a small message to a host's uplink, past all that waits there and past what waits at the receiver: message and
    /// bulk are interleaved packet by packet on a real link. Its bytes take their time all the same, from the others.
    pub fn send_control(&mut self, now: Time, from: HostId, to: HostId, bytes: u32) -> Transfer {
        let start = nanos(now);
        let (uplink, free) = self.queue(from, to);
        let left = uplink.finish(start, bytes);
        *free = uplink.finish(start.max(*free), bytes);
        self.dispatch(start, left, from, to, bytes, true)
    }

    /// Takes in what has reached its receiver: at [`Transfer::reaches`] or later. When it has come through the downlink; `None`
    /// if it is lost, because its sender went before it had left or its receiver is gone.
    pub fn receive(&mut self, now: Time, transfer: Transfer) -> Option<Time> {
        let bytes = u64::from(transfer.bytes);
        let now = nanos(now.max(transfer.reaches));
        self.ledger.in_flight -= bytes;
        let cut = self.state(transfer.from).gone.is_some_and(|gone| gone < nanos(transfer.left));
        let receiver = self.state_mut(transfer.to);
        if cut || receiver.gone.is_some_and(|gone| gone <= now) {
            self.ledger.lost += bytes;
            return None;
        }
        receiver.traffic.received += bytes;
        let Transfer { from, to, first_reaches, bytes: size, .. } = transfer;
        let inside = self.pass_line(Some(from), to, first_reaches, size);
        let through = self.state_mut(to).pass_down(first_reaches, size).max(inside);
        self.ledger.received += bytes;
        Some(if transfer.control { time(now) } else { time(now.max(through)) })
    }

    /// Takes in bytes from the origin, which sent them from `began` on and whose last byte is at the host's access link `now`.
    /// When they have come through the downlink; `None` if the host is gone.
    pub fn receive_from_origin(&mut self, now: Time, to: HostId, began: Time, bytes: u32) -> Option<Time> {
        let receiver = self.state_mut(to);
        if receiver.gone.is_some_and(|gone| gone <= nanos(now)) {
            return None;
        }
        receiver.traffic.from_origin += u64::from(bytes);
        let through = receiver.pass_down(nanos(began), bytes);
        let inside = self.pass_line(None, to, nanos(began), bytes);
        Some(time(through.max(inside).max(nanos(now))))
    }

    /// One way from one host to another, without waiting and loss: the distance between their places and the height of both.
    pub fn latency(&self, a: HostId, b: HostId) -> Duration {
        let (a, b) = (self.state(a).host.place, self.state(b).host.place);
        a.latency_to(b).clamp(self.config.min_latency, self.config.max_latency)
    }

    /// The mean one-way latency between hosts, over a sample of neighbouring numbers: who comes after whom is chance.
    pub fn mean_latency(&self) -> Duration {
        let pairs = (self.hosts.len() as u32 / 2).min(1000);
        let sum: Duration = (0..pairs).map(|pair| self.latency(HostId(pair * 2), HostId(pair * 2 + 1))).sum();
        sum / pairs.max(1)
    }

    /// Whether two hosts can connect without a relay. Those behind one line have no translator between them.
    pub fn can_connect(&self, a: HostId, b: HostId) -> bool {
        self.are_neighbours(a, b) || self.state(a).host.nat.can_connect(self.state(b).host.nat)
    }

    /// When a host's uplink has sent all that it was given; not before `now`.
    pub fn uplink_free(&self, now: Time, host: HostId) -> Time {
        now.max(time(self.state(host).up_free))
    }

    /// A host as it joined.
    pub fn host(&self, host: HostId) -> &Host {
        &self.state(host).host
    }

    /// Whether a host is still there.
    pub fn is_present(&self, host: HostId) -> bool {
        self.state(host).gone.is_none()
    }

    /// What a host has sent and received.
    pub fn traffic(&self, host: HostId) -> Traffic {
        self.state(host).traffic
    }

    /// Where all bytes are that hosts sent to hosts.
    pub fn ledger(&self) -> Ledger {
        self.ledger
    }

    fn dispatch(
        &mut self,
        start: u64,
        left: u64,
        from: HostId,
        to: HostId,
        bytes: u32,
        control: bool,
    ) -> Transfer {
        self.ledger.sent += u64::from(bytes);
        self.ledger.in_flight += u64::from(bytes);
        self.state_mut(from).traffic.sent += u64::from(bytes);
        self.count_crossing(from, to, bytes);
        let latency = self.latency(from, to);
        let extra = self.loss_delay(start, from, to, bytes, latency);
        let way = latency.as_nanos() as u64;
        Transfer {
            from,
            to,
            bytes,
            left: time(left),
            reaches: time(left.saturating_add(way).saturating_add(extra.as_nanos() as u64)),
            extra,
            first_reaches: start.saturating_add(way),
            control,
        }
    }

    /// Losses only delay: one packet or more of the transfer lost costs a timeout and a round trip. Whether that is so is drawn
    /// from the seed, the link and the moment at which the first byte leaves, so that links need no state of their own.
    fn loss_delay(&self, start: u64, from: HostId, to: HostId, bytes: u32, latency: Duration) -> Duration {
        let (a, b) = (self.state(from).host.loss, self.state(to).host.loss);
        if a == 0.0 && b == 0.0 {
            return Duration::ZERO;
        }
        let packets = bytes.div_ceil(self.config.packet_bytes).max(1);
        let whole = libm::pow((1.0 - a) * (1.0 - b), f64::from(packets));
        let link = u64::from(from.0) << 32 | u64::from(to.0);
        if Rng::stream(self.seed ^ start, link, "loss").chance(1.0 - whole) {
            self.config.retransmit_after + 2 * latency
        } else {
            Duration::ZERO
        }
    }

    fn state(&self, host: HostId) -> &State {
        &self.hosts[host.0 as usize]
    }

    fn state_mut(&mut self, host: HostId) -> &mut State {
        &mut self.hosts[host.0 as usize]
    }
}

impl State {
    /// Lets bytes whose first one came at `first` through the downlink, behind all that came before: when they are through, at
    /// the earliest. They pass while they come, so a wide downlink costs no time of its own.
    fn pass_down(&mut self, first: u64, bytes: u32) -> u64 {
        self.down_free = self.host.down.finish(first.max(self.down_free), bytes);
        self.down_free
    }
}

fn nanos(time: Time) -> u64 {
    time.0.saturating_mul(1000)
}

/// Rounded up: nothing has happened before it has.
fn time(nanos: u64) -> Time {
    Time(nanos.div_ceil(1000))
}
