//! What a scenario demands of its figures.
//!
//! Invariant: every bound names a row that exists and says something about it. A misspelt bound is an error when the
//! scenario is read, not a check that is never made.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::measure::Measure;
use super::stats::Figure;

/// Bounds by row: in a scenario's file a table such as `startup_p50_s = { max = 2, over_alone = 0.1 }`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "BTreeMap<String, Bound>")]
pub struct Bounds(BTreeMap<String, Bound>);

/// What one row must keep, in the unit of the row. All that is given must hold, of the mean over seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// At most this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// At least this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// At most this much more than with the origin alone; negative where it must be less than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_alone: Option<f64>,
    /// At most this much less than with the origin alone; negative where it must be more than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under_alone: Option<f64>,
}

/// Why bounds are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoundsError {
    /// No row has this key.
    #[error("there is no row `{0}` to bound")]
    NoSuchRow(String),
    /// It demands nothing, or something that is no number.
    #[error("the bound on `{0}` demands nothing that can be checked")]
    SaysNothing(String),
    /// It is relative to the origin alone, where the row has no meaning.
    #[error("`{0}` has no meaning with the origin alone, and cannot be bounded by it")]
    NothingAlone(String),
}

impl Bounds {
    /// The bound on a row.
    pub fn get(&self, key: &str) -> Option<&Bound> {
        self.0.get(key)
    }
}

impl TryFrom<BTreeMap<String, Bound>> for Bounds {
    type Error = BoundsError;

    fn try_from(bounds: BTreeMap<String, Bound>) -> Result<Self, BoundsError> {
        for (key, bound) in &bounds {
            let measure = Measure::named(key).ok_or_else(|| BoundsError::NoSuchRow(key.clone()))?;
            let mut given = bound.parts().into_iter().flatten().peekable();
            if given.peek().is_none() || given.any(|limit| !limit.is_finite()) {
                return Err(BoundsError::SaysNothing(key.clone()));
            }
            if bound.is_relative() && !measure.alone_too {
                return Err(BoundsError::NothingAlone(key.clone()));
            }
        }
        Ok(Self(bounds))
    }
}

impl Bound {
    /// Whether it holds. What was not measured does not: a check that could not be made is not a check that passed.
    pub fn holds(&self, figure: Option<&Figure>, over_alone: Option<&Figure>) -> bool {
        // Limits are written in decimals, and 0.9 - 0.8 is a little more than 0.1.
        let at_most = |value: f64, limit: f64| value <= limit + 1e-9 * limit.abs().max(value.abs()).max(1e-3);
        let of = |limit: Option<f64>, figure: Option<&Figure>, sign: f64| match (limit, figure) {
            (None, _) => true,
            (Some(limit), Some(figure)) => at_most(sign * figure.mean, limit),
            (Some(_), None) => false,
        };
        of(self.max, figure, 1.0)
            && of(self.min.map(|min| -min), figure, -1.0)
            && of(self.over_alone, over_alone, 1.0)
            && of(self.under_alone, over_alone, -1.0)
    }

    fn is_relative(&self) -> bool {
        self.over_alone.is_some() || self.under_alone.is_some()
    }

    fn parts(&self) -> [Option<f64>; 4] {
        [self.max, self.min, self.over_alone, self.under_alone]
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beside = |more: f64| {
            let sign = if more < 0.0 { '-' } else { '+' };
            if more == 0.0 { "alone".to_owned() } else { format!("alone {sign} {}", more.abs()) }
        };
        let parts = [
            self.min.map(|min| format!("≥ {min}")),
            self.max.map(|max| format!("≤ {max}")),
            self.under_alone.map(|less| format!("≥ {}", beside(-less))),
            self.over_alone.map(|more| format!("≤ {}", beside(more))),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}
