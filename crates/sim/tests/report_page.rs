//! The page: whole, safe and small.

mod common;

use common::{CLASSES, crowd, run, viewer};
use sim::figures::{Feed, Moment, Run, Seen};
use sim::report::{Summary, html};

fn page(runs: &[Run]) -> String {
    html::page(&Summary::of("live", "Does it hold?", runs), runs, &CLASSES.map(str::to_owned))
}

#[test]
fn a_crowd_of_ten_thousand_fits_in_a_megabyte() {
    let runs: Vec<Run> = crowd(1, 10_000).into();
    let page = page(&runs);
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    for part in [
        "Who sends what",
        "Start-up",
        "Stalls",
        "Offload, viewer by viewer",
        "Uplink used",
        "Copies",
        "Who feeds",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
    assert!(page.contains("200 of 10000 viewers"));
    assert!(page.matches("class=\"feed\"").count() >= 199, "a neighbourhood hangs together");
    assert!(!page.contains("NaN") && !page.contains("inf\""));
}

#[test]
fn nothing_is_asked_of_any_network() {
    let runs: Vec<Run> = crowd(1, 50).into();
    let page = page(&runs);
    for reach in ["http://", "https://", "src=", "url(", "@import", "<link", "fetch("] {
        assert!(!page.contains(reach), "{reach}");
    }
    assert!(page.contains("default-src 'none'"));
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("@media print"));
}

#[test]
fn text_of_a_scenario_is_never_markup() {
    let evil = "</title><script>alert('\"&')</script>\u{0}";
    let mut runs: Vec<Run> = crowd(1, 50).into();
    for run in &mut runs {
        run.ceiling_why = evil.to_owned();
        run.trace = evil.to_owned();
    }
    let summary = Summary::of(evil, evil, &runs).priced_in(evil);
    let page = html::page(&summary, &runs, &[evil.to_owned(), evil.to_owned()]);
    assert_eq!(page.matches("<script>").count(), 1, "only the page's own");
    assert!(!page.contains("alert('") && !page.contains('\u{0}'));
    assert!(
        page.contains(
            "<title>&lt;/title&gt;&lt;script&gt;alert(&#39;&quot;&amp;&#39;)&lt;/script&gt; </title>"
        )
    );
}

#[test]
fn runs_in_which_nothing_happened_make_a_page_too() {
    let nobody = run(1, Vec::new());
    let still =
        Run { series: vec![Moment::default()], copies: vec![(0, 0)], ..run(1, vec![Seen::default()]) };
    let mute = Run { viewers: vec![Seen { honest: true, ..Seen::default() }], ..still.clone() };
    for runs in [vec![], vec![Run::default()], vec![nobody], vec![still], vec![mute]] {
        let page = page(&runs);
        assert!(page.ends_with("</html>\n"));
        assert!(!page.contains("NaN"), "{page}");
    }
}

#[test]
fn feeds_that_name_nobody_are_left_out() {
    let feed = |from, to, bytes| Feed { from, to, bytes };
    let feeds = vec![feed(0, 9, 5), feed(9, 0, 5), feed(1, 1, 5), feed(u32::MAX, 0, 5), feed(0, 1, 0)];
    let odd = Run { feeds, ..run(1, vec![viewer(), viewer()]) };
    assert!(!page(std::slice::from_ref(&odd)).contains("<svg class=\"map\""));
    let odd = Run { feeds: vec![feed(0, 9, 5), feed(0, 1, 5)], ..odd };
    let page = page(&[odd]);
    assert_eq!(page.matches("class=\"feed\"").count(), 1);
    assert_eq!(page.matches("data-n=").count(), 2);
}

#[test]
fn the_same_runs_make_the_same_page() {
    let make = || page(&crowd(3, 40));
    assert_eq!(make(), make());
}
