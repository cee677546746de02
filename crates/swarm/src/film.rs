//! The film as the core needs it: when each segment plays and how many bytes its pieces have.

use alloc::vec::Vec;
use core::time::Duration;
use manifest::{Index, Kind, SegmentId};

/// A compact copy of the index, without digests.
#[derive(Debug)]
pub(crate) struct Film {
    pub swarm: [u8; 20],
    piece_len: u32,
    tracks: Vec<Track>,
}

#[derive(Debug)]
struct Track {
    kind: Kind,
    /// Start in the film, milliseconds, and size in bytes; one more entry than segments, for the end.
    starts_ms: Vec<u32>,
    sizes: Vec<u32>,
}

impl Film {
    pub fn new(index: &Index) -> Self {
        let tracks = index.renditions.iter().map(|rendition| {
            let mut at = 0u32;
            let mut starts_ms: Vec<u32> = rendition
                .segments
                .iter()
                .map(|s| {
                    let start = at;
                    at = at.saturating_add(s.duration_ms);
                    start
                })
                .collect();
            starts_ms.push(at);
            Track {
                kind: rendition.kind,
                starts_ms,
                sizes: rendition.segments.iter().map(|s| s.size).collect(),
            }
        });
        Self { swarm: index.swarm_id(), piece_len: index.piece_len, tracks: tracks.collect() }
    }

    fn track(&self, segment: SegmentId) -> Option<(&Track, usize)> {
        let track = self.tracks.get(usize::from(segment.rendition))?;
        let place = segment.sequence.checked_sub(1)? as usize;
        (place < track.sizes.len()).then_some((track, place))
    }

    pub fn has(&self, segment: SegmentId) -> bool {
        self.track(segment).is_some()
    }

    pub fn kind(&self, rendition: u8) -> Option<Kind> {
        self.tracks.get(usize::from(rendition)).map(|t| t.kind)
    }

    /// The last sequence number of a rendition; 0 where there is none.
    pub fn last(&self, rendition: u8) -> u32 {
        self.tracks.get(usize::from(rendition)).map_or(0, |t| t.sizes.len() as u32)
    }

    /// When the segment starts in the film.
    pub fn start(&self, segment: SegmentId) -> Duration {
        self.track(segment).map_or(Duration::ZERO, |(t, i)| Duration::from_millis(u64::from(t.starts_ms[i])))
    }

    /// When it ends.
    pub fn end(&self, segment: SegmentId) -> Duration {
        self.track(segment)
            .map_or(Duration::ZERO, |(t, i)| Duration::from_millis(u64::from(t.starts_ms[i + 1])))
    }

    /// The sequence number of the segment that plays at `at`, or the last one.
    pub fn at(&self, rendition: u8, at: Duration) -> u32 {
        self.tracks.get(usize::from(rendition)).map_or(0, |t| {
            let at = at.as_millis().min(u128::from(u32::MAX)) as u32;
            (t.starts_ms.partition_point(|&start| start <= at) as u32).clamp(1, t.sizes.len() as u32)
        })
    }

    /// How many pieces the segment has.
    pub fn pieces(&self, segment: SegmentId) -> u32 {
        self.size(segment).div_ceil(self.piece_len)
    }

    /// Bytes of the whole segment.
    pub fn size(&self, segment: SegmentId) -> u32 {
        self.track(segment).map_or(0, |(t, i)| t.sizes[i])
    }

    /// Bytes of one piece.
    pub fn piece_size(&self, segment: SegmentId, piece: u32) -> u32 {
        self.size(segment).saturating_sub(piece.saturating_mul(self.piece_len)).min(self.piece_len)
    }
}
