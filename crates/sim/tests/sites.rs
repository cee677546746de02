//! Offices: who sends what to whom, and how often their lines carry it.

mod whole;

use sim::Scenario;
use sim::figures::{Run, Sites};
use whole::{read, run};

/// Viewers half of whom are in two offices of these modes, who watch for a while.
fn scenario(viewers: u32, modes: [&str; 2], more: &str) -> Scenario {
    let site = |(place, mode): (usize, &str)| {
        format!(
            "[[sites]]\nname = '{mode}'\nshare = 0.25\nnetwork = '203.0.113.{}/28'\nmode = '{mode}'\n\
             down_mbps = 40\nup_mbps = 10\n",
            16 * place
        )
    };
    let sites: String = modes.into_iter().enumerate().map(site).collect();
    read(&format!(
        "question = 'What happens?'\nseconds = 180\n\
         audience = {{ viewers = {viewers}, come = [[0, 1], [20, 1]], choose = 'throughput' }}\n{more}\n{sites}"
    ))
}

const FILM: &str = "film = { seconds = 120, rungs_kbps = [350, 750, 1600] }";
const LIVE: &str = "film = { segment_s = 0.4, piece_kib = 16, rungs_kbps = [350, 750, 1600] }\n\
                    live = { buffer_s = 10, stay = { zappers = 0, zapper_mean_s = 1, median_s = 3600, sd_ln = 0.1, abrupt = 0 } }";

fn sites(run: &Run) -> &Sites {
    run.sites.as_ref().unwrap()
}

#[test]
fn an_office_that_meets_nobody_outside_brings_a_film_and_a_stream_over_its_line_about_once() {
    for more in [FILM, LIVE] {
        let scenario = scenario(40, ["on", "on"], more);
        let (together, alone) = (run(&scenario, 1, false), run(&scenario, 1, true));
        let (sites, alone) = (sites(&together), sites(&alone));
        assert_eq!(sites.between_apart, 0);
        for (office, place) in sites.places.iter().enumerate().take(2) {
            let watched = place.watched as f64;
            let copies = sites.came_in(office) as f64 / watched;
            assert!(copies < 1.5, "{copies} copies for {}", place.viewers);
            let copies = alone.came_in(office) as f64 / alone.places[office].watched as f64;
            assert!(copies > 5.0, "{copies} copies alone");
            let outside: u64 = (0..3).filter(|&to| to != office).map(|to| sites.sent[office][to]).sum();
            assert_eq!((outside, sites.came_in(office)), (0, place.from_origin));
            assert!(sites.sent[office][office] > 3 * place.watched);
        }
        assert!(sites.sent[2][2] > 0, "elsewhere they meet, too");
    }
}

#[test]
fn each_office_exchanges_with_whom_its_mode_lets_it() {
    let run_with = |modes| run(&scenario(40, modes, FILM), 2, false);
    let (first, second) = (run_with(["wan", "off"]), run_with(["leech-only", "on"]));
    let (first, second) = (sites(&first), sites(&second));
    assert_eq!((first.between_apart, second.between_apart), (0, 0));
    let [wan, off, elsewhere] = [0, 1, 2];
    assert!([wan, elsewhere].iter().all(|&to| first.sent[wan][to] > 0 && first.sent[to][wan] > 0));
    assert!((0..3).all(|other| first.sent[off][other] + first.sent[other][off] == 0));
    let [leech, on] = [0, 1];
    assert!(second.sent[elsewhere][leech] > 1_000_000);
    assert_eq!((second.sent[leech][leech], second.sent[on][leech] + second.sent[leech][on]), (0, 0));
    // It asks for what it takes, and gives no media.
    let (taken, said) = (second.sent[elsewhere][leech], second.sent[leech][elsewhere]);
    assert!(said < taken / 20, "{said} for {taken}");
    assert!(second.sent[on][on] > 0 && second.sent[on][elsewhere] == 0);
}

#[test]
fn sites_that_cannot_be_say_why() {
    let good = scenario(4, ["on", "off"], FILM);
    assert!(good.check().is_ok());
    let mut wide = good.clone();
    wide.sites[0].lan_mbps = 20.0;
    assert_eq!(wide.check().unwrap_err().place, "sites");
    let mut many = good;
    many.sites[1].share = 0.8;
    assert_eq!(many.check().unwrap_err().place, "sites");
    let site = "name = 'x'\nshare = 0.5\nmode = 'on'\ndown_mbps = 9\nup_mbps = 9";
    let bad = toml::from_str::<sim::scenario::Site>(&format!("{site}\nnetwork = 'office'")).unwrap_err();
    assert!(bad.to_string().contains("office is no network"), "{bad}");
}
