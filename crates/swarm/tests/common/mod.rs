//! A small world in virtual time: real cores, modelled links, origin and players. Every step checks what must always hold.

#![allow(dead_code)] // each story uses its own part of the world

use manifest::digest::Hash;
use manifest::{Index, Kind, Rendition, Segment, SegmentId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use swarm::{Config, Hangup, Input, Link, Output, Peer, PeerId, Player, Source, Time, Verdict};
use wire::{Have, Message, Run};

pub const PIECE: u32 = 32768;
pub const SEGMENT: Duration = Duration::from_secs(4);
/// Video rungs 0, 1, 2 in kbit/s; rendition 3 is sound.
pub const RUNGS_KBPS: [u32; 4] = [350, 750, 1600, 128];
pub const AUDIO: u8 = 3;

pub fn film(segments: u32) -> Index {
    let rendition = |(place, &kbps): (usize, &u32)| Rendition {
        id: format!("r{place}"),
        kind: if place as u8 == AUDIO { Kind::Audio } else { Kind::Video },
        bandwidth_bps: kbps * 1000,
        init: Hash([0; 32]),
        segments: (0..segments)
            .map(|i| Segment { duration_ms: 4000, size: kbps * 500 + i % 7 * 100, root: Hash([i as u8; 32]) })
            .collect(),
    };
    Index { piece_len: PIECE, renditions: RUNGS_KBPS.iter().enumerate().map(rendition).collect() }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Honest,
    /// Every piece it sends is forged.
    Forger,
    /// Takes requests and answers nothing.
    Silent,
    /// One piece a second.
    Slow,
    /// Says it holds the whole film, and then refuses.
    Liar,
}

enum Event {
    Wake(usize),
    Tick(usize),
    /// A player that was given a segment asks for the next: after the batch, as a browser's does.
    Ask(usize),
    Message(usize, Link, Message),
    Piece {
        to: usize,
        link: Link,
        segment: SegmentId,
        piece: u32,
        forged: bool,
    },
    Room(usize, Link, u32),
    Fetched {
        at: usize,
        segment: SegmentId,
        first: u32,
        end: u32,
        id: u64,
    },
    LinkUp {
        at: usize,
        link: Link,
        peer: usize,
        dialled: bool,
    },
}

pub struct Viewer {
    pub core: Peer,
    pub manner: Manner,
    pub uplink_bps: u64,
    uplink_free: Time,
    pub joined: Time,
    pub gone: bool,
    links: BTreeMap<Link, (usize, Link)>,
    queued: BTreeMap<Link, u32>,
    pub held: BTreeSet<(SegmentId, u32)>,
    fetches: BTreeMap<SegmentId, u64>,
    wake: Time,
    /// Whether it has a player that plays by itself.
    pub watches: bool,
    pub video: u8,
    next: [u32; 2],
    waiting: [Option<SegmentId>; 2],
    ends: [Duration; 2],
    pub position: Duration,
    pub started: Option<Time>,
    pub stalls: u32,
    pub stalled: Duration,
    was_stalled: bool,
    pub delivered: BTreeSet<SegmentId>,
    pub from_origin: u64,
    pub from_peers: u64,
    pub to_peers: u64,
    pub wasted: u64,
    pub forged_in: u32,
    pub hangups: Vec<(usize, Hangup)>,
}

pub struct World {
    pub film: Index,
    pub now: Time,
    pub viewers: Vec<Viewer>,
    queue: BTreeMap<(Time, u64), Event>,
    serial: u64,
    pub origin_bps: u64,
    origin_free: Time,
    pub origin_up: bool,
    pub tracker_up: bool,
    pub latency: Duration,
    /// Requests by (viewer, segment) that reached the origin.
    pub fetched: Vec<(usize, SegmentId)>,
}

pub fn peer_id(n: usize) -> PeerId {
    let mut id = *b"-BC0001-peer00000000";
    id[12..].copy_from_slice(format!("{n:08}").as_bytes());
    PeerId(id)
}

impl World {
    pub fn new(segments: u32) -> Self {
        Self {
            film: film(segments),
            now: Time::from_millis(1000),
            viewers: Vec::new(),
            queue: BTreeMap::new(),
            serial: 0,
            origin_bps: 50_000_000,
            origin_free: Time::default(),
            origin_up: true,
            tracker_up: true,
            latency: Duration::from_millis(15),
            fetched: Vec::new(),
        }
    }

    pub fn join(&mut self, manner: Manner) -> usize {
        self.join_with(manner, Config::default(), 20_000_000)
    }

    pub fn join_with(&mut self, manner: Manner, config: Config, uplink_bps: u64) -> usize {
        let at = self.viewers.len();
        let uplink_bps = if manner == Manner::Slow { u64::from(PIECE) * 8 } else { uplink_bps };
        self.viewers.push(Viewer {
            core: Peer::new(peer_id(at), config, at as u64),
            manner,
            uplink_bps,
            uplink_free: Time::default(),
            joined: self.now,
            gone: false,
            links: BTreeMap::new(),
            queued: BTreeMap::new(),
            held: BTreeSet::new(),
            fetches: BTreeMap::new(),
            wake: Time(u64::MAX),
            watches: true,
            video: 2,
            next: [1, 1],
            waiting: [None, None],
            ends: [Duration::ZERO; 2],
            position: Duration::ZERO,
            started: None,
            stalls: 0,
            stalled: Duration::ZERO,
            was_stalled: false,
            delivered: BTreeSet::new(),
            from_origin: 0,
            from_peers: 0,
            to_peers: 0,
            wasted: 0,
            forged_in: 0,
            hangups: Vec::new(),
        });
        let film = self.film.clone();
        self.feed(at, Input::Film(&film));
        self.after(Duration::ZERO, Event::Tick(at));
        at
    }

    /// Leaves without a word: the others notice after a while.
    pub fn crash(&mut self, at: usize) {
        self.viewers[at].gone = true;
        let links: Vec<(usize, Link)> = self.viewers[at].links.values().copied().collect();
        for (other, link) in links {
            if self.viewers[other].links.remove(&link).is_some() && !self.viewers[other].gone {
                self.feed(other, Input::LinkDown(link));
            }
        }
        self.viewers[at].links.clear();
    }

    pub fn seek(&mut self, at: usize, to: Duration) {
        let viewer = &mut self.viewers[at];
        let sequence = (to.as_secs() / 4) as u32 + 1;
        viewer.position = to;
        viewer.next = [sequence; 2];
        viewer.ends = [to; 2];
        let waiting = std::mem::take(&mut viewer.waiting);
        for segment in waiting.into_iter().flatten() {
            self.feed(at, Input::Unwant(segment));
        }
        self.tick_player(at, Duration::ZERO);
    }

    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > end {
                break;
            }
            let ((at, _), event) = entry.remove_entry();
            self.now = at;
            self.happen(event);
        }
        self.now = end;
    }

    fn after(&mut self, span: Duration, event: Event) {
        self.serial += 1;
        self.queue.insert((self.now + span, self.serial), event);
    }

    fn at(&mut self, time: Time, event: Event) {
        self.after(time.since(self.now), event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(at) => {
                if self.viewers[at].wake <= self.now {
                    self.viewers[at].wake = Time(u64::MAX);
                    self.feed(at, Input::Wake);
                }
            }
            Event::Tick(at) => {
                if !self.viewers[at].gone {
                    self.tick_player(at, Duration::from_millis(100));
                    self.after(Duration::from_millis(100), Event::Tick(at));
                }
            }
            Event::Ask(at) => self.ask_next(at),
            Event::Message(at, link, message) => {
                if self.viewers[at].links.contains_key(&link) {
                    self.feed(at, Input::Message(link, message));
                }
            }
            Event::Piece { to, link, segment, piece, forged } => {
                if !self.viewers[to].links.contains_key(&link) {
                    return;
                }
                let bytes = u64::from(self.piece_size(segment, piece));
                let viewer = &mut self.viewers[to];
                let verdict = if forged { Verdict::Forged } else { Verdict::Verified };
                if forged {
                    viewer.forged_in += 1;
                } else if viewer.held.insert((segment, piece)) {
                    viewer.from_peers += bytes;
                } else {
                    viewer.wasted += bytes;
                }
                self.feed(to, Input::Arrived { segment, piece, from: Source::Peer(link), verdict });
            }
            Event::Room(at, link, bytes) => {
                let viewer = &mut self.viewers[at];
                if let Some(queued) = viewer.queued.get_mut(&link) {
                    *queued -= bytes;
                    let room = (128 * 1024u32).saturating_sub(*queued);
                    self.feed(at, Input::LinkRoom { link, room });
                }
            }
            Event::Fetched { at, segment, first, end, id } => {
                if self.viewers[at].fetches.get(&segment) != Some(&id) || self.viewers[at].gone {
                    return;
                }
                self.viewers[at].fetches.remove(&segment);
                let complete = self.origin_up;
                for piece in (first..end).filter(|_| complete) {
                    let bytes = u64::from(self.piece_size(segment, piece));
                    self.viewers[at].from_origin += bytes;
                    if !self.viewers[at].held.insert((segment, piece)) {
                        self.viewers[at].wasted += bytes;
                    }
                    let verdict = Verdict::Verified;
                    self.feed(at, Input::Arrived { segment, piece, from: Source::Origin, verdict });
                }
                self.feed(at, Input::FetchEnded { segment, complete });
            }
            Event::LinkUp { at, link, peer, dialled } => {
                if self.viewers[at].links.contains_key(&link) {
                    self.viewers[at].queued.insert(link, 0);
                    self.feed(at, Input::LinkUp { link, peer: peer_id(peer), dialled });
                    if self.viewers[at].links.contains_key(&link) {
                        self.feed(at, Input::LinkRoom { link, room: 128 * 1024 });
                    }
                }
            }
        }
    }

    pub fn piece_size(&self, segment: SegmentId, piece: u32) -> u32 {
        self.film.piece_range(segment, piece).map_or(0, |range| range.end - range.start)
    }

    pub fn feed(&mut self, at: usize, input: Input<'_>) {
        if self.viewers[at].gone {
            return;
        }
        let mut out = Vec::new();
        let next = self.viewers[at].core.handle(self.now, input, &mut out);
        if let Some(next) = next
            && next < self.viewers[at].wake
        {
            self.viewers[at].wake = next;
            self.at(next, Event::Wake(at));
        }
        for output in out {
            self.carry_out(at, output);
        }
    }

    fn carry_out(&mut self, at: usize, output: Output) {
        match output {
            Output::Announce { want } => {
                if self.tracker_up {
                    let others: Vec<PeerId> = (0..self.viewers.len())
                        .filter(|&n| n != at && !self.viewers[n].gone)
                        .map(peer_id)
                        .collect();
                    self.feed(at, Input::Audience(others.len() as u32));
                    let skip = others.len().saturating_sub(want as usize);
                    self.feed(at, Input::Strangers(&others[skip..]));
                }
            }
            Output::Dial(peer) => {
                let other = (0..self.viewers.len())
                    .find(|&n| peer_id(n) == peer)
                    .expect("only known peers are dialled");
                if self.viewers[other].gone {
                    return;
                }
                self.serial += 2;
                let (mine, theirs) = (Link(self.serial as u32), Link(self.serial as u32 + 1_000_000));
                self.viewers[at].links.insert(mine, (other, theirs));
                self.viewers[other].links.insert(theirs, (at, mine));
                let set_up = Duration::from_millis(300);
                self.after(set_up, Event::LinkUp { at, link: mine, peer: other, dialled: true });
                self.after(set_up, Event::LinkUp { at: other, link: theirs, peer: at, dialled: false });
            }
            Output::Hangup(link, why) => {
                let Some((other, theirs)) = self.viewers[at].links.remove(&link) else { return };
                self.viewers[at].hangups.push((other, why));
                if self.viewers[other].links.remove(&theirs).is_some() {
                    self.feed(other, Input::LinkDown(theirs));
                }
            }
            Output::Send(link, message) => {
                let Some(&(other, theirs)) = self.viewers[at].links.get(&link) else { return };
                let mut bytes = Vec::new();
                wire::put_message(&mut bytes, &message);
                let message = match message {
                    Message::Have(_) if self.viewers[at].manner == Manner::Liar => {
                        Message::Have(self.whole_film())
                    }
                    other => other,
                };
                self.after(self.latency, Event::Message(other, theirs, message));
            }
            Output::SendPiece { link, id, .. } if self.viewers[at].manner == Manner::Liar => {
                let Some(&(other, theirs)) = self.viewers[at].links.get(&link) else { return };
                let refusal = Message::Refuse { id, why: wire::Refusal::Absent };
                self.after(self.latency, Event::Message(other, theirs, refusal));
            }
            Output::SendPiece { link, segment, piece, .. } => {
                assert!(self.viewers[at].held.contains(&(segment, piece)), "only held pieces are served");
                let Some(&(other, theirs)) = self.viewers[at].links.get(&link) else { return };
                let bytes = self.piece_size(segment, piece);
                let viewer = &mut self.viewers[at];
                *viewer.queued.entry(link).or_default() += bytes;
                let begin = viewer.uplink_free.max(self.now);
                let done = begin + Duration::from_micros(u64::from(bytes) * 8_000_000 / viewer.uplink_bps);
                viewer.uplink_free = done;
                viewer.to_peers += u64::from(bytes);
                let (manner, latency) = (viewer.manner, self.latency);
                self.at(done, Event::Room(at, link, bytes));
                if manner != Manner::Silent {
                    let forged = manner == Manner::Forger;
                    self.at(done + latency, Event::Piece { to: other, link: theirs, segment, piece, forged });
                }
            }
            Output::Fetch { segment, first, end } => {
                let whole = first == 0 && end == self.film.piece_count(segment);
                let begun = self.viewers[at].held.iter().any(|(s, _)| *s == segment);
                assert!(whole || begun, "a part is fetched only where the leaves are known");
                self.serial += 1;
                let id = self.serial;
                self.viewers[at].fetches.insert(segment, id);
                self.fetched.push((at, segment));
                let bytes: u64 = (first..end).map(|piece| u64::from(self.piece_size(segment, piece))).sum();
                let begin = self.origin_free.max(self.now);
                let mut done = begin + Duration::from_micros(bytes * 8_000_000 / self.origin_bps);
                if self.origin_up {
                    self.origin_free = done;
                } else {
                    done = self.now + Duration::from_millis(20);
                }
                self.at(done + self.latency * 2, Event::Fetched { at, segment, first, end, id });
            }
            Output::CancelFetch(segment) => {
                self.viewers[at].fetches.remove(&segment).expect("only open fetches are cancelled");
            }
            Output::Deliver(segment) => {
                let whole = (0..self.film.piece_count(segment))
                    .all(|p| self.viewers[at].held.contains(&(segment, p)));
                assert!(whole, "only whole segments are delivered");
                let viewer = &mut self.viewers[at];
                viewer.delivered.insert(segment);
                let kind = usize::from(segment.rendition == AUDIO);
                if viewer.waiting[kind] == Some(segment) {
                    viewer.waiting[kind] = None;
                    viewer.next[kind] = segment.sequence + 1;
                    viewer.ends[kind] = SEGMENT * segment.sequence;
                    self.after(Duration::ZERO, Event::Ask(at));
                }
            }
            Output::SendHeads { .. } | Output::AskHeads { .. } => panic!("a film has no heads"),
            Output::Evict(segment) => self.viewers[at].held.retain(|(s, _)| *s != segment),
        }
    }

    fn whole_film(&self) -> Have {
        let run = |(place, r): (usize, &Rendition)| Run {
            first: SegmentId::new(place as u8, 1),
            count: r.segments.len() as u32,
        };
        Have { whole: self.film.renditions.iter().enumerate().map(run).collect(), ..Have::default() }
    }

    fn tick_player(&mut self, at: usize, step: Duration) {
        let end = SEGMENT * self.film.renditions[0].segments.len() as u32;
        let viewer = &mut self.viewers[at];
        if !viewer.watches {
            return;
        }
        let buffered_to = viewer.ends[0].min(viewer.ends[1]);
        if viewer.position < end && !step.is_zero() {
            if buffered_to > viewer.position {
                viewer.started.get_or_insert(self.now);
                viewer.position = (viewer.position + step).min(buffered_to);
                viewer.was_stalled = false;
            } else if viewer.started.is_some() {
                viewer.stalled += step;
                viewer.stalls += u32::from(!viewer.was_stalled);
                viewer.was_stalled = true;
            }
        }
        let player = Player {
            position: viewer.position,
            buffered: buffered_to.saturating_sub(viewer.position),
            playing: true,
            rate_permille: 1000,
        };
        self.feed(at, Input::Player(player));
        self.ask_next(at);
    }

    /// The player model: one segment of each kind at a time, up to 30 s ahead.
    fn ask_next(&mut self, at: usize) {
        for kind in 0..2 {
            let viewer = &mut self.viewers[at];
            let sequence = viewer.next[kind];
            let last = self.film.renditions[0].segments.len() as u32;
            let full = viewer.ends[kind] >= viewer.position + Duration::from_secs(30);
            if viewer.watches && viewer.waiting[kind].is_none() && !full && sequence <= last {
                let begun = viewer.started.is_some() || viewer.ends[0] > viewer.position;
                let rendition = match (kind, begun) {
                    (1, _) => AUDIO,
                    (_, false) => 0, // as players do that do not know their bandwidth yet
                    (_, true) => viewer.video,
                };
                let segment = SegmentId::new(rendition, sequence);
                viewer.waiting[kind] = Some(segment);
                self.feed(at, Input::Want(segment));
            }
        }
    }

    pub fn film_bytes(&self, video: u8) -> u64 {
        let size = |r: u8| {
            self.film.renditions[usize::from(r)].segments.iter().map(|s| u64::from(s.size)).sum::<u64>()
        };
        size(video) + size(AUDIO)
    }

    pub fn origin_bytes(&self) -> u64 {
        self.viewers.iter().map(|v| v.from_origin).sum()
    }

    /// Copies of what one viewer watches that left the origin.
    pub fn copies(&self) -> f64 {
        self.origin_bytes() as f64 / self.film_bytes(2) as f64
    }

    pub fn is_over(&self, at: usize) -> bool {
        self.viewers[at].position >= SEGMENT * self.film.renditions[0].segments.len() as u32
    }
}
