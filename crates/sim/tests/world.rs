//! Whole runs: the product's peers on the modelled network.

mod whole;

use sim::Scenario;
use sim::figures::{Run, Seen};
use whole::{read, run};

/// A short film for a few viewers, and whatever else a story needs.
fn scenario(viewers: u32, more: &str) -> Scenario {
    let text = format!(
        "question = 'What happens?'\nseconds = 200\nfilm = {{ seconds = 100, rungs_kbps = [350, 750, 1600] }}\n\
         audience = {{ viewers = {viewers}, come = [[0, 1], [30, 1]] }}\n{more}"
    );
    read(&text)
}

fn sum(run: &Run, of: impl Fn(&Seen) -> u64) -> u64 {
    run.viewers.iter().map(of).sum()
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let scenario = scenario(12, "");
    let [first, second, third] = [1, 1, 2].map(|seed| run(&scenario, seed, false));
    assert_eq!(first, second);
    assert_ne!(first.trace, third.trace);
}

#[test]
fn viewers_of_a_film_carry_most_of_it_and_see_all_of_it() {
    let scenario = scenario(25, "");
    let (together, alone) = (run(&scenario, 3, false), run(&scenario, 3, true));
    let came = |run: &Run| run.viewers.iter().map(|seen| seen.came_s).collect::<Vec<_>>();
    assert_eq!(came(&together), came(&alone), "the same audience with and without");
    assert_eq!(sum(&alone, |seen| seen.from_peers + seen.to_peers + seen.control), 0);
    for seen in &together.viewers {
        assert!(seen.played_s > 99.9, "{seen:?}");
    }
    let (peers, origin) = (sum(&together, |seen| seen.from_peers), sum(&together, |seen| seen.from_origin));
    assert!(peers > 4 * origin, "{peers} against {origin}");
    assert!(together.origin_bytes * 4 < alone.origin_bytes);
}

#[test]
fn nobody_counts_on_a_neighbour_that_it_cannot_reach() {
    let scenario = read(
        "question = 'What happens?'\nseconds = 200\nfilm = { seconds = 100, rungs_kbps = [350, 750, 1600] }\n\
         [audience]\nviewers = 2\ncome = [[0, 1], [30, 1]]\n\
         [audience.population.own]\nmay_upload = 0.7\nspread_ms = 20.0\n\
         access = [{ name = 'fibre', share = 1.0, uplink = { uniform = { from_mbps = 20, to_mbps = 50 } },\
         down_per_up = 1.0, height_ms = 2.0, loss = 0.0, varies = false }]\n\
         nat = { open = 0.5, cone = 0.0, port_restricted = 0.0, symmetric = 0.0, blocked = 0.5 }",
    );
    let ceilings = (1..=20).map(|seed| {
        let run = run(&scenario, seed, false);
        let (peers, origin) = (sum(&run, |seen| seen.from_peers), sum(&run, |seen| seen.from_origin));
        let offload = peers as f64 / (peers + origin).max(1) as f64;
        assert!(offload <= run.ceiling + 0.01, "{offload} of {} (seed {seed})", run.ceiling);
        run.ceiling
    });
    let ceilings: Vec<f64> = ceilings.collect();
    assert!(ceilings.contains(&0.0) && ceilings.iter().any(|&ceiling| ceiling > 0.3), "{ceilings:?}");
}

#[test]
fn no_byte_comes_from_nowhere() {
    let run = run(&scenario(15, "[[faults.crash]]\nat_s = 50\nshare = 0.3"), 4, false);
    assert!(sum(&run, |seen| seen.to_peers) >= sum(&run, |seen| seen.from_peers + seen.refused));
    assert!(run.origin_bytes >= sum(&run, |seen| seen.from_origin));
    for seen in &run.viewers {
        assert!(seen.from_origin + seen.from_peers >= seen.unused + seen.duplicate, "{seen:?}");
    }
}

#[test]
fn forged_pieces_reach_no_player_and_no_other_viewer() {
    // The world fails when a peer stores, serves or delivers what was forged, or blames one who did not forge.
    let run = run(&scenario(20, "[faults]\nforgers = 0.3"), 5, false);
    let (honest, forgers): (Vec<&Seen>, Vec<&Seen>) = run.viewers.iter().partition(|seen| seen.honest);
    assert!(!forgers.is_empty());
    assert!(honest.iter().any(|seen| seen.refused > 0), "somebody met one");
    for seen in honest {
        // A piece from each forger, and what was on its way from it.
        assert!(seen.refused <= 8 * 32_768 * forgers.len() as u64, "{seen:?}");
        assert!(seen.played_s > 99.9, "{seen:?}");
    }
}

#[test]
fn among_enemies_a_viewer_still_has_the_origin() {
    let faults = "[faults]\nforgers = 0.25\nsilent = 0.25\nliars = 0.2\ndrips = 0.2";
    let scenario = scenario(20, faults);
    let (among, alone) = (run(&scenario, 6, false), run(&scenario, 6, true));
    for (seen, alone) in among.viewers.iter().zip(&alone.viewers).filter(|(seen, _)| seen.honest) {
        assert!(seen.played_s > 99.9, "{seen:?}");
        assert!(seen.stalled_s <= alone.stalled_s + 1.0, "{seen:?} against {alone:?}");
    }
}

#[test]
fn forgers_in_concert_and_under_new_names_waste_little() {
    // Nobody is taken for a forger that is none: the world fails otherwise.
    for faults in ["colluders = 0.3", "whitewashers = 0.2\nwhitewash_s = 5"] {
        let run = run(&scenario(20, &format!("[faults]\n{faults}")), 9, false);
        let honest: Vec<&Seen> = run.viewers.iter().filter(|seen| seen.honest).collect();
        let refused: u64 = honest.iter().map(|seen| seen.refused).sum();
        let received: u64 = honest.iter().map(|seen| seen.from_origin + seen.from_peers).sum();
        assert!(refused > 0 && refused * 20 < received, "{faults}: {refused} of {received}");
        assert!(honest.iter().all(|seen| seen.played_s > 99.9));
    }
}

#[test]
fn a_victim_of_the_tracker_has_the_origin_and_then_a_friend() {
    let faults = "[faults]\nforgers = 0.2\nsilent = 0.2\neclipse = { share = 0.3, until_s = 30 }";
    let run = run(&scenario(30, faults), 10, false);
    let victims: Vec<&Seen> = run.viewers.iter().filter(|seen| seen.victim).collect();
    assert!(!victims.is_empty());
    for seen in &victims {
        assert_eq!(seen.from_enemies, 0);
        assert!(seen.played_s > 99.9 && seen.stalls == 0, "{seen:?}");
    }
    assert!(victims.iter().any(|seen| seen.exchanged_s.is_some_and(|s| s < 60.0)));
}

#[test]
fn outages_of_tracker_and_origin_pass() {
    let more = "tracker = { away_s = [[40, 80]] }\norigin = { away_s = [[60, 75]] }";
    let run = run(&scenario(15, more), 7, false);
    for seen in &run.viewers {
        assert!(seen.played_s > 99.9, "{seen:?}");
    }
}

#[test]
fn viewers_of_a_catalogue_come_seek_and_go() {
    let more = "[audience.catalogue]\nfilms = 3\nmedian_s = 40\nseek_every_s = 20";
    let text = format!(
        "question = 'What happens?'\nseconds = 200\nfilm = {{ seconds = 100, rungs_kbps = [350, 750] }}\n\
         [audience]\nviewers = 30\ncome = [[0, 1], [150, 1]]\n{more}"
    );
    let scenario: Scenario = toml::from_str(&text).unwrap();
    scenario.check().unwrap();
    let run = run(&scenario, 8, false);
    assert!(run.viewers.iter().any(|seen| seen.stayed_s < 20.0), "some leave early");
    assert!(run.viewers.iter().filter(|seen| seen.startup_s.is_some()).count() > 20);
    assert!(sum(&run, |seen| seen.from_peers) > 0);
}

#[test]
fn a_scenario_that_cannot_be_run_says_what_is_wrong() {
    let good = "question = 'q'\nseconds = 10\naudience = { viewers = 1, come = [[0, 1], [1, 1]] }\n";
    for (change, place) in [
        ("seconds = 0", "seconds"),
        ("audience = { viewers = 0, come = [[0, 1], [1, 1]] }", "audience.viewers"),
        ("audience = { viewers = 1, come = [[0, 1]] }", "audience.come"),
        ("audience = { viewers = 1, come = [[5, 1], [1, 1]] }", "audience.come"),
        ("film = { rungs_kbps = [] }", "film.rungs_kbps"),
        ("film = { rungs_kbps = [900, 300] }", "film.rungs_kbps"),
        ("film = { piece_kib = 7 }", "film"),
        ("film = { segment_s = 0 }", "film"),
        ("faults = { forgers = 0.6, liars = 0.6 }", "faults"),
        ("peer = { use_of_uplink = 2 }", "peer"),
        ("origin = { total_mbps = 0 }", "origin"),
        ("tracker = { away_s = [[9, 3]] }", "tracker.away_s"),
    ] {
        let name = change.split(' ').next().unwrap();
        let kept: String =
            good.lines().filter(|line| !line.starts_with(name)).map(|line| format!("{line}\n")).collect();
        let scenario: Scenario = toml::from_str(&format!("{kept}{change}\n")).unwrap();
        let wrong = scenario.check().expect_err(change);
        assert_eq!(wrong.place, place, "{change}: {wrong}");
    }
    let misspelt = toml::from_str::<Scenario>(&format!("{good}fims = 1\n")).unwrap_err().to_string();
    assert!(misspelt.contains("fims"), "{misspelt}");
}

#[test]
fn a_premiere_starts_though_its_audience_comes_all_at_once() {
    // Ten viewers, then six more each second, and an origin that carries four. What all of them fetch from it at once comes to
    // all of them late: then the first picture took most of a minute, as it does without neighbours.
    let text = "question = 'Does it start?'\nseconds = 60\n\
         film = { seconds = 40, rungs_kbps = [350, 750, 1600] }\n\
         audience = { viewers = 130, come = [[0, 1], [10, 1], [10, 12], [30, 12]] }\n\
         origin = { total_mbps = 8 }";
    let together = run(&read(text), 1, false);
    let mut startups: Vec<f64> = together.viewers.iter().map(|v| v.startup_s.unwrap_or(60.0)).collect();
    startups.sort_by(f64::total_cmp);
    let median = startups[startups.len() / 2];
    assert!(median < 3.0, "half of them waited more than {median} s");
    let (stalled, played) =
        together.viewers.iter().fold((0.0, 0.0), |(s, p), v| (s + v.stalled_s, p + v.played_s));
    assert!(stalled < 0.1 * (stalled + played), "it stood for {stalled} s and moved for {played} s");
}
