//! Who fetches a segment from the origin, agreed upon without a message.
//!
//! Rendezvous hashing (Thaler and Ravishankar 1998): every peer gives every candidate a score from (candidate, segment);
//! peers that know the same candidates agree on the order. A candidate draws once for each doubling of its upload
//! capacity and its best draw counts, so that those who can pass a segment on sooner are chosen more often. The ranks
//! after the first are backups that step in as the deadline comes near.
//!
//! Whoever keeps for others stands before all who play; among such peers the score decides as well.

use crate::io::PeerId;
use crate::keep::plays;
use crate::neighbour::Neighbour;
use crate::peer::Peer;
use crate::stripes::short;
use crate::time::Time;
use core::time::Duration;
use manifest::{Kind, SegmentId};

/// The score of `peer` for `segment`; the highest fetches. 0 for one that uploads nothing.
pub(crate) fn score(peer: &PeerId, upload_kbps: u32, segment: SegmentId) -> u64 {
    let key = peer.0.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let place = u64::from(segment.rendition) << 32 | u64::from(segment.sequence);
    (0..draws(upload_kbps)).map(|draw| mix(key ^ mix(place << 8 | draw))).max().unwrap_or(0)
}

impl Peer {
    /// This peer's place in the order in which the segment's candidates fetch it; `None` while it is not known who
    /// else there is.
    pub(crate) fn rank(&self, now: Time, segment: SegmentId) -> Option<u32> {
        let candidates = |n: &Neighbour| self.may_keep(n, segment) || self.is_wanted_by(n, segment);
        // Who keeps for others waits for no others of its kind: a viewer is there already.
        if self.keeps() {
            return Some(self.count_before(segment, candidates));
        }
        // A neighbour is known once it has said where it is: what it holds has been said before.
        let known = self.links.values().filter(|n| n.greeted && n.playing.is_some()).count();
        if known == 0 {
            // Until the tracker has said so nobody is alone; where it says nothing hope ends.
            let alone = self.meet.audience == Some(0) || !self.is_hopeful(now);
            return alone.then_some(0);
        }
        // The first to be met may hold nothing; the next may hold everything.
        if self.meet.is_hopeful(now) && self.meet.expects_more_than(&self.config, known) {
            return None;
        }
        Some(self.count_before(segment, candidates))
    }

    /// The same among those who run out of time for it at once: who plays nothing has as much time as ever.
    pub(crate) fn rank_in_need(&self, now: Time, segment: SegmentId) -> u32 {
        match self.keeps() {
            true => 0,
            false if self.rank(now, segment).is_none() => 0,
            false => self.count_before(segment, |n| self.is_wanted_by(n, segment) && !self.is_gone(now, n)),
        }
    }

    fn count_before(&self, segment: SegmentId, is_candidate: impl Fn(&Neighbour) -> bool) -> u32 {
        let own = (self.keeps(), score(&self.me, self.uploads.kbps(), segment));
        let rivals = self.links.values().filter(|n| n.greeted && is_candidate(n));
        rivals.filter(|n| (n.keeps, score(&n.peer, n.upload_kbps, segment)) > own).count() as u32
    }

    /// Whether a neighbour that keeps for others lacks a segment: it fetches what we will want.
    fn may_keep(&self, n: &Neighbour, segment: SegmentId) -> bool {
        n.keeps && n.serves() && !self.is_live() && !n.holds_any(segment)
    }

    /// Whether a neighbour lacks a segment, and fetches it as well as we do if it is elected.
    pub(crate) fn is_wanted_by(&self, n: &Neighbour, segment: SegmentId) -> bool {
        let Some(film) = &self.film else { return false };
        let Some(kind) = film.kind(segment.rendition) else { return false };
        !n.holds_any(segment)
            && plays(n).is_some_and(|p| {
                let rendition = if kind == Kind::Video { p.video } else { p.audio };
                let from = Duration::from_millis(u64::from(p.position_ms));
                let end = Duration::from_millis(u64::from(p.window_end_ms)) + self.config.fetch_ahead;
                rendition == segment.rendition && (from..end).contains(&film.start(segment))
            })
    }

    /// Whether neighbours may still be found, or one was found a moment ago.
    fn is_hopeful(&self, now: Time) -> bool {
        self.meet.is_hopeful(now) || self.links.values().any(|n| now.since(n.since) < Duration::from_secs(2))
    }
}

/// 0 for nobody's uplink, 1 below 512 kbit/s, one more for each doubling, 8 from 32 Mbit/s on.
fn draws(upload_kbps: u32) -> u64 {
    if upload_kbps == 0 { 0 } else { u64::from((upload_kbps / 256).max(1).ilog2().clamp(1, 8)) }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Whether the lot for `of` falls on a peer, where it falls on `few` in `all`; each doubling makes it twice as likely. The
/// same peer always draws the same lot.
pub(crate) fn is_drawn(me: &PeerId, of: SegmentId, few: u64, all: u64, doublings: u64) -> bool {
    let lot = mix(u64::from(short(me)) ^ u64::from(of.rendition) << 40 ^ u64::from(of.sequence) << 48) >> 32;
    let chance = (few << 32) / all.max(1);
    lot < chance.saturating_mul(1 << doublings.min(20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetches_are_shared_out_by_capacity() {
        let peers = [(PeerId([1; 20]), 1_000), (PeerId([2; 20]), 1_000), (PeerId([3; 20]), 16_000)];
        let mut won = [0u32; 3];
        for sequence in 1..=10_000 {
            let segment = SegmentId::new(0, sequence);
            let best = (0..3).max_by_key(|&i| score(&peers[i].0, peers[i].1, segment)).unwrap();
            won[best] += 1;
        }
        // 1 + 1 + 5 or 6 draws: each share within a few points of its part.
        assert!(won[0].abs_diff(won[1]) < 300, "{won:?}");
        assert!(won[2] > 6_500 && won[2] < 8_000, "{won:?}");
    }
}
