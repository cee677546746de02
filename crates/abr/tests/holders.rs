//! What neighbours hold.

mod common;
use abr::{Abr, Config, Rung, State, Swarm};
use common::{doubling, playing, teach};
use std::time::Duration;

/// Rungs are a factor of 2 apart: a bonus of 0.7 is just worth one.
fn config(bonus: f64) -> Config {
    Config { swarm: Swarm { holders: 3, bonus }, ..common::throughput() }
}

fn choose(config: Config, mbps: f64, current: Rung, holders: &[u32]) -> Rung {
    let mut abr = Abr::new(config, doubling());
    teach(&mut abr, mbps, 5);
    abr.choose(&State { holders, ..playing(current, Duration::from_secs(20)) })
}

#[test]
fn a_rung_that_enough_neighbours_hold_draws_the_choice_by_one() {
    assert_eq!(choose(config(0.7), 2.5, Rung(2), &[]), Rung(2));
    assert_eq!(choose(config(0.7), 2.5, Rung(2), &[0, 3, 0, 0]), Rung(1));
    assert_eq!(choose(config(0.7), 2.5, Rung(2), &[0, 2, 0, 0]), Rung(2), "two are not enough");
    assert_eq!(choose(config(0.7), 2.5, Rung(2), &[0, 9, 3, 0]), Rung(2), "it is held where it is");
}

#[test]
fn however_large_the_bonus_it_draws_no_further_than_one() {
    assert_eq!(choose(config(1e9), 2.5, Rung(2), &[9, 0, 0, 0]), Rung(2));
    assert_eq!(choose(config(1e9), 9.0, Rung(3), &[9, 9, 0, 0]), Rung(3));
    assert_eq!(choose(config(1e9), 0.6, Rung(0), &[0, 0, 9, 9]), Rung(0));
}

#[test]
fn a_bonus_smaller_than_the_step_draws_nothing() {
    assert_eq!(choose(config(0.6), 2.5, Rung(2), &[0, 9, 0, 0]), Rung(2));
    assert_eq!(choose(config(0.0), 2.5, Rung(2), &[0, 9, 0, 0]), Rung(2));
}

#[test]
fn it_draws_up_only_where_the_network_could_follow() {
    // 2.1 Mbit/s less the rule's tenth is below 2.
    assert_eq!(choose(config(0.7), 2.1, Rung(1), &[0, 0, 9, 0]), Rung(2));
    assert_eq!(choose(config(0.7), 1.9, Rung(1), &[0, 0, 9, 0]), Rung(1));
    // Nor past the rung that one step up allows.
    let one_up = Config { one_up: true, ..config(0.7) };
    assert_eq!(choose(one_up, 9.0, Rung(0), &[0, 0, 9, 0]), Rung(1));
}

#[test]
fn of_a_slow_origin_only_what_somebody_holds_is_asked_for() {
    let mut abr = Abr::new(config(0.0), doubling());
    teach(&mut abr, 2.5, 5);
    let slow = |holders: &'static [u32], buffer_s| State {
        holders,
        origin_is_slow: true,
        ..playing(Rung(2), Duration::from_secs(buffer_s))
    };
    for (holders, chosen) in [(&[1, 1, 1, 1], 2), (&[1, 0, 0, 1], 0), (&[0, 0, 0, 1], 3), (&[0, 0, 0, 0], 2)]
    {
        assert_eq!(abr.choose(&slow(holders, 20)), Rung(chosen), "{holders:?}");
        assert_eq!(abr.choose(&State { origin_is_slow: false, ..slow(holders, 20) }), Rung(2));
    }
    // What was asked for before that was known is given up once there is nothing to play, for what somebody holds.
    assert_eq!(abr.choose_instead(Rung(1), &slow(&[0, 0, 1, 0], 0)), Some(Rung(2)));
    assert_eq!(abr.choose_instead(Rung(1), &slow(&[0, 0, 1, 0], 1)), None, "there is");
    assert_eq!(abr.choose_instead(Rung(1), &slow(&[0, 1, 1, 0], 0)), None, "it comes");
    assert_eq!(abr.choose_instead(Rung(1), &slow(&[0, 0, 0, 0], 0)), None, "nobody holds any");
    let quick = State { origin_is_slow: false, ..slow(&[0, 0, 1, 0], 0) };
    assert_eq!(abr.choose_instead(Rung(1), &quick), None);
}

#[test]
fn every_rule_is_drawn_by_one_at_most() {
    for rule in common::every_rule() {
        let with = Config { swarm: Swarm { holders: 3, bonus: 1e9 }, ..rule.clone() };
        for mbps in [0.3, 0.8, 1.7, 3.0, 9.0] {
            for mask in 0..16 {
                let holders = [0, 1, 2, 3].map(|rung| if mask >> rung & 1 == 1 { 5 } else { 0 });
                for current in [0, 1, 2, 3].map(Rung) {
                    let free = choose(rule.clone(), mbps, current, &[]);
                    let drawn = choose(with.clone(), mbps, current, &holders);
                    assert!(free.0.abs_diff(drawn.0) <= 1);
                    assert!(drawn == free || holders[drawn.0] >= 3);
                }
            }
        }
    }
}
