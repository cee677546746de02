//! Figures kept and compared with what came later.

mod common;

use common::{run, viewer};
use sim::figures::{Run, Seen};
use sim::report::baseline::BaselineError;
use sim::report::{Baseline, Summary, table};

/// Three seeds whose start-up differs by seed, all later by `late`.
fn summary(name: &str, late: f64) -> Summary {
    let runs: Vec<Run> = (1..=3)
        .map(|seed| {
            let startup = 1.0 + 0.5 * seed as f64 + late * (1.0 + 0.01 * seed as f64);
            run(seed, vec![Seen { startup_s: Some(startup), ..viewer() }])
        })
        .collect();
    Summary::of(name, "?", &runs)
}

#[test]
fn a_baseline_comes_back_as_it_was_kept() {
    let [a, b] = [summary("live", 0.123_456_789), summary("night \"x\"", 1.0 / 3.0)];
    let baseline = Baseline::of([&b, &a]);
    let json = baseline.to_json();
    assert_eq!(Baseline::from_json(&json).unwrap(), baseline);
    assert_eq!(Baseline::of([&a, &b]).to_json(), json, "the order in which they ran is of no matter");
    assert!(json.contains("\n        \"startup_p50_s\": [1.6247,2.1259,2.6272],\n"), "{json}");
    assert!(!json.contains("events_per_s"), "the machine's own");
    assert!(baseline.diff(&[a, b]).is_nothing());
    assert_eq!(Baseline::from_json(&Baseline::of([]).to_json()).unwrap(), Baseline::of([]));
}

#[test]
fn what_got_worse_by_more_than_chance_is_told() {
    let kept = Baseline::of([&summary("live", 0.0)]);
    let later = kept.diff(&[summary("live", 0.2)]);
    assert_eq!((later.better, later.worse, later.other, later.unmatched), (0, 2, 0, 0), "{}", later.text);
    let line = later.text.lines().find(|line| line.contains("start-up, median")).unwrap();
    assert!(line.contains("2.00  →  2.20") && line.ends_with("(+0.20)  WORSE"), "{}", later.text);
    assert!(later.text.ends_with("0 better, 2 worse, 0 changed otherwise, 0 without a counterpart\n"));
    assert_eq!(kept.diff(&[summary("live", -0.2)]).better, 2);
}

#[test]
fn small_changes_are_tolerated_and_changes_by_chance_not_counted() {
    let kept = Baseline::of([&summary("live", 0.0)]);
    assert!(kept.diff(&[summary("live", 0.005)]).is_nothing());
    // One seed far later, one sooner: the mean moved, and nobody knows why.
    let runs: Vec<Run> = [(1, 1.2), (2, 3.5), (3, 2.6)]
        .map(|(seed, startup)| run(seed, vec![Seen { startup_s: Some(startup), ..viewer() }]))
        .to_vec();
    let now = kept.diff(&[Summary::of("live", "?", &runs)]);
    assert!(now.is_nothing() && now.text.contains("within chance"), "{}", now.text);
}

#[test]
fn other_decisions_with_the_same_figures_are_mentioned() {
    let kept = Baseline::of([&summary("live", 0.0)]);
    let mut now = summary("live", 0.0);
    now.traces[0] = "another".to_owned();
    let difference = kept.diff(&[now]);
    assert!(difference.is_nothing());
    assert!(difference.text.starts_with("live: other decisions, the same figures\n"));
}

#[test]
fn what_has_no_counterpart_is_not_the_same() {
    let kept = Baseline::of([&summary("live", 0.0), &summary("night", 0.0)]);
    assert!(kept.diff(&[summary("live", 0.0)]).is_nothing(), "one may run a few");
    let new = kept.diff(&[summary("day", 0.0)]);
    assert!(!new.is_nothing() && new.text.contains("day: not in the baseline"));
    let seeds = kept.diff(&[Summary::of("live", "?", &[run(9, vec![viewer()])])]);
    assert!(seeds.text.contains("live: seeds [9], but [1,2,3] in the baseline"), "{}", seeds.text);
    let nobody: Vec<Run> = (1..=3).map(|seed| run(seed, Vec::new())).collect();
    let gone = kept.diff(&[Summary::of("live", "?", &nobody)]);
    assert!(gone.unmatched > 5 && gone.text.contains("no longer measured"), "{}", gone.text);
}

#[test]
fn a_few_scenarios_are_renewed_and_the_others_stay() {
    let mut kept = Baseline::of([&summary("live", 0.0), &summary("night", 0.0)]);
    kept.renew(&[summary("night", 0.5), summary("day", 0.1)]);
    let all = [summary("live", 0.0), summary("night", 0.5), summary("day", 0.1)];
    assert_eq!(kept, Baseline::of(&all));
}

#[test]
fn a_name_does_not_command_the_terminal() {
    let odd = summary("a\u{1b}[2J\nb", 0.0);
    for text in [
        table::table(&odd),
        table::compare(&odd, &odd),
        Baseline::of([]).diff(std::slice::from_ref(&odd)).text,
    ] {
        assert!(!text.contains('\u{1b}') && !text.contains("\nb"), "{text}");
    }
}

#[test]
fn a_text_that_is_no_baseline_is_refused_for_what_it_is() {
    assert!(matches!(Baseline::from_json("{\"version\": 2, \"all\": []}"), Err(BaselineError::Version(2))));
    for text in ["", "{", "[]", "{\"version\": 1}", "{\"version\": 1, \"scenarios\": {}, \"more\": 1}"] {
        assert!(matches!(Baseline::from_json(text), Err(BaselineError::Malformed(_))), "{text}");
    }
}

#[test]
fn two_versions_side_by_side_have_a_star_where_it_is_not_chance() {
    let text = table::compare(&summary("before", 0.0), &summary("after", 0.2));
    let line = |label: &str| text.lines().find(|line| line.starts_with(label)).unwrap().to_owned();
    assert!(line("start-up, median").ends_with("* worse"), "{text}");
    assert!(line("start-up, median").contains("+0.20"), "{text}");
    assert!(!line("offload ").contains('*'), "{text}");

    // Other seeds: the intervals must be apart, and these are wide.
    let mut other = summary("after", 0.2);
    other.seeds = vec![4, 5, 6];
    let text = table::compare(&summary("before", 0.0), &other);
    assert!(text.contains("the seeds differ") && !text.contains("* worse"), "{text}");
}
