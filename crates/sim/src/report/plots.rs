//! How it fell out for single viewers, as charts.
//!
//! Invariant: distributions are over the honest viewers of all seeds together, and a chart without data is not there.

use super::measure::same_viewers;
use super::stats::{ascending, quantile};
use super::svg::{Axis, Chart, escape};
use super::text::{brief, number};
use crate::figures::{Run, Seen};

/// Classes of access that are told apart; the colours end there.
const CLASSES: usize = 6;

/// How it fell out for single viewers.
pub(super) fn distributions(runs: &[Run], classes: &[String]) -> Vec<String> {
    let honest = |alone: bool| {
        runs.iter()
            .filter(move |run| run.alone == alone)
            .flat_map(|run| &run.viewers)
            .filter(|seen| seen.honest)
    };
    let values = |alone: bool, of: fn(&Seen) -> Option<f64>| ascending(honest(alone).filter_map(of));
    let both = |of: fn(&Seen) -> Option<f64>| {
        vec![
            Sample { class: "in", name: "with Braidcast".to_owned(), values: values(false, of) },
            Sample { class: "origin dashed", name: "origin alone".to_owned(), values: values(true, of) },
        ]
    };
    let mut figures = vec![
        cumulated(
            "Start-up",
            "viewers who had a picture by then",
            "seconds from coming",
            &both(|s| s.startup_s),
            None,
        ),
        exceeded(
            "Stalls",
            "viewers who stalled longer than that, all in all",
            "seconds stalled",
            &both(|seen| seen.startup_s.map(|_| seen.stalled_s)),
        ),
        harm(runs),
        cumulated(
            "Offload, viewer by viewer",
            "viewers who got less than that part from peers",
            "% from peers",
            &[Sample {
                class: "in",
                name: "with Braidcast".to_owned(),
                values: values(false, |seen| {
                    let received = seen.from_origin + seen.from_peers;
                    (received > 0).then(|| 100.0 * seen.from_peers as f64 / received as f64)
                }),
            }],
            Some(100.0),
        ),
    ];
    let mut by_class: Vec<u32> = honest(false).map(|seen| seen.class).collect();
    by_class.sort_unstable();
    by_class.dedup();
    let samples = by_class.iter().take(CLASSES).enumerate().map(|(index, &class)| Sample {
        class: ["c0", "c1", "c2", "c3", "c4", "c5"][index],
        name: classes.get(class as usize).cloned().unwrap_or_else(|| format!("class {class}")),
        values: ascending(honest(false).filter(|seen| seen.class == class).filter_map(used)),
    });
    figures.push(cumulated(
        "Uplink used, by access",
        "viewers who used less than that part, on average over their stay",
        "% of uplink",
        &samples.collect::<Vec<_>>(),
        Some(100.0),
    ));
    figures.push(copies(runs));
    figures.retain(|figure| !figure.is_empty());
    figures
}

struct Sample {
    class: &'static str,
    name: String,
    /// Ascending.
    values: Vec<f64>,
}

/// The part of its uplink that a viewer gave, over its stay, in percent.
fn used(seen: &Seen) -> Option<f64> {
    let could = seen.stayed_s * seen.uplink_mbps * 1e6 / 8.0;
    (could > 0.0).then(|| 100.0 * seen.to_peers as f64 / could)
}

/// Cumulated shares. Without `high` the last percent is left out, and how far it goes is told.
fn cumulated(title: &str, what: &str, label: &str, samples: &[Sample], high: Option<f64>) -> String {
    let samples: Vec<&Sample> = samples.iter().filter(|sample| !sample.values.is_empty()).collect();
    let Some(longest) = samples.iter().filter_map(|s| s.values.last().copied()).reduce(f64::max) else {
        return String::new();
    };
    let cut = samples.iter().filter_map(|sample| quantile(&sample.values, 0.99)).fold(0.0, f64::max);
    let high = high.unwrap_or(cut);
    let mut chart = Chart::new(
        Axis { label, low: 0.0, high },
        Axis { label: "% of viewers", low: 0.0, high: 100.0 },
        true,
    );
    for sample in &samples {
        let steps = (0..=200).map(|step| f64::from(step) / 200.0);
        let points = steps.filter_map(|q| quantile(&sample.values, q).map(|value| (value, 100.0 * q)));
        let mut points: Vec<(f64, f64)> = points.filter(|(value, _)| *value <= high.max(cut)).collect();
        if points.last().is_some_and(|last| last.1 >= 100.0) {
            points.push((f64::MAX, 100.0));
        }
        chart.line(sample.class, &points);
    }
    chart.titles((0..=48).map(|step| high * f64::from(step) / 48.0).map(|x| {
        let parts = samples.iter().map(|sample| {
            let below = sample.values.partition_point(|value| *value <= x);
            format!("{} {}", sample.name, percent_of(below, sample.values.len()))
        });
        (x, format!("{} {label}: {}", brief(x), parts.collect::<Vec<_>>().join(", ")))
    }));
    let beyond =
        if longest > high * 1.0001 { format!("; the last at {}", brief(longest)) } else { String::new() };
    let legend: Vec<(&str, &str)> = samples.iter().map(|s| (s.class, s.name.as_str())).collect();
    figure(title, &format!("{what}{beyond}"), &legend, &chart.finish(title))
}

/// What most viewers have none of: drawn is the part of them that had more.
fn exceeded(title: &str, what: &str, label: &str, samples: &[Sample]) -> String {
    let samples: Vec<&Sample> = samples.iter().filter(|sample| !sample.values.is_empty()).collect();
    if samples.is_empty() {
        return String::new();
    }
    let more = |sample: &Sample, x: f64| {
        let above = sample.values.len() - sample.values.partition_point(|value| *value <= x);
        100.0 * above as f64 / sample.values.len() as f64
    };
    let longest = samples.iter().filter_map(|s| s.values.last().copied()).fold(0.0, f64::max);
    let cut = samples.iter().filter_map(|s| quantile(&s.values, 0.998)).fold(0.0, f64::max);
    let high = if cut > 0.0 { cut } else { longest.max(1.0) };
    let most = samples.iter().map(|sample| more(sample, 0.0)).fold(0.0, f64::max);
    let y = Axis { label: "% of viewers", low: 0.0, high: most.max(0.01) };
    let mut chart = Chart::new(Axis { label, low: 0.0, high }, y, true);
    let steps = || (0..=200).map(|step| high * f64::from(step) / 200.0);
    for sample in &samples {
        chart.line(sample.class, &steps().map(|x| (x, more(sample, x))).collect::<Vec<_>>());
    }
    chart.titles(steps().step_by(4).map(|x| {
        let parts = samples.iter().map(|s| format!("{} {} %", s.name, brief(more(s, x))));
        (x, format!("more than {} {label}: {}", brief(x), parts.collect::<Vec<_>>().join(", ")))
    }));
    let legend: Vec<(&str, &str)> = samples.iter().map(|s| (s.class, s.name.as_str())).collect();
    figure(title, &format!("{what}; the most {}\u{a0}s", brief(longest)), &legend, &chart.finish(title))
}

/// By how much single viewers are worse off than with the origin alone. Only where both runs had the same viewers.
fn harm(runs: &[Run]) -> String {
    let pairs = || {
        let with = runs.iter().filter(|run| !run.alone);
        let both = with.filter_map(|run| Some((run, runs.iter().find(|o| o.alone && o.seed == run.seed)?)));
        both.filter(|(run, alone)| same_viewers(run, alone))
            .flat_map(|(run, alone)| run.viewers.iter().zip(&alone.viewers))
            .filter(|(with, _)| with.honest)
    };
    let later = pairs().filter_map(|(with, alone)| Some((with.startup_s? - alone.startup_s?).max(0.0)));
    let longer = pairs().map(|(with, alone)| (with.stalled_s - alone.stalled_s).max(0.0));
    let samples = [
        Sample { class: "out", name: "picture later".to_owned(), values: ascending(later) },
        Sample { class: "bad", name: "stalled longer".to_owned(), values: ascending(longer) },
    ];
    let what = "viewers who lost more than that against the origin alone";
    exceeded("Worse off than alone", what, "seconds lost", &samples)
}

/// How many copies of a segment left the origin.
fn copies(runs: &[Run]) -> String {
    let mut counted: Vec<(u32, u32)> =
        runs.iter().filter(|run| !run.alone).flat_map(|run| run.copies.iter().copied()).collect();
    counted.sort_unstable();
    let total: f64 = counted.iter().map(|&(_, segments)| f64::from(segments)).sum();
    let (Some(&(most, _)), true) = (counted.last(), total > 0.0) else { return String::new() };
    let wide = most / 48 + 1;
    let bins = most / wide + 1;
    let part = |bin: u32| {
        let inside = counted.iter().filter(|&&(copies, _)| copies / wide == bin);
        100.0 * inside.map(|&(_, segments)| f64::from(segments)).sum::<f64>() / total
    };
    let high = (0..bins).map(part).fold(0.0, f64::max);
    let y = Axis { label: "% of segments", low: 0.0, high };
    // Bars stand on whole numbers: half a copy of room on the left.
    let half = if wide == 1 { 0.5 } else { 0.0 };
    let end = f64::from(bins * wide);
    let mut chart = Chart::new(Axis { label: "copies", low: 0.0, high: end }, y, true);
    for bin in (0..bins).filter(|&bin| part(bin) > 0.0) {
        let (from, to) = (bin * wide, bin * wide + wide - 1);
        let range = if wide == 1 { from.to_string() } else { format!("{from} to {to}") };
        let title = format!("{range} copies: {} % of segments", brief(part(bin)));
        let from = f64::from(from) - half;
        chart.bar("origin", from.max(0.0), from + f64::from(wide), part(bin), &title);
    }
    let note = format!("how often the same segment was sent; {} segments", number(total, 0));
    figure("Copies from the origin", &note, &[("origin", "segments")], &chart.finish("Copies of segments"))
}

/// A titled picture with its legend.
pub(super) fn figure(title: &str, note: &str, legend: &[(&str, &str)], picture: &str) -> String {
    let keys =
        legend.iter().map(|(class, name)| format!("<li><i class=\"{class}\"></i>{}</li>", escape(name)));
    format!(
        "<figure><figcaption><h3>{}</h3><p>{}</p><ul class=\"legend\">{}</ul></figcaption>{picture}</figure>\n",
        escape(title),
        escape(note),
        keys.collect::<String>()
    )
}

fn percent_of(part: usize, whole: usize) -> String {
    format!("{} %", brief(100.0 * part as f64 / whole.max(1) as f64))
}
