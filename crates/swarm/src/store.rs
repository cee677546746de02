//! Which pieces are held. Its invariant: a piece is here exactly while the driver holds its verified bytes.

use crate::film::Film;
use crate::holdings::{Held, Holdings};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use manifest::SegmentId;
use wire::{Bits, Have, Partial, Run};

#[derive(Debug, Default)]
pub(crate) struct Store {
    held: Holdings,
    pub bytes: u64,
    /// Of each segment, as long as some of it is held: a live stream may know nothing of it any more.
    bytes_of: BTreeMap<SegmentId, u64>,
    changed: BTreeSet<SegmentId>,
}

impl Store {
    /// Takes in a verified piece; says whether it is new.
    pub fn insert(&mut self, film: &Film, segment: SegmentId, piece: u32) -> bool {
        let new = self.held.add_piece(segment, piece, film.pieces(segment));
        if new {
            let bytes = u64::from(film.piece_size(segment, piece));
            self.bytes += bytes;
            *self.bytes_of.entry(segment).or_default() += bytes;
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

    pub fn remove(&mut self, segment: SegmentId) {
        if self.is_begun(segment) {
            self.bytes -= self.bytes_of.remove(&segment).unwrap_or(0);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Part;
    use crate::time::Time;
    use manifest::Kind;

    #[test]
    fn what_a_stream_has_forgotten_is_still_counted_off() {
        let mut film = Film::live([0; 20], 1000, &[Kind::Video]);
        let part =
            |sequence| Part { id: SegmentId::new(0, sequence), start_ms: 0, duration_ms: 400, size: 2500 };
        film.grow(Time::default(), &part(1));
        let mut store = Store::default();
        assert!((0..3).all(|piece| store.insert(&film, part(1).id, piece)));
        assert!(!store.insert(&film, part(1).id, 2));
        assert_eq!(store.bytes, 2500);
        film.grow(Time::default(), &part(9)); // after a gap: 1 is known no more
        assert!(!film.has(part(1).id));
        store.remove(part(1).id);
        assert_eq!((store.bytes, store.bytes_of.len()), (0, 0));
    }
}
