//! What happened over time, as charts.
//!
//! Invariant: one seed is drawn, and every chart says which. Where steps are drawn together nobody's stall is averaged away.

use super::plots::figure;
use super::svg::{Axis, Chart};
use super::text::brief;
use crate::figures::{Moment, Run};

/// Steps of a series that are drawn; neighbours are drawn together.
const STEPS: usize = 200;

/// Viewers, rates and buffers over time, of one run; `alone` is the same with the origin alone.
pub(super) fn over_time(run: &Run, alone: Option<&Run>) -> Vec<String> {
    let series = condensed(&run.series);
    let Some(last) = series.last() else { return Vec::new() };
    let (per, unit) = time_unit(last.at_s);
    let start =
        (series[0].at_s - if series.len() > 1 { series[1].at_s - series[0].at_s } else { 0.0 }).max(0.0);
    let clock = |at_s: f64| format!("at {} {unit}", brief(at_s / per));
    let name = format!("time, {unit}");
    let x = Axis { label: &name, low: start / per, high: last.at_s / per };
    let most = |of: fn(&Moment) -> f64| most_of(&series, of);
    let points = |of: &dyn Fn(&Moment) -> f64| -> Vec<(f64, f64)> {
        series.iter().map(|moment| (moment.at_s / per, of(moment))).collect()
    };

    let high = most(|moment| f64::from(moment.viewers));
    let mut there = Chart::new(x, Axis { label: "viewers", low: 0.0, high }, false);
    let up_from_zero = |of: fn(&Moment) -> u32| -> Vec<(f64, f64, f64)> {
        series.iter().map(|moment| (moment.at_s / per, 0.0, f64::from(of(moment)))).collect()
    };
    there.area("out", &up_from_zero(|moment| moment.viewers));
    there.line("out", &points(&|moment| f64::from(moment.viewers)));
    there.area("bad", &up_from_zero(|moment| moment.stalled));
    there.line("bad", &points(&|moment| f64::from(moment.stalled)));
    there.titles(series.iter().map(|moment| {
        let title = format!("{}: {} viewers, {} stalled", clock(moment.at_s), moment.viewers, moment.stalled);
        (moment.at_s / per, title)
    }));

    let sent = |moment: &Moment| (moment.origin_bps + moment.peers_bps).max(moment.played_bps);
    let (bits, rate) = rate_unit(most(sent));
    let high = most(sent) / bits;
    let mut rates = Chart::new(x, Axis { label: rate, low: 0.0, high }, false);
    let origin = |moment: &Moment| moment.origin_bps / bits;
    let both = |moment: &Moment| (moment.origin_bps + moment.peers_bps) / bits;
    let areas = |low: &dyn Fn(&Moment) -> f64, high: &dyn Fn(&Moment) -> f64| -> Vec<(f64, f64, f64)> {
        series.iter().map(|moment| (moment.at_s / per, low(moment), high(moment))).collect()
    };
    rates.area("in", &areas(&origin, &both));
    rates.area("origin", &areas(&|_| 0.0, &origin));
    rates.line("in", &points(&both));
    rates.line("origin", &points(&origin));
    rates.line("played", &points(&|moment| moment.played_bps / bits));
    rates.titles(series.iter().map(|moment| {
        let [origin, peers, played] =
            [moment.origin_bps, moment.peers_bps, moment.played_bps].map(|bps| brief(bps / bits));
        let at = clock(moment.at_s);
        (moment.at_s / per, format!("{at}: origin {origin}, peers {peers}, played {played} {rate}"))
    }));

    let high = most(|moment| moment.buffered_s);
    let mut ready = Chart::new(x, Axis { label: "seconds ready", low: 0.0, high }, false);
    ready.area("out", &areas(&|_| 0.0, &|moment| moment.buffered_s));
    ready.line("out", &points(&|moment| moment.buffered_s));
    ready.titles(series.iter().map(|moment| {
        (moment.at_s / per, format!("{}: {} s ready", clock(moment.at_s), brief(moment.buffered_s)))
    }));

    let seed = format!("seed {}", run.seed);
    let beside = alone.map(|alone| condensed(&alone.series)).unwrap_or_default();
    let saved = (!beside.is_empty()).then(|| {
        let (bits, rate) = rate_unit(most_of(&beside, |m| m.origin_bps).max(most(|m| m.origin_bps)));
        let high = most_of(&beside, |m| m.origin_bps).max(most(|m| m.origin_bps)) / bits;
        let mut load = Chart::new(x, Axis { label: rate, low: 0.0, high }, false);
        load.area("origin", &areas(&|_| 0.0, &|moment| moment.origin_bps / bits));
        load.line("origin", &points(&|moment| moment.origin_bps / bits));
        let without: Vec<(f64, f64)> = beside.iter().map(|m| (m.at_s / per, m.origin_bps / bits)).collect();
        load.line("played dashed", &without);
        load.titles(series.iter().zip(&beside).map(|(with, without)| {
            let [with_bps, without_bps] = [with, without].map(|moment| brief(moment.origin_bps / bits));
            let title = format!("{}: {with_bps} {rate}, alone {without_bps}", clock(with.at_s));
            (with.at_s / per, title)
        }));
        figure(
            "What the origin sends",
            &format!("{seed}; the same viewers with Braidcast and without"),
            &[("origin", "with Braidcast"), ("played dashed", "origin alone")],
            &load.finish("What the origin sends, with and without Braidcast"),
        )
    });
    let mut figures = vec![
        figure(
            "Who sends what is watched",
            &format!("{seed}; peers on top of the origin. What lies over the line was fetched ahead."),
            &[("in", "from peers"), ("origin", "from the origin"), ("played", "played")],
            &rates.finish("Rates over time"),
        ),
        figure(
            "Viewers",
            &format!("{seed}; everybody, and those whose picture stands"),
            &[("out", "there"), ("bad", "stalled")],
            &there.finish("Viewers over time"),
        ),
        figure(
            "Buffer",
            &format!("{seed}; what viewers have ready to play, on average"),
            &[("out", "mean")],
            &ready.finish("Buffer over time"),
        ),
    ];
    if let Some(saved) = saved {
        figures.insert(1, saved);
    }
    figures
}

/// Neighbouring steps drawn as one: rates and buffers by their mean, stalls by their worst, so that none is lost.
fn condensed(series: &[Moment]) -> Vec<Moment> {
    let together = series.len().div_ceil(STEPS).max(1);
    let chunk = |moments: &[Moment]| {
        let mean = |of: fn(&Moment) -> f64| moments.iter().map(of).sum::<f64>() / moments.len() as f64;
        let most = |of: fn(&Moment) -> u32| moments.iter().map(of).max().unwrap_or(0);
        Moment {
            at_s: moments[moments.len() - 1].at_s,
            viewers: most(|moment| moment.viewers),
            stalled: most(|moment| moment.stalled),
            origin_bps: mean(|moment| moment.origin_bps),
            peers_bps: mean(|moment| moment.peers_bps),
            played_bps: mean(|moment| moment.played_bps),
            buffered_s: mean(|moment| moment.buffered_s),
        }
    };
    series.chunks(together).map(chunk).collect()
}

fn most_of(series: &[Moment], of: fn(&Moment) -> f64) -> f64 {
    series.iter().map(of).fold(0.0, f64::max)
}

fn time_unit(longest_s: f64) -> (f64, &'static str) {
    match longest_s {
        0.0..600.0 => (1.0, "s"),
        600.0..18_000.0 => (60.0, "min"),
        _ => (3600.0, "h"),
    }
}

fn rate_unit(most_bps: f64) -> (f64, &'static str) {
    match most_bps {
        0.0..2e6 => (1e3, "kbit/s"),
        2e6..2e9 => (1e6, "Mbit/s"),
        _ => (1e9, "Gbit/s"),
    }
}
