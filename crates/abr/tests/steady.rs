//! Links that stay as they are.

mod common;
use abr::{Config, Rung};
use common::{LIVE, VOD, every_rule, film, link, view};

#[test]
fn a_steady_link_ends_at_the_highest_rung_it_sustains() {
    // Payload rates between the rungs of 1.2 and 1.85, 2.85 and 4.3 Mbit/s, and far above all.
    for (mbps, sustained) in [(1.5, Rung(2)), (3.4, Rung(4)), (40.0, Rung(5))] {
        for config in [common::throughput(), common::mpc()] {
            let steps = view(&config, &film(200), &link(&[(1.0, mbps)]), LIVE);
            for (step, _) in &steps[190..] {
                assert_eq!(step.rung, sustained, "{mbps} Mbit/s, {config:?}");
                assert!(step.stalled.is_zero());
            }
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
