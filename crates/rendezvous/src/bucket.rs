//! A token bucket in one number: the moment at which it would be full again.

use std::time::Duration;

/// How much is let through: `burst` at once, then one `every` so often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Size of the bucket, in messages.
    pub burst: u32,
    /// Time in which one message's room comes back.
    pub every: Duration,
}

impl Rate {
    /// So many a second, all of them at once if need be; one at least.
    pub const fn per_second(count: u32) -> Self {
        let count = if count == 0 { 1 } else { count };
        Self { burst: count, every: Duration::from_nanos(1_000_000_000 / count as u64) }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Bucket {
    full_at: Duration,
}

impl Bucket {
    /// Takes one message's room, if there is any. A refused attempt costs nothing.
    pub(crate) fn take(&mut self, now: Duration, rate: Rate) -> bool {
        let full_at = self.full_at.max(now).saturating_add(rate.every);
        let ok = full_at - now <= rate.every.saturating_mul(rate.burst);
        if ok {
            self.full_at = full_at;
        }
        ok
    }

    /// Whether it is as if nothing had ever been taken.
    pub(crate) fn is_full(&self, now: Duration) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_per_period() {
        let rate = Rate { burst: 3, every: Duration::from_secs(2) };
        let mut bucket = Bucket::default();
        let mut at = |millis| bucket.take(Duration::from_millis(millis), rate);
        assert_eq!([at(0), at(0), at(0), at(0)], [true, true, true, false]);
        assert!(!at(1999));
        assert!(at(2000));
        assert!(!at(2001));
        assert_eq!([at(60_000), at(60_000), at(60_000), at(60_000)], [true, true, true, false]);
    }
}
