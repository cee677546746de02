//! Buffers as short as a live viewer's.

mod common;
use abr::environment::Preset;
use abr::{Bola, Config, Policy, Rung};
use common::{LIVE, bola, film, link, mean_quality, view};
use std::time::Duration;

/// As for a film: thresholds of 10 and 30 s whatever the buffer.
fn fixed() -> Config {
    Config { policy: Policy::Bola(Bola { low_share: 1.0, high_share: 1e9, ..Bola::default() }), ..bola() }
}

#[test]
fn bola_does_not_collapse_when_the_buffer_ends_below_its_thresholds() {
    let fast = link(&[(1.0, 40.0)]);
    let settled =
        |config| view(&config, &film(60), &fast, LIVE)[10..].iter().map(|(step, _)| step.rung).min();
    assert_eq!(settled(fixed()), Some(Rung(0)));
    assert!(settled(bola()) >= Some(Rung(3)));
}

#[test]
fn bola_without_a_long_buffer_is_better_for_scaled_thresholds() {
    for preset in [Preset::NORWAY3G, Preset::FCC, Preset::OBOE] {
        let (scaled, fixed) =
            (mean_quality(&bola(), &preset, 40, LIVE), mean_quality(&fixed(), &preset, 40, LIVE));
        assert!(scaled > fixed, "{}: {scaled} against {fixed}", preset.name);
    }
}

#[test]
fn with_a_long_buffer_the_thresholds_are_the_usual_ones() {
    let capacity = Duration::from_secs(60);
    for mbps in [0.5, 1.5, 3.4, 40.0] {
        let trace = link(&[(1.0, mbps)]);
        assert_eq!(view(&bola(), &film(60), &trace, capacity), view(&fixed(), &film(60), &trace, capacity));
    }
}

#[test]
fn a_buffer_of_one_segment_still_plays() {
    for config in common::every_rule() {
        let steps = view(&config, &film(60), &link(&[(1.0, 5.0)]), Duration::from_secs(4));
        assert!(steps[10..].iter().all(|(step, _)| step.stalled < Duration::from_secs(1)), "{config:?}");
    }
}
