//! Getting ahead of the window from upload that nobody else needs.

mod common;
use common::{Manner, World};
use std::time::Duration;
use swarm::Config;

/// How far beyond its position the second of two viewers holds the film, when the first is a minute ahead of it.
fn ahead(config: &Config, uplink_bps: u64) -> Duration {
    let mut world = World::new(45); // three minutes
    let first = world.join_with(Manner::Honest, config.clone(), uplink_bps);
    world.run_for(Duration::from_secs(60));
    let second = world.join_with(Manner::Honest, config.clone(), uplink_bps);
    world.run_for(Duration::from_secs(40));
    assert!(world.viewers[first].stalls + world.viewers[second].stalls == 0);
    let viewer = &world.viewers[second];
    let last = viewer.held.iter().map(|(segment, _)| segment.sequence).max().unwrap_or(0);
    (Duration::from_secs(4) * last).saturating_sub(viewer.position)
}

#[test]
fn who_has_its_window_gets_ahead_of_it_while_others_have_upload_to_spare() {
    let config = Config::default();
    let far = ahead(&config, 50_000_000);
    assert!(far > config.window + Duration::from_secs(12), "{far:?}");
}

#[test]
fn nobody_is_asked_to_give_what_it_has_not_to_spare() {
    // The window alone takes nearly all that the first has to give.
    let config = Config { upload: 250_000, ..Config::default() };
    let far = ahead(&config, 2_000_000);
    assert!(far <= config.window + config.fetch_ahead + Duration::from_secs(8), "{far:?}");
}

#[test]
fn from_the_origin_nobody_fetches_beyond_its_window_what_nobody_else_lacks() {
    let config = Config::default();
    let mut world = World::new(45);
    let lone = world.join_with(Manner::Honest, config.clone(), 50_000_000);
    world.run_for(Duration::from_secs(20));
    let viewer = &world.viewers[lone];
    let last = viewer.held.iter().map(|(segment, _)| segment.sequence).max().unwrap_or(0);
    let far = (Duration::from_secs(4) * last).saturating_sub(viewer.position);
    assert!(far > config.window - Duration::from_secs(8), "{far:?}");
    assert!(far <= config.window + Duration::from_secs(4), "{far:?}");
}
