//! `braidcast sim`, as it is used.

mod common;

use common::{Place, text};
use std::fs;

const SCENARIO: &str = "question = 'What is <saved>?'\nseconds = 60\nfilm = { seconds = 40, rungs_kbps = [350, 750] }\n\
    audience = { viewers = 6, come = [[0, 1], [5, 1]] }\n";

fn place() -> Place {
    let place = Place::new();
    fs::write(place.path("few.toml"), SCENARIO).unwrap();
    place
}

#[test]
fn sim_prints_a_table_draws_a_report_and_keeps_figures_to_compare_with() {
    let place = place();
    let args = "sim few.toml --seeds 2 --html report.html --baseline kept.json";
    let first = place.run(args);
    assert!(first.status.success(), "{}", text(&first.stderr));
    assert!(text(&first.stdout).contains("offload of ceiling"), "{}", text(&first.stdout));
    let page = fs::read_to_string(place.path("report.html")).unwrap();
    assert!(page.contains("What is &lt;saved&gt;?") && page.contains("<svg"));
    let kept = fs::read_to_string(place.path("kept.json")).unwrap();

    // Nothing has changed, on one thread as on two; another audience has.
    let again = place.run(&format!("{args} --threads 1"));
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert_eq!(fs::read_to_string(place.path("kept.json")).unwrap(), kept);
    let other = place.run(&format!("{args} --peers 12 --renew"));
    assert!(other.status.success(), "{}", text(&other.stderr));
    assert_ne!(fs::read_to_string(place.path("kept.json")).unwrap(), kept);
}

#[test]
fn sim_says_by_its_exit_code_whether_bounds_hold() {
    let place = place();
    fs::write(place.path("strict.toml"), format!("{SCENARIO}[bounds]\noffload_pct = {{ min = 99.9 }}\n"))
        .unwrap();
    let output = place.run("sim strict.toml --seeds 1");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("BROKEN"), "{}", text(&output.stdout));
}

#[test]
fn sim_names_what_is_wrong_with_a_scenario() {
    let place = place();
    for (file, content, says) in [
        ("typo.toml", format!("{SCENARIO}[origin]\ntotal_mbit = 3\n"), "total_mbit"),
        ("bound.toml", format!("{SCENARIO}[bounds]\noffload = {{ min = 1 }}\n"), "no row `offload`"),
        ("nobody.toml", SCENARIO.replace("viewers = 6", "viewers = 0"), "audience.viewers"),
        ("no.toml", "nonsense".to_owned(), "no.toml is no scenario"),
    ] {
        fs::write(place.path(file), content).unwrap();
        let output = place.run(&format!("sim {file}"));
        assert_eq!(output.status.code(), Some(2), "{file}");
        assert!(text(&output.stderr).contains(says), "{file}: {}", text(&output.stderr));
    }
    assert_eq!(place.run("sim missing.toml").status.code(), Some(2));
    fs::write(place.path("kept.json"), "{").unwrap();
    let output = place.run("sim few.toml --seeds 1 --baseline kept.json");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("kept.json"), "{}", text(&output.stderr));
    assert_eq!(
        fs::read_to_string(place.path("kept.json")).unwrap(),
        "{",
        "what cannot be read is not replaced"
    );
}
