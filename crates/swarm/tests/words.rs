//! Neighbours that cost nothing but words: what they say must not keep a viewer from the origin, nor cost it much.

mod common;
use common::stage::Stage;
use manifest::SegmentId;
use swarm::{Config, Hangup, Input, Link, Output, Source, Verdict};
use wire::{Bits, Have, Message, Partial, Refusal, Run};

const WANTED: SegmentId = SegmentId::new(2, 3);

/// A viewer in mid-film, linked to `neighbours` that have greeted and say they upload 32 Mbit/s.
fn among(neighbours: u32) -> Stage {
    let mut stage = Stage::new(Config::default());
    stage.feed(Input::Audience(neighbours));
    (1..=neighbours).for_each(|n| stage.greet(n, false, 32_000));
    stage.play(8000, 500);
    stage
}

#[test]
fn promises_renewed_for_ever_do_not_keep_a_starving_viewer_waiting() {
    let mut stage = among(2);
    let begun = Partial { segment: WANTED, pieces: Bits::none(common::film(30).piece_count(WANTED)) };
    stage.feed(Input::Want(WANTED));
    for round in 0..40 {
        for link in [1 + round % 2, 2 - round % 2] {
            let fetching = if link == 1 + round % 2 { vec![WANTED] } else { vec![] };
            stage
                .say(link, Message::Have(Have { partial: vec![begun.clone()], fetching, ..Have::default() }));
        }
        stage.pass(150);
    }
    assert!(stage.fetched(WANTED), "within six seconds the origin is asked");
}

#[test]
fn holders_that_are_always_busy_do_not_keep_a_starving_viewer_waiting() {
    let mut stage = among(3);
    let whole = vec![Run { first: SegmentId::new(2, 1), count: 30 }];
    for link in 1..=3 {
        stage.say(link, Message::Have(Have { whole: whole.clone(), ..Have::default() }));
    }
    stage.feed(Input::Want(WANTED));
    for _ in 0..60 {
        stage.pass(50);
        let asked: Vec<(Link, u32)> = stage
            .out
            .drain(..)
            .filter_map(|o| match o {
                Output::Send(link, Message::Request { id, .. }) => Some((link, id)),
                Output::Fetch { .. } => Some((Link(0), 0)),
                _ => None,
            })
            .collect();
        if asked.contains(&(Link(0), 0)) {
            return;
        }
        for (link, id) in asked {
            stage.say(link.0, Message::Refuse { id, why: Refusal::Busy });
        }
    }
    panic!("three seconds, and the origin was not asked");
}

#[test]
fn far_away_fetches_of_others_do_not_stop_a_viewer_from_fetching_ahead() {
    let mut stage = among(1);
    let far = vec![SegmentId::new(0, 29), SegmentId::new(0, 30)];
    stage.say(1, Message::Have(Have { fetching: far, ..Have::default() }));
    stage.play(8000, 9000);
    let next = SegmentId::new(2, 5);
    stage.feed(Input::Want(next));
    stage.pass(4000);
    assert!(stage.fetched(next));
}

#[test]
fn links_that_never_greet_are_closed() {
    let mut stage = among(0);
    for n in 1..=24 {
        stage.link_up(n, false);
    }
    stage.pass(10_000);
    // The last places are kept for those whom the viewer dials itself.
    assert!((22..=24).all(|n| stage.hung_up(n) == Some(Hangup::Full)));
    assert!((1..=21).all(|n| stage.hung_up(n) == Some(Hangup::Unresponsive)));
}

#[test]
fn nothing_is_heard_before_a_greeting() {
    let mut stage = among(0);
    stage.link_up(1, false);
    stage.say(1, Message::Have(Have::default()));
    assert_eq!(stage.hung_up(1), Some(Hangup::Stranger));
}

#[test]
fn a_flood_of_reports_is_cut_off() {
    let mut stage = among(1);
    let whole: Vec<Run> = (0..200).map(|_| Run { first: SegmentId::new(0, 1), count: 30 }).collect();
    for _ in 0..1000 {
        stage.say(1, Message::Have(Have { whole: whole.clone(), ..Have::default() }));
    }
    assert_eq!(stage.hung_up(1), Some(Hangup::Forger));
}

#[test]
fn a_second_link_under_the_same_name_does_not_replace_one_that_stands() {
    let mut stage = among(1);
    stage.pass(6000);
    stage.out.clear();
    stage.feed(Input::LinkUp { link: Link(9), peer: common::peer_id(1), dialled: true });
    assert_eq!((stage.hung_up(9), stage.hung_up(1)), (Some(Hangup::Duplicate), None));
}

#[test]
fn links_that_take_nothing_do_not_hold_up_the_others() {
    let mut stage = among(3);
    let held = SegmentId::new(2, 2);
    for piece in 0..25 {
        let (from, verdict) = (Source::Origin, Verdict::Verified);
        stage.feed(Input::Arrived { segment: held, piece, from, verdict });
    }
    let ask = |stage: &mut Stage, link, count| {
        (0..count).for_each(|piece| stage.ask_of_it(link, piece, held, piece, 1000));
    };
    ask(&mut stage, 1, 6);
    ask(&mut stage, 2, 6);
    stage.pass(3000); // neither reports room
    stage.out.clear();
    ask(&mut stage, 3, 2);
    stage.pass(500);
    let served = stage.out.iter().filter(|o| matches!(o, Output::SendPiece { link: Link(3), .. })).count();
    assert_eq!(served, 2);
    stage.pass(15_000);
    assert_eq!(stage.hung_up(1), Some(Hangup::Unresponsive));
}

const LATE: SegmentId = SegmentId::new(2, 10);

/// A viewer of a large audience that has nothing to play but what the origin brings, beside a neighbour that has given it a piece
/// within 50 ms, or nothing.
fn starving(is_helped: bool) -> Stage {
    let mut stage = among(3);
    stage.play(8000, 28_000);
    if is_helped {
        let mut pieces = Bits::none(common::film(30).piece_count(LATE));
        pieces.set(0);
        let partial = vec![Partial { segment: LATE, pieces }];
        stage.say(1, Message::Have(Have { partial, ..Have::default() }));
    }
    stage.feed(Input::Want(LATE));
    stage.pass(50);
    if is_helped {
        stage.bring(1, (LATE, 0), Verdict::Verified);
    }
    stage.feed(Input::Audience(10_000));
    stage.play(36_000, 0);
    stage.pass(2000);
    assert!(stage.fetched(LATE));
    stage
}

/// One of those that nobody helps, whose neighbours say that they wait as well.
fn all_wait() -> Stage {
    let mut stage = starving(false);
    for link in 1..=3 {
        stage.say(link, Message::Have(Have { fetching: vec![LATE], ..Have::default() }));
    }
    stage.pass(6000);
    stage
}

fn gave_up(stage: &Stage) -> bool {
    stage.out.iter().any(|o| matches!(o, Output::CancelFetch(LATE)))
}

#[test]
fn who_was_helped_faster_than_the_origin_brings_it_leaves_that_to_a_few() {
    let mut stage = starving(true);
    assert!(!stage.core.origin_is_slow(stage.now) && !gave_up(&stage), "two seconds are not late");
    stage.pass(6000);
    assert!(stage.core.origin_is_slow(stage.now) && gave_up(&stage));
}

#[test]
fn what_is_late_on_a_line_that_neighbours_fill_does_not_make_the_origin_slow() {
    let mut stage = starving(true);
    // As fast as the line has ever been: what two seconds carry is here, and more comes.
    for piece in 0..160 {
        stage.pass(if piece < 40 { 0 } else { 50 });
        let of = SegmentId::new(2, 11 + piece / 25);
        stage.bring(2 + piece % 2, (of, piece % 25), Verdict::Verified);
    }
    assert!(!stage.core.origin_is_slow(stage.now) && !gave_up(&stage));
}

#[test]
fn neighbours_that_say_they_wait_do_not_take_the_origin_from_who_is_helped_by_nobody() {
    let stage = all_wait();
    assert!(stage.core.origin_is_slow(stage.now) && !gave_up(&stage));
}

#[test]
fn what_is_late_on_a_line_that_has_stood_still_does_not_make_the_origin_slow() {
    let mut stage = starving(true);
    stage.bring(1, (LATE, 1), Verdict::Verified);
    stage.pass(6000);
    assert!(!stage.core.origin_is_slow(stage.now) && !gave_up(&stage));
}

#[test]
fn an_origin_that_had_the_line_to_itself_is_not_slow_any_more() {
    let mut stage = all_wait();
    assert!(stage.core.origin_is_slow(stage.now));
    for piece in 0..common::film(30).piece_count(LATE) {
        let (segment, from) = (LATE, Source::Origin);
        stage.feed(Input::Arrived { segment, piece, from, verdict: Verdict::Verified });
    }
    stage.feed(Input::FetchEnded { segment: LATE, complete: true });
    assert!(!stage.core.origin_is_slow(stage.now));
}

#[test]
fn who_has_enough_to_play_leaves_a_slow_origin_to_a_few_however_long_it_is_calm() {
    let mut stage = starving(true);
    stage.pass(6000);
    assert!(stage.core.origin_is_slow(stage.now));
    let next = SegmentId::new(2, 17);
    stage.play(36_000, 28_000);
    stage.feed(Input::Want(next));
    stage.pass(120_000);
    assert!(!stage.fetched(next), "28 s are enough");
    stage.play(63_000, 1000);
    stage.pass(1000);
    assert!(stage.fetched(next), "one is not");
}

#[test]
fn what_neighbours_hold_is_left_to_them_while_the_origin_is_slow_and_they_answer() {
    let mut stage = starving(true);
    stage.pass(6000);
    let next = SegmentId::new(2, 17);
    let whole = vec![Run { first: SegmentId::new(2, 10), count: 8 }];
    stage.say(1, Message::Have(Have { whole, ..Have::default() }));
    (1..4).for_each(|piece| stage.bring(1, (LATE, piece), Verdict::Verified));
    stage.play(63_000, 1000);
    stage.feed(Input::Want(next));
    stage.pass(500);
    assert!(stage.core.origin_is_slow(stage.now) && !stage.fetched(next), "who gave holds it");
    stage.pass(9000);
    assert!(stage.fetched(next), "but does not give it");
}

#[test]
fn nothing_is_fetched_beside_what_a_start_waits_for() {
    let mut stage = starving(false);
    let sound = SegmentId::new(common::AUDIO, 11);
    stage.feed(Input::Want(sound));
    stage.pass(6000);
    assert!(!stage.fetched(sound));
    stage.feed(Input::FetchEnded { segment: LATE, complete: false });
    stage.pass(3000);
    assert!(stage.fetched(sound), "what has come to nothing holds nothing up");
}

#[test]
fn dials_that_take_long_keep_no_others_waiting() {
    let mut stage = Stage::new(Config::default());
    let strangers: Vec<_> = (1..=12).map(common::peer_id).collect();
    stage.feed(Input::Strangers(&strangers));
    let dialled = |stage: &Stage| stage.out.iter().filter(|o| matches!(o, Output::Dial(_))).count();
    stage.pass(1400);
    assert_eq!(dialled(&stage), 6);
    stage.pass(400);
    assert_eq!(dialled(&stage), 12, "never more than are wanted");
    stage.pass(5000);
    assert_eq!(dialled(&stage), 12);
}
