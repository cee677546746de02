//! Which segments somebody holds, in whole or in part. Whole ones are kept as runs: who watches a film holds few of those.
//!
//! Its invariant: both lists are sorted, runs neither overlap nor touch, and no segment is in both.

use alloc::vec::Vec;
use core::ops::Range;
use manifest::SegmentId;
use wire::Bits;

#[derive(Debug, Default)]
pub(crate) struct Holdings {
    /// From one [`key`] to before another.
    whole: Vec<Range<u64>>,
    part: Vec<(SegmentId, Bits)>,
}

/// A segment's place in the order of all.
fn key(segment: SegmentId) -> u64 {
    u64::from(segment.rendition) << 32 | u64::from(segment.sequence)
}

fn segment(key: u64) -> SegmentId {
    SegmentId::new((key >> 32) as u8, key as u32)
}

/// Segments `first..end` of a rendition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub rendition: u8,
    pub first: u32,
    pub end: u32,
}

/// What is held of one segment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Held<'a> {
    Nothing,
    Part(&'a Bits),
    Whole,
}

impl Span {
    fn of(segment: SegmentId) -> Self {
        let SegmentId { rendition, sequence } = segment;
        Self { rendition, first: sequence, end: sequence + 1 }
    }

    fn keys(self) -> Range<u64> {
        key(SegmentId::new(self.rendition, self.first))..key(SegmentId::new(self.rendition, self.end))
    }
}

impl Holdings {
    pub fn get(&self, segment: SegmentId) -> Held<'_> {
        let key = key(segment);
        let after = self.whole.partition_point(|run| run.start <= key);
        match after.checked_sub(1).map(|place| self.whole[place].end) {
            Some(end) if key < end => Held::Whole,
            _ => match self.part.binary_search_by_key(&key, |(other, _)| self::key(*other)) {
                Ok(place) => Held::Part(&self.part[place].1),
                Err(_) => Held::Nothing,
            },
        }
    }

    /// All of the span is held.
    pub fn add(&mut self, span: Span) {
        let mut run = span.keys();
        if run.is_empty() {
            return;
        }
        self.drop_parts(&run);
        let from = self.whole.partition_point(|other| other.end < run.start);
        let to = self.whole.partition_point(|other| other.start <= run.end);
        if let [first, ..] = &self.whole[from..to] {
            run = run.start.min(first.start)..run.end.max(self.whole[to - 1].end);
        }
        self.whole.splice(from..to, [run]);
    }

    /// These pieces of a segment are held, and no others.
    pub fn set_part(&mut self, segment: SegmentId, pieces: Bits) {
        self.remove(Span::of(segment));
        let place = self.part.partition_point(|(other, _)| *other < segment);
        self.part.insert(place, (segment, pieces));
    }

    /// One more piece of a segment that has `count` is held; says whether it is new. A segment becomes whole with its last.
    pub fn add_piece(&mut self, segment: SegmentId, piece: u32, count: u32) -> bool {
        if matches!(self.get(segment), Held::Whole) {
            return false;
        }
        let place = self.part.partition_point(|(other, _)| *other < segment);
        if self.part.get(place).is_none_or(|(other, _)| *other != segment) {
            self.part.insert(place, (segment, Bits::none(count)));
        }
        let pieces = &mut self.part[place].1;
        let new = pieces.set(piece);
        if pieces.is_full() {
            self.add(Span::of(segment));
        }
        new
    }

    /// Nothing of the span is held.
    pub fn remove(&mut self, span: Span) {
        let run = span.keys();
        if run.is_empty() {
            return;
        }
        self.drop_parts(&run);
        let from = self.whole.partition_point(|other| other.end <= run.start);
        let to = self.whole.partition_point(|other| other.start < run.end);
        if from < to {
            let rest = [self.whole[from].start..run.start, run.end..self.whole[to - 1].end];
            self.whole.splice(from..to, rest.into_iter().filter(|rest| !rest.is_empty()));
        }
    }

    pub fn remove_one(&mut self, segment: SegmentId) {
        self.remove(Span::of(segment));
    }

    /// Nothing is held that lies before the `first` segment of its rendition.
    pub fn forget_before(&mut self, first: impl Fn(u8) -> u32) {
        let least = |rendition: u8| key(SegmentId::new(rendition, first(rendition)));
        self.part.retain(|(segment, _)| key(*segment) >= least(segment.rendition));
        for run in &mut self.whole {
            run.start = run.start.max(least((run.start >> 32) as u8)).min(run.end);
        }
        self.whole.retain(|run| !run.is_empty());
    }

    /// How many segments are held, in whole or in part.
    pub fn count(&self) -> usize {
        self.part.len() + self.whole.iter().map(|run| (run.end - run.start) as usize).sum::<usize>()
    }

    /// The same segments, in order.
    pub fn segments(&self) -> impl Iterator<Item = SegmentId> + '_ {
        let mut part = self.part.iter().map(|(segment, _)| *segment).peekable();
        let mut whole = self.whole.iter().cloned().flatten().map(segment).peekable();
        core::iter::from_fn(move || match (part.peek(), whole.peek()) {
            (Some(a), Some(b)) if a < b => part.next(),
            (Some(_), None) => part.next(),
            _ => whole.next(),
        })
    }

    fn drop_parts(&mut self, run: &Range<u64>) {
        let from = self.part.partition_point(|(segment, _)| key(*segment) < run.start);
        let to = self.part.partition_point(|(segment, _)| key(*segment) < run.end);
        self.part.drain(from..to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    #[test]
    fn runs_and_parts_say_what_a_plain_map_says() {
        let mut holdings = Holdings::default();
        let mut plain: BTreeMap<SegmentId, Bits> = BTreeMap::new();
        let mut state = 7;
        let mut below = |most: u32| {
            state = crate::election::mix(state);
            (state % u64::from(most)) as u32
        };
        for _ in 0..20_000 {
            let (rendition, first) = (below(3) as u8, 1 + below(40));
            let end = first + below(6);
            let segment = SegmentId::new(rendition, first);
            let all = (first..end).map(|sequence| SegmentId::new(rendition, sequence));
            match below(4) {
                0 => {
                    holdings.add(Span { rendition, first, end });
                    plain.extend(all.map(|segment| (segment, Bits::all(3))));
                }
                1 => {
                    holdings.remove(Span { rendition, first, end });
                    all.for_each(|segment| {
                        plain.remove(&segment);
                    });
                }
                2 => {
                    let mut pieces = Bits::none(3);
                    pieces.set(below(3));
                    holdings.set_part(segment, pieces.clone());
                    plain.insert(segment, pieces);
                }
                _ => {
                    let piece = below(3);
                    let new = plain.entry(segment).or_insert_with(|| Bits::none(3)).set(piece);
                    assert_eq!(holdings.add_piece(segment, piece, 3), new);
                }
            }
            assert!(holdings.segments().eq(plain.keys().copied()));
            assert_eq!(holdings.count(), plain.len());
            assert!(holdings.whole.windows(2).all(|pair| pair[0].end < pair[1].start));
            match (holdings.get(segment), plain.get(&segment)) {
                (Held::Nothing, None) => {}
                (Held::Whole, Some(bits)) => assert!(bits.is_full()),
                (Held::Part(part), Some(bits)) => assert_eq!(part, bits),
                (held, bits) => panic!("{held:?}, not {bits:?}"),
            }
        }
    }
}
