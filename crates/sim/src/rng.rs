//! Random numbers that a seed determines.
//!
//! Invariant: a number depends on the seed, on whose it is, on what it is for, and on how many were drawn for that before;
//! never on what others drew. So a peer more, or a question more to one stream, leaves all other streams as they were, and
//! two runs that differ in one policy see the same viewers on the same network.
//!
//! The generator is SplitMix64 (Steele, Lea and Flood 2014): 64 bits of state, and cheap enough to have a stream for everything.

use core::f64::consts::TAU;
use core::time::Duration;

/// One stream of random numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng(u64);

impl Rng {
    /// The stream of a run's `seed` for `peer` (any number that names one, or a pair) and for one `purpose`.
    pub fn stream(seed: u64, peer: u64, purpose: &str) -> Self {
        let purpose = purpose.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        Self(mix(mix(mix(seed) ^ peer) ^ purpose))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let drawn = mix(self.0);
        self.0 = self.0.wrapping_add(GAMMA);
        drawn
    }

    /// Uniform in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in `low..high`; `low` if they are equal.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform below `bound`, which is at least 1. The bias is below `bound / 2^64`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Exponential with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        // 1 - unit() is never 0.
        -mean * libm::log(1.0 - self.unit())
    }

    /// An exponential span with this mean.
    pub fn exponential_span(&mut self, mean: Duration) -> Duration {
        Duration::from_secs_f64(self.exponential(mean.as_secs_f64()))
    }

    /// Standard normal, by Box and Muller. The second of each pair is dropped, so that a draw leaves no state behind.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.unit())).sqrt();
        radius * libm::cos(TAU * self.unit())
    }

    /// Log-normal: the logarithm is normal with the mean `ln median` and this standard deviation.
    pub fn log_normal(&mut self, median: f64, sd_ln: f64) -> f64 {
        median * libm::exp(sd_ln * self.normal())
    }

    /// Poisson with this mean, which is neither negative nor above 10^15.
    pub fn poisson(&mut self, mean: f64) -> u64 {
        if mean < 10.0 {
            // As many arrivals at rate 1 as come before `mean` (Knuth): products instead of sums of logarithms.
            let (end, mut product, mut arrivals) = (libm::exp(-mean), self.unit(), 0);
            while product > end {
                product *= self.unit();
                arrivals += 1;
            }
            return arrivals;
        }
        // Transformed rejection with squeeze (Hoermann 1993, PTRS): constant time whatever the mean.
        let log_mean = libm::log(mean);
        let b = 0.931 + 2.53 * mean.sqrt();
        let a = -0.059 + 0.02483 * b;
        let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
        let squeeze = 0.9277 - 3.6224 / (b - 2.0);
        loop {
            let u = self.unit() - 0.5;
            let v = self.unit();
            let us = 0.5 - u.abs();
            let k = ((2.0 * a / us + b) * u + mean + 0.43).floor();
            if us >= 0.07 && v <= squeeze {
                return k as u64;
            }
            if k < 0.0 || (us < 0.013 && v > us) {
                continue;
            }
            let accepted = libm::log(v * inverse_alpha / (a / (us * us) + b));
            if accepted <= k * log_mean - mean - libm::lgamma(k + 1.0) {
                return k as u64;
            }
        }
    }

    /// Puts `items` into random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

/// A choice among numbered things of unequal weight, prepared once and drawn in O(log n).
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Sums of the weights up to and including each.
    sums: Vec<f64>,
}

impl Choice {
    /// Each index with a probability in proportion to its weight. Weights are not negative and at least one is positive.
    ///
    /// # Panics
    /// If they are not so.
    pub fn weighted(weights: impl IntoIterator<Item = f64>) -> Self {
        let mut sum = 0.0;
        let sums: Vec<f64> = weights
            .into_iter()
            .map(|weight| {
                assert!(weight >= 0.0 && weight.is_finite(), "{weight} is no weight");
                sum += weight;
                sum
            })
            .collect();
        assert!(sum > 0.0, "nothing to choose from");
        Self { sums }
    }

    /// Zipf: index `i` of `count` with a probability in proportion to `(i + 1)^-exponent`.
    pub fn zipf(count: usize, exponent: f64) -> Self {
        Self::weighted((0..count).map(|i| libm::pow(i as f64 + 1.0, -exponent)))
    }

    /// Draws an index.
    pub fn draw(&self, rng: &mut Rng) -> usize {
        let last = self.sums.len() - 1;
        let point = rng.unit() * self.sums[last];
        // Rounding may put the point on the end.
        self.sums.partition_point(|&sum| sum <= point).min(last)
    }

    /// The probability of an index.
    pub fn probability(&self, index: usize) -> f64 {
        let before = if index == 0 { 0.0 } else { self.sums[index - 1] };
        (self.sums[index] - before) / self.sums[self.sums.len() - 1]
    }
}

/// The odd number nearest to 2^64 over the golden ratio.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of SplitMix64 on the next state: a bijection that changes half the bits for each bit changed.
pub(crate) fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(GAMMA);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 200_000;

    fn mean_and_sd(mut draw: impl FnMut(&mut Rng) -> f64) -> (f64, f64) {
        let mut rng = Rng::stream(1, 2, "test");
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..DRAWS {
            let x = draw(&mut rng);
            sum += x;
            squares += x * x;
        }
        let mean = sum / DRAWS as f64;
        (mean, (squares / DRAWS as f64 - mean * mean).sqrt())
    }

    #[track_caller]
    fn assert_moments((mean, sd): (f64, f64), expected_mean: f64, expected_sd: f64) {
        let error = 4.0 * expected_sd / (DRAWS as f64).sqrt();
        assert!((mean - expected_mean).abs() < error, "mean {mean}, not {expected_mean}");
        assert!((sd - expected_sd).abs() < 0.03 * expected_sd, "sd {sd}, not {expected_sd}");
    }

    #[test]
    fn the_generator_is_splitmix64() {
        // The published sequence for the seed 1234567.
        let mut rng = Rng(1_234_567);
        let first = [rng.bits(), rng.bits(), rng.bits()];
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn streams_differ_by_each_of_their_names() {
        let first = |seed, peer, purpose| Rng::stream(seed, peer, purpose).bits();
        let one = first(1, 1, "a");
        assert_eq!(one, first(1, 1, "a"));
        assert!([first(2, 1, "a"), first(1, 2, "a"), first(1, 1, "b")].iter().all(|&other| other != one));
    }

    #[test]
    fn distributions_have_their_moments() {
        assert_moments(mean_and_sd(|rng| rng.uniform(2.0, 4.0)), 3.0, 2.0 / 12.0f64.sqrt());
        assert_moments(mean_and_sd(|rng| rng.exponential(5.0)), 5.0, 5.0);
        assert_moments(mean_and_sd(Rng::normal), 0.0, 1.0);
        assert_moments(mean_and_sd(|rng| libm::log(rng.log_normal(20.0, 0.8))), libm::log(20.0), 0.8);
        for mean in [0.3, 4.0, 9.9, 10.1, 80.0, 1e6] {
            assert_moments(mean_and_sd(|rng| rng.poisson(mean) as f64), mean, mean.sqrt());
        }
    }

    #[test]
    fn choices_keep_to_their_weights() {
        for choice in [Choice::weighted([0.0, 3.0, 1.0, 0.0]), Choice::zipf(4, 0.9)] {
            let mut rng = Rng::stream(3, 0, "choice");
            let mut hits = [0usize; 4];
            for _ in 0..DRAWS {
                hits[choice.draw(&mut rng)] += 1;
            }
            for (index, &hits) in hits.iter().enumerate() {
                let expected = choice.probability(index);
                assert!((hits as f64 / DRAWS as f64 - expected).abs() < 0.005, "{index}: {hits}");
            }
        }
        let mut order = [0, 1, 2, 3, 4];
        Rng::stream(3, 0, "order").shuffle(&mut order);
        order.sort_unstable();
        assert_eq!(order, [0, 1, 2, 3, 4]);
    }
}
