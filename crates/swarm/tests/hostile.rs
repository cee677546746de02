//! Neighbours that forge, drop, dawdle or lie.

mod common;
use common::{Manner, World};
use std::time::Duration;
use swarm::Hangup;

/// Five viewers, those after the first with the given manners, and how long each honest one stalled.
fn film_among(manners: [Manner; 5]) -> World {
    let mut world = World::new(20);
    for manner in manners {
        world.join(manner);
        world.run_for(Duration::from_secs(2));
    }
    world.run_for(Duration::from_secs(95));
    for (at, manner) in manners.iter().enumerate() {
        if *manner == Manner::Honest {
            assert!(world.is_over(at), "viewer {at} saw the whole film");
            assert_eq!(world.viewers[at].stalls, 0, "viewer {at}");
        }
    }
    world
}

use Manner::{Forger, Honest, Liar, Silent, Slow};

#[test]
fn a_forger_is_cut_off_by_each_victim_after_its_first_piece() {
    let world = film_among([Honest, Forger, Honest, Honest, Honest]);
    for victim in [0, 2, 3, 4] {
        let viewer = &world.viewers[victim];
        assert!(viewer.forged_in <= 1, "viewer {victim} took {} forged pieces", viewer.forged_in);
        assert_eq!(viewer.core.snapshot().refused, u64::from(viewer.forged_in));
        if viewer.forged_in == 1 {
            assert!(viewer.hangups.contains(&(1, Hangup::Forger)));
            assert!(
                viewer.core.snapshot().links.iter().all(|l| l.peer != common::peer_id(1)),
                "and never again"
            );
        }
    }
    assert!(world.viewers.iter().map(|v| v.forged_in).sum::<u32>() > 0, "it did forge");
}

#[test]
fn a_neighbour_that_answers_nothing_is_dropped_and_stalls_nobody() {
    let world = film_among([Honest, Silent, Honest, Honest, Honest]);
    let dropped = world.viewers.iter().any(|v| v.hangups.contains(&(1, Hangup::Unresponsive)));
    assert!(dropped, "somebody gave up on it");
}

#[test]
fn a_slow_neighbour_stalls_nobody() {
    film_among([Honest, Slow, Honest, Honest, Honest]);
}

#[test]
fn the_only_holder_may_be_slow() {
    film_among([Slow, Honest, Honest, Honest, Honest]);
}

#[test]
fn one_that_says_it_holds_everything_stalls_nobody() {
    let world = film_among([Liar, Honest, Honest, Honest, Honest]);
    let dropped = world.viewers.iter().any(|v| v.hangups.contains(&(0, Hangup::Unresponsive)));
    assert!(dropped, "what it refused told against it");
}

#[test]
fn three_kinds_at_once_stall_nobody() {
    film_among([Honest, Forger, Silent, Slow, Honest]);
}

#[test]
fn a_viewer_among_nobody_but_enemies_is_served_by_the_origin() {
    let world = film_among([Forger, Silent, Slow, Liar, Honest]);
    let started = world.viewers[4].started.expect("it played").since(world.viewers[4].joined);
    assert!(started < Duration::from_millis(600), "{started:?}");
}
