//! Figures that are kept, for the next change to be compared with.
//!
//! Invariant: the text is a function of the figures, five significant digits each, one row a line in the order of keys:
//! what two versions of the file differ in is what changed. Figures of the machine are not in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::measure::{Better, Measure};
use super::stats::Figure;
use super::summary::{Row, Summary};
use super::{table, text};

/// The version of the format.
const VERSION: u32 = 1;
/// What is less than this part of the old figure is no change, whatever the row's own step.
const PART: f64 = 0.005;

/// The figures of scenarios by seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    version: u32,
    scenarios: BTreeMap<String, Scenario>,
}

/// By key, then in the order of the seeds.
type Rows = BTreeMap<String, Vec<Option<f64>>>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    seeds: Vec<u64>,
    traces: Vec<String>,
    braidcast: Rows,
    /// What changes here changed in the simulator or in the scenario, not in the product.
    alone: Rows,
}

/// Why a text is no baseline.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It is not JSON, or not of this form.
    #[error("not a baseline: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Another version of this program wrote it; it has to be made anew.
    #[error("a baseline of version {0}, but only version {only} can be read", only = VERSION)]
    Version(u32),
}

/// What differs from a baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// For people: one line for each row that moved, and a closing line.
    pub text: String,
    /// Rows that got better, by more than a tolerance and more than chance.
    pub better: usize,
    /// Rows that got worse, likewise.
    pub worse: usize,
    /// Rows without a good direction, and rows of the origin alone, that differ likewise.
    pub other: usize,
    /// Scenarios and rows that only one side has, and scenarios whose seeds are not the same.
    pub unmatched: usize,
}

impl Baseline {
    /// Of these scenarios; of two with the same name the last counts.
    pub fn of<'a>(summaries: impl IntoIterator<Item = &'a Summary>) -> Self {
        let scenarios = summaries.into_iter().map(|summary| (summary.name.clone(), Scenario::of(summary)));
        Self { version: VERSION, scenarios: scenarios.collect() }
    }

    /// Puts these in the place of those with the same names; the others stay: one may run a few.
    pub fn renew(&mut self, summaries: &[Summary]) {
        self.scenarios.extend(Self::of(summaries).scenarios);
    }

    /// From what [`Baseline::to_json`] gave.
    pub fn from_json(json: &str) -> Result<Self, BaselineError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        // First the version: another one may well have another form.
        let Versioned { version } = serde_json::from_str(json)?;
        if version != VERSION {
            return Err(BaselineError::Version(version));
        }
        let mut baseline: Self = serde_json::from_str(json)?;
        // Numbers are read to within one in the last of 53 bits; five digits make them the same again.
        for scenario in baseline.scenarios.values_mut() {
            let rows = scenario.braidcast.values_mut().chain(scenario.alone.values_mut());
            rows.flatten().flatten().for_each(|value| *value = rounded(*value));
        }
        Ok(baseline)
    }

    /// As text to be kept under version control.
    pub fn to_json(&self) -> String {
        let scenarios = self.scenarios.iter().map(|(name, scenario)| {
            let rows = |rows: &Rows| {
                let lines = rows.iter().map(|(key, values)| format!("\n        {}: {}", json(key), json(values)));
                format!("{{{}\n      }}", lines.collect::<Vec<_>>().join(","))
            };
            format!(
                "\n    {}: {{\n      \"seeds\": {},\n      \"traces\": {},\n      \"braidcast\": {},\n      \"alone\": {}\n    }}",
                json(name),
                json(&scenario.seeds),
                json(&scenario.traces),
                rows(&scenario.braidcast),
                rows(&scenario.alone),
            )
        });
        let scenarios = scenarios.collect::<Vec<_>>().join(",");
        format!("{{\n  \"version\": {},\n  \"scenarios\": {{{scenarios}\n  }}\n}}\n", self.version)
    }

    /// What is different now. Scenarios of the baseline that are not among `now` are left alone: one may run a few.
    pub fn diff(&self, now: &[Summary]) -> Difference {
        let mut all = Difference::default();
        for summary in now {
            match self.scenarios.get(&summary.name) {
                None => {
                    all.unmatched += 1;
                    let name = text::plain(&summary.name);
                    all.text.push_str(&format!("{name}: not in the baseline\n"));
                }
                Some(then) => then.diff(summary, &mut all),
            }
        }
        let Difference { better, worse, other, unmatched, .. } = all;
        all.text.push_str(&format!(
            "{better} better, {worse} worse, {other} changed otherwise, {unmatched} without a counterpart\n"
        ));
        all
    }
}

impl Difference {
    /// Whether everything is as it was, as far as the tolerance goes.
    pub fn is_nothing(&self) -> bool {
        self.better + self.worse + self.other + self.unmatched == 0
    }
}

impl Scenario {
    fn of(summary: &Summary) -> Self {
        let rows = |of: fn(&Row) -> &Vec<Option<f64>>| {
            let kept = summary.rows.iter().filter(|row| row.better != Better::Machine);
            let rows = kept.map(|row| (row.key.to_owned(), of(row).iter().map(|v| v.map(rounded)).collect()));
            // A row without any value says nothing, and would only be there to be read over.
            rows.filter(|(_, values): &(_, Vec<_>)| values.iter().any(Option::is_some)).collect()
        };
        Self {
            seeds: summary.seeds.clone(),
            traces: summary.traces.clone(),
            braidcast: rows(|row| &row.by_seed),
            alone: rows(|row| &row.alone_by_seed),
        }
    }

    fn diff(&self, summary: &Summary, all: &mut Difference) {
        let name = text::plain(&summary.name);
        let now = Self::of(summary);
        if self.seeds != now.seeds {
            all.unmatched += 1;
            let (then, now) = (json(&self.seeds), json(&now.seeds));
            all.text.push_str(&format!("{name}: seeds {now}, but {then} in the baseline\n"));
            return;
        }
        let mut lines = Vec::new();
        for (then, now, alone) in [(&self.braidcast, &now.braidcast, false), (&self.alone, &now.alone, true)]
        {
            let keys: std::collections::BTreeSet<&String> = then.keys().chain(now.keys()).collect();
            for key in keys {
                lines.extend(row(key, alone, then.get(key), now.get(key), all));
            }
        }
        if lines.is_empty() && self.traces != now.traces {
            all.text.push_str(&format!("{name}: other decisions, the same figures\n"));
        } else if !lines.is_empty() {
            all.text.push_str(&format!("{name}\n{}", text::aligned(&lines, &[0, 1, 6])));
        }
    }
}

/// One row of one scenario; nothing if it did not move by more than the tolerance.
fn row(
    key: &str,
    alone: bool,
    then: Option<&Vec<Option<f64>>>,
    now: Option<&Vec<Option<f64>>>,
    all: &mut Difference,
) -> Option<Vec<String>> {
    let measure = Measure::named(key);
    let label = measure.map_or(key, |measure| measure.label);
    let label = if alone { format!("  {label} (alone)") } else { format!("  {label}") };
    let mean = |values: Option<&Vec<Option<f64>>>| Figure::of(values?.iter().copied().flatten());
    let by_seed = then.into_iter().flatten().zip(now.into_iter().flatten());
    let difference = Figure::of(by_seed.filter_map(|(then, now)| Some((*now)? - (*then)?)));
    let (Some(old), Some(new), Some(difference), Some(measure)) =
        (mean(then), mean(now), difference, measure)
    else {
        all.unmatched += 1;
        let gone =
            if now.is_none() { "no longer measured" } else { "nothing to compare with in the baseline" };
        return Some(vec![label, gone.to_owned()]);
    };
    if difference.mean.abs() <= measure.step.max(PART * old.mean.abs()) {
        return None;
    }
    // A single seed says nothing of chance; then every change beyond the tolerance is told.
    let by_chance = difference.within.is_some() && !difference.is_beyond_chance();
    let word = match (by_chance, table::direction(measure.better, difference.mean)) {
        (true, _) => "within chance",
        (false, "better") if !alone => "better",
        (false, "worse") if !alone => "WORSE",
        _ => "changed",
    };
    match word {
        "better" => all.better += 1,
        "WORSE" => all.worse += 1,
        "changed" => all.other += 1,
        _ => {}
    }
    let decimals = text::decimals_for(&[Some(old), Some(new)]);
    let number = |value| text::number(value, decimals);
    let unit = measure.unit.to_owned();
    let delta = format!("({})", text::signed(difference.mean, decimals));
    Some(vec![label, unit, number(old.mean), "→".to_owned(), number(new.mean), delta, word.to_owned()])
}

/// Five significant digits, as the decimal that is written for them.
fn rounded(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

/// Compact JSON of what has no way to fail: text, numbers, lists of them.
fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
