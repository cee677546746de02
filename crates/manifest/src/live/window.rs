//! What a stream's heads have said of its segments.
//!
//! Its invariant: a segment that was announced keeps its contents until it has left the window, and no window goes back.

use super::head::{Cut, Head};
use super::refused::Refused;
use crate::SegmentId;
use crate::index::Segment;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Most sequence numbers in a rendition's window: 4.5 hours of 4 s segments.
pub const MAX_WINDOW: u32 = 4096;

#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    /// By rendition; none before the first head.
    tracks: Vec<Track>,
    /// Some head was missed, and may have said what is not known here.
    gap: bool,
}

#[derive(Clone, Debug)]
struct Track {
    first: u32,
    /// Up to here all that was ever announced was heard.
    settled: u32,
    known: BTreeMap<u32, Announced>,
}

/// What was said of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Announced {
    start_ms: u32,
    cut: Cut,
    segment: Segment,
}

impl Window {
    pub fn segment(&self, id: SegmentId) -> Option<&Segment> {
        Some(&self.tracks.get(usize::from(id.rendition))?.known.get(&id.sequence)?.segment)
    }

    pub fn first(&self, rendition: u8) -> Option<u32> {
        self.tracks.get(usize::from(rendition)).map(|track| track.first)
    }

    /// What `head` announces, if it fits what was said before.
    pub fn check(&self, head: &Head, piece_len: u32) -> Result<Vec<(SegmentId, Announced)>, Refused> {
        if !self.tracks.is_empty() && self.tracks.len() != head.first.len() {
            return Err(Refused::Renditions);
        }
        for (rendition, (track, &first)) in self.tracks.iter().zip(&head.first).enumerate() {
            if first < track.first {
                return Err(Refused::WindowBackwards(rendition as u8));
            }
        }
        let segment = |entry: &super::Entry| {
            let id = entry.segment;
            let root = entry.root(piece_len).ok_or(Refused::Leaves(id))?;
            let segment = Segment { duration_ms: entry.duration_ms, size: entry.size, root };
            let said = Announced { start_ms: entry.start_ms, cut: entry.cut, segment };
            let place = usize::from(id.rendition);
            let first = head.first.get(place).copied().ok_or(Refused::OutsideWindow(id))?;
            if id.sequence.checked_sub(first).is_none_or(|behind| behind >= MAX_WINDOW) {
                return Err(Refused::OutsideWindow(id));
            }
            let Some(track) = self.tracks.get(place) else { return Ok((id, said)) };
            match track.known.get(&id.sequence) {
                Some(known) if *known != said => Err(Refused::Contradiction(id)),
                None if id.sequence <= track.settled => Err(Refused::Backwards(id)),
                _ => Ok((id, said)),
            }
        };
        head.entries.iter().map(segment).collect()
    }

    /// Takes over what [`check`](Self::check) returned; gives back what was not known before. `complete`: no head was missed.
    pub fn apply(
        &mut self,
        first: &[u32],
        segments: &[(SegmentId, Announced)],
        complete: bool,
    ) -> Vec<SegmentId> {
        self.gap |= !complete;
        if self.tracks.is_empty() {
            let track = |&first| Track { first, settled: first - 1, known: BTreeMap::new() };
            self.tracks = first.iter().map(track).collect();
        }
        for (track, &first) in self.tracks.iter_mut().zip(first) {
            track.first = first;
            track.known = track.known.split_off(&first);
        }
        let mut born = Vec::new();
        for &(id, said) in segments {
            let track = &mut self.tracks[usize::from(id.rendition)];
            if track.known.insert(id.sequence, said).is_none() {
                born.push(id);
            }
            if !self.gap {
                track.settled = track.settled.max(id.sequence);
            }
        }
        born
    }
}
