//! The swarm as a whole: how little the origin has to give, and that nobody pays for it.

mod common;
use common::{Manner, World};
use std::time::Duration;
use swarm::Config;

fn ten_viewers(world: &mut World) {
    for _ in 0..10 {
        world.join(Manner::Honest);
        world.run_for(Duration::from_secs(2));
    }
    world.run_for(Duration::from_secs(140));
}

#[test]
fn ten_viewers_cost_the_origin_little_more_than_one() {
    let mut world = World::new(30);
    ten_viewers(&mut world);
    for (at, viewer) in world.viewers.iter().enumerate() {
        assert!(world.is_over(at), "viewer {at} reached the end");
        assert_eq!(viewer.stalls, 0, "viewer {at}");
        let started = viewer.started.expect("it played").since(viewer.joined);
        assert!(started < Duration::from_millis(600), "viewer {at} started after {started:?}");
    }
    assert!(world.copies() < 1.5, "{:.2} copies", world.copies());
    let wasted: u64 = world.viewers.iter().map(|v| v.wasted).sum();
    let received: u64 = world.viewers.iter().map(|v| v.from_origin + v.from_peers).sum();
    assert!((wasted as f64) < 0.03 * received as f64, "{wasted} of {received} came twice");
}

#[test]
fn an_origin_that_carries_two_streams_feeds_ten_viewers() {
    let mut world = World::new(30);
    world.origin_bps = 3_400_000;
    ten_viewers(&mut world);
    let stalled: Duration = world.viewers.iter().map(|v| v.stalled).sum();
    let late = world.viewers.iter().filter(|v| v.position < Duration::from_secs(119)).count();
    assert!(
        stalled < Duration::from_secs(10),
        "{stalled:?}: {:?}",
        world.viewers.iter().map(|v| v.stalled).collect::<Vec<_>>()
    );
    assert_eq!(late, 0, "everybody saw the film");
}

#[test]
fn a_lone_viewer_is_served_by_the_origin_alone() {
    let mut world = World::new(10);
    world.join(Manner::Honest);
    world.run_for(Duration::from_secs(45));
    assert!(world.is_over(0));
    assert_eq!(world.viewers[0].stalls, 0);
    let first = world.film.renditions[0].segments[0].size as u64; // the first picture comes from the lowest rung
    let skipped = world.film.renditions[2].segments[0].size as u64;
    assert_eq!(world.origin_bytes(), world.film_bytes(2) + first - skipped, "every byte once");
}

#[test]
fn viewers_who_share_nothing_are_served_all_the_same() {
    let mut world = World::new(15);
    for _ in 0..3 {
        world.join_with(Manner::Honest, Config { upload: 0, ..Config::default() }, 20_000_000);
        world.run_for(Duration::from_secs(2));
    }
    world.run_for(Duration::from_secs(70));
    assert!(world.viewers.iter().all(|v| v.to_peers == 0 && v.stalls == 0));
    assert!((0..3).all(|at| world.is_over(at)));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let mut world = World::new(12);
        for _ in 0..4 {
            world.join(Manner::Honest);
            world.run_for(Duration::from_secs(1));
        }
        world.run_for(Duration::from_secs(50));
        world.viewers.iter().map(|v| (v.from_origin, v.from_peers, v.started)).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}
