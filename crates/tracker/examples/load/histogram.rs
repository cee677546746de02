//! Times in few bytes: buckets that are at most a sixteenth wide, and the largest as it was.

use std::time::Duration;

use serde_json::{Value, json};

/// Each power of two is cut into so many.
const STEPS: u64 = 16;

/// How often which time was seen, in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

fn bucket(micros: u64) -> usize {
    if micros < STEPS {
        return micros as usize;
    }
    let power = u64::from(micros.ilog2());
    let shift = power - u64::from(STEPS.ilog2());
    ((shift + 1) * STEPS + (micros >> shift) - STEPS) as usize
}

/// The least that falls into a bucket.
fn least(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS { bucket } else { (STEPS + bucket % STEPS) << (bucket / STEPS - 1) }
}

impl Histogram {
    pub fn add(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = bucket(micros);
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.max = self.max.max(micros);
    }

    /// The time that `share` of all are not above, to a sixteenth. `None` if nothing was seen.
    pub fn percentile(&self, share: f64) -> Option<u64> {
        let rank = (self.count as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Some((least(bucket + 1) - 1).min(self.max));
            }
        }
        None
    }

    /// In microseconds.
    pub fn json(&self) -> Value {
        json!({ "count": self.count, "p50": self.percentile(0.5), "p99": self.percentile(0.99), "max": self.max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_falls_into_a_bucket_that_is_a_sixteenth_wide_at_most() {
        for micros in (0..5000).chain([65_535, 65_536, 1_000_000, 123_456_789]) {
            let (from, to) = (least(bucket(micros)), least(bucket(micros) + 1));
            assert!((from..to).contains(&micros), "{from} {micros} {to}");
            assert!(to - from <= 1 + micros / 16, "{from} {micros} {to}");
        }
    }

    #[test]
    fn the_percentiles_are_those_of_the_times_that_were_seen() {
        let mut times = Histogram::default();
        assert_eq!(times.percentile(0.5), None);
        for micros in 1..=1000 {
            times.add(Duration::from_micros(micros));
        }
        assert!((500..=532).contains(&times.percentile(0.5).unwrap()));
        assert!((990..=1000).contains(&times.percentile(0.99).unwrap()));
        assert_eq!(times.percentile(1.0), Some(1000));
        assert_eq!(times.json()["count"], 1000);
    }
}
