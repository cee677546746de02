//! Links that break off.

mod common;
use abr::Rung;
use common::{VOD, every_rule, film, link, view};
use std::time::Duration;

#[test]
fn an_outage_does_not_empty_a_buffer_that_had_time_to_fill() {
    // The whole film is longer than the first 300 s and the outage.
    let trace = link(&[(300.0, 6.0), (25.0, 0.0), (1000.0, 6.0)]);
    for config in every_rule() {
        let steps = view(&config, &film(100), &trace, VOD);
        let longest = steps.iter().map(|(step, _)| step.took).max().unwrap();
        assert!(longest > Duration::from_secs(25), "the outage was not met");
        assert!(steps[1..].iter().all(|(step, _)| step.stalled.is_zero()), "{config:?}");
    }
}

#[test]
fn after_an_outage_the_planner_is_careful_and_then_forgets() {
    let trace = link(&[(100.0, 10.0), (25.0, 0.0), (1000.0, 10.0)]);
    let steps = view(&common::mpc(), &film(100), &trace, VOD);
    let met = steps.iter().position(|(step, _)| step.took > Duration::from_secs(20)).unwrap();
    assert_eq!(steps[met].0.rung, Rung(5));
    assert!(steps[met + 1].0.rung < Rung(5), "nothing was learned");
    assert!(steps[met + 12..].iter().all(|(step, _)| step.rung == Rung(5)), "nothing was forgotten");
}

#[test]
fn a_link_that_slows_down_for_good_is_followed_before_the_buffer_is_gone() {
    let trace = link(&[(100.0, 6.0), (10_000.0, 1.0)]);
    for config in every_rule() {
        let steps = view(&config, &film(150), &trace, VOD);
        assert!(steps[1..].iter().all(|(step, _)| step.stalled.is_zero()), "{config:?}");
    }
}
