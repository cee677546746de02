//! One viewer: its core, what it holds, whom it is linked to, and what was seen of it.

use manifest::SegmentId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use swarm::{Config, Hangup, Link, Peer, PeerId, Time};

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

pub struct Viewer {
    pub core: Peer,
    pub manner: Manner,
    pub uplink_bps: u64,
    pub(super) uplink_free: Time,
    pub joined: Time,
    pub gone: bool,
    pub(super) links: BTreeMap<Link, (usize, Link)>,
    pub(super) queued: BTreeMap<Link, u32>,
    pub held: BTreeSet<(SegmentId, u32)>,
    pub(super) fetches: BTreeMap<SegmentId, u64>,
    pub(super) wake: Time,
    /// Whether it has a player that plays by itself.
    pub watches: bool,
    pub video: u8,
    /// Whether it takes the quality that one who keeps for all has chosen.
    pub follows: bool,
    pub(super) next: [u32; 2],
    pub(super) waiting: [Option<SegmentId>; 2],
    pub(super) ends: [Duration; 2],
    pub position: Duration,
    pub started: Option<Time>,
    pub stalls: u32,
    pub stalled: Duration,
    pub(super) was_stalled: bool,
    pub delivered: BTreeSet<SegmentId>,
    pub from_origin: u64,
    pub from_peers: u64,
    pub to_peers: u64,
    pub wasted: u64,
    pub forged_in: u32,
    pub hangups: Vec<(usize, Hangup)>,
}

pub fn peer_id(n: usize) -> PeerId {
    let mut id = *b"-BC0001-peer00000000";
    id[12..].copy_from_slice(format!("{n:08}").as_bytes());
    PeerId(id)
}

impl Viewer {
    pub(super) fn new(at: usize, manner: Manner, config: Config, uplink_bps: u64, now: Time) -> Self {
        Self {
            core: Peer::new(peer_id(at), config, at as u64),
            manner,
            uplink_bps,
            uplink_free: Time::default(),
            joined: now,
            gone: false,
            links: BTreeMap::new(),
            queued: BTreeMap::new(),
            held: BTreeSet::new(),
            fetches: BTreeMap::new(),
            wake: Time(u64::MAX),
            watches: true,
            video: 2,
            follows: false,
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
        }
    }
}
