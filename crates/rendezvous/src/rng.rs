//! Small deterministic random numbers (SplitMix64) and sampling without replacement.

#[derive(Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is at least 1. The bias is below `bound / 2^64`.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// Up to `count` different numbers below `len`, other than `skip`, in random order. Costs O(count^2), whatever
    /// `len` is (Floyd's method, then a shuffle because its order is not uniform).
    pub(crate) fn sample(&mut self, len: usize, skip: usize, count: usize) -> Vec<usize> {
        let others = len.saturating_sub(1);
        let count = count.min(others);
        let mut chosen = Vec::with_capacity(count);
        for last in others - count..others {
            let pick = self.below(last + 1);
            chosen.push(if chosen.contains(&pick) { last } else { pick });
        }
        for end in (1..chosen.len()).rev() {
            chosen.swap(end, self.below(end + 1));
        }
        for index in &mut chosen {
            *index += usize::from(*index >= skip);
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_distinct_others_and_favours_nobody() {
        let mut rng = Rng::new(1);
        let mut hits = [0u32; 10];
        let mut first = [0u32; 10];
        for _ in 0..9000 {
            let sample = rng.sample(10, 4, 3);
            assert_eq!(sample.len(), 3);
            assert!(sample[0] != sample[1] && sample[1] != sample[2] && sample[0] != sample[2]);
            first[sample[0]] += 1;
            sample.iter().for_each(|&index| hits[index] += 1);
        }
        assert_eq!(hits[4], 0);
        for index in (0..10).filter(|&index| index != 4) {
            assert!((2800..3200).contains(&hits[index]), "{hits:?}");
            assert!((850..1150).contains(&first[index]), "{first:?}");
        }
    }

    #[test]
    fn a_sample_is_never_larger_than_what_is_there() {
        let mut rng = Rng::new(2);
        assert!(rng.sample(1, 0, 5).is_empty());
        let mut all = rng.sample(6, 0, 50);
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3, 4, 5]);
    }
}
