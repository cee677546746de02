//! The film that is watched: sizes and durations, and no byte of media.

use manifest::digest::Hash;
use manifest::{Index, Kind, Rendition, Segment};
use std::time::Duration;

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
