//! What the network is expected to give. Invariant: every rate is finite and above zero.

use crate::config::{Caution, Prediction};
use alloc::vec::Vec;
use core::time::Duration;

/// Downloads that the harmonic mean and the largest error look back on.
const REMEMBERED: usize = 5;
/// What one error counts for in their mean square: some twenty are remembered.
const ERROR_WEIGHT: f64 = 0.1;

#[derive(Clone, Debug)]
pub(crate) struct Forecast {
    prediction: Prediction,
    /// Bits per second of the last downloads, the newest last.
    rates: Vec<f64>,
    /// How far predictions were off, as a share of what came; the newest last.
    errors: Vec<f64>,
    /// Mean square of the logarithm of what came over what was predicted.
    spread: f64,
    /// How many errors that is of.
    judged: u32,
    /// The filter's level, the logarithm of bits per second.
    level: f64,
    /// Its variance over that of a measurement.
    variance: f64,
}

impl Forecast {
    pub(crate) fn new(prediction: Prediction) -> Self {
        Self {
            prediction,
            rates: Vec::new(),
            errors: Vec::new(),
            spread: 0.0,
            judged: 0,
            level: 0.0,
            variance: 0.0,
        }
    }

    /// Takes in what a download measured, bits per second.
    pub(crate) fn learn(&mut self, rate: f64) {
        if let Some(predicted) = self.rate_bps() {
            remember(&mut self.errors, (predicted - rate).abs() / rate);
            let error = libm::log(rate / predicted);
            self.judged = self.judged.saturating_add(1);
            // At first a plain mean: nothing is assumed of a link before it has shown something.
            let weight = (1.0 / f64::from(self.judged)).max(ERROR_WEIGHT);
            self.spread += weight * (error * error - self.spread);
        }
        if let Prediction::Kalman { noise_ratio } = self.prediction {
            let before = self.variance + noise_ratio;
            // The first measurement is all there is to go by.
            let gain = if self.rates.is_empty() { 1.0 } else { before / (before + 1.0) };
            self.level += gain * (libm::log(rate) - self.level);
            // The variance left is the gain itself, in units of a measurement's.
            self.variance = gain;
        }
        remember(&mut self.rates, rate);
    }

    /// Bits per second predicted for the next downloads.
    pub(crate) fn rate_bps(&self) -> Option<f64> {
        if self.rates.is_empty() {
            return None;
        }
        Some(match self.prediction {
            Prediction::Harmonic => {
                self.rates.len() as f64 / self.rates.iter().map(|rate| 1.0 / rate).sum::<f64>()
            }
            Prediction::Kalman { .. } => libm::exp(self.level),
        })
    }

    /// The share of the prediction that a plan for a buffer of this capacity counts on.
    pub(crate) fn believed_share(&self, caution: Caution, capacity: Duration) -> f64 {
        match caution {
            Caution::LargestError { factor } => {
                factor / (1.0 + self.errors.iter().copied().fold(0.0, f64::max))
            }
            Caution::Spread { deviations, slack, slack_at } => {
                let long = (capacity.as_secs_f64() / slack_at.as_secs_f64()).min(1.0);
                libm::exp(-deviations * libm::sqrt(self.spread)) * (1.0 - slack * long)
            }
        }
    }
}

fn remember(last: &mut Vec<f64>, value: f64) {
    if last.len() == REMEMBERED {
        last.remove(0);
    }
    last.push(value);
}
