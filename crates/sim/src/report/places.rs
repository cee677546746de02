//! Who sends what to which place, where a scenario has sites.
//!
//! Invariant: the means over the runs with Braidcast of one scenario, whose places are the same.

use serde::Serialize;

use super::text;
use crate::figures::{Run, Sites};

/// From everywhere to everywhere, in MB, the mean over seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Matrix {
    /// The places: the sites in order, then who is at none, if there is anybody.
    pub names: Vec<String>,
    /// What the origin sent to each.
    pub from_origin: Vec<f64>,
    /// What viewers sent from each to each.
    pub sent: Vec<Vec<f64>>,
    /// What came into each by its line, in copies of what was watched there.
    pub copies: Vec<f64>,
}

impl Matrix {
    /// Of the runs of a scenario; `None` where it has no sites.
    pub(super) fn of<'a>(runs: impl Iterator<Item = &'a Run>) -> Option<Self> {
        let runs: Vec<&Sites> = runs.filter_map(|run| run.sites.as_ref()).collect();
        let first = runs.first()?;
        let is_here =
            |&at: &usize| runs.iter().any(|run| run.places.get(at).is_some_and(|place| place.viewers > 0));
        let here: Vec<usize> = (0..first.places.len()).filter(is_here).collect();
        let mean =
            |of: &dyn Fn(&Sites) -> f64| runs.iter().map(|run| of(run)).sum::<f64>() / runs.len() as f64;
        let mb = |of: &dyn Fn(&Sites) -> u64| mean(&|run| of(run) as f64 / 1e6);
        let name = |&at: &usize| {
            let place = &first.places[at];
            if place.mode.is_empty() {
                place.name.clone()
            } else {
                format!("{} ({})", place.name, place.mode)
            }
        };
        let row = |&from: &usize| here.iter().map(|&to| mb(&|run| run.sent[from][to])).collect();
        Some(Self {
            names: here.iter().map(name).collect(),
            from_origin: here.iter().map(|&at| mb(&|run| run.places[at].from_origin)).collect(),
            sent: here.iter().map(row).collect(),
            copies: here.iter().map(|&at| mean(&|run| run.copies(at).unwrap_or_default())).collect(),
        })
    }

    /// As cells: a head, and a row for each sender. The last row says in copies what came in.
    pub(super) fn cells(&self) -> Vec<Vec<String>> {
        let row = |name: &str, values: &[f64]| {
            let cells = values.iter().map(|&value| text::brief(value));
            std::iter::once(name.to_owned()).chain(cells).collect::<Vec<_>>()
        };
        let mut lines =
            vec![std::iter::once("MB from, to".to_owned()).chain(self.names.iter().cloned()).collect()];
        lines.push(row("origin", &self.from_origin));
        lines.extend(self.names.iter().zip(&self.sent).map(|(name, sent)| row(name, sent)));
        lines.push(row("came in, copies", &self.copies));
        lines
    }
}
