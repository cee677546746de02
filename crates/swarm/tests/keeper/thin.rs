//! Behind a thin line: one quality for all, who follows a keeper in that, and who leaves it the line.

use crate::common::stage::Stage;
use crate::common::{AUDIO, Manner, World};
use crate::{GIGABIT, WANTED, keeper};
use manifest::SegmentId;
use std::time::Duration;
use swarm::{Config, Input, Verdict};
use wire::{Have, Message, Playing, Run};

/// Copies of the film that came over a line of two streams, and for how long pictures stood.
fn office(viewers: usize, keeps: bool, follows: bool) -> (f64, Duration) {
    let mut world = World::new(30);
    world.origin_bps = 3_400_000;
    if keeps {
        let keeper = world.join_with(Manner::Honest, Config::keeper(), GIGABIT);
        world.viewers[keeper].watches = false;
        world.run_for(Duration::from_secs(1));
    }
    for _ in 0..viewers {
        let viewer = world.join(Manner::Honest);
        world.viewers[viewer].follows = follows;
        world.run_for(Duration::from_secs(2));
    }
    world.run_for(Duration::from_secs(150));
    let viewers = || world.viewers.iter().filter(|v| v.watches);
    (world.copies(), viewers().map(|v| v.stalled).sum())
}

#[test]
fn an_office_behind_a_thin_line_is_better_off_with_a_keeper() {
    for viewers in [10, 20] {
        let without = office(viewers, false, false);
        let (copies, stalled) = office(viewers, true, true);
        let is_better = stalled < without.1 / 2 || stalled.is_zero();
        assert!(copies < 1.05 && is_better, "{viewers}: {copies:.2} copies, {stalled:?}, not {without:?}");
        // Who will have nothing but the best is no worse off than without one.
        let insisting = office(viewers, true, false);
        assert!(insisting.1 <= without.1, "{viewers}: {insisting:?}, not {without:?}");
    }
}

#[test]
fn a_keeper_says_what_its_line_carries_and_viewers_hear_it_once_it_gives_them_that() {
    let offered = |origin_bps: u64, uplink_bps: u64| {
        let mut world = World::new(30);
        world.origin_bps = origin_bps;
        let keeper = world.join_with(Manner::Honest, Config::keeper(), uplink_bps);
        world.viewers[keeper].watches = false;
        world.run_for(Duration::from_secs(1));
        let viewer = world.join(Manner::Honest);
        world.run_for(Duration::from_secs(40));
        let offered = world.viewers[viewer].core.offered();
        offered.map(|offered| Some(offered.rendition).filter(|_| !offered.for_all))
    };
    assert_eq!(offered(20_000_000, GIGABIT), Some(Some(2)));
    assert_eq!(offered(2_200_000, GIGABIT), Some(None), "a thin line carries nothing beside it");
    assert_eq!(offered(20_000_000, 2_000_000), None, "it gives what it has too slowly for that");
}

#[test]
fn what_a_keeper_says_that_gave_nothing_is_not_counted_on() {
    let mut stage = Stage::new(Config::default());
    stage.greet_keeper(1, 1_000_000);
    stage.say(1, offers(20_000));
    assert_eq!(stage.core.snapshot().offered, None);
}

/// A keeper says that it can get the best for all, over a line of so many kbit/s.
fn offers(line_kbps: u32) -> Message {
    Message::Playing(Playing { position_ms: 0, window_end_ms: line_kbps, video: 2, audio: 255 })
}

#[test]
fn behind_a_thin_line_what_a_keeper_has_already_goes_before_what_it_can_get() {
    let offered = |line_kbps: u32| {
        let mut stage = Stage::new(Config::default());
        stage.greet_keeper(1, 1_000_000);
        stage.say(1, offers(line_kbps));
        let (first, next) = (SegmentId::new(0, 3), SegmentId::new(0, 4));
        let whole = vec![Run { first, count: 1 }, Run { first: next, count: 1 }];
        stage.say(1, Message::Have(Have { whole, ..Have::default() }));
        stage.play(0, 8000);
        stage.feed(Input::Want(first));
        for _ in 0..100 {
            stage.pass(10);
            for piece in stage.asked(1) {
                stage.bring(1, piece, Verdict::Verified);
            }
        }
        stage.play(0, 12_000);
        let offered = stage.core.snapshot().offered.expect("it gives fast");
        (offered.rendition, offered.for_all)
    };
    assert_eq!(offered(2400), (0, true));
    assert_eq!(offered(20_000), (2, false));
}

#[test]
fn who_goes_on_asking_for_another_quality_than_is_here_gets_it() {
    let mut stage = keeper();
    stage.feed(Input::Held(SegmentId::new(0, WANTED.sequence)));
    stage.greet(1, false, 8000);
    stage.pass(500);
    assert!(!stage.fetched(WANTED), "it may not have heard yet what is here");
    stage.pass(1500);
    assert!(stage.fetched(WANTED));
}

/// Whether a viewer follows a keeper that names the lowest quality on a line of 3 Mbit/s, after so many seconds with so much in hand.
fn follows(seconds: u64, buffered_ms: u64, origin: Option<u32>) -> bool {
    let mut stage = Stage::new(Config::default());
    stage.greet_keeper(1, 1_000_000);
    stage.say(1, Message::Playing(Playing { position_ms: 0, window_end_ms: 3000, video: 0, audio: 255 }));
    for segment in [WANTED, SegmentId::new(AUDIO, WANTED.sequence)] {
        stage.feed(Input::Want(segment));
    }
    origin.into_iter().for_each(|rate| stage.feed(Input::OriginRate(rate)));
    for quarter in 0..seconds * 4 {
        stage.play(quarter * 250, buffered_ms);
        stage.pass(250);
    }
    stage.core.offered().is_some_and(|offered| offered.for_all)
}

#[test]
fn a_keeper_that_holds_viewers_back_is_not_followed_for_long() {
    assert!(follows(100, 12_000, None), "others may have less in hand");
    assert!(follows(55, 30_000, None));
    assert!(!follows(70, 30_000, None));
    assert!(!follows(5, 12_000, Some(1_000_000)), "the origin is fast: that line is another");
}

#[test]
fn who_is_kept_for_leaves_the_line_to_the_keeper_while_that_is_at_work() {
    let calls_after = |works: bool| {
        let mut stage = Stage::new(Config::default());
        stage.feed(Input::Audience(1));
        stage.feed(Input::OriginRate(100_000)); // four seconds of it come in eight
        stage.greet_keeper(1, 1_000_000);
        let whole = vec![Run { first: WANTED, count: 1 }];
        stage.say(1, Message::Have(Have { whole, ..Have::default() }));
        stage.play(0, 8000);
        stage.feed(Input::Want(WANTED));
        for _ in 0..100 {
            stage.pass(10);
            for piece in stage.asked(1).into_iter().filter(|_| works) {
                stage.bring(1, piece, Verdict::Verified);
            }
        }
        let next = SegmentId::new(2, 4);
        stage.feed(Input::Want(next));
        let calls = (1..120).find(|_| {
            stage.pass(100);
            stage.fetched(next)
        });
        calls.expect("it does in the end")
    };
    let (alone, kept) = (calls_after(false), calls_after(true));
    assert!(alone <= 10, "nobody is at work for it: {alone}");
    assert!((60..90).contains(&kept), "until nothing has come for a while: {kept}");
}
