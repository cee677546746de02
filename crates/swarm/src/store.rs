//! Which pieces are held. Its invariant: a piece is here exactly while the driver holds its verified bytes.

use crate::film::Film;
use crate::holdings::{Held, Holdings};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use manifest::SegmentId;
use wire::{Bits, Have, Partial, Run};

#[derive(Debug, Default)]
pub(crate) struct Store {
    held: Holdings,
    pub bytes: u64,
    changed: BTreeSet<SegmentId>,
}

impl Store {
    /// Takes in a verified piece; says whether it is new.
    pub fn insert(&mut self, film: &Film, segment: SegmentId, piece: u32) -> bool {
        let new = self.held.add_piece(segment, piece, film.pieces(segment));
        if new {
            self.bytes += u64::from(film.piece_size(segment, piece));
            self.changed.insert(segment);
        }
        new
    }

    pub fn has(&self, film: &Film, segment: SegmentId, piece: u32) -> bool {
        match self.held.get(segment) {
            Held::Nothing => false,
            Held::Part(pieces) => pieces.has(piece),
            Held::Whole => piece < film.pieces(segment),
        }
    }

    pub fn is_whole(&self, segment: SegmentId) -> bool {
        matches!(self.held.get(segment), Held::Whole)
    }

    /// Whether a piece of the segment is held, so that its leaves are known.
    pub fn is_begun(&self, segment: SegmentId) -> bool {
        !matches!(self.held.get(segment), Held::Nothing)
    }

    /// The pieces that are held.
    pub fn pieces(&self, film: &Film, segment: SegmentId) -> Bits {
        match self.held.get(segment) {
            Held::Nothing => Bits::none(film.pieces(segment)),
            Held::Part(pieces) => pieces.clone(),
            Held::Whole => Bits::all(film.pieces(segment)),
        }
    }

    pub fn segments(&self) -> impl Iterator<Item = SegmentId> + '_ {
        self.held.segments()
    }

    pub fn remove(&mut self, film: &Film, segment: SegmentId) {
        if self.is_begun(segment) {
            let pieces = (0..film.pieces(segment)).filter(|&piece| self.has(film, segment, piece));
            self.bytes -= pieces.map(|piece| u64::from(film.piece_size(segment, piece))).sum::<u64>();
            self.held.remove_one(segment);
            self.changed.insert(segment);
        }
    }

    /// Everything held, for a neighbour that knows nothing yet.
    pub fn report_all(&self) -> Have {
        self.report(self.held.segments())
    }

    /// What has changed since the last call; `None` if nothing has.
    pub fn report_changes(&mut self) -> Option<Have> {
        let changed = core::mem::take(&mut self.changed);
        if changed.is_empty() { None } else { Some(self.report(changed)) }
    }

    fn report(&self, segments: impl IntoIterator<Item = SegmentId>) -> Have {
        let mut have = Have::default();
        for segment in segments {
            match self.held.get(segment) {
                Held::Nothing => extend(&mut have.gone, segment),
                Held::Part(pieces) => have.partial.push(Partial { segment, pieces: pieces.clone() }),
                Held::Whole => extend(&mut have.whole, segment),
            }
        }
        have
    }
}

/// Adds `segment` to the last run if it continues it. Segments come in order.
fn extend(runs: &mut Vec<Run>, segment: SegmentId) {
    match runs.last_mut() {
        Some(run)
            if run.first.rendition == segment.rendition
                && run.first.sequence + run.count == segment.sequence =>
        {
            run.count += 1;
        }
        _ => runs.push(Run { first: segment, count: 1 }),
    }
}
