//! Which pieces are verified, and the leaves to verify more with. Its invariant: a piece counts as held only after its
//! chaining value has been found in a list that merges to the root in the index.

use manifest::digest::{leaf, leaves_match};
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

/// The verified pieces of every segment in the driver's store.
#[derive(Debug)]
pub(crate) struct Pieces {
    index: Index,
    segments: BTreeMap<SegmentId, Known>,
}

#[derive(Debug)]
struct Known {
    leaves: Vec<Hash>,
    held: Bits,
}

impl Pieces {
    pub(crate) fn new(index: Index) -> Self {
        Self { index, segments: BTreeMap::new() }
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Length of a piece in bytes; `None` where there is none.
    pub(crate) fn len_of(&self, segment: SegmentId, piece: u32) -> Option<u32> {
        self.index.piece_range(segment, piece).map(|range| range.end - range.start)
    }

    /// The chaining value of what should be a piece; `None` if the length is wrong or there is no such piece.
    pub(crate) fn leaf_of(&self, segment: SegmentId, piece: u32, bytes: &[u8]) -> Option<Hash> {
        let fits = self.len_of(segment, piece)? as usize == bytes.len();
        fits.then(|| leaf(bytes, piece, self.index.piece_count(segment), self.index.piece_len))
    }

    pub(crate) fn leaves(&self, segment: SegmentId) -> Option<&[Hash]> {
        self.segments.get(&segment).map(|known| &known.leaves[..])
    }

    /// Takes leaves in if they prove themselves against the index; says whether they did.
    pub(crate) fn learn(&mut self, segment: SegmentId, leaves: Vec<Hash>) -> bool {
        let Some(entry) = self.index.segment(segment) else { return false };
        let count = self.index.piece_count(segment);
        if leaves.len() != count as usize || !leaves_match(&leaves, &entry.root) {
            return false;
        }
        if !self.segments.contains_key(&segment) {
            self.make_room();
            self.segments.insert(segment, Known { leaves, held: Bits::none(count) });
        }
        true
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

    /// Forgets a segment that the driver drops from its store.
    pub(crate) fn forget(&mut self, segment: SegmentId) {
        self.segments.remove(&segment);
    }

    fn make_room(&mut self) {
        let empty = |known: &Known| known.held.count() == 0;
        if self.segments.values().filter(|known| empty(known)).count() >= MAX_LEAVES_ONLY {
            self.segments.retain(|_, known| !empty(known));
        }
    }
}
