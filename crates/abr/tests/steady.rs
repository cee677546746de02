//! Links that stay as they are.

mod common;
use abr::{Config, Rung};
use common::{LIVE, VOD, every_rule, film, link, view};

/// Mbit/s and the highest rung they sustain: between 1.2 and 1.85, between 2.85 and 4.3, far above all.
const LINKS: [(f64, Rung); 3] = [(1.5, Rung(2)), (3.7, Rung(4)), (40.0, Rung(5))];

#[test]
fn a_steady_link_ends_at_the_highest_rung_it_sustains() {
    for (mbps, sustained) in LINKS {
        for capacity in [LIVE, VOD] {
            let steps = view(&common::throughput(), &film(200), &link(&[(1.0, mbps)]), capacity);
            assert!(steps[100..].iter().all(|(step, _)| step.rung == sustained), "{mbps} Mbit/s");
        }
    }
}

#[test]
fn a_planner_never_falls_below_that_and_spends_what_is_over_on_the_next() {
    for (mbps, sustained) in LINKS {
        for capacity in [LIVE, VOD] {
            let steps = view(&common::mpc(), &film(200), &link(&[(1.0, mbps)]), capacity);
            let late = &steps[100..];
            assert!(late.iter().all(|(step, _)| step.stalled.is_zero()), "{mbps} Mbit/s, {capacity:?}");
            let next = sustained.0..=sustained.0 + 1;
            assert!(late.iter().all(|(step, _)| next.contains(&step.rung.0)), "{mbps} Mbit/s, {capacity:?}");
        }
    }
}

#[test]
fn a_rule_of_the_buffer_swings_round_what_the_link_sustains() {
    let steps = view(&common::bola(), &film(200), &link(&[(1.0, 3.4)]), VOD);
    let late = &steps[100..];
    assert!(late.iter().all(|(step, _)| step.stalled.is_zero() && step.rung >= Rung(3)));
    let mean = late.iter().map(|(step, _)| step.rung.0 as f64).sum::<f64>() / late.len() as f64;
    assert!((4.0..5.0).contains(&mean), "rung {mean}");
}

#[test]
fn a_link_below_the_lowest_rung_gets_the_lowest() {
    for config in every_rule() {
        let steps = view(&config, &film(30), &link(&[(1.0, 0.2)]), VOD);
        assert!(steps[2..].iter().all(|(step, _)| step.rung == Rung(0)), "{config:?}");
    }
}

#[test]
fn the_first_rung_is_the_one_within_the_configured_rate() {
    for (start_bps, rung) in [(0, Rung(0)), (1_000_000, Rung(1)), (1_200_000, Rung(2)), (u32::MAX, Rung(5))] {
        for config in every_rule() {
            let config = Config { start_bps, ..config };
            assert_eq!(view(&config, &film(1), &link(&[(1.0, 5.0)]), VOD)[0].0.rung, rung);
        }
    }
}
