//! Which pieces are held. Its invariant: a piece is here exactly while the driver holds its verified bytes.

use crate::film::Film;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use manifest::SegmentId;
use wire::{Bits, Have, Partial, Run};

#[derive(Debug, Default)]
pub(crate) struct Store {
    held: BTreeMap<SegmentId, Bits>,
    pub bytes: u64,
    changed: BTreeSet<SegmentId>,
}

impl Store {
    /// Takes in a verified piece; says whether it is new.
    pub fn insert(&mut self, film: &Film, segment: SegmentId, piece: u32) -> bool {
        let bits = self.held.entry(segment).or_insert_with(|| Bits::none(film.pieces(segment)));
        let new = bits.set(piece);
        if new {
            self.bytes += u64::from(film.piece_size(segment, piece));
            self.changed.insert(segment);
        }
        new
    }

    pub fn has(&self, segment: SegmentId, piece: u32) -> bool {
        self.held.get(&segment).is_some_and(|bits| bits.has(piece))
    }

    pub fn is_whole(&self, segment: SegmentId) -> bool {
        self.held.get(&segment).is_some_and(Bits::is_full)
    }

    /// Whether a piece of the segment is held, so that its leaves are known.
    pub fn is_begun(&self, segment: SegmentId) -> bool {
        self.held.contains_key(&segment)
    }

    /// The pieces still missing.
    pub fn missing(&self, film: &Film, segment: SegmentId) -> Vec<u32> {
        match self.held.get(&segment) {
            Some(bits) => bits.missing().collect(),
            None => (0..film.pieces(segment)).collect(),
        }
    }

    pub fn segments(&self) -> impl Iterator<Item = SegmentId> + '_ {
        self.held.keys().copied()
    }

    pub fn remove(&mut self, film: &Film, segment: SegmentId) {
        if let Some(bits) = self.held.remove(&segment) {
            let bytes: u32 =
                (0..bits.len()).filter(|&i| bits.has(i)).map(|i| film.piece_size(segment, i)).sum();
            self.bytes -= u64::from(bytes);
            self.changed.insert(segment);
        }
    }

    /// Everything held, for a neighbour that knows nothing yet.
    pub fn report_all(&self) -> Have {
        self.report(self.held.keys().copied())
    }

    /// What has changed since the last call; `None` if nothing has.
    pub fn report_changes(&mut self) -> Option<Have> {
        let changed = core::mem::take(&mut self.changed);
        if changed.is_empty() { None } else { Some(self.report(changed)) }
    }

    fn report(&self, segments: impl IntoIterator<Item = SegmentId>) -> Have {
        let mut have = Have::default();
        for segment in segments {
            match self.held.get(&segment) {
                Some(bits) if bits.is_full() => extend(&mut have.whole, segment),
                Some(bits) => have.partial.push(Partial { segment, pieces: bits.clone() }),
                None => extend(&mut have.gone, segment),
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
