//! Means, their intervals, quantiles.
//!
//! Invariant: what is not finite never comes in, so that nothing downstream asks.

use serde::Serialize;

/// A mean over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The mean.
    pub mean: f64,
    /// Half the width of its 95 % interval (Student's t); `None` for a single seed, which tells nothing of chance.
    pub within: Option<f64>,
}

impl Figure {
    /// Of the values that are there; `None` if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        if values.is_empty() {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let within = (values.len() > 1).then(|| {
            let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
            student(values.len() - 1) * (squares / (n - 1.0) / n).sqrt()
        });
        Some(Self { mean, within })
    }

    /// Whether chance alone would seldom give it if the truth were zero. Never of a single seed.
    pub fn is_beyond_chance(&self) -> bool {
        self.within.is_some_and(|within| self.mean.abs() > within)
    }

    /// Whether the two intervals have a value in common; of single seeds it is not known, and taken to be so.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self.within, other.within) {
            (Some(a), Some(b)) => (self.mean - other.mean).abs() <= a + b,
            _ => true,
        }
    }
}

/// The value below which the part `q` (0 to 1) of an ascending list lies, interpolated between neighbours.
pub fn quantile(ascending: &[f64], q: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let place = q.clamp(0.0, 1.0) * last as f64;
    let below = place as usize;
    let above = (below + 1).min(last);
    Some(ascending[below] + (ascending[above] - ascending[below]) * (place - below as f64))
}

/// The finite values, ascending.
pub(super) fn ascending(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The two-sided 95 % point of Student's t. Between the listed degrees of freedom the fewer count: a little too wide.
fn student(freedom: usize) -> f64 {
    const FIRST: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
        2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048,
        2.045, 2.042,
    ];
    match freedom {
        0 => f64::INFINITY,
        1..=30 => FIRST[freedom - 1],
        31..=39 => 2.042,
        40..=59 => 2.021,
        60..=119 => 2.000,
        _ => 1.980,
    }
}
