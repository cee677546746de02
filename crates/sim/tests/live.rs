//! Live streams in virtual time: each topology, a crash, enemies. In every run the oracles watch that nothing comes before it is
//! born, and that nobody follows itself for long.

mod whole;

use sim::Scenario;
use sim::figures::{Run, Seen};
use sim::scenario::People;
use whole::{read, run};

fn scenario(viewers: u32, topology: &str, more: &str) -> Scenario {
    let text = format!(
        "question = 'What happens?'\nseconds = 60\n\
         film = {{ segment_s = 0.4, piece_kib = 16, rungs_kbps = [350, 750, 1600] }}\n\
         live = {{ buffer_s = 8, topology = {topology}, stay = {{ zappers = 0.1 }} }}\n\
         audience = {{ viewers = {viewers}, come = [[0, 1], [20, 1]] }}\n{more}"
    );
    read(&text)
}

fn sum(run: &Run, of: impl Fn(&Seen) -> f64) -> f64 {
    run.viewers.iter().filter(|seen| seen.honest).map(of).sum()
}

/// From peers, of all that was received.
fn offload(run: &Run) -> f64 {
    sum(run, |seen| seen.from_peers as f64) / sum(run, |seen| (seen.from_peers + seen.from_origin) as f64)
}

/// Stalled time, of all.
fn stalls(run: &Run) -> f64 {
    sum(run, |seen| seen.stalled_s) / sum(run, |seen| seen.stalled_s + seen.played_s)
}

#[test]
fn the_same_seed_gives_the_same_stream() {
    let scenario = scenario(15, "'hybrid'", "");
    let [first, second, third] = [1, 1, 2].map(|seed| run(&scenario, seed, false));
    assert_eq!(first, second);
    assert_ne!(first.trace, third.trace);
}

#[test]
fn every_topology_carries_most_of_a_stream_and_hardly_any_makes_it_stall() {
    // What a tree loses only the origin brings, and late.
    for (topology, most) in
        [("'mesh'", 0.01), ("'tree'", 0.05), ("'hybrid'", 0.01), ("{ striped = 2 }", 0.01)]
    {
        let scenario = scenario(35, topology, "");
        let (together, alone) = (run(&scenario, 3, false), run(&scenario, 3, true));
        let (offload, stalls) = (offload(&together), stalls(&together) - self::stalls(&alone));
        let delay = together.delay.expect("pieces came from peers");
        assert!(offload > 0.6, "{topology}: {offload} from peers");
        assert!(stalls < most, "{topology}: {stalls} more stalls than alone");
        assert!(delay.mean_s > 0.05 && delay.mean_s < 5.0, "{topology}: {delay:?}");
    }
}

#[test]
fn pushed_pieces_are_faster_than_those_that_are_asked_for() {
    let delay = |topology| run(&scenario(35, topology, ""), 4, false).delay.map_or(9.0, |delay| delay.mean_s);
    let (pushed, asked) = (delay("'hybrid'"), delay("'mesh'"));
    assert!(pushed * 1.5 < asked, "{pushed} s against {asked} s");
}

#[test]
fn a_stream_goes_on_when_a_fifth_vanish() {
    let scenario = scenario(40, "'hybrid'", "[[faults.crash]]\nat_s = 35\nshare = 0.2");
    let (together, alone) = (run(&scenario, 5, false), run(&scenario, 5, true));
    assert!(together.viewers.iter().filter(|seen| seen.came_s + seen.stayed_s < 36.0).count() > 4);
    assert!(offload(&together) > 0.5, "{}", offload(&together));
    assert!(stalls(&together) < stalls(&alone) + 0.02, "{} against {}", stalls(&together), stalls(&alone));
}

#[test]
fn nobody_stands_for_longer_than_a_part_when_three_of_ten_vanish_close_to_the_edge() {
    let ten = include_str!("../../../scenarios/ten_browsers_low_latency.toml");
    // Four parts in hand, cut as they are born.
    let ten = ten.replace("buffer_s = 2.5", "buffer_s = 1.6").replace("segment_s = 2\n", "");
    let scenario = read(&format!("{ten}\n[[faults.crash]]\nat_s = 40\nshare = 0.3\n"));
    for seed in 1..=40 {
        let run = run(&scenario, seed, false);
        let longest = run.viewers.iter().map(|seen| seen.stalled_s).fold(0.0, f64::max);
        assert!(longest <= 0.4, "{longest} s with seed {seed}");
    }
}

#[test]
fn enemies_do_not_keep_a_stream_from_the_honest() {
    for faults in
        ["forgers = 0.15\nsilent = 0.1\nliars = 0.1\ndrips = 0.1", "whitewashers = 0.15\nwhitewash_s = 5"]
    {
        let scenario = scenario(30, "'hybrid'", &format!("[faults]\n{faults}"));
        let (among, alone) = (run(&scenario, 6, false), run(&scenario, 6, true));
        assert!(stalls(&among) < stalls(&alone) + 0.05, "{} against {}", stalls(&among), stalls(&alone));
    }
}

#[test]
fn what_is_pushed_does_not_keep_a_narrow_line_from_what_it_needs_first() {
    let lines = "may_upload = 0.8
        spread_ms = 5
        nat = { open = 1, cone = 0, port_restricted = 0, symmetric = 0, blocked = 0 }
        [[access]]
        name = 'wide'
        share = 0.6
        uplink = { uniform = { from_mbps = 6, to_mbps = 10 } }
        down_per_up = 5
        height_ms = 3
        loss = 0
        varies = false
        [[access]]
        name = 'narrow'
        share = 0.4
        uplink = { uniform = { from_mbps = 0.5, to_mbps = 0.6 } }
        down_per_up = 4
        height_ms = 8
        loss = 0
        varies = false";
    let mut scenario = scenario(40, "'hybrid'", "");
    scenario.audience.population = People::Own(toml::from_str(lines).unwrap());
    let (together, alone) = (run(&scenario, 8, false), run(&scenario, 8, true));
    assert!(offload(&together) > 0.6, "{}", offload(&together));
    assert!(stalls(&together) < stalls(&alone) + 0.02, "{} against {}", stalls(&together), stalls(&alone));
}

#[test]
fn an_audience_that_comes_all_at_once_does_not_starve_those_who_fetch_for_it() {
    // Ten viewers, then twenty more each second, and an origin that carries three. If all called it, they would
    // wait longer than this. Who starts sooner stands more often: what counts is both together.
    let text = "question = 'Does it start?'\nseconds = 30\n\
         film = { segment_s = 0.4, piece_kib = 16, rungs_kbps = [350, 750, 1600] }\n\
         live = { buffer_s = 10 }\n\
         audience = { viewers = 250, come = [[0, 1], [8, 1], [8, 15], [20, 15]] }\n\
         origin = { total_mbps = 8 }";
    let (mut waited_s, mut stayed_s) = (0.0, 0.0);
    for viewer in (1..=6).flat_map(|seed| run(&read(text), seed, false).viewers) {
        waited_s += viewer.startup_s.unwrap_or(viewer.stayed_s) + viewer.stalled_s;
        stayed_s += viewer.stayed_s;
    }
    assert!(waited_s < 0.3 * stayed_s, "they waited {waited_s} s of {stayed_s}");
}
