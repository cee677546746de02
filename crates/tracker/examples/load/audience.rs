//! Many clients in one thread: they connect, join their swarms, announce with offers, and answer the offers that come.

use std::{
    io,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use mio::{Events, Poll};

use crate::{
    frame::{self, Opcode},
    ledger::Ledger,
    message::{self, Heard},
    sdp::Pool,
    socket::{self, Socket, Stage, Target},
};

/// Handshakes at a time: less than the backlog of any of the servers.
const OPENING: usize = 128;
/// Announces at a time while the swarms fill.
const JOINING: usize = 256;
/// Without any progress for so long there is something wrong.
const STUCK: Duration = Duration::from_secs(30);

/// When the next announce goes out.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// As soon as less than so many are under way.
    Closed(usize),
    /// Every so often, whatever the server does.
    Open(Duration),
}

/// What moved in both directions, as seen by the clients.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    pub sent: u64,
    pub heard: u64,
    pub sent_bytes: u64,
    pub heard_bytes: u64,
}

/// What the clients are like.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    pub connections: usize,
    pub swarms: usize,
    pub offers: u64,
    pub sdp_bytes: usize,
}

pub struct Audience {
    crowd: Crowd,
    poll: Poll,
    events: Events,
    sockets: Vec<Socket>,
    offers: Pool,
    answers: Pool,
    start: Instant,
    /// The client that announces next.
    turn: usize,
    scratch: Vec<u8>,
    out: Vec<u8>,
    pub ledger: Ledger,
    pub traffic: Traffic,
    /// Connections that the server closed.
    pub closed: u64,
    /// Messages that are none.
    pub strange: u64,
}

impl Audience {
    pub fn new(crowd: Crowd) -> io::Result<Self> {
        Ok(Self {
            crowd,
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            sockets: Vec::with_capacity(crowd.connections),
            offers: Pool::new("actpass", crowd.sdp_bytes),
            answers: Pool::new("active", crowd.sdp_bytes),
            start: Instant::now(),
            turn: 0,
            scratch: socket::scratch(),
            out: Vec::new(),
            ledger: Ledger::new(crowd.connections, crowd.swarms),
            traffic: Traffic::default(),
            closed: 0,
            strange: 0,
        })
    }

    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Opens all connections.
    pub fn connect(&mut self, target: &Target) -> anyhow::Result<()> {
        let (mut open, mut progress) = (0, self.now());
        while open < self.crowd.connections {
            while self.sockets.len() < self.crowd.connections && self.sockets.len() < open + OPENING {
                let socket = Socket::connect(self.poll.registry(), self.sockets.len(), target, None, true);
                self.sockets.push(socket.context("cannot connect")?);
            }
            self.turn_once(Some(Duration::from_millis(100)))?;
            let before = open;
            // They open nearly in order.
            while self.sockets.get(open).is_some_and(|socket| socket.stage() == Stage::Open) {
                open += 1;
            }
            self.check_progress(open > before, &mut progress, "connections")?;
        }
        Ok(())
    }

    /// Every client announces itself, without offers.
    pub fn join(&mut self) -> anyhow::Result<()> {
        let (mut next, mut progress) = (0, self.now());
        while next < self.crowd.connections || self.ledger.under_way() > 0 {
            let before = self.ledger.counts.done;
            while next < self.crowd.connections && self.ledger.under_way() < JOINING {
                self.announce(next, 0, Some("started"));
                next += 1;
            }
            self.turn_once(Some(Duration::from_millis(100)))?;
            if self.ledger.counts.refused > 0 {
                bail!("the tracker refuses to let clients join: {:?}", self.ledger.reasons);
            }
            self.check_progress(self.ledger.counts.done > before, &mut progress, "joins")?;
        }
        Ok(())
    }

    fn check_progress(&self, progress: bool, last: &mut Duration, what: &str) -> anyhow::Result<()> {
        let now = self.now();
        if progress {
            *last = now;
        } else if now.saturating_sub(*last) > STUCK {
            bail!("no progress with {what}: {} closed, {:?}", self.closed, self.ledger.counts);
        }
        Ok(())
    }

    /// Announces at this pace until `end`.
    pub fn load(&mut self, pace: Pace, end: Duration, patience: Duration) -> io::Result<()> {
        let mut due = self.now();
        let mut swept = due;
        loop {
            let now = self.now();
            if now >= end {
                return Ok(());
            }
            let wait = match pace {
                Pace::Closed(under_way) => {
                    while self.ledger.under_way() < under_way && self.announce_next() {}
                    Duration::from_millis(100)
                }
                Pace::Open(every) => {
                    while due <= now {
                        self.announce_next();
                        due += every;
                    }
                    due.saturating_sub(self.now()).max(socket::GRAIN)
                }
            };
            if now.saturating_sub(swept) >= Duration::from_secs(1) {
                swept = now;
                self.ledger.give_up(now.saturating_sub(patience));
            }
            self.turn_once(Some(wait.min(end.saturating_sub(now)).max(socket::GRAIN)))?;
        }
    }

    /// Waits for all that is under way, for no longer than that; the rest is lost.
    pub fn drain(&mut self, patience: Duration) -> io::Result<()> {
        let end = self.now() + patience;
        while self.ledger.under_way() > 0 && self.now() < end {
            self.turn_once(Some(Duration::from_millis(10)))?;
        }
        self.ledger.give_up(Duration::MAX);
        Ok(())
    }

    /// Whoever's turn it is announces. `false` if there is nobody left.
    fn announce_next(&mut self) -> bool {
        for _ in 0..self.sockets.len() {
            let who = self.turn;
            self.turn = (self.turn + stride(self.sockets.len())) % self.sockets.len();
            if self.sockets[who].stage() == Stage::Open {
                self.announce(who, self.crowd.offers, None);
                return true;
            }
        }
        false
    }

    fn announce(&mut self, who: usize, offers: u64, event: Option<&str>) {
        let now = self.now();
        let numbers = self.ledger.announced(now, who, offers);
        let writing = frame::begin(&mut self.out, mask(numbers.start));
        let first = numbers.start;
        let offers =
            (0..offers as usize).map(|index| (first + index as u64, self.offers.get(first + index as u64)));
        message::announce(&mut self.out, (who % self.crowd.swarms, who), event, offers);
        let start = writing.finish(&mut self.out, Opcode::Text);
        self.sockets[who].send(&self.out[start..]);
        self.traffic.sent += 1;
        self.traffic.sent_bytes += (self.out.len() - start) as u64;
    }

    /// Waits for events and carries out what follows from them.
    fn turn_once(&mut self, wait: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, wait) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let now = self.start.elapsed();
        let Self { crowd, events, sockets, answers, scratch, out, ledger, traffic, closed, strange, .. } =
            self;
        let mut replies: Vec<Vec<u8>> = Vec::new();
        for event in &*events {
            let at = event.token().0;
            let socket = &mut sockets[at];
            if matches!(socket.stage(), Stage::Closed(_)) {
                continue;
            }
            if event.is_writable() {
                socket.writable();
            }
            socket.readable(event.is_read_closed(), scratch, |text| {
                traffic.heard += 1;
                traffic.heard_bytes += text.len() as u64;
                match message::hear(text) {
                    Heard::Offer { from, offer } => {
                        let Some(number) = message::offer_of(offer) else { return *strange += 1 };
                        if ledger.relayed(now, number, message::peer_of(from), at) {
                            let writing = frame::begin(out, mask(number));
                            message::answer(out, (at % crowd.swarms, at), from, offer, answers.get(number));
                            let start = writing.finish(out, Opcode::Text);
                            traffic.sent += 1;
                            traffic.sent_bytes += (out.len() - start) as u64;
                            replies.push(out[start..].to_vec());
                        }
                    }
                    Heard::Answer { from, offer } => match message::offer_of(offer) {
                        Some(number) => ledger.returned(now, number, message::peer_of(from), at),
                        None => *strange += 1,
                    },
                    Heard::Reply => ledger.replied(at),
                    Heard::Refused(reason) => ledger.refused(at, &String::from_utf8_lossy(reason)),
                    Heard::Strange => *strange += 1,
                }
            });
            for reply in replies.drain(..) {
                socket.send(&reply);
            }
            if matches!(socket.stage(), Stage::Closed(_)) {
                *closed += 1;
            }
        }
        Ok(())
    }
}

/// Clients take turns in steps of this: neighbours in turn are of different swarms, and all have their turn.
fn stride(clients: usize) -> usize {
    [7919, 6997, 1].into_iter().find(|step| !clients.is_multiple_of(*step) || *step == 1).unwrap_or(1)
}

fn mask(number: u64) -> [u8; 4] {
    (number as u32).wrapping_mul(0x9e37_79b9).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_its_turn() {
        for clients in [1, 7, 100, 1000, 7919, 18_000] {
            let mut seen = vec![false; clients];
            let mut turn = 0;
            for _ in 0..clients {
                seen[turn] = true;
                turn = (turn + stride(clients)) % clients;
            }
            assert!(seen.iter().all(|&seen| seen), "{clients}");
        }
    }
}
