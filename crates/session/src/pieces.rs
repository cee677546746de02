//! Which pieces are verified, and the leaves to verify more with. Its invariant: a piece counts as held only after its
//! chaining value has been found in a list that merges to the root in the index.

use manifest::digest::{leaf, leaves_match, piece_count};
use manifest::{Hash, Index, SegmentId};
use std::collections::BTreeMap;
use wire::Bits;

/// Segments known by their leaves alone, of which no piece is held yet. The list of one rarely takes over 2 KiB.
const MAX_LEAVES_ONLY: usize = 256;

/// What the check of a piece said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// It is the publisher's, and new.
    New,
    /// It is the publisher's, and held already.
    Held,
    /// It is not the publisher's.
    Forged,
    /// The segment's leaves are not known.
    NoLeaves,
}

/// The verified pieces of every segment in the driver's store. Of a live stream, whose segments are parts, also what its heads
/// have said of each part in the window.
#[derive(Debug)]
pub(crate) struct Pieces {
    /// Of a live stream: without renditions.
    index: Index,
    is_live: bool,
    segments: BTreeMap<SegmentId, Known>,
}

#[derive(Debug)]
struct Known {
    size: u32,
    leaves: Vec<Hash>,
    held: Bits,
}

impl Pieces {
    pub(crate) fn new(index: Index) -> Self {
        Self { index, is_live: false, segments: BTreeMap::new() }
    }

    #[cfg(feature = "live")]
    pub(crate) fn live(piece_len: u32) -> Self {
        let index = Index { piece_len, renditions: Vec::new() };
        Self { index, is_live: true, segments: BTreeMap::new() }
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Bytes of a segment; of a live stream, of a part that a head has told of.
    pub(crate) fn size_of(&self, segment: SegmentId) -> Option<u32> {
        match self.is_live {
            true => self.segments.get(&segment).map(|known| known.size),
            false => self.index.segment(segment).map(|segment| segment.size),
        }
    }

    /// How many pieces a segment has; 0 where there is none.
    pub(crate) fn count_of(&self, segment: SegmentId) -> u32 {
        self.size_of(segment).map_or(0, |size| piece_count(size, self.index.piece_len))
    }

    /// Length of a piece in bytes; `None` where there is none.
    pub(crate) fn len_of(&self, segment: SegmentId, piece: u32) -> Option<u32> {
        let size = self.size_of(segment)?;
        let start = piece.checked_mul(self.index.piece_len).filter(|&start| start < size)?;
        Some((size - start).min(self.index.piece_len))
    }

    /// The chaining value of what should be a piece; `None` if the length is wrong or there is no such piece.
    pub(crate) fn leaf_of(&self, segment: SegmentId, piece: u32, bytes: &[u8]) -> Option<Hash> {
        let fits = self.len_of(segment, piece)? as usize == bytes.len();
        fits.then(|| leaf(bytes, piece, self.count_of(segment), self.index.piece_len))
    }

    pub(crate) fn leaves(&self, segment: SegmentId) -> Option<&[Hash]> {
        self.segments.get(&segment).map(|known| &known.leaves[..])
    }

    /// Takes leaves in if they prove themselves against the index; says whether they did.
    pub(crate) fn learn(&mut self, segment: SegmentId, leaves: Vec<Hash>) -> bool {
        let Some(&entry) = self.index.segment(segment) else { return false };
        let count = self.index.piece_count(segment);
        if leaves.len() != count as usize || !leaves_match(&leaves, &entry.root) {
            return false;
        }
        if !self.segments.contains_key(&segment) {
            self.make_room();
            self.segments.insert(segment, Known { size: entry.size, leaves, held: Bits::none(count) });
        }
        true
    }

    #[cfg(feature = "live")]
    /// A head has said this of a part.
    pub(crate) fn announce(&mut self, part: SegmentId, size: u32, leaves: Vec<Hash>) {
        let held = Bits::none(piece_count(size, self.index.piece_len));
        self.segments.entry(part).or_insert(Known { size, leaves, held });
    }

    #[cfg(feature = "live")]
    /// Forgets the parts of a rendition that come before this one.
    pub(crate) fn forget_before(&mut self, first: SegmentId) {
        let start = SegmentId::new(first.rendition, 0);
        let gone: Vec<SegmentId> = self.segments.range(start..first).map(|(&part, _)| part).collect();
        gone.iter().for_each(|part| _ = self.segments.remove(part));
    }

    #[cfg(feature = "live")]
    /// The last part of a rendition that is known; 0 where there is none.
    pub(crate) fn last(&self, rendition: u8) -> u32 {
        let all = SegmentId::new(rendition, 0)..=SegmentId::new(rendition, u32::MAX);
        self.segments.range(all).next_back().map_or(0, |(part, _)| part.sequence)
    }

    /// Takes a segment in that the driver holds whole, if its leaves prove themselves; says whether they did.
    pub(crate) fn hold(&mut self, segment: SegmentId, leaves: Vec<Hash>) -> bool {
        if !self.learn(segment, leaves) {
            return false;
        }
        if let Some(known) = self.segments.get_mut(&segment) {
            known.held = Bits::all(self.index.piece_count(segment));
        }
        true
    }

    /// Judges a piece by its chaining value, and counts it as held if it is good.
    pub(crate) fn admit(&mut self, segment: SegmentId, piece: u32, leaf: Option<Hash>) -> Check {
        let Some(known) = self.segments.get_mut(&segment) else { return Check::NoLeaves };
        if leaf.is_none() || known.leaves.get(piece as usize) != leaf.as_ref() {
            Check::Forged
        } else if known.held.set(piece) {
            Check::New
        } else {
            Check::Held
        }
    }

    /// The driver drops a segment from its store. What a head has said of a part stays true.
    pub(crate) fn forget(&mut self, segment: SegmentId) {
        match self.segments.get_mut(&segment) {
            Some(known) if self.is_live => known.held = Bits::none(known.held.len()),
            _ => _ = self.segments.remove(&segment),
        }
    }

    fn make_room(&mut self) {
        let empty = |known: &Known| known.held.count() == 0;
        if self.segments.values().filter(|known| empty(known)).count() >= MAX_LEAVES_ONLY {
            self.segments.retain(|_, known| !empty(known));
        }
    }
}
