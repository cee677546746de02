//! The bitrates there are to choose from. Invariant: never empty, always ascending, none 0.

use alloc::vec::Vec;

/// One of a ladder's bitrates, by its place: 0 is the lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rung(pub usize);

/// The average bitrates of a film's renditions, lowest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder(Vec<u32>);

impl Ladder {
    /// A ladder of these bits per second; `None` unless there is one at least, none is 0 and each is above the one before.
    pub fn new(bitrates_bps: Vec<u32>) -> Option<Self> {
        let ascending = bitrates_bps.windows(2).all(|pair| pair[0] < pair[1]);
        (ascending && bitrates_bps.first().is_some_and(|&lowest| lowest > 0)).then_some(Self(bitrates_bps))
    }

    /// How many rungs there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The highest rung.
    pub fn top(&self) -> Rung {
        Rung(self.0.len() - 1)
    }

    /// Bits per second at `rung`; those of the highest if there is no such rung.
    pub fn bitrate_bps(&self, rung: Rung) -> u32 {
        self.0[rung.min(self.top()).0]
    }

    /// The highest rung of at most `bits_per_second`; the lowest if all are above it.
    pub fn highest_within(&self, bits_per_second: f64) -> Rung {
        Rung(
            self.0.iter().filter(|&&bitrate| f64::from(bitrate) <= bits_per_second).count().saturating_sub(1),
        )
    }

    /// Every rung, lowest first.
    pub fn rungs(&self) -> impl Iterator<Item = Rung> + use<> {
        (0..self.0.len()).map(Rung)
    }
}
