//! One viewer: where it is, what it holds, whom it is linked to. Invariant: `held` are exactly the pieces that came and passed the
//! check, and that its peer has not dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use manifest::SegmentId;
use swarm::{Config, Link, Peer, PeerId, Role, Time};
use wire::Bits;

use super::honest::OriginRate;
use super::player::Player;
use super::{Carried, Film};
use crate::figures::Seen;
use crate::net::HostId;
use crate::net::origin::Request;
use crate::rng::Rng;
use crate::scenario::Faults;

/// How a viewer behaves towards the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Honest,
    /// Every piece it sends is forged.
    Forger,
    /// Takes requests, and answers nothing.
    Silent,
    /// Shares nothing, and says so.
    FreeRider,
    /// Says it holds the whole film, and refuses.
    Liar,
    /// Says it is fast, and sends a piece a second.
    Drip,
    /// Says it holds the whole film, and forges some pieces: the same as all of its kind.
    Colluder,
    /// Says it holds the whole film, forges every piece, and takes a new name every few seconds.
    Whitewasher,
}

impl Manner {
    /// One viewer's.
    pub fn draw(faults: &Faults, rng: &mut Rng) -> Self {
        let mut point = rng.unit();
        let all = [
            (faults.forgers, Manner::Forger),
            (faults.silent, Manner::Silent),
            (faults.free_riders, Manner::FreeRider),
            (faults.liars, Manner::Liar),
            (faults.drips, Manner::Drip),
            (faults.colluders, Manner::Colluder),
            (faults.whitewashers, Manner::Whitewasher),
        ];
        for (share, manner) in all {
            if point < share {
                return manner;
            }
            point -= share;
        }
        Manner::Honest
    }

    /// Whether whoever takes it for a forger is right.
    pub fn is_forger(self) -> bool {
        matches!(self, Manner::Forger | Manner::Colluder | Manner::Whitewasher)
    }

    /// Whether it says that it holds everything.
    pub fn claims_all(self) -> bool {
        matches!(self, Manner::Liar | Manner::Colluder | Manner::Whitewasher)
    }
}

pub(super) struct Viewer {
    pub id: PeerId,
    pub host: HostId,
    pub film: Arc<Film>,
    pub manner: Manner,
    /// How often it has taken another name.
    pub life: u32,
    /// The site it is at, by its place in the scenario's list.
    pub site: Option<usize>,
    /// Whether the tracker names only enemies to it, and the one honest viewer that it is told of later.
    pub victim: bool,
    pub friend: Option<u32>,
    /// `None` while it has no index yet, and for one that only asks the origin.
    pub core: Option<Peer>,
    /// What it lends of its uplink, in bytes a second; 0: nothing.
    pub upload: u32,
    /// How its peer is set.
    pub config: Config,
    pub player: Player,
    pub links: BTreeMap<Link, Far>,
    /// Links that are being set up.
    pub coming: BTreeMap<Link, Far>,
    pub held: BTreeMap<SegmentId, Bits>,
    /// What it asked the origin for; `None` for what the origin did not take.
    pub fetches: BTreeMap<SegmentId, Option<Request>>,
    pub origin_rate: OriginRate,
    /// When its peer wants to be called next, and when the next [`super::Event::Wake`] is due: not later.
    pub wake: Time,
    pub alarm: Time,
    /// The newest head of the live stream that it has.
    pub heard: u32,
    /// Pieces that came before the head that tells what they must be: they cannot be checked yet.
    pub early: Vec<(Link, Carried)>,
    pub gone: bool,
    /// Whether it goes without a word.
    pub abrupt: bool,
    pub came: Time,
    pub went: Time,
    pub seen: Seen,
    /// The segments that its player was given, and their bytes.
    pub given: BTreeSet<SegmentId>,
    pub used: u64,
    /// How many others its peer last asked for, and whether it is ready to meet them.
    pub wanted: u32,
    pub meets: bool,
}

/// The other end of a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Far {
    pub peer: u32,
    /// The other side's name for the link.
    pub link: Link,
    /// Bytes that wait in our uplink for it.
    pub queued: u32,
    /// When the last message gets there: a channel keeps its order.
    pub last: Time,
    /// Media bytes that went over it.
    pub given: u64,
    /// The stripes that we last asked to be pushed by it, and those that we said we push to it.
    pub follows: u8,
    pub feeds: u8,
}

impl Far {
    /// Nothing has been said yet.
    pub fn new(peer: u32, link: Link) -> Self {
        Self { peer, link, queued: 0, last: Time::default(), given: 0, follows: 0, feeds: 0 }
    }
}

impl Viewer {
    /// One who has nothing yet.
    pub fn new(id: PeerId, host: HostId, film: Arc<Film>, config: Config, player: Player) -> Self {
        Self {
            id,
            host,
            film,
            manner: Manner::Honest,
            life: 0,
            site: None,
            victim: false,
            friend: None,
            core: None,
            upload: config.upload,
            config,
            player,
            links: BTreeMap::new(),
            coming: BTreeMap::new(),
            held: BTreeMap::new(),
            fetches: BTreeMap::new(),
            origin_rate: OriginRate::default(),
            wake: Time(u64::MAX),
            alarm: Time(u64::MAX),
            heard: 0,
            early: Vec::new(),
            gone: false,
            abrupt: false,
            came: Time::default(),
            went: Time(u64::MAX),
            seen: Seen::default(),
            given: BTreeSet::new(),
            used: 0,
            wanted: 0,
            meets: false,
        }
    }

    /// Whether it keeps for others, and is no viewer.
    pub fn keeps(&self) -> bool {
        self.config.role == Role::Keeper
    }

    /// Whether others may count on its uplink.
    pub fn lends(&self) -> bool {
        self.manner == Manner::Honest && self.upload > 0
    }

    /// A peer that knows nothing yet.
    pub fn new_core(&self, seed: u64) -> Peer {
        Peer::new(self.id, self.config.clone(), seed ^ self.host.0 as u64)
    }

    pub fn holds(&self, segment: SegmentId, piece: u32) -> bool {
        self.held.get(&segment).is_some_and(|bits| bits.has(piece))
    }

    pub fn is_whole(&self, segment: SegmentId) -> bool {
        self.held.get(&segment).is_some_and(Bits::is_full)
    }

    /// Bytes of a piece.
    pub fn piece_bytes(&self, segment: SegmentId, piece: u32) -> u32 {
        self.film.index.piece_range(segment, piece).map_or(0, |range| range.end - range.start)
    }
}
