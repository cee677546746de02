//! How much may be sent: a bucket that fills at the rate that was given. Its invariant: over any time it lets through no
//! more than the rate allows, and one burst.

use std::time::Duration;

/// What may be sent at once after a pause, as a time at the full rate.
const BURST: Duration = Duration::from_millis(250);

/// The bucket.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_s: Option<u64>,
    /// Bytes that may be sent; below zero for what was sent in advance.
    left: f64,
    at: Duration,
}

impl Pace {
    /// `None`: without a limit.
    pub(super) fn new(bytes_per_s: Option<u64>) -> Self {
        Self { bytes_per_s, left: 0.0, at: Duration::ZERO }
    }

    /// Whether more may be sent at `now`.
    pub(super) fn is_open(&mut self, now: Duration) -> bool {
        let Some(rate) = self.bytes_per_s else { return true };
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.left = (self.left + passed * rate as f64).min(BURST.as_secs_f64() * rate as f64);
        self.left > 0.0
    }

    /// So many bytes were sent.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.left -= bytes as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lets_through_the_rate_and_no_more() {
        let mut pace = Pace::new(Some(1_000_000));
        let mut sent = 0;
        for millis in 0..10_000 {
            while pace.is_open(Duration::from_millis(millis)) {
                pace.spend(16_384);
                sent += 16_384;
            }
        }
        assert!((9_900_000..=10_300_000).contains(&sent), "{sent}");
        assert!(Pace::new(None).is_open(Duration::ZERO));
    }
}
