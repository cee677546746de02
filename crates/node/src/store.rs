//! The media held: verified pieces only. The core alone decides what is dropped.

use bytes::{Bytes, BytesMut};
use manifest::SegmentId;
use std::collections::BTreeMap;

/// Pieces by segment.
#[derive(Debug, Default)]
pub(crate) struct Store {
    segments: BTreeMap<SegmentId, Held>,
}

#[derive(Debug, Default)]
struct Held {
    pieces: BTreeMap<u32, Bytes>,
    bytes: usize,
    /// Whether a player got it.
    given: bool,
}

impl Store {
    pub(crate) fn put(&mut self, segment: SegmentId, piece: u32, bytes: Bytes) {
        let held = self.segments.entry(segment).or_default();
        if !held.pieces.contains_key(&piece) {
            held.bytes += bytes.len();
            held.pieces.insert(piece, bytes);
        }
    }

    pub(crate) fn piece(&self, segment: SegmentId, piece: u32) -> Option<&Bytes> {
        self.segments.get(&segment)?.pieces.get(&piece)
    }

    /// The whole segment of `size` bytes; `None` if a piece is missing.
    pub(crate) fn whole(&self, segment: SegmentId, size: u32) -> Option<Bytes> {
        let held = self.segments.get(&segment).filter(|held| held.bytes == size as usize)?;
        let mut whole = BytesMut::with_capacity(held.bytes);
        held.pieces.values().for_each(|piece| whole.extend_from_slice(piece));
        Some(whole.freeze())
    }

    /// The same, for a player.
    pub(crate) fn give(&mut self, segment: SegmentId, size: u32) -> Option<Bytes> {
        let whole = self.whole(segment, size)?;
        self.segments.get_mut(&segment)?.given = true;
        Some(whole)
    }

    /// Drops a segment; says how many of its bytes no player ever got.
    pub(crate) fn drop(&mut self, segment: SegmentId) -> u64 {
        self.segments.remove(&segment).filter(|held| !held.given).map_or(0, |held| held.bytes as u64)
    }
}
