//! A live stream in virtual time: a publisher that bears parts, an origin, and a handful of real cores that are linked in memory.

use manifest::{Kind, SegmentId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use swarm::trace::Recorder;
use swarm::{Config, Input, Link, Output, Part, Peer, PeerId, Player, Source, Time, Topology, Verdict};
use wire::{Message, PUSHED, Seat};

pub const SWARM: [u8; 20] = [7; 20];
pub const PIECE: u32 = 16 * 1024;
pub const PIECES: u32 = 8;
const PART_MS: u32 = 400;
/// Parts that are born before the run begins.
pub const BEFORE: u32 = 25;
/// How far behind the live edge players are.
const BEHIND: Duration = Duration::from_secs(8);
const ROOM: u32 = 128 * 1024;

pub fn part(number: u32) -> Part {
    let id = SegmentId::new(0, number);
    Part { id, start_ms: (number - 1) * PART_MS, duration_ms: PART_MS, size: PIECE * PIECES }
}

pub fn parts(numbers: impl IntoIterator<Item = u32>) -> Vec<Part> {
    numbers.into_iter().map(part).collect()
}

pub fn peer_id(number: usize) -> PeerId {
    let mut id = *b"live-viewer-00000000";
    id[16..].copy_from_slice(&(number as u32).to_be_bytes());
    PeerId(id)
}

/// A peer's name in paths, by the book (docs/spec/wire.md).
pub fn name(peer: PeerId) -> u32 {
    let hash = peer.0.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash ^ hash >> 32) as u32
}

enum Event {
    Wake,
    /// A player looks round.
    Look,
    Carried(Link, Carried),
    Room(Link, u32),
    Fetched(SegmentId, u32, u32),
    Heads(u32, u32),
    Gone(Link),
}

#[derive(Clone)]
enum Carried {
    Message(Message),
    Piece(SegmentId, u32),
    Heads(u32, u32),
}

pub struct Viewer {
    core: Peer,
    links: BTreeMap<Link, (usize, Link)>,
    queued: BTreeMap<Link, u32>,
    pub held: BTreeSet<(SegmentId, u32)>,
    given: BTreeSet<SegmentId>,
    early: Vec<(Link, SegmentId, u32)>,
    pub heard: u32,
    waits: bool,
    uplink_free: Time,
    alarm: Time,
    pub gone: bool,
    /// Heads from neighbours that do not reach it: every so many.
    pub loses: u32,
    pub from_origin: u32,
    pub pushed: u32,
    pub asked: u32,
    pub sent_behind: u32,
    /// How often its player found nothing to play.
    pub starved: u32,
    /// What it last told of its places.
    pub seats: Vec<Seat>,
    /// Of the first few.
    pub trace: Option<Recorder>,
}

pub struct Stream {
    pub now: Time,
    queue: BTreeMap<(Time, u64), (usize, Event)>,
    serial: u64,
    links: u32,
    pub born: u32,
    pub viewers: Vec<Viewer>,
}

impl Stream {
    /// `count` viewers, each linked to `degree` others or to all.
    pub fn new(count: usize, degree: usize, topology: Topology) -> Self {
        let (queue, viewers) = (BTreeMap::new(), Vec::new());
        let mut all = Self { now: Time::default(), queue, serial: 0, links: 0, born: BEFORE, viewers };
        let config = Config { topology, ..Config::default() };
        for at in 0..count {
            all.viewers.push(Viewer {
                core: Peer::new(peer_id(at), config.clone(), at as u64),
                links: BTreeMap::new(),
                queued: BTreeMap::new(),
                held: BTreeSet::new(),
                given: BTreeSet::new(),
                early: Vec::new(),
                heard: BEFORE,
                waits: false,
                uplink_free: Time::default(),
                alarm: Time(u64::MAX),
                gone: false,
                loses: 0,
                from_origin: 0,
                pushed: 0,
                asked: 0,
                sent_behind: 0,
                starved: 0,
                seats: Vec::new(),
                trace: (at < 3).then(|| Recorder::new(peer_id(at), &config, at as u64)),
            });
            all.feed(at, Input::Live { swarm: SWARM, piece_len: PIECE, kinds: &[Kind::Video] });
            all.feed(at, Input::Head { from: Source::Origin, number: BEFORE, parts: &parts(1..=BEFORE) });
            all.feed(at, Input::Audience(count as u32 - 1));
            all.after(at as u64 * 7 % 250, at, Event::Look);
        }
        for at in 0..count {
            // To the next, and to those who are further and further away.
            (1..=degree.div_ceil(2)).for_each(|k| all.link(at, (at + 1 + k * (k - 1) / 2) % count));
        }
        all
    }

    fn link(&mut self, at: usize, to: usize) {
        if at == to || self.viewers[at].links.values().any(|(other, _)| *other == to) {
            return;
        }
        let ends = [Link(self.links + 1), Link(self.links + 2)];
        self.links += 2;
        for (near, here, there, dialled) in [(at, 0, 1, true), (to, 1, 0, false)] {
            let other = if dialled { to } else { at };
            self.viewers[near].links.insert(ends[here], (other, ends[there]));
            self.feed(near, Input::LinkUp { link: ends[here], peer: peer_id(other), dialled });
            self.feed(near, Input::LinkRoom { link: ends[here], room: ROOM });
        }
    }

    fn after(&mut self, ms: u64, at: usize, event: Event) {
        self.push(self.now + Duration::from_millis(ms), at, event);
    }

    fn push(&mut self, time: Time, at: usize, event: Event) {
        self.serial += 1;
        self.queue.insert((time, self.serial), (at, event));
    }

    pub fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        loop {
            let birth = Time(u64::from(self.born + 1 - BEFORE) * u64::from(PART_MS) * 1000);
            let next = self.queue.first_key_value().map_or(end, |(&(time, _), _)| time);
            self.now = next.min(birth).min(end);
            if birth <= next.min(end) {
                self.born += 1;
                let waiting: Vec<usize> =
                    (0..self.viewers.len()).filter(|&at| self.viewers[at].waits).collect();
                waiting.into_iter().for_each(|at| self.ask_heads(at));
            } else if next >= end {
                return;
            } else if let Some((_, (at, event))) = self.queue.pop_first() {
                self.happen(at, event);
            }
        }
    }

    /// One goes without a word; its neighbours notice after so many milliseconds.
    pub fn crash(&mut self, at: usize, noticed_ms: u64) {
        self.viewers[at].gone = true;
        for (other, link) in std::mem::take(&mut self.viewers[at].links).into_values() {
            self.after(noticed_ms, other, Event::Gone(link));
        }
    }

    pub fn depths(&self, at: usize) -> Vec<Option<usize>> {
        self.viewers[at].core.snapshot().depths
    }

    pub fn feed(&mut self, at: usize, input: Input<'_>) {
        if self.viewers[at].gone {
            return;
        }
        let (viewer, mut out) = (&mut self.viewers[at], Vec::new());
        let next = viewer.core.handle(self.now, input.clone(), &mut out);
        if let Some(trace) = &mut viewer.trace {
            trace.record(self.now, &input, &out);
        }
        if let Some(next) = next.filter(|next| *next < viewer.alarm) {
            viewer.alarm = next;
            self.push(next.max(self.now), at, Event::Wake);
        }
        out.into_iter().for_each(|output| self.carry_out(at, output));
    }

    fn carry_out(&mut self, at: usize, output: Output) {
        let now = self.now;
        let viewer = &mut self.viewers[at];
        match output {
            Output::Send(link, message) => {
                match &message {
                    Message::Seats(seats) => viewer.seats.clone_from(seats),
                    Message::Behind { .. } => viewer.sent_behind += 1,
                    _ => {}
                }
                self.carry(at, link, now, Carried::Message(message));
            }
            Output::SendPiece { link, id, segment, piece, leaves } => {
                assert!(!leaves && viewer.held.contains(&(segment, piece)), "it serves what it holds");
                *(if id == PUSHED { &mut viewer.pushed } else { &mut viewer.asked }) += 1;
                let left = viewer.uplink_free.max(now) + Duration::from_micros(6600);
                viewer.uplink_free = left;
                let queued = viewer.queued.entry(link).or_default();
                *queued += PIECE;
                self.push(left, at, Event::Room(link, PIECE));
                self.carry(at, link, left, Carried::Piece(segment, piece));
            }
            Output::SendHeads { link, after } if after < viewer.heard => {
                let heads = Carried::Heads((after + 1).max(viewer.heard.saturating_sub(31)), viewer.heard);
                self.carry(at, link, now, heads);
            }
            Output::Fetch { segment, first, end } => {
                assert!(segment.sequence <= self.born && first < end && end <= PIECES, "it is there");
                self.after(60, at, Event::Fetched(segment, first, end));
            }
            Output::AskHeads { .. } => self.ask_heads(at),
            Output::Deliver(segment) => {
                assert!((0..PIECES).all(|piece| viewer.held.contains(&(segment, piece))), "it is whole");
                viewer.given.insert(segment);
            }
            Output::Evict(segment) => viewer.held.retain(|(held, _)| *held != segment),
            Output::Hangup(link, why) => panic!("{at} hangs up {link:?}: {why:?}"),
            _ => {}
        }
    }

    fn carry(&mut self, at: usize, link: Link, left: Time, what: Carried) {
        if let Some(&(to, far)) = self.viewers[at].links.get(&link) {
            self.push(left + Duration::from_millis(20), to, Event::Carried(far, what));
        }
    }

    fn ask_heads(&mut self, at: usize) {
        let viewer = &mut self.viewers[at];
        viewer.waits = viewer.heard >= self.born;
        if !viewer.waits {
            let (first, last) = (viewer.heard + 1, self.born);
            self.after(15, at, Event::Heads(first, last));
        }
    }

    fn happen(&mut self, at: usize, event: Event) {
        if self.viewers[at].gone {
            return;
        }
        match event {
            Event::Wake => {
                self.viewers[at].alarm = Time(u64::MAX);
                self.feed(at, Input::Wake);
            }
            Event::Look => self.look(at),
            Event::Room(link, bytes) => {
                let queued = self.viewers[at].queued.entry(link).or_default();
                *queued -= bytes;
                let room = ROOM.saturating_sub(*queued);
                self.feed(at, Input::LinkRoom { link, room });
            }
            Event::Gone(link) => {
                if self.viewers[at].links.remove(&link).is_some() {
                    self.feed(at, Input::LinkDown(link));
                }
            }
            Event::Heads(first, last) => self.heads(at, Source::Origin, first, last),
            Event::Fetched(segment, first, end) => {
                (first..end).for_each(|piece| self.arrived(at, segment, piece, Source::Origin));
                self.viewers[at].from_origin += end - first;
                self.feed(at, Input::FetchEnded { segment, complete: true });
            }
            Event::Carried(link, what) if self.viewers[at].links.contains_key(&link) => match what {
                Carried::Message(message) => self.feed(at, Input::Message(link, message)),
                Carried::Heads(_, last)
                    if self.viewers[at].loses > 0 && last % self.viewers[at].loses == 0 => {}
                Carried::Heads(first, last) => self.heads(at, Source::Peer(link), first, last),
                Carried::Piece(segment, piece) if segment.sequence > self.viewers[at].heard => {
                    self.viewers[at].early.push((link, segment, piece));
                }
                Carried::Piece(segment, piece) => self.arrived(at, segment, piece, Source::Peer(link)),
            },
            Event::Carried(..) => {}
        }
    }

    fn heads(&mut self, at: usize, from: Source, first: u32, last: u32) {
        let heard = self.viewers[at].heard;
        if from != Source::Origin && first > heard + 1 {
            return self.feed(at, Input::Head { from, number: first, parts: &[] });
        }
        for number in first.max(heard + 1)..=last {
            self.viewers[at].heard = number;
            self.feed(at, Input::Head { from, number, parts: &parts([number]) });
        }
        let early = std::mem::take(&mut self.viewers[at].early);
        for (link, segment, piece) in early.into_iter().filter(|(_, s, _)| s.sequence <= last) {
            self.arrived(at, segment, piece, Source::Peer(link));
        }
    }

    fn arrived(&mut self, at: usize, segment: SegmentId, piece: u32, from: Source) {
        self.viewers[at].held.insert((segment, piece));
        self.feed(at, Input::Arrived { segment, piece, from, verdict: Verdict::Verified });
    }

    fn look(&mut self, at: usize) {
        let edge = Duration::from_micros(self.now.0) + Duration::from_millis(u64::from(BEFORE * PART_MS));
        let position = edge - BEHIND;
        let playing = (position.as_millis() as u32 / PART_MS) + 1;
        let given = &self.viewers[at].given;
        let mut next = playing;
        while given.contains(&SegmentId::new(0, next)) {
            next += 1;
        }
        let reach = Duration::from_millis(u64::from((next - 1) * PART_MS));
        let buffered = reach.saturating_sub(position);
        self.viewers[at].starved += u32::from(buffered.is_zero());
        self.feed(at, Input::Player(Player { position, buffered, playing: true, rate_permille: 1000 }));
        for wanted in next..(next + 2).min(self.viewers[at].heard + 1) {
            self.feed(at, Input::Want(SegmentId::new(0, wanted)));
        }
        self.after(250, at, Event::Look);
    }
}
