//! What viewers do: seek, switch, join late, pause, sleep.

mod common;
use common::{Manner, SEGMENT, World};
use manifest::SegmentId;
use std::time::Duration;
use swarm::{Config, Input, Output, Peer, Player, Time};

fn two_viewers(segments: u32, apart: Duration) -> World {
    let mut world = World::new(segments);
    world.join(Manner::Honest);
    world.run_for(apart);
    world.join(Manner::Honest);
    world
}

#[test]
fn a_late_joiner_gets_nearly_everything_from_the_one_before() {
    let mut world = two_viewers(20, Duration::from_secs(60));
    world.run_for(Duration::from_secs(90));
    assert!(world.is_over(1));
    let late = &world.viewers[1];
    assert_eq!(late.stalls, 0);
    assert!(
        late.from_peers > 9 * late.from_origin,
        "{} from peers, {} from the origin",
        late.from_peers,
        late.from_origin
    );
}

#[test]
fn a_seek_into_what_nobody_holds_is_answered_by_the_origin_at_once() {
    let mut world = two_viewers(60, Duration::from_secs(2));
    world.run_for(Duration::from_secs(20));
    world.seek(1, Duration::from_secs(200));
    world.run_for(Duration::from_secs(10));
    let viewer = &world.viewers[1];
    assert!(viewer.position > Duration::from_secs(209), "at {:?}", viewer.position);
    assert!(viewer.stalled <= Duration::from_millis(600), "stalled {:?}", viewer.stalled);
}

#[test]
fn a_seek_into_what_a_neighbour_holds_is_answered_by_the_neighbour() {
    let mut world = two_viewers(30, Duration::from_secs(60));
    world.run_for(Duration::from_secs(10));
    let before = world.viewers[1].from_origin;
    world.seek(1, Duration::from_secs(44));
    world.run_for(Duration::from_secs(10));
    let viewer = &world.viewers[1];
    assert!(viewer.position > Duration::from_secs(53), "at {:?}", viewer.position);
    assert!(viewer.from_origin - before < 1_000_000, "{} bytes from the origin", viewer.from_origin - before);
}

#[test]
fn a_quality_switch_keeps_the_links() {
    let mut world = two_viewers(30, Duration::from_secs(30));
    world.run_for(Duration::from_secs(10));
    let before = world.viewers[1].core.snapshot().links;
    world.viewers[1].video = 1;
    world.run_for(Duration::from_secs(40));
    let after = world.viewers[1].core.snapshot().links;
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_eq!(before[0].link, after[0].link);
    assert_eq!(world.viewers[1].stalls, 0);
    assert!(world.viewers[1].delivered.iter().any(|s| s.rendition == 1));
}

#[test]
fn the_last_piece_of_the_film_arrives_like_any_other() {
    let mut world = two_viewers(3, Duration::from_secs(1));
    world.run_for(Duration::from_secs(20));
    for viewer in &world.viewers {
        assert!(
            viewer.delivered.contains(&SegmentId::new(2, 3))
                && viewer.delivered.contains(&SegmentId::new(3, 3))
        );
    }
}

#[test]
fn a_tab_that_slept_for_a_minute_goes_on() {
    let mut core = Peer::new(common::peer_id(0), Config::default(), 1);
    let film = common::film(30);
    let mut out = Vec::new();
    core.handle(Time::from_millis(0), Input::Film(&film), &mut out);
    core.handle(Time::from_millis(10), Input::Want(SegmentId::new(2, 1)), &mut out);
    assert!(out.contains(&Output::Fetch { segment: SegmentId::new(2, 1), first: 0, end: 25 }));
    out.clear();
    let woke = core.handle(Time::from_millis(60_000), Input::Wake, &mut out);
    assert!(woke.is_some_and(|next| next > Time::from_millis(60_000)), "it names a time to come");
    core.handle(Time::from_millis(60_010), Input::Want(SegmentId::new(3, 1)), &mut out);
    assert!(out.iter().any(|o| matches!(o, Output::Fetch { segment, .. } if segment.rendition == 3)));
}

#[test]
fn a_paused_player_leaves_the_origin_alone_once_it_could_start() {
    let mut core =
        Peer::new(common::peer_id(0), Config { fetch_ahead: Duration::ZERO, ..Config::default() }, 1);
    let film = common::film(30);
    let mut out = Vec::new();
    core.handle(Time::from_millis(0), Input::Film(&film), &mut out);
    let player = Player {
        position: SEGMENT * 2,
        buffered: Duration::from_secs(20),
        playing: false,
        rate_permille: 1000,
    };
    core.handle(Time::from_millis(10), Input::Audience(1), &mut out);
    core.handle(Time::from_millis(10), Input::Strangers(&[common::peer_id(1)]), &mut out);
    core.handle(Time::from_millis(10), Input::Player(player), &mut out);
    out.clear();
    core.handle(Time::from_millis(20), Input::Want(SegmentId::new(2, 8)), &mut out);
    assert!(!out.iter().any(|o| matches!(o, Output::Fetch { .. })), "{out:?}");
}
