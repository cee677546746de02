//! Rows of a summary, worked out by hand.

mod common;

use common::{alone, run, viewer};
use sim::figures::{Delay, Run, Seen};
use sim::report::{Figure, MEASURES, Summary, quantile};

fn mean(summary: &Summary, key: &str) -> f64 {
    summary.row(key).unwrap().figure.unwrap().mean
}

#[track_caller]
fn near(value: f64, wanted: f64) {
    assert!((value - wanted).abs() < 1e-9 * wanted.abs().max(1.0), "{value}, not {wanted}");
}

#[test]
fn a_tiny_run_gives_the_figures_of_pencil_and_paper() {
    let slow = Seen {
        startup_s: Some(3.0),
        played_s: 50.0,
        stalls: 2,
        stalled_s: 7.0,
        mean_kbps: 1000.0,
        switched_kbps: 4000.0,
        segments: 20,
        from_origin: 60_000_000,
        from_peers: 40_000_000,
        duplicate: 1_000_000,
        unused: 4_000_000,
        control: 500_000,
        refused: 2_000_000,
        ..viewer()
    };
    let run = Run {
        origin_requests: 40,
        origin_cost: 0.5,
        origin_peak_bps: 4e6,
        copies: vec![(1, 6), (2, 3), (6, 1)],
        delay: Some(Delay { mean_s: 0.6, quantiles_s: [0.5, 1.0, 2.0], postal_s: 0.3 }),
        ..run(7, vec![viewer(), slow])
    };
    let summary = Summary::of("tiny", "How much?", &[run]);
    for (key, wanted) in [
        ("viewers", 2.0),
        ("offload_pct", 100.0 * 115.0 / 200.0),
        ("ceiling_pct", 90.0),
        ("efficiency_pct", 100.0 * 0.575 / 0.9),
        ("startup_p50_s", 2.0),
        ("startup_p95_s", 2.9),
        ("never_started_pct", 0.0),
        ("stall_pct", 100.0 * 7.0 / 116.0),
        ("stalled_viewers_pct", 50.0),
        ("mean_kbps", (3000.0 * 59.0 + 1000.0 * 50.0) / 109.0),
        ("qoe_mbps", (3.0 * 30.0 + 1.0 * 20.0 - 4.3 * 7.0 - 4.0) / 50.0),
        ("duplicate_pct", 0.5),
        ("unused_pct", 2.0),
        ("control_pct", 0.25),
        ("refused_mb", 2.0),
        ("delay_p90_s", 1.0),
        ("delay_of_bound", 2.0),
        ("copies", 1.8),
        ("origin_requests_per_hour", 1200.0),
        ("origin_mb_per_hour", 85.0 * 30.0),
        ("origin_peak_mbps", 4.0),
        ("cost_per_hour", 15.0),
        ("received_gb", 0.2),
        ("events_per_s", 500.0),
    ] {
        near(mean(&summary, key), wanted);
    }
    assert_eq!(summary.row("worse_off_pct").unwrap().figure, None, "nothing to compare with");
}

#[test]
fn only_honest_viewers_count_for_what_viewers_saw_but_all_for_what_the_origin_did() {
    let cheat =
        Seen { honest: false, startup_s: Some(50.0), stalls: 9, stalled_s: 40.0, from_peers: 0, ..viewer() };
    let summary = Summary::of("cheats", "Do they harm?", &[run(1, vec![viewer(), cheat])]);
    near(mean(&summary, "offload_pct"), 75.0);
    near(mean(&summary, "startup_p95_s"), 1.0);
    near(mean(&summary, "stall_pct"), 0.0);
    near(mean(&summary, "viewers"), 2.0);
    near(mean(&summary, "origin_mb_per_hour"), 50.0 * 30.0);
}

#[test]
fn who_left_before_a_picture_is_counted_rather_than_forgotten() {
    let left = Seen { startup_s: None, played_s: 0.0, segments: 0, ..viewer() };
    let summary = Summary::of("left", "?", &[run(1, vec![viewer(), viewer(), viewer(), left])]);
    near(mean(&summary, "never_started_pct"), 25.0);
    near(mean(&summary, "startup_p50_s"), 1.0);
}

#[test]
fn seeds_are_compared_one_by_one_with_the_origin_alone() {
    // Start-up differs a lot between seeds, and by a tenth of a second between the two of each.
    let mut runs = Vec::new();
    for (seed, startup) in [(3, 5.0), (1, 1.0), (2, 3.0)] {
        let with = run(seed, vec![Seen { startup_s: Some(startup + 0.1), ..viewer() }]);
        let mut without = alone(&with);
        without.viewers[0].startup_s = Some(startup);
        runs.extend([without, with]);
    }
    let summary = Summary::of("pairs", "?", &runs);
    assert_eq!(summary.seeds, [1, 2, 3]);
    let row = summary.row("startup_p50_s").unwrap();
    near(row.figure.unwrap().mean, 3.1);
    near(row.alone.unwrap().mean, 3.0);
    // Two degrees of freedom: 4.303 x 2 / sqrt 3.
    near(row.figure.unwrap().within.unwrap(), 4.303 * 2.0 / 3f64.sqrt());
    let over = row.over_alone.unwrap();
    near(over.mean, 0.1);
    assert!(over.within.unwrap() < 1e-9 && over.is_beyond_chance());
    near(mean(&summary, "worse_off_pct"), 0.0);
    assert_eq!(summary.row("offload_pct").unwrap().alone.unwrap().mean, 0.0);
    assert_eq!(summary.row("efficiency_pct").unwrap().alone, None);
}

#[test]
fn whoever_is_worse_off_than_alone_is_found_viewer_by_viewer() {
    // On average nothing changed: one viewer lost what another gained.
    let with = run(1, vec![viewer(), Seen { stalled_s: 4.0, ..viewer() }, viewer(), viewer()]);
    let mut without = alone(&with);
    without.viewers[0].stalled_s = 4.0;
    without.viewers[1].stalled_s = 0.0;
    let summary = Summary::of("law", "?", &[with.clone(), without.clone()]);
    near(summary.row("stall_pct").unwrap().over_alone.unwrap().mean, 0.0);
    near(mean(&summary, "worse_off_pct"), 25.0);

    // Not the same viewers: no figure rather than a wrong one.
    without.viewers[2].came_s = 9.0;
    let summary = Summary::of("law", "?", &[with, without]);
    assert_eq!(summary.row("worse_off_pct").unwrap().figure, None);
}

#[test]
fn a_single_seed_has_no_interval_and_is_never_beyond_chance() {
    let one = Figure::of([2.0]).unwrap();
    assert_eq!(one.within, None);
    assert!(!one.is_beyond_chance());
    assert_eq!(Figure::of([]), None);
    assert_eq!(Figure::of([f64::NAN, 1.0]).unwrap().mean, 1.0);
    // 1, 2, 3, 4, 5: standard error sqrt(2.5 / 5), four degrees of freedom.
    let five = Figure::of((1..=5).map(f64::from)).unwrap();
    near(five.within.unwrap(), 2.776 * 0.5f64.sqrt());
    assert!(!five.overlaps(&Figure { mean: 10.0, within: Some(1.0) }));
    assert!(five.overlaps(&Figure { mean: 5.0, within: Some(1.0) }));
}

#[test]
fn quantiles_lie_between_neighbours() {
    assert_eq!(quantile(&[], 0.5), None);
    assert_eq!(quantile(&[4.0], 0.99), Some(4.0));
    assert_eq!(quantile(&[0.0, 10.0], 0.25), Some(2.5));
    assert_eq!(quantile(&[1.0, 2.0, 3.0], 1.0), Some(3.0));
}

#[test]
fn an_empty_run_is_rows_without_figures() {
    for runs in [vec![], vec![Run::default()], vec![Run { alone: true, ..Run::default() }]] {
        let summary = Summary::of("empty", "?", &runs);
        assert_eq!(summary.rows.len(), MEASURES.len());
        assert_eq!(summary.row("offload_pct").unwrap().figure, None);
        assert!(!sim::report::table::table(&summary).is_empty());
    }
}

#[test]
fn keys_are_unique_and_costs_carry_their_currency() {
    let mut keys: Vec<&str> = MEASURES.iter().map(|measure| measure.key).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), MEASURES.len());
    let summary = Summary::of("cost", "?", &[run(1, vec![viewer()])]).priced_in("EUR");
    assert_eq!(summary.row("cost_per_hour").unwrap().unit, "EUR/viewer-h");
}
