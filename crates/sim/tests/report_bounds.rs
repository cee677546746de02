//! What scenarios demand: held, broken, relative to the origin alone, misspelt.

mod common;

use common::{alone, run, viewer};
use sim::figures::{Run, Seen};
use sim::report::{Bounds, Summary, table};

fn bounds(text: &str) -> Bounds {
    toml::from_str(text).unwrap()
}

fn runs() -> Vec<Run> {
    let with = run(1, vec![Seen { startup_s: Some(0.9), ..viewer() }]);
    let mut without = alone(&with);
    without.viewers[0].startup_s = Some(0.8);
    vec![with, without]
}

fn holds(text: &str) -> bool {
    let summary = Summary::of("bounds", "?", &runs()).held_to(&bounds(text));
    assert_eq!(summary.bounded(), 1);
    summary.broken().count() == 0
}

#[test]
fn absolute_bounds_hold_to_the_edge_and_break_beyond_it() {
    assert!(holds("offload_pct = { min = 75 }"));
    assert!(!holds("offload_pct = { min = 75.1 }"));
    assert!(holds("startup_p50_s = { max = 0.9 }"));
    assert!(!holds("startup_p50_s = { max = 0.89 }"));
    assert!(!holds("offload_pct = { min = 10, max = 70 }"));
}

#[test]
fn relative_bounds_are_over_or_under_the_origin_alone() {
    // 0.9 - 0.8 is a little more than 0.1 in binary.
    assert!(holds("startup_p50_s = { over_alone = 0.1 }"));
    assert!(!holds("startup_p50_s = { over_alone = 0.05 }"));
    assert!(!holds("startup_p50_s = { max = 2, over_alone = 0.05 }"));
    assert!(holds("mean_kbps = { under_alone = 0 }"));
    // It must give the origin at least 70 points less to do: alone it is 0.
    assert!(holds("offload_pct = { under_alone = -70 }"));
    assert!(!holds("offload_pct = { under_alone = -80 }"));
}

#[test]
fn what_was_not_measured_does_not_hold() {
    assert!(!holds("delay_p50_s = { max = 5 }"));
    let summary = Summary::of("bounds", "?", &[]).held_to(&bounds("startup_p50_s = { over_alone = 1 }"));
    assert_eq!(summary.broken().count(), 1);
    assert!(table::table(&summary).contains("BROKEN (not measured)"));
}

#[test]
fn a_bound_that_checks_nothing_is_refused() {
    for (text, why) in [
        ("offlaod_pct = { min = 1 }", "no row `offlaod_pct`"),
        ("offload_pct = {}", "demands nothing"),
        ("offload_pct = { min = nan }", "demands nothing"),
        ("offload_pct = { most = 1 }", "unknown field `most`"),
        ("worse_off_pct = { over_alone = 1 }", "no meaning"),
    ] {
        let error = toml::from_str::<Bounds>(text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn the_table_says_what_is_demanded_and_whether_it_holds() {
    let demands = bounds(
        "offload_pct = { min = 70 }
         startup_p50_s = { max = 2, over_alone = 0.05 }
         mean_kbps = { under_alone = -5 }",
    );
    let text = table::table(&Summary::of("bounds", "Does it hold?", &runs()).held_to(&demands));
    let line = |label: &str| text.lines().find(|line| line.starts_with(label)).unwrap();
    assert!(text.starts_with("bounds: Does it hold?\nseed 1, too few for intervals\n"), "{text}");
    assert!(line("offload ").contains("≥ 70  ") && line("offload ").ends_with(" ok"), "{text}");
    assert!(line("start-up, median").ends_with("≤ 2, ≤ alone + 0.05  BROKEN"), "{text}");
    assert!(line("start-up, median").contains("0.900"), "{text}");
    assert!(line("mean rendition").contains("≥ alone + 5"), "{text}");
    assert!(text.ends_with("2 of 3 bounds BROKEN\n"), "{text}");
}
