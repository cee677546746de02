//! Origin, tracker and neighbours that go away.

mod common;
use common::{Manner, World};
use std::time::Duration;

#[test]
fn without_the_origin_viewers_play_on_what_the_swarm_holds() {
    let mut world = World::new(40);
    world.join(Manner::Honest);
    world.run_for(Duration::from_secs(30));
    world.join(Manner::Honest);
    world.run_for(Duration::from_secs(5));
    world.origin_up = false;
    world.run_for(Duration::from_secs(40));
    let (first, second) = (&world.viewers[0], &world.viewers[1]);
    assert!(first.position > Duration::from_secs(64), "{:?}", first.position);
    assert!(second.position > Duration::from_secs(40), "{:?}", second.position);
    assert_eq!(second.stalls, 0);
    let held_at_loss = world.fetched.len();
    world.origin_up = true;
    world.run_for(Duration::from_secs(140));
    assert!(world.fetched.len() > held_at_loss);
    assert!((0..2).all(|at| world.is_over(at)), "both recover and see the end");
}

#[test]
fn without_the_tracker_linked_viewers_go_on() {
    let mut world = World::new(30);
    for _ in 0..3 {
        world.join(Manner::Honest);
        world.run_for(Duration::from_secs(3));
    }
    world.tracker_up = false;
    let before: u64 = world.viewers.iter().map(|v| v.from_peers).sum();
    world.run_for(Duration::from_secs(130));
    assert!(world.viewers.iter().all(|v| v.stalls == 0));
    assert!(world.viewers.iter().map(|v| v.from_peers).sum::<u64>() > before + 20_000_000);
    assert!(world.copies() < 1.3, "{:.2}", world.copies());
}

#[test]
fn neighbours_that_vanish_stall_nobody() {
    let mut world = World::new(30);
    for at in 0..12 {
        world.join(Manner::Honest);
        world.run_for(Duration::from_secs(3));
        if at >= 4 {
            world.crash(at - 4); // four viewers at any time, the oldest always leaves
        }
    }
    world.run_for(Duration::from_secs(130));
    for viewer in world.viewers.iter().filter(|v| !v.gone) {
        assert_eq!(viewer.stalls, 0);
        assert!(viewer.position >= Duration::from_secs(119));
    }
}

#[test]
fn spare_upload_of_one_feeds_many() {
    let mut world = World::new(20);
    world.join_with(Manner::Honest, swarm::Config { upload: 12_000_000, ..Default::default() }, 100_000_000);
    world.run_for(Duration::from_secs(60));
    for _ in 0..6 {
        world.join_with(Manner::Honest, swarm::Config { upload: 0, ..Default::default() }, 1_000_000);
    }
    world.run_for(Duration::from_secs(90));
    let taken: u64 = world.viewers[1..].iter().map(|v| v.from_origin).sum();
    let given = world.viewers[0].to_peers;
    assert!(given > 4 * taken, "{given} from the neighbour, {taken} from the origin");
    assert!(world.viewers.iter().all(|v| v.stalls == 0));
}

#[test]
fn without_the_origin_a_slow_holder_still_carries_the_film_home() {
    let mut world = World::new(10);
    world.join_with(Manner::Honest, swarm::Config::default(), 700_000);
    world.viewers[0].video = 0; // 478 kbit/s with sound, over a line of 700
    world.run_for(Duration::from_secs(45));
    world.origin_up = false;
    world.join(Manner::Honest);
    world.viewers[1].video = 0;
    world.run_for(Duration::from_secs(60));
    assert!(world.is_over(1), "it is at {:?}", world.viewers[1].position);
}
