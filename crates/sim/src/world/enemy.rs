//! Those who mean harm, beyond what a viewer's own peer would do. Invariant: an enemy has no more than anybody else: its uplink,
//! the tracker's word, and messages of its own making.

use core::time::Duration;

use manifest::SegmentId;
use swarm::{Input, Link, PeerId, Source, Verdict};
use wire::Message;

use super::come::peer_id;
use super::viewer::Manner;
use super::{Event, World};
use crate::rng::mix;
use crate::scenario::at;

/// So many links a friend can still take.
const FRIEND_HAS_LEFT: usize = 6;

impl World<'_> {
    /// Whether this piece is forged when a viewer of this kind sends it. Those who collude forge the same ones, so that nobody
    /// gets them from any.
    pub(super) fn forges(&self, manner: Manner, segment: SegmentId, piece: u32) -> bool {
        let place = u64::from(segment.rendition) << 56 | u64::from(segment.sequence) << 24 | u64::from(piece);
        let dice = mix(self.seed ^ mix(place)) as f64 / u64::MAX as f64;
        match manner {
            Manner::Forger | Manner::Whitewasher => true,
            Manner::Colluder => dice < self.scenario.faults.colluders_forge,
            _ => false,
        }
    }

    /// Answers a request with a piece that it never had; says whether it did.
    pub(super) fn invents(&mut self, at: u32, link: Link, message: &Message) -> bool {
        let Message::Request { segment, piece, .. } = *message else { return false };
        let viewer = &self.viewers[at as usize];
        let fits = viewer.film.index.piece_range(segment, piece).is_some();
        let does = viewer.manner.claims_all() && !viewer.holds(segment, piece) && fits;
        if does && self.forges(viewer.manner, segment, piece) {
            let bytes = viewer.piece_bytes(segment, piece);
            self.send_bytes(at, link, bytes, segment, piece, true);
            return true;
        }
        false
    }

    /// A viewer goes and comes back under a name that nobody knows.
    pub(super) fn rename(&mut self, at: u32) {
        let viewer = &mut self.viewers[at as usize];
        if viewer.gone || viewer.core.is_none() {
            return;
        }
        viewer.life += 1;
        viewer.id = peer_id(at, viewer.life);
        let open: Vec<_> = core::mem::take(&mut viewer.fetches).into_values().flatten().collect();
        let links: Vec<Link> = viewer.links.keys().copied().collect();
        let coming: Vec<_> = core::mem::take(&mut viewer.coming).into_values().collect();
        open.into_iter().for_each(|request| self.give_up(request));
        let left: Vec<_> = links.into_iter().filter_map(|link| self.drop_link(at, link)).collect();
        for far in left.into_iter().chain(coming) {
            let latency = self.net.latency(self.host(at), self.host(far.peer));
            self.after(latency, Event::Down { at: far.peer, link: far.link });
        }
        self.tracker.disconnect(at);
        let viewer = &mut self.viewers[at as usize];
        viewer.core = Some(viewer.new_core(self.seed));
        let (film, waiting, state) = (viewer.film.clone(), viewer.player.waiting(), viewer.player.state());
        let held: Vec<(SegmentId, u32)> = viewer
            .held
            .iter()
            .flat_map(|(&segment, bits)| (0..bits.len()).filter(|&i| bits.has(i)).map(move |i| (segment, i)))
            .collect();
        if self.stream.is_some() {
            self.begin_live(at);
        } else {
            self.feed(at, Input::Film(&film.index));
        }
        self.feed(at, Input::Player(state));
        for (segment, piece) in held {
            let (from, verdict) = (Source::Origin, Verdict::Verified);
            self.feed(at, Input::Arrived { segment, piece, from, verdict });
        }
        for segment in waiting.into_iter().flatten() {
            self.feed(at, Input::Want(segment));
        }
        self.after(self.whitewashes_every(), Event::Rename(at));
    }

    pub(super) fn whitewashes_every(&self) -> Duration {
        Duration::from_secs_f64(self.scenario.faults.whitewash_s)
    }

    /// Whom the tracker names to a viewer, if it is in an enemy's hand: to a victim enemies only, and later one honest viewer
    /// more; to the honest no victim.
    pub(super) fn named_to(&mut self, from: u32, candidates: Vec<PeerId>) -> Vec<PeerId> {
        let Some(eclipse) = &self.scenario.faults.eclipse else { return candidates };
        let viewer = &self.viewers[from as usize];
        let (honest, victim) = (viewer.manner == Manner::Honest, viewer.victim);
        let let_in = self.now.since(viewer.came) >= at(eclipse.until_s).since(swarm::Time(0));
        let friend = (victim && let_in).then(|| self.friend_of(from)).flatten();
        if friend.is_some() {
            let named_s = self.now.0 as f64 / 1e6;
            self.viewers[from as usize].seen.let_in_s.get_or_insert(named_s);
        }
        let may = |peer: &PeerId| {
            let other = &self.viewers[self.number_of(peer) as usize];
            if victim { other.manner != Manner::Honest } else { !honest || !other.victim }
        };
        let named: Vec<PeerId> = candidates.into_iter().filter(may).collect();
        friend.into_iter().chain(named).collect()
    }

    /// The honest viewer who came last before a victim and can be reached, or the first after it.
    fn friend_of(&mut self, victim: u32) -> Option<PeerId> {
        let is_friend = |other: u32| {
            let one = &self.viewers[other as usize];
            let meets =
                one.meets && !one.gone && one.manner == Manner::Honest && !one.victim && one.upload > 0;
            let linked = one.links.values().any(|far| far.peer == victim);
            let has_place = linked || one.links.len() + FRIEND_HAS_LEFT < one.config.links_max;
            meets && has_place && self.net.can_connect(self.host(victim), self.host(other))
        };
        let kept = self.viewers[victim as usize].friend.filter(|&friend| is_friend(friend));
        let friend = kept
            .or_else(|| (0..victim).rev().chain(victim..self.viewers.len() as u32).find(|&n| is_friend(n)));
        self.viewers[victim as usize].friend = friend;
        friend.map(|friend| self.viewers[friend as usize].id)
    }

    /// Media went from one viewer to another: what that says of a victim.
    pub(super) fn note_exchange(&mut self, from: u32, to: u32, bytes: u64) {
        let honest = |at: u32| self.viewers[at as usize].manner == Manner::Honest;
        let (giver, taker) = (honest(from), honest(to));
        if !giver {
            self.viewers[to as usize].seen.from_enemies += bytes;
        }
        if giver && taker {
            for at in [from, to] {
                let now = self.now;
                let viewer = &mut self.viewers[at as usize];
                if let Some(let_in) = viewer.seen.let_in_s {
                    let since = now.0 as f64 / 1e6 - let_in;
                    viewer.seen.exchanged_s.get_or_insert(since.max(0.0));
                }
            }
        }
    }
}
