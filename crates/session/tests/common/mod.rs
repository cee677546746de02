//! A driver without a network: carries out what a session wants, with data channels and an origin made of `Vec`s.
#![allow(dead_code)]

use manifest::digest::root;
use manifest::{Index, Kind, Rendition, Segment, SegmentId};
use session::{Options, Order, Place, Session, Signal};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use swarm::{Config, Hangup, Link, PeerId, Player, Time};

pub const PIECE: u32 = 32_768;

/// The segment from which on the viewers of these tests have something to get: 20 s into the film.
pub const FIRST: SegmentId = SegmentId::new(0, 6);

/// A film of one rendition in 4 s segments, those from [`FIRST`] on of these sizes, and its bytes.
pub fn film(sizes: &[u32]) -> (Index, BTreeMap<SegmentId, Vec<u8>>) {
    let sizes: Vec<u32> = [500; 5].iter().chain(sizes).copied().collect();
    let bytes = |sequence: u32, size: u32| -> Vec<u8> {
        (0..size).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8 ^ sequence as u8).collect()
    };
    let media: BTreeMap<SegmentId, Vec<u8>> =
        (1..).zip(&sizes).map(|(s, &size)| (SegmentId::new(0, s), bytes(s, size))).collect();
    let segments =
        media.values().map(|b| Segment { duration_ms: 4000, size: b.len() as u32, root: root(b) }).collect();
    let rendition = Rendition {
        id: "v0".into(),
        kind: Kind::Video,
        bandwidth_bps: 1_000_000,
        init: root(b"init"),
        segments,
    };
    (Index { piece_len: PIECE, renditions: vec![rendition] }, media)
}

/// One viewer.
pub struct Page {
    pub session: Session,
    pub store: BTreeMap<(SegmentId, u32), Vec<u8>>,
    pub outbox: VecDeque<Vec<u8>>,
    pub fetches: VecDeque<(SegmentId, u32, u32)>,
    pub staged: BTreeMap<(SegmentId, u32), Vec<u8>>,
    pub delivered: BTreeSet<SegmentId>,
    pub hangups: Vec<Hangup>,
    pub signals: Vec<Signal>,
    pub asked_heads: Vec<(u32, u64)>,
    /// Parts that heads have told of.
    pub told: Vec<SegmentId>,
    pub refused: usize,
    pub dropped: u32,
}

pub const LINK: Link = Link(1);

impl Page {
    pub fn open(name: u8, index: &Index) -> Self {
        Self::open_as(name, index, Config::default())
    }

    pub fn open_as(name: u8, index: &Index, config: Config) -> Self {
        let options = Options { me: PeerId([name; 20]), seed: u64::from(name), config, record: true };
        Self::of(Session::open(Time::default(), &index.seal_unsigned(), None, options).unwrap())
    }

    pub fn of(session: Session) -> Self {
        let mut page = Self {
            session,
            store: BTreeMap::new(),
            outbox: VecDeque::new(),
            fetches: VecDeque::new(),
            staged: BTreeMap::new(),
            delivered: BTreeSet::new(),
            hangups: Vec::new(),
            signals: Vec::new(),
            asked_heads: Vec::new(),
            told: Vec::new(),
            refused: 0,
            dropped: 0,
        };
        page.carry_out(&[]);
        page
    }

    /// Carries out the orders; `message` is what the session was just given.
    pub fn carry_out(&mut self, message: &[u8]) {
        for order in self.session.take_orders() {
            match order {
                Order::Send(link, bytes) => {
                    assert_eq!(link, LINK);
                    self.outbox.push_back(bytes);
                }
                Order::SendPiece { link, head, segment, piece, .. } => {
                    assert_eq!(link, LINK);
                    self.outbox.push_back([head, self.store[&(segment, piece)].clone()].concat());
                }
                Order::Hangup(_, why) => self.hangups.push(why),
                Order::Fetch { segment, first, end } => self.fetches.push_back((segment, first, end)),
                Order::CancelFetch(segment) => self.fetches.retain(|(s, ..)| *s != segment),
                Order::Deliver(segment) => {
                    self.delivered.insert(segment);
                }
                Order::Evict(segment) => self.store.retain(|(s, _), _| *s != segment),
                Order::Signal(signal) => self.signals.push(signal),
                Order::Dial(_) | Order::Announce(_) => {}
                Order::Keep { segment, piece, place, len } => {
                    let bytes = match place {
                        Place::Fetch => {
                            self.staged.remove(&(segment, piece)).expect("a held back piece is there")
                        }
                        Place::Message(at) => message[at as usize..][..len as usize].to_vec(),
                        Place::Early(place) => self.session.early(place).to_vec(),
                    };
                    assert_eq!(bytes.len(), len as usize);
                    self.store.insert((segment, piece), bytes);
                }
                Order::AskHeads { epoch, number } => self.asked_heads.push((epoch, number)),
                Order::Told { part, .. } => self.told.push(part),
                Order::Refused { .. } => self.refused += 1,
                Order::Dropped(_, len) => self.dropped += len,
            }
        }
    }

    pub fn at(&mut self, call: impl FnOnce(&mut Session)) {
        call(&mut self.session);
        self.carry_out(&[]);
    }

    pub fn receive(&mut self, now: Time, message: &[u8]) {
        self.session.message(now, LINK, message);
        self.carry_out(message);
    }

    /// Does the oldest fetch with the origin's `media`; says what the check said of its last piece.
    pub fn fetch_one(&mut self, now: Time, media: &BTreeMap<SegmentId, Vec<u8>>) -> bool {
        let (segment, first, end) = self.fetches.pop_front().expect("a fetch is under way");
        let mut good = true;
        for (i, piece) in media[&segment].chunks(PIECE as usize).enumerate() {
            let i = i as u32;
            if good && (first..end).contains(&i) {
                self.staged.insert((segment, i), piece.to_vec());
                good = self.session.origin_piece(now, segment, i, piece);
                self.carry_out(&[]);
            }
        }
        self.at(|s| s.origin_end(now, segment, good, !good));
        good
    }

    pub fn bytes_of(&self, segment: SegmentId) -> Vec<u8> {
        self.store.iter().filter(|((s, _), _)| *s == segment).flat_map(|(_, bytes)| bytes.clone()).collect()
    }
}

/// A player with much buffer left, so that nobody hurries to the origin.
pub fn comfortable() -> Player {
    Player {
        position: core::time::Duration::ZERO,
        buffered: core::time::Duration::from_secs(20),
        playing: true,
        rate_permille: 1000,
    }
}

/// A viewer that holds every segment, and one that holds none, connected.
pub fn pair(index: &Index, media: &BTreeMap<SegmentId, Vec<u8>>) -> (Page, Page) {
    let (mut full, mut empty) = (Page::open(1, index), Page::open(2, index));
    let now = Time::from_millis(1);
    full.at(|s| s.audience(now, 0));
    for &segment in media.keys() {
        full.at(|s| s.want(now, segment));
        while !full.fetches.is_empty() {
            assert!(full.fetch_one(now, media));
        }
    }
    assert_eq!(full.delivered.len(), media.len());
    full.at(|s| s.player(now, comfortable()));
    empty.at(|s| s.player(now, comfortable()));
    full.at(|s| s.link_up(now, LINK, PeerId([2; 20]), false));
    empty.at(|s| s.link_up(now, LINK, PeerId([1; 20]), true));
    for page in [&mut full, &mut empty] {
        page.at(|s| s.link_room(now, LINK, 128 * 1024));
    }
    (full, empty)
}

/// Carries messages both ways for `millis`, 10 ms a hop; `tamper` may change those from the full to the empty one.
pub fn run(full: &mut Page, empty: &mut Page, from: u64, millis: u64, mut tamper: impl FnMut(&mut Vec<u8>)) {
    for step in (from..from + millis).step_by(10) {
        let now = Time::from_millis(step);
        let (there, back) = (std::mem::take(&mut full.outbox), std::mem::take(&mut empty.outbox));
        for mut message in there {
            tamper(&mut message);
            empty.receive(now, &message);
        }
        for message in back {
            full.receive(now, &message);
        }
        full.at(|s| s.wake(now));
        empty.at(|s| s.wake(now));
        full.at(|s| s.link_room(now, LINK, 128 * 1024));
    }
}
