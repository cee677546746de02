//! The origin, or the CDN before it: answers everybody, costs money, and may be away.
//!
//! Invariant: the responses in progress share what it can send equally (processor sharing), none above the limit for a
//! connection. All of them therefore advance at one rate, so one number, how far each would be that began at the start,
//! orders all their ends: O(log n) for whatever happens.
//!
//! The owner asks [`Origin::next`] when something happens, and then [`Origin::poll`] until there is no more; a request or a
//! cancellation at the same time comes after that.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use swarm::Time;

use super::{nanos, time};

/// What it can do.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What it sends to all together, in bits a second; `None` for as much as is asked.
    pub total_bps: Option<u64>,
    /// What one connection gets at most, in bits a second.
    pub connection_bps: Option<u64>,
    /// The round trip between it and a viewer; one passes before a response begins to arrive.
    pub rtt: Duration,
    /// What 10^9 bytes cost.
    pub price_per_gb: f64,
    /// When it is away: from, to; in order, and apart from each other.
    pub away: Vec<(Time, Time)>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            total_bps: None,
            connection_bps: Some(100_000_000),
            rtt: Duration::from_millis(30),
            price_per_gb: 0.01,
            away: Vec::new(),
        }
    }
}

/// A request's number; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request(pub u64);

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A part of the response is sent.
    Part {
        /// Of which request.
        request: Request,
        /// Which part, from 0.
        part: usize,
        /// How long it is.
        bytes: u32,
        /// When its first byte is at the viewer's access link.
        began: Time,
        /// When its last byte is there.
        reaches: Time,
        /// Whether it is the last.
        last: bool,
    },
    /// The connection broke because the origin went away; parts already sent arrive.
    Cut(Request),
}

/// The origin at work.
#[derive(Debug)]
pub struct Origin {
    config: Config,
    /// Up to when it has worked, in nanoseconds.
    clock: u64,
    /// How many bits a response would have got that was there from the start.
    service: f64,
    responses: BTreeMap<u64, Response>,
    /// By the service at which the part in progress ends (a positive double orders as its bits), then by number.
    ends: BTreeSet<(u64, u64)>,
    requests: u64,
    sent_bytes: u64,
}

#[derive(Debug)]
struct Response {
    parts: Vec<u32>,
    part: usize,
    /// When and at which service the part in progress began.
    began: u64,
    from: f64,
}

impl Origin {
    /// Nothing is asked of it yet.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            clock: 0,
            service: 0.0,
            responses: BTreeMap::new(),
            ends: BTreeSet::new(),
            requests: 0,
            sent_bytes: 0,
        }
    }

    /// Asks for a response in parts of these lengths, each reported by itself. `None` while the origin is away, or for nothing.
    pub fn request(&mut self, now: Time, parts: Vec<u32>) -> Option<Request> {
        if parts.is_empty() || !self.is_up(now) {
            return None;
        }
        self.advance(nanos(now));
        let number = self.requests;
        self.requests += 1;
        let response = Response { parts, part: 0, began: self.clock, from: self.service };
        self.ends.insert((response.end().to_bits(), number));
        self.responses.insert(number, response);
        Some(Request(number))
    }

    /// Gives up a request. What was sent of the part in progress is paid for all the same.
    pub fn cancel(&mut self, now: Time, request: Request) {
        self.advance(nanos(now));
        self.end(request.0);
    }

    /// When [`Origin::poll`] has something to tell, if nothing is asked or cancelled before.
    pub fn next(&self) -> Option<Time> {
        self.next_nanos().map(time)
    }

    /// What has happened by `now`, one thing after another.
    pub fn poll(&mut self, now: Time) -> Option<Reply> {
        let at = self.next_nanos().filter(|&at| at <= nanos(now))?;
        self.advance(at);
        let (end, number) = *self.ends.first()?;
        if !self.is_up(Time(self.clock / 1000)) {
            self.end(number);
            return Some(Reply::Cut(Request(number)));
        }
        self.ends.pop_first();
        self.service = self.service.max(f64::from_bits(end));
        let response = self.responses.get_mut(&number)?;
        let bytes = response.parts[response.part];
        let rtt = self.config.rtt.as_nanos() as u64;
        let reply = Reply::Part {
            request: Request(number),
            part: response.part,
            bytes,
            began: time(response.began + rtt),
            reaches: time(at + rtt),
            last: response.part + 1 == response.parts.len(),
        };
        self.sent_bytes += u64::from(bytes);
        response.part += 1;
        response.began = at;
        // From where it ended, not from where the clock is: rounding does not add up.
        response.from = f64::from_bits(end);
        if response.part == response.parts.len() {
            self.responses.remove(&number);
        } else {
            self.ends.insert((response.end().to_bits(), number));
        }
        Some(reply)
    }

    /// Whether it answers at a time.
    pub fn is_up(&self, now: Time) -> bool {
        !self.config.away.iter().any(|&(from, to)| from <= now && now < to)
    }

    /// How many responses are in progress.
    pub fn load(&self) -> usize {
        self.responses.len()
    }

    /// Bytes sent so far, but for those of parts in progress.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// What they cost.
    pub fn cost(&self) -> f64 {
        self.sent_bytes as f64 / 1e9 * self.config.price_per_gb
    }

    fn next_nanos(&self) -> Option<u64> {
        let &(end, _) = self.ends.first()?;
        let span = ((f64::from_bits(end) - self.service).max(0.0) / self.rate() * 1e9).ceil();
        let ends = self.clock.saturating_add(span as u64);
        let cut =
            self.config.away.iter().find(|&&(_, to)| nanos(to) > self.clock).map(|&(from, _)| nanos(from));
        Some(cut.map_or(ends, |cut| ends.min(cut.max(self.clock))))
    }

    fn advance(&mut self, to: u64) {
        if to > self.clock {
            if !self.responses.is_empty() {
                self.service += self.rate() * ((to - self.clock) as f64 * 1e-9);
            }
            self.clock = to;
        }
    }

    /// Bits a second for each response in progress.
    fn rate(&self) -> f64 {
        // Without any limit, so fast that it takes no time that shows.
        let connection = self.config.connection_bps.map_or(1e15, |bps| bps as f64);
        let share = self.config.total_bps.map(|bps| bps as f64 / self.responses.len().max(1) as f64);
        share.map_or(connection, |share| share.min(connection))
    }

    /// Takes a response out; the part in progress counts as far as it came.
    fn end(&mut self, number: u64) {
        if let Some(response) = self.responses.remove(&number) {
            self.ends.remove(&(response.end().to_bits(), number));
            let bytes = (self.service - response.from).max(0.0) / 8.0;
            self.sent_bytes += (bytes as u64).min(u64::from(response.parts[response.part]));
        }
    }
}

impl Response {
    /// The service at which the part in progress ends.
    fn end(&self) -> f64 {
        self.from + f64::from(self.parts[self.part]) * 8.0
    }
}
