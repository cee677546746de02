//! What is watched. Invariant: every segment has a size at every rung.

use crate::ladder::{Ladder, Rung};
use alloc::vec::Vec;
use core::time::Duration;

/// A film: its ladder and how large each segment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Video {
    ladder: Ladder,
    segment: Duration,
    /// Bytes, one number a rung, segment after segment.
    sizes: Vec<u32>,
}

impl Video {
    /// A film of segments of duration `segment` with these sizes in bytes: for each segment, one number a rung. `None` if
    /// that does not come out even, or if there is none.
    pub fn new(ladder: Ladder, segment: Duration, sizes: Vec<u32>) -> Option<Self> {
        let whole = !sizes.is_empty() && sizes.len().is_multiple_of(ladder.count()) && !segment.is_zero();
        whole.then_some(Self { ladder, segment, sizes })
    }

    /// The film that published results are for: 48 segments of 4 s at 300 to 4300 kbit/s; here each of its rung's average
    /// size.
    pub fn usual() -> Self {
        let bitrates = [300_000, 750_000, 1_200_000, 1_850_000, 2_850_000, 4_300_000];
        let sizes = bitrates.map(|bits_per_second| bits_per_second / 8 * 4).repeat(48);
        let ladder = Ladder::new(bitrates.to_vec()).expect("the bitrates above ascend");
        Self { ladder, segment: Duration::from_secs(4), sizes }
    }

    /// Its bitrates.
    pub fn ladder(&self) -> &Ladder {
        &self.ladder
    }

    /// Duration of each segment.
    pub fn segment(&self) -> Duration {
        self.segment
    }

    /// How many segments it has.
    pub fn segments(&self) -> usize {
        self.sizes.len() / self.ladder.count()
    }

    /// Bytes of the segments from number `from` (the first is 0) on, one number a rung; none beyond the end.
    pub fn sizes(&self, from: usize) -> &[u32] {
        self.sizes.get(from * self.ladder.count()..).unwrap_or_default()
    }

    /// Bytes of segment `number` at `rung`; 0 beyond the end.
    pub fn bytes(&self, number: usize, rung: Rung) -> u32 {
        self.sizes(number).get(rung.min(self.ladder.top()).0).copied().unwrap_or(0)
    }
}
