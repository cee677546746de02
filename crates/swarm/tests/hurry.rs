//! Who has nothing to play: whom it asks beside those whom it has asked, and what tells it that the origin is slow.

mod common;
use common::stage::Stage;
use manifest::SegmentId;
use swarm::{Config, Input, Link, Output, Verdict};
use wire::{Bits, Have, Message, Partial, Run};

const FIRST: SegmentId = SegmentId::new(2, 3);
const NEXT: SegmentId = SegmentId::new(2, 4);

/// A viewer with nothing to play, whose first segment a neighbour has brought in `took_ms` while the origin had brought nothing for
/// three seconds; beside other neighbours of whom nothing is known.
fn beside_a_slow_fetch(neighbours: u32, took_ms: u64) -> Stage {
    let mut stage = Stage::new(Config::default());
    stage.feed(Input::Audience(10_000));
    (1..=neighbours).for_each(|n| stage.greet(n, false, 32_000));
    stage.play(8000, 0);
    stage.feed(Input::Want(FIRST));
    stage.pass(3000);
    assert!(stage.fetched(FIRST) && !stage.core.origin_is_slow(stage.now));
    stage.say(1, Message::Have(Have { whole: vec![Run { first: FIRST, count: 1 }], ..Have::default() }));
    stage.pass(100);
    assert_eq!(asked(&stage, (FIRST, 0)), [1], "beside a late fetch");
    stage.pass(took_ms);
    (0..common::film(30).piece_count(FIRST))
        .for_each(|piece| stage.bring(1, (FIRST, piece), Verdict::Verified));
    stage.pass(50);
    stage
}

/// A neighbour says that it holds these pieces of the next segment.
fn holds(stage: &mut Stage, link: u32, held: &[u32]) {
    let mut pieces = Bits::none(common::film(30).piece_count(NEXT));
    assert!(held.iter().all(|&piece| pieces.set(piece)));
    let partial = vec![Partial { segment: NEXT, pieces }];
    stage.say(link, Message::Have(Have { partial, ..Have::default() }));
}

/// The player comes to the next segment, with so much to play, and wants a piece of it that these hold.
fn wants_next(stage: &mut Stage, buffered_ms: u64, piece: u32, holders: &[u32]) {
    holders.iter().for_each(|&link| holds(stage, link, &[piece]));
    stage.play(12_000, buffered_ms);
    stage.feed(Input::Want(NEXT));
    stage.pass(100);
}

/// Who has been asked for that piece so far.
fn asked(stage: &Stage, piece: (SegmentId, u32)) -> Vec<u32> {
    let to = stage.out.iter().filter_map(|output| match output {
        Output::Send(Link(to), Message::Request { segment, piece: of, .. }) if (*segment, *of) == piece => {
            Some(*to)
        }
        _ => None,
    });
    to.collect()
}

/// What of the next segment has been fetched from the origin: first piece and end of each fetch.
fn fetches(stage: &Stage) -> Vec<(u32, u32)> {
    let fetches = stage.out.iter().filter_map(|output| match output {
        &Output::Fetch { segment: NEXT, first, end } => Some((first, end)),
        _ => None,
    });
    fetches.collect()
}

#[test]
fn neighbours_that_bring_sooner_than_a_fetch_show_that_the_origin_is_slow() {
    for (took_ms, is_slow) in [(400, true), (20_000, false)] {
        let stage = beside_a_slow_fetch(1, took_ms);
        assert_eq!(stage.core.origin_is_slow(stage.now), is_slow, "brought in {took_ms} ms");
    }
}

#[test]
fn another_is_asked_for_what_the_first_takes_long_over() {
    for (buffered_ms, askings) in [(0, 2), (2000, 1)] {
        let mut stage = beside_a_slow_fetch(2, 400);
        wants_next(&mut stage, buffered_ms, 0, &[1, 2]);
        assert_eq!(asked(&stage, (NEXT, 0)).len(), 1, "with {buffered_ms} ms to play");
        stage.pass(700);
        assert_eq!(asked(&stage, (NEXT, 0)).len(), askings, "with {buffered_ms} ms to play");
    }
}

#[test]
fn a_newcomer_is_asked_for_what_nobody_relied_upon_holds() {
    for (buffered_ms, newcomer) in [(0, &[2][..]), (2000, &[])] {
        let mut stage = beside_a_slow_fetch(2, 400);
        wants_next(&mut stage, buffered_ms, 7, &[2]);
        assert_eq!(asked(&stage, (NEXT, 7)), newcomer, "with {buffered_ms} ms to play");
    }
}

#[test]
fn what_a_neighbour_sends_in_time_is_not_fetched_once_more_while_it_could_be_later() {
    for (waits_ms, buffered_ms, first) in [(0, 1500, 2), (900, 1500, 1), (0, 500, 1)] {
        let mut stage = Stage::new(Config::default());
        stage.greet(1, false, 32_000);
        holds(&mut stage, 1, &[0, 1]);
        stage.play(8000, 4000);
        stage.feed(Input::Want(NEXT));
        stage.pass(50);
        stage.bring(1, (NEXT, 0), Verdict::Verified);
        stage.pass(20);
        assert_eq!(asked(&stage, (NEXT, 1)), [1]);
        stage.pass(waits_ms);
        stage.play(12_000 - buffered_ms, buffered_ms);
        stage.pass(30);
        let left = (first, common::film(30).piece_count(NEXT));
        assert_eq!(fetches(&stage), [left], "after {waits_ms} ms, with {buffered_ms} ms to play");
    }
}

#[test]
fn of_what_has_not_begun_to_come_all_is_fetched_and_nothing_is_asked_any_more() {
    let mut stage = Stage::new(Config::default());
    stage.greet(1, false, 32_000);
    holds(&mut stage, 1, &[0, 1]);
    stage.play(8000, 4000);
    stage.feed(Input::Want(NEXT));
    stage.pass(70);
    assert_eq!(asked(&stage, (NEXT, 0)), [1]);
    stage.play(10_500, 1500);
    stage.pass(30);
    assert_eq!(fetches(&stage), [(0, common::film(30).piece_count(NEXT))]);
    let ids = |of: fn(&Message) -> Option<u32>| -> Vec<u32> {
        let sent = stage.out.iter().filter_map(|output| match output {
            Output::Send(_, message) => of(message),
            _ => None,
        });
        sent.collect()
    };
    let requests = ids(|message| match message {
        Message::Request { id, segment: NEXT, .. } => Some(*id),
        _ => None,
    });
    let withdrawn = ids(|message| match message {
        Message::Cancel { id } => Some(*id),
        _ => None,
    });
    assert_eq!(requests, withdrawn);
}

#[test]
fn of_several_that_send_as_much_is_left_out_as_the_origin_could_still_bring_after_the_rest() {
    for (buffered_ms, first) in [(1500, 3), (960, 1)] {
        let mut stage = Stage::new(Config::default());
        for link in [1, 2] {
            stage.greet(link, false, 32_000);
            holds(&mut stage, link, &[0, link]);
        }
        stage.play(8000, 4000);
        stage.feed(Input::Want(NEXT));
        stage.pass(50);
        let begins = asked(&stage, (NEXT, 0))[0];
        stage.bring(begins, (NEXT, 0), Verdict::Verified);
        stage.pass(20);
        assert_eq!([asked(&stage, (NEXT, 1)), asked(&stage, (NEXT, 2))], [[1], [2]]);
        stage.play(12_000 - buffered_ms, buffered_ms);
        stage.pass(30);
        let left = (first, common::film(30).piece_count(NEXT));
        assert_eq!(fetches(&stage), [left], "with {buffered_ms} ms to play");
    }
}
