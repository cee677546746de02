//! How a part is cut into stripes.
//!
//! A stripe of a part is a run of its pieces, so that it can be fetched from the origin in one range. Which run is whose turns
//! from part to part: where a part has fewer pieces than there are stripes, each stripe gets its share over time.

use crate::io::PeerId;
use core::ops::Range;

/// The stripe of a piece, of `pieces` in the part with this sequence number.
pub(crate) fn of(stripes: u8, sequence: u32, piece: u32, pieces: u32) -> u8 {
    let stripes = u32::from(stripes.max(1));
    let run = (u64::from(piece) * u64::from(stripes) / u64::from(pieces.max(1))) as u32;
    ((run + sequence % stripes) % stripes) as u8
}

/// The pieces of a stripe; may be none.
pub(crate) fn run(stripes: u8, sequence: u32, stripe: u8, pieces: u32) -> Range<u32> {
    let stripes = u32::from(stripes.max(1));
    let run = (u32::from(stripe) + stripes - sequence % stripes) % stripes;
    let begin = |run: u32| (u64::from(run) * u64::from(pieces)).div_ceil(u64::from(stripes)) as u32;
    begin(run)..begin(run + 1)
}

/// The stripe in which a peer may have children (Castro et al. 2003: interior in one tree, a leaf in the others).
pub(crate) fn home(stripes: u8, peer: &PeerId) -> u8 {
    (short(peer) % u32::from(stripes.max(1))) as u8
}

/// A peer's name in paths: FNV-1a of its id, with the halves of the 64 bits laid over each other.
pub(crate) fn short(peer: &PeerId) -> u32 {
    let hash = peer.0.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash ^ hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_in_the_run_of_its_stripe_and_in_no_other() {
        for stripes in 1..=8 {
            for pieces in 1..40 {
                for sequence in 1..12 {
                    let mut seen = 0;
                    for stripe in 0..stripes {
                        for piece in run(stripes, sequence, stripe, pieces) {
                            assert_eq!(of(stripes, sequence, piece, pieces), stripe);
                            seen += 1;
                        }
                    }
                    assert_eq!(seen, pieces, "{stripes} stripes of {pieces} pieces");
                }
            }
        }
    }
}
