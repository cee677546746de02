//! The runs of one scenario as rows.
//!
//! Invariant: every row holds one value for each seed, in the order of [`Summary::seeds`]; means, intervals and verdicts
//! follow from those and are never set apart from them.

use std::collections::BTreeSet;

use serde::Serialize;

use super::bounds::{Bound, Bounds};
use super::measure::{Better, MEASURES, Measure};
use super::places::Matrix;
use super::stats::Figure;
use crate::figures::Run;

/// What a scenario showed over its seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The scenario's short name.
    pub name: String,
    /// What the scenario asks.
    pub question: String,
    /// The seeds, ascending.
    pub seeds: Vec<u64>,
    /// The digest of each seed's run with Braidcast; empty where there was none.
    pub traces: Vec<String>,
    /// What the ceiling of the first run rests on.
    pub ceiling_why: String,
    /// One for each of [`MEASURES`], in that order.
    pub rows: Vec<Row>,
    /// Where the scenario has sites: what went between them.
    pub matrix: Option<Matrix>,
}

/// One figure of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its name in bounds and baselines; it ends in the unit.
    pub key: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// Its unit; may be empty.
    pub unit: String,
    /// Which way is good.
    pub better: Better,
    /// By seed, with Braidcast; `None` where the run does not say.
    pub by_seed: Vec<Option<f64>>,
    /// By seed, with the origin alone.
    pub alone_by_seed: Vec<Option<f64>>,
    /// Over seeds, with Braidcast.
    pub figure: Option<Figure>,
    /// Over seeds, with the origin alone.
    pub alone: Option<Figure>,
    /// How much more with Braidcast than alone, over the seeds that have both.
    pub over_alone: Option<Figure>,
    /// What the scenario demands.
    pub bound: Option<Bound>,
    /// Whether that holds; `None` if nothing is demanded.
    pub holds: Option<bool>,
}

impl Summary {
    /// From runs in any order. Of two runs with the same seed and the same [`Run::alone`] the first counts.
    pub fn of(name: &str, question: &str, runs: &[Run]) -> Self {
        let seeds: Vec<u64> = runs.iter().map(|run| run.seed).collect::<BTreeSet<_>>().into_iter().collect();
        let pairs: Vec<(Option<&Run>, Option<&Run>)> = seeds
            .iter()
            .map(|&seed| {
                let find = |alone| runs.iter().find(|run| run.seed == seed && run.alone == alone);
                (find(false), find(true))
            })
            .collect();
        let with = || pairs.iter().map(|pair| pair.0);
        Self {
            name: name.to_owned(),
            question: question.to_owned(),
            traces: with().map(|run| run.map(|run| run.trace.clone()).unwrap_or_default()).collect(),
            ceiling_why: with().flatten().next().map(|run| run.ceiling_why.clone()).unwrap_or_default(),
            matrix: Matrix::of(with().flatten()),
            rows: MEASURES.iter().map(|measure| Row::of(measure, &pairs)).collect(),
            seeds,
        }
    }

    /// Names the currency of the costs.
    pub fn priced_in(mut self, currency: &str) -> Self {
        for row in self.rows.iter_mut().filter(|row| row.key == "cost_per_hour") {
            row.unit = format!("{currency}/viewer-h");
        }
        self
    }

    /// Holds the rows to what the scenario demands.
    pub fn held_to(mut self, bounds: &Bounds) -> Self {
        for row in &mut self.rows {
            row.bound = bounds.get(row.key).copied();
            row.holds = row.bound.map(|bound| bound.holds(row.figure.as_ref(), row.over_alone.as_ref()));
        }
        self
    }

    /// The row with this key.
    pub fn row(&self, key: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.key == key)
    }

    /// The rows whose bound is broken.
    pub fn broken(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.holds == Some(false))
    }

    /// How many rows have a bound.
    pub fn bounded(&self) -> usize {
        self.rows.iter().filter(|row| row.holds.is_some()).count()
    }
}

impl Row {
    fn of(measure: &Measure, pairs: &[(Option<&Run>, Option<&Run>)]) -> Self {
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        let by_seed: Vec<_> = pairs.iter().map(|&(with, alone)| finite((measure.of)(with?, alone))).collect();
        let alone_by_seed: Vec<_> = pairs
            .iter()
            .map(|&(_, alone)| finite((measure.of)(alone.filter(|_| measure.alone_too)?, None)))
            .collect();
        let over = by_seed.iter().zip(&alone_by_seed).filter_map(|(with, alone)| Some((*with)? - (*alone)?));
        Self {
            key: measure.key,
            label: measure.label,
            unit: measure.unit.to_owned(),
            better: measure.better,
            figure: Figure::of(by_seed.iter().copied().flatten()),
            alone: Figure::of(alone_by_seed.iter().copied().flatten()),
            over_alone: Figure::of(over),
            by_seed,
            alone_by_seed,
            bound: None,
            holds: None,
        }
    }
}
