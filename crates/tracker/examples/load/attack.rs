//! Clients that mean no good, and come again whenever they are thrown out.

use std::{
    collections::BTreeMap,
    io,
    time::{Duration, Instant},
};

use mio::{Events, Poll};
use serde_json::{Value, json};

use crate::{
    frame::{self, Opcode},
    junk, message,
    socket::{self, Socket, Stage, Target},
};

/// What they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// As many messages a second as the rate says, through as many connections as there are.
    Flood,
    /// They hold half a handshake or half a frame, do not read, or send a byte a second.
    Slow,
    /// Messages that are none, and bytes that are no frames.
    Junk,
}

/// The ways to be slow. Connections take them in turn.
const SLOW: [&str; 8] = [
    "half a handshake",
    "half a frame",
    "does not read",
    "a byte a second",
    "never speaks",
    "slow headers",
    "a long handshake",
    "half open",
];

/// A swarm of their own: who joins the clients' and answers nothing makes them lose what no tracker could deliver.
const SWARM: usize = 900_000_000_000;

/// The receive buffer of one that does not read, in bytes.
const SMALL_WINDOW: usize = 4096;
/// How often each attacker is looked at.
const TICK: Duration = Duration::from_millis(5);
/// Connections are begun again no more often than this many at a tick.
const AGAIN: usize = 100;

struct Attacker {
    socket: Socket,
    /// What it has sent, in messages or bytes.
    sent: u64,
    last: Instant,
}

struct Attack<'a> {
    kind: Kind,
    target: &'a Target,
    poll: Poll,
    attackers: Vec<Option<Attacker>>,
    connections: u64,
    refused: u64,
    /// Of those that count against the rate.
    messages: u64,
    heard: BTreeMap<String, u64>,
    ends: BTreeMap<String, u64>,
}

/// Attacks for so long, and tells what came of it.
pub fn run(
    kind: Kind,
    target: &Target,
    connections: usize,
    rate: f64,
    seconds: f64,
) -> anyhow::Result<Value> {
    let mut attack = Attack {
        kind,
        target,
        poll: Poll::new()?,
        attackers: (0..connections).map(|_| None).collect(),
        connections: 0,
        refused: 0,
        messages: 0,
        heard: BTreeMap::new(),
        ends: BTreeMap::new(),
    };
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < seconds {
        attack.open();
        let due = (start.elapsed().as_secs_f64() * rate) as u64;
        attack.act(due);
        attack.wait()?;
    }
    let Attack { attackers, connections, refused, messages, heard, ends, .. } = attack;
    let messages =
        messages + attackers.iter().flatten().filter(|_| kind == Kind::Slow).map(|one| one.sent).sum::<u64>();
    let open = attackers.iter().flatten().filter(|one| one.socket.stage() == Stage::Open).count();
    Ok(json!({
        "seconds": start.elapsed().as_secs_f64(), "connections": connections, "refused": refused, "open": open,
        "messages": messages, "heard": heard, "ends": ends,
    }))
}

impl Attack<'_> {
    /// How the attacker at this place goes about it, for the counts.
    fn manner(kind: Kind, place: usize) -> String {
        match kind {
            Kind::Flood => "flood".to_owned(),
            Kind::Slow => SLOW[place % SLOW.len()].to_owned(),
            Kind::Junk => format!("{:?}", junk::ALL[place % junk::ALL.len()]),
        }
    }

    fn open(&mut self) {
        let Self { kind, target, poll, attackers, connections, refused, .. } = self;
        for (place, attacker) in attackers.iter_mut().enumerate().filter(|(_, one)| one.is_none()).take(AGAIN)
        {
            let (window, greet) = match (*kind, SLOW[place % SLOW.len()]) {
                (Kind::Slow, "half a handshake" | "never speaks" | "slow headers" | "a long handshake") => {
                    (None, false)
                }
                (Kind::Slow, "does not read") => (Some(SMALL_WINDOW), true),
                _ => (None, true),
            };
            match Socket::connect(poll.registry(), place, target, window, greet) {
                Ok(socket) => {
                    *connections += 1;
                    *attacker = Some(Attacker { socket, sent: 0, last: Instant::now() });
                }
                Err(_) => *refused += 1,
            }
        }
    }

    /// `due` messages should have been sent by all together.
    fn act(&mut self, due: u64) {
        let places = self.attackers.len();
        let share = due.saturating_sub(self.messages).div_ceil(places as u64);
        for place in 0..places {
            let Some(attacker) = &mut self.attackers[place] else { continue };
            let open = attacker.socket.stage() == Stage::Open;
            match self.kind {
                Kind::Slow => slow(attacker, place, self.target),
                _ if !open => {}
                Kind::Flood => {
                    let mut batch = Vec::new();
                    for _ in 0..share {
                        let mut text = Vec::new();
                        message::announce(&mut text, (SWARM, 900_000_000 + place), None, [].into_iter());
                        batch.extend(frame::frame(Opcode::Text, &text, [1, 2, 3, 4]));
                        self.messages += 1;
                    }
                    // What is not taken counts: the attacker has done its part.
                    attacker.socket.send(&batch);
                }
                Kind::Junk if self.messages < due => {
                    let junk = junk::ALL[place % junk::ALL.len()];
                    attacker.sent += 1;
                    self.messages += 1;
                    attacker.socket.send(&junk.bytes(attacker.sent.wrapping_mul(31) + place as u64));
                }
                Kind::Junk => {}
            }
        }
    }

    fn wait(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut scratch = socket::scratch();
        let end = Instant::now() + TICK;
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            match self.poll.poll(&mut events, Some(left)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                let place = event.token().0;
                let Some(attacker) = &mut self.attackers[place] else { continue };
                let manner = Self::manner(self.kind, place);
                if event.is_writable() {
                    attacker.socket.writable();
                }
                let deaf = self.kind == Kind::Slow
                    && matches!(manner.as_str(), "does not read" | "half open")
                    && attacker.sent > 0;
                if !deaf || event.is_error() || event.is_read_closed() {
                    let heard = self.heard.entry(manner.clone()).or_default();
                    attacker.socket.readable(event.is_read_closed(), &mut scratch, |_| *heard += 1);
                }
                if let Stage::Closed(code) = attacker.socket.stage() {
                    let code = code.map_or("without a code".to_owned(), |code| code.to_string());
                    *self.ends.entry(format!("{manner}: {code}")).or_default() += 1;
                    self.attackers[place] = None;
                }
            }
        }
        Ok(())
    }
}

fn slow(attacker: &mut Attacker, place: usize, target: &Target) {
    let Attacker { socket, sent, last } = attacker;
    let first = *sent == 0;
    let text = |socket: &mut Socket| {
        let mut text = Vec::new();
        message::announce(&mut text, (SWARM, 800_000_000 + place), None, [].into_iter());
        socket.send(&frame::frame(Opcode::Text, &text, [0; 4]));
    };
    match (SLOW[place % SLOW.len()], socket.stage()) {
        ("half a handshake", Stage::Opening) if first => {
            socket.send(&target.greeting()[..target.greeting().len() / 2]);
            *sent += 1;
        }
        ("slow headers", Stage::Opening) if last.elapsed() > Duration::from_secs(1) => {
            let greeting = target.greeting();
            socket.send(&greeting[*sent as usize % (greeting.len() - 2)..][..1]);
            (*sent, *last) = (*sent + 1, Instant::now());
        }
        ("a long handshake", Stage::Opening) if first => {
            let (line, rest) = target.greeting().split_at(target.greeting().len() - 2);
            let long = [b"X-Long: ", &[b'x'; 60_000][..], b"\r\n"].concat();
            socket.send(&[line, &long, rest].concat());
            *sent += 1;
        }
        // It joins, and then its line is dead: nothing is read, and no ping answered.
        ("half open", Stage::Open) if first => {
            text(socket);
            *sent += 1;
        }
        ("half a frame", Stage::Open) if first => {
            socket.send(&frame::frame(Opcode::Text, &[b' '; 4000], [0; 4])[..2000]);
            *sent += 1;
        }
        ("does not read", Stage::Open) if first || last.elapsed() > Duration::from_secs(2) => {
            if !socket.stuck() {
                text(socket);
            }
            (*sent, *last) = (*sent + 1, Instant::now());
        }
        ("a byte a second", Stage::Open) if last.elapsed() > Duration::from_secs(1) => {
            let whole = frame::frame(Opcode::Text, &[b' '; 60_000], [0; 4]);
            socket.send(&whole[*sent as usize % whole.len()..][..1]);
            (*sent, *last) = (*sent + 1, Instant::now());
        }
        _ => {}
    }
}
