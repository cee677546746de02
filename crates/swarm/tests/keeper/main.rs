//! Peers that keep for others: what they fetch, for whom, how often, and what it costs when they do not.

#[path = "../common/mod.rs"]
mod common;
mod random;
mod thin;

use common::stage::Stage;
use common::{AUDIO, Manner, World, film};
use manifest::SegmentId;
use std::collections::BTreeMap;
use std::time::Duration;
use swarm::{Config, Input, Link, Output, Player, Source, Verdict};
use wire::{Have, Message, Playing, Refusal, Run};

const GIGABIT: u64 = 1_000_000_000;

/// A film among viewers who come with a keeper there, each so long after the one before.
fn film_with(keeper: Config, manner: Manner, viewers: usize, apart: Duration) -> World {
    let mut world = World::new(45);
    let keeper = world.join_with(manner, keeper, GIGABIT);
    world.viewers[keeper].watches = false;
    world.run_for(Duration::from_secs(1));
    for _ in 0..viewers {
        world.join(Manner::Honest);
        world.run_for(apart);
    }
    world.run_for(Duration::from_secs(195));
    for (at, viewer) in world.viewers.iter().enumerate().skip(1) {
        assert!(world.is_over(at), "viewer {at} saw the whole film");
        assert_eq!(viewer.stalls, 0, "viewer {at}");
        let started = viewer.started.expect("it played").since(viewer.joined);
        assert!(started < Duration::from_millis(600), "viewer {at} started after {started:?}");
    }
    world
}

#[test]
fn what_viewers_want_is_fetched_once_by_the_keeper() {
    let world = film_with(Config::keeper(), Manner::Honest, 2, Duration::from_secs(60));
    let mut times: BTreeMap<SegmentId, u32> = BTreeMap::new();
    for (_, segment) in world.fetched.iter().filter(|(at, _)| *at == 0) {
        *times.entry(*segment).or_default() += 1;
    }
    assert!(times.values().all(|&times| times == 1), "{times:?}");
    assert!(world.copies() < 1.1, "{:.2} copies", world.copies());
    let by_viewers: u64 = world.viewers[1..].iter().map(|v| v.from_origin).sum();
    assert!(by_viewers * 10 < world.viewers[0].from_origin, "{by_viewers} were fetched by viewers");
}

#[test]
fn viewers_at_different_places_are_each_kept_for() {
    let mut world = World::new(60);
    let keeper = world.join_with(Manner::Honest, Config::keeper(), GIGABIT);
    world.viewers[keeper].watches = false;
    for minute in 0..3 {
        let at = world.join(Manner::Honest);
        world.run_for(Duration::from_secs(2));
        world.seek(at, Duration::from_secs(60 * minute));
    }
    world.run_for(Duration::from_secs(50));
    let by_viewers: u64 = world.viewers[1..].iter().map(|v| v.from_origin).sum();
    let kept = world.viewers[0].from_origin;
    assert!(by_viewers * 3 < kept, "{by_viewers} were fetched by viewers, {kept} by the keeper");
    assert!(world.viewers[1..].iter().all(|v| v.stalled < Duration::from_millis(1500)));
}

#[test]
fn a_keeper_that_comes_late_takes_from_viewers_what_they_have() {
    let mut world = World::new(45);
    world.join(Manner::Honest);
    world.run_for(Duration::from_secs(20));
    let keeper = world.join_with(Manner::Honest, Config::keeper(), GIGABIT);
    world.viewers[keeper].watches = false;
    world.run_for(Duration::from_secs(100));
    let keeper = &world.viewers[keeper];
    assert!(keeper.from_peers > 1_000_000, "{} bytes from the viewer", keeper.from_peers);
    assert!(world.copies() < 1.1, "{:.2} copies", world.copies());
}

#[test]
fn a_keeper_that_fetches_nothing_stalls_nobody() {
    let asleep = Config { fetches_max: 0, ..Config::keeper() };
    let world = film_with(asleep, Manner::Honest, 3, Duration::from_secs(2));
    assert_eq!(world.viewers[0].from_origin, 0);
    assert!(world.copies() < 2.0, "{:.2} copies", world.copies());
}

#[test]
fn a_keeper_that_lies_stalls_nobody() {
    for manner in [Manner::Liar, Manner::Silent, Manner::Forger] {
        film_with(Config::keeper(), manner, 3, Duration::from_secs(2));
    }
}

/// A keeper without neighbours.
fn keeper() -> Stage {
    Stage::new(Config::keeper())
}

/// It has found out that there is room for several qualities on its line.
fn behind_a_fast_line(stage: &mut Stage) {
    let first = SegmentId::new(2, 1);
    stage.feed(Input::Want(first));
    stage.pass(50);
    for piece in 0..film(30).piece_count(first) {
        let (from, verdict) = (Source::Origin, Verdict::Verified);
        stage.feed(Input::Arrived { segment: first, piece, from, verdict });
    }
    stage.feed(Input::FetchEnded { segment: first, complete: true });
}

/// One that [`Stage::greet`]'s neighbours play at once, and one that they will want.
const WANTED: SegmentId = SegmentId::new(2, 3);
const LATER: SegmentId = SegmentId::new(2, 8);

fn playing(position_ms: u32) -> Message {
    Message::Playing(Playing { position_ms, window_end_ms: position_ms + 40_000, video: 2, audio: AUDIO })
}

#[test]
fn what_a_keeper_itself_is_asked_for_is_fetched_at_once() {
    let mut stage = keeper();
    stage.feed(Input::Want(WANTED));
    assert!(stage.fetched(WANTED));
}

#[test]
fn a_keeper_says_so_and_plays_nothing() {
    let mut stage = keeper();
    stage.greet(1, false, 8000);
    stage.feed(Input::Want(WANTED));
    stage.pass(2000);
    let told = |wanted: &dyn Fn(&Message) -> bool| {
        stage.out.iter().any(|o| matches!(o, Output::Send(Link(1), message) if wanted(message)))
    };
    assert!(told(&|message| matches!(message, Message::Hello(hello) if hello.keeps)));
    assert!(told(&|message| matches!(message, Message::Playing(p) if (p.video, p.audio) == (255, 255))));
    assert!(!told(&|message| matches!(message, Message::Playing(p) if (p.position_ms, p.audio) != (0, 255))));
}

#[test]
fn what_was_held_before_is_served_and_what_is_lost_is_refused_and_comes_again() {
    let mut stage = keeper();
    behind_a_fast_line(&mut stage);
    for segment in (1..=30).flat_map(|sequence| [2, AUDIO].map(|r| SegmentId::new(r, sequence))) {
        stage.feed(Input::Held(segment));
    }
    stage.greet(1, false, 8000);
    stage.pass(500);
    let (whole, all) = (Run { first: WANTED, count: 1 }, Run { first: SegmentId::new(2, 1), count: 30 });
    let told = |stage: &Stage, wanted: &dyn Fn(&Have) -> bool| {
        stage.out.iter().any(|o| matches!(o, Output::Send(_, Message::Have(have)) if wanted(have)))
    };
    assert!(told(&stage, &|have| have.whole.contains(&all)));
    assert!(!stage.fetched(WANTED));
    stage.ask_of_it(1, 7, WANTED, 3, 1000);
    assert_eq!(stage.served(), [1]);
    // Two more wait for room while it is lost.
    stage.feed(Input::LinkRoom { link: Link(1), room: 0 });
    (8..10).for_each(|id| stage.ask_of_it(1, id, WANTED, id, 1000));
    stage.feed(Input::Lost(WANTED));
    for id in 8..10 {
        let refusal = Output::Send(Link(1), Message::Refuse { id, why: Refusal::Absent });
        assert!(stage.out.contains(&refusal), "{id}");
    }
    stage.pass(500);
    assert!(told(&stage, &|have| have.gone.contains(&whole)));
    assert!(!stage.fetched(WANTED), "who needs it at once fetches it itself");
    stage.feed(Input::Lost(LATER));
    stage.pass(500);
    assert!(!stage.fetched(LATER), "it may only pass through this quality");
    stage.pass(8000);
    assert!(stage.fetched(LATER), "its neighbour will want it");
    assert!(stage.served().is_empty());
}

#[test]
fn viewers_leave_the_fetching_ahead_to_a_keeper_until_time_runs_out() {
    let fetched_within = |keeper: bool, millis| {
        let mut stage = Stage::new(Config::default());
        stage.feed(Input::Audience(1));
        stage.play(8000, 12_000);
        if keeper {
            stage.greet_keeper(1, 1_000_000);
        }
        stage.pass(6000);
        stage.play(8000, 12_000);
        let next = SegmentId::new(2, 6);
        stage.feed(Input::Want(next));
        stage.pass(millis);
        stage.fetched(next)
    };
    assert!(fetched_within(false, 100));
    assert!(!fetched_within(true, 2000), "it is the keeper's part");
    assert!(fetched_within(true, 6000), "which it does not do");
}

#[test]
fn a_viewer_that_was_given_its_start_leaves_the_rest_to_the_keeper_before_it_plays() {
    let mut stage = Stage::new(Config::default());
    stage.feed(Input::Audience(1));
    stage.greet_keeper(1, 1_000_000);
    let stands =
        Player { position: Duration::ZERO, buffered: Duration::ZERO, playing: false, rate_permille: 1000 };
    stage.feed(Input::Player(stands));
    let (first, next) = (SegmentId::new(2, 1), SegmentId::new(2, 2));
    stage.feed(Input::Want(first));
    stage.pass(100);
    assert!(stage.fetched(first), "it begins by itself");
    for piece in 0..film(30).piece_count(first) {
        let (from, verdict) = (Source::Origin, Verdict::Verified);
        stage.feed(Input::Arrived { segment: first, piece, from, verdict });
    }
    stage.feed(Input::FetchEnded { segment: first, complete: true });
    stage.feed(Input::Want(next));
    stage.pass(2000);
    assert!(!stage.fetched(next));
}

#[test]
fn of_two_keepers_one_fetches() {
    let mut world = World::new(30);
    for _ in 0..2 {
        let keeper = world.join_with(Manner::Honest, Config::keeper(), GIGABIT);
        world.viewers[keeper].watches = false;
        world.run_for(Duration::from_secs(1));
    }
    world.join(Manner::Honest);
    world.run_for(Duration::from_secs(130));
    assert_eq!(world.viewers[2].stalls, 0);
    assert!(world.viewers[..2].iter().all(|keeper| keeper.from_origin > world.film_bytes(2) / 5));
    assert!(world.copies() < 1.15, "{:.2} copies", world.copies());
}

#[test]
fn one_that_jumps_about_is_not_fetched_for_without_end() {
    let mut stage = keeper();
    stage.greet(1, false, 8000);
    let mut fetched = Duration::ZERO;
    for second in 0..60u32 {
        stage.say(1, playing(second * 37 % 110 * 1000));
        for _ in 0..10 {
            stage.pass(100);
            let fetches: Vec<(SegmentId, u32)> = stage
                .out
                .drain(..)
                .filter_map(|o| match o {
                    Output::Fetch { segment, end, .. } => Some((segment, end)),
                    _ => None,
                })
                .collect();
            for (segment, end) in fetches {
                fetched += Duration::from_secs(4);
                for piece in 0..end {
                    let (from, verdict) = (Source::Origin, Verdict::Verified);
                    stage.feed(Input::Arrived { segment, piece, from, verdict });
                }
                stage.feed(Input::FetchEnded { segment, complete: true });
                stage.feed(Input::Lost(segment)); // so that there is no end to what is to be fetched
            }
        }
    }
    // Pictures and sound are counted apart: 40 s at once, and a minute.
    assert!(fetched <= Duration::from_secs(4 * 100 + 40), "{fetched:?}");
    assert!(fetched > Duration::from_secs(120), "{fetched:?}");
}
