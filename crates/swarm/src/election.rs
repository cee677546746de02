//! Who fetches a segment from the origin, agreed upon without a message.
//!
//! Rendezvous hashing (Thaler and Ravishankar 1998): every peer gives every candidate a score from (candidate, segment);
//! peers that know the same candidates agree on the order. A candidate draws once for each doubling of its upload
//! capacity and its best draw counts, so that those who can pass a segment on sooner are chosen more often. The ranks
//! after the first are backups that step in as the deadline comes near.

use crate::io::PeerId;
use crate::stripes::short;
use manifest::SegmentId;

/// The score of `peer` for `segment`; the highest fetches. 0 for one that uploads nothing.
pub(crate) fn score(peer: &PeerId, upload_kbps: u32, segment: SegmentId) -> u64 {
    let key = peer.0.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let place = u64::from(segment.rendition) << 32 | u64::from(segment.sequence);
    (0..draws(upload_kbps)).map(|draw| mix(key ^ mix(place << 8 | draw))).max().unwrap_or(0)
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
