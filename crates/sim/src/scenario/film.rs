//! What there is to watch.

use core::time::Duration;

use manifest::digest::{Hash, root};
use manifest::{Index, Kind, Rendition, Segment};
use serde::Deserialize;

use crate::rng::Rng;

/// One film, or as many alike as the audience's catalogue has.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Film {
    /// How long it is, in seconds.
    pub seconds: f64,
    /// How long a segment is, in seconds.
    pub segment_s: f64,
    /// How long a piece is: 16, 32 or 64 KiB.
    pub piece_kib: u32,
    /// The renditions of pictures, in kbit/s, lowest first.
    pub rungs_kbps: Vec<u32>,
    /// The rendition of sound, in kbit/s.
    pub audio_kbps: u32,
}

impl Default for Film {
    fn default() -> Self {
        Self {
            seconds: 600.0,
            segment_s: 4.0,
            piece_kib: 32,
            rungs_kbps: vec![350, 750, 1600, 3000],
            audio_kbps: 128,
        }
    }
}

impl Film {
    /// Its length.
    pub fn length(&self) -> Duration {
        self.segment() * self.count()
    }

    /// The length of a segment.
    pub fn segment(&self) -> Duration {
        Duration::from_millis((self.segment_s * 1000.0) as u64)
    }

    /// The highest rate with sound, in Mbit/s.
    pub fn top_mbps(&self) -> f64 {
        f64::from(self.rungs_kbps.last().copied().unwrap_or(0) + self.audio_kbps) / 1000.0
    }

    /// How many segments each rendition has.
    pub fn count(&self) -> u32 {
        ((self.seconds / self.segment_s) as u32).max(1)
    }

    /// The index of the film with this number in the catalogue. Sizes vary from segment to segment by a quarter either way, as
    /// those of encoders with a rate limit do, and alike in all renditions. Pictures first, sound last.
    pub fn index(&self, number: usize) -> Index {
        let duration_ms = self.segment().as_millis() as u32;
        let mut rng = Rng::stream(0, number as u64, "film");
        let factors: Vec<f64> = (0..self.count()).map(|_| rng.uniform(0.75, 1.25)).collect();
        let rendition = |(place, (&kbps, kind)): (usize, (&u32, Kind))| Rendition {
            id: format!("r{place}"),
            kind,
            bandwidth_bps: kbps * 1000,
            init: Hash([0; 32]),
            segments: factors
                .iter()
                .enumerate()
                .map(|(i, factor)| Segment {
                    duration_ms,
                    size: ((f64::from(kbps) * f64::from(duration_ms) / 8.0 * factor) as u32).max(1),
                    // Roots are never computed from media here: they only have to tell films apart.
                    root: root(
                        &[&number.to_le_bytes()[..], &[place as u8], &(i as u32).to_le_bytes()].concat(),
                    ),
                })
                .collect(),
        };
        let kinds = self.rungs_kbps.iter().map(|kbps| (kbps, Kind::Video));
        let all = kinds.chain([(&self.audio_kbps, Kind::Audio)]).enumerate();
        Index { piece_len: self.piece_kib * 1024, renditions: all.map(rendition).collect() }
    }
}
