//! How much may be sent: a token bucket that fills at the rate that was given. Its invariant: over any time it lets through
//! no more than the rate allows, one burst ([`BURST`]), and the message that empties it.

use std::time::Duration;

/// What may be sent at once after a pause, as a time at the full rate. A pacer that wakes later than this loses some rate.
pub(super) const BURST: Duration = Duration::from_millis(50);

/// The nanoseconds of a second: tokens are counted in bytes times this, so that nothing is lost by rounding.
const NANOS: i128 = 1_000_000_000;

/// The bucket. Times are since any fixed start.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Bytes a second; `None`: without a limit.
    rate: Option<u64>,
    /// Bytes that may be sent, in 1e-9; below zero for what was sent in advance.
    left: i128,
    at: Duration,
}

impl Bucket {
    pub(super) fn new(rate: Option<u64>) -> Self {
        Self { rate, left: 0, at: Duration::ZERO }
    }

    /// Another rate from `now` on. What was saved up is lost, what was sent in advance is not.
    pub(super) fn set_rate(&mut self, now: Duration, rate: Option<u64>) {
        self.fill(now);
        self.left = if rate.is_some() && self.rate.is_some() { self.left.min(0) } else { 0 };
        self.rate = rate;
    }

    /// Whether there is a limit.
    pub(super) fn is_limited(&self) -> bool {
        self.rate.is_some()
    }

    /// Whether more may be sent at `now`.
    pub(super) fn is_open(&mut self, now: Duration) -> bool {
        self.fill(now);
        self.rate.is_none() || self.left > 0
    }

    /// So many bytes were sent.
    pub(super) fn spend(&mut self, bytes: usize) {
        if self.rate.is_some() {
            self.left -= bytes as i128 * NANOS;
        }
    }

    /// When more may be sent, as far as is known now.
    pub(super) fn opens_at(&self) -> Duration {
        let Some(rate) = self.rate.filter(|_| self.left <= 0) else { return self.at };
        let wait = (-self.left / i128::from(rate.max(1)) + 1).min(i128::from(u64::MAX));
        self.at.saturating_add(Duration::from_nanos(wait as u64))
    }

    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at);
        self.at = self.at.max(now);
        let Some(rate) = self.rate else { return };
        let earned = (passed.as_nanos() as i128).saturating_mul(i128::from(rate));
        let most = BURST.as_nanos() as i128 * i128::from(rate);
        self.left = self.left.saturating_add(earned).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_lets_through_the_rate_and_no_more() {
        let mut bucket = Bucket::new(Some(1_000_000));
        let mut sent = 0;
        for millis in 0..10_000 {
            while bucket.is_open(Duration::from_millis(millis)) {
                bucket.spend(16_384);
                sent += 16_384;
            }
        }
        assert!((9_980_000..=10_070_000).contains(&sent), "{sent}");
        assert!(Bucket::new(None).is_open(Duration::ZERO));
    }

    #[test]
    fn another_rate_holds_at_once() {
        let at = Duration::from_secs;
        let mut bucket = Bucket::new(Some(1_000_000));
        assert!(bucket.is_open(at(1)));
        bucket.spend(1_050_000);
        bucket.set_rate(at(1), Some(100_000));
        assert!(!bucket.is_open(at(10)), "a debt is paid at the new rate");
        assert!(bucket.is_open(at(12)));
        bucket.spend(1_000_000);
        bucket.set_rate(at(12), None);
        assert!(bucket.is_open(at(12)) && !bucket.is_limited());
        bucket.spend(1_000_000);
        bucket.set_rate(at(12), Some(1000));
        assert!(!bucket.is_open(at(12)) && bucket.is_open(at(13)));
    }

    proptest! {
        /// Messages of any length at any times, sent whenever it is open: no second has more than the rate, a burst, and the
        /// message that emptied it; and it opens when it said that it would.
        #[test]
        fn no_second_has_more_than_the_rate(
            rate in 1000u64..100_000_000,
            steps in prop::collection::vec((0u64..400_000, 1usize..163_840), 1..300),
        ) {
            let mut bucket = Bucket::new(Some(rate));
            let mut now = Duration::ZERO;
            let mut sent: Vec<(Duration, usize)> = Vec::new();
            for (micros, bytes) in steps {
                now += Duration::from_micros(micros);
                if bucket.is_open(now) {
                    bucket.spend(bytes);
                    sent.push((now, bytes));
                } else if bucket.opens_at() < now + Duration::from_secs(1) {
                    now = bucket.opens_at();
                    prop_assert!(bucket.is_open(now));
                }
            }
            for (first, (begin, _)) in sent.iter().enumerate() {
                let second = sent[first..].iter().take_while(|(at, _)| *at < *begin + Duration::from_secs(1));
                let bytes: Vec<usize> = second.map(|(_, bytes)| *bytes).collect();
                let sum: usize = bytes.iter().sum();
                let most = rate as usize + rate as usize / 20 + 1 + bytes.last().copied().unwrap_or(0);
                prop_assert!(sum <= most, "{sum} of {most}");
            }
        }
    }
}
