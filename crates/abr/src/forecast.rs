//! What the network is expected to give. Invariant: every rate is finite and above zero.

use crate::config::{Caution, Prediction};
use alloc::vec::Vec;

/// Downloads that the harmonic mean and the largest error look back on.
const REMEMBERED: usize = 5;

#[derive(Clone, Debug)]
pub(crate) struct Forecast {
    prediction: Prediction,
    /// Bits per second of the last downloads, the newest last.
    rates: Vec<f64>,
    /// How far predictions were off, as a share of what came; the newest last.
    errors: Vec<f64>,
    /// The filter's level, the logarithm of bits per second.
    level: f64,
    /// Its variance over that of a measurement.
    variance: f64,
}

impl Forecast {
    pub(crate) fn new(prediction: Prediction) -> Self {
        Self { prediction, rates: Vec::new(), errors: Vec::new(), level: 0.0, variance: 0.0 }
    }

    /// Takes in what a download measured, bits per second.
    pub(crate) fn learn(&mut self, rate: f64) {
        if let Some(predicted) = self.rate_bps() {
            remember(&mut self.errors, (predicted - rate).abs() / rate);
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

    /// The share of the prediction to plan with.
    pub(crate) fn believed_share(&self, caution: Caution) -> f64 {
        let largest = self.errors.iter().copied().fold(0.0, f64::max);
        let factor = match caution {
            Caution::Fixed { factor } => factor,
        };
        factor / (1.0 + largest)
    }
}

fn remember(last: &mut Vec<f64>, value: f64) {
    if last.len() == REMEMBERED {
        last.remove(0);
    }
    last.push(value);
}
