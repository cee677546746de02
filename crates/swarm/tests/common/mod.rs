//! A small world in virtual time: real cores, modelled links, origin and players. Every step checks what must always hold.
//!
//! The world keeps the time and the order of events. What an event is to a core is in `happen`, what a core's wishes come to in
//! `carry`, and what its player does in `player`. For a single core that is told everything by hand there is [`stage::Stage`].

#![allow(dead_code)] // each story uses its own part of the world

mod carry;
mod film;
mod happen;
mod player;
pub mod stage;
mod viewer;

use manifest::{Index, SegmentId};
use std::collections::BTreeMap;
use std::time::Duration;
use swarm::{Config, Input, Link, Time};
use wire::Message;

pub use film::{AUDIO, PIECE, SEGMENT, film};
pub use viewer::{Manner, Viewer, peer_id};

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
        self.viewers.push(Viewer::new(at, manner, config, uplink_bps, self.now));
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
