//! One viewer among neighbours that say what they are told to: whom it follows, what it asks for, what it fetches.

use crate::stage::{Stage, seat};
use crate::stream::{BEFORE, PIECES, name, parts, peer_id};
use manifest::SegmentId;
use std::time::Duration;
use swarm::{Input, Link, Output, Player, Source, Verdict};
use wire::{MAX_PATH, Message};

#[test]
fn old_heads_change_nothing() {
    let [mut told, mut spared] = [Stage::with(2), Stage::with(2)];
    for stage in [&mut told, &mut spared] {
        stage.out.clear();
        stage.feed(Input::Head {
            from: Source::Peer(Link(1)),
            number: BEFORE + 1,
            parts: &parts([BEFORE + 1]),
        });
    }
    for number in [1, BEFORE, BEFORE + 1] {
        // Parts of its own that nobody else was told of.
        told.feed(Input::Head { from: Source::Origin, number, parts: &parts(900..905) });
        spared.feed(Input::Wake);
    }
    for stage in [&mut told, &mut spared] {
        stage.feed(Input::Want(SegmentId::new(0, 902)));
        stage.pass(3000);
    }
    assert_eq!(told.out, spared.out);
}

#[test]
fn a_head_after_a_gap_is_asked_about_and_one_from_the_origin_is_joined_on() {
    let mut stage = Stage::with(1);
    stage.out.clear();
    stage.feed(Input::Head { from: Source::Peer(Link(1)), number: BEFORE + 5, parts: &[] });
    assert_eq!(stage.told(1).first(), Some(&&Message::Behind { head: BEFORE }));
    let piece = Input::Arrived {
        segment: SegmentId::new(0, 20),
        piece: 0,
        from: Source::Origin,
        verdict: Verdict::Verified,
    };
    stage.feed(piece);
    stage.feed(Input::Head { from: Source::Origin, number: 400, parts: &parts(380..=400) });
    assert!(stage.out.contains(&Output::Evict(SegmentId::new(0, 20))), "what was before is dropped");
    assert_eq!(stage.core.snapshot().held_bytes, 0);
}

#[test]
fn whoever_comes_through_us_is_not_followed() {
    let mut stage = Stage::with(2);
    let me = name(peer_id(0));
    stage.out.clear();
    stage.say(1, Message::Seats((0..4).map(|stripe| seat(stripe, 3, &[me])).collect()));
    stage.say(2, Message::Seats((0..4).map(|stripe| seat(stripe, 3, &[1; MAX_PATH])).collect()));
    stage.pass(900);
    let asks = |message: &&Message| matches!(message, Message::Follow { stripes } if *stripes != 0);
    assert!(!stage.told(1).iter().any(asks) && !stage.told(2).iter().any(asks));
    stage.say(1, Message::Seats((0..4).map(|stripe| seat(stripe, 3, &[])).collect()));
    stage.pass(300);
    assert!(stage.told(1).iter().any(asks));
    // It takes us, and then its way turns out to lead through us.
    stage.say(1, Message::Feed { stripes: 0xff });
    stage.pass(100);
    let depths = stage.core.snapshot().depths;
    assert!(depths.contains(&Some(1)), "{depths:?}");
    stage.out.clear();
    stage.say(1, Message::Seats((0..4).map(|stripe| seat(stripe, 3, &[9, me])).collect()));
    stage.pass(200);
    assert!(stage.told(1).contains(&&Message::Follow { stripes: 0 }));
    assert!(stage.core.snapshot().depths.iter().all(|depth| depth.is_none_or(|depth| depth < 2)));
}

#[test]
fn nobody_may_follow_one_to_whom_nothing_comes_or_one_who_shares_nothing() {
    let mut stage = Stage::with(3);
    stage.out.clear();
    stage.say(1, Message::Follow { stripes: 0xff });
    assert_eq!(stage.told(1).first(), Some(&&Message::Feed { stripes: 0 }), "nothing comes yet");
    stage.pass(12_000);
    assert!(stage.core.snapshot().depths.contains(&Some(0)), "with nobody to follow it is a top");
    stage.feed(Input::Sharing(None));
    stage.out.clear();
    stage.say(2, Message::Follow { stripes: 0x0f });
    assert_eq!(stage.told(2).last(), Some(&&Message::Feed { stripes: 0 }));
}

#[test]
fn heads_are_sent_to_the_same_neighbour_a_few_times_a_second_at_most() {
    let mut stage = Stage::with(1);
    stage.out.clear();
    for _ in 0..100 {
        stage.say(1, Message::Behind { head: 3 });
        stage.now = stage.now + Duration::from_millis(10);
    }
    let sent = stage.out.iter().filter(|o| matches!(o, Output::SendHeads { after: 3, .. })).count();
    assert!((2..=5).contains(&sent), "{sent} times in a second");
}

#[test]
fn a_line_that_stood_still_for_a_while_is_not_taken_for_an_origin_with_too_much_to_do() {
    let mut stage = Stage::with(2);
    let push = |stage: &mut Stage, piece| {
        let (segment, from) = (SegmentId::new(0, 20), Source::Peer(Link(1)));
        stage.feed(Input::Arrived { segment, piece, from, verdict: Verdict::Verified });
    };
    push(&mut stage, 0);
    stage.pass(6000);
    push(&mut stage, 1);
    for output in core::mem::take(&mut stage.out) {
        let Output::Fetch { segment, first, end } = output else { continue };
        for piece in first..end {
            let (from, verdict) = (Source::Origin, Verdict::Verified);
            stage.feed(Input::Arrived { segment, piece, from, verdict });
        }
        stage.feed(Input::FetchEnded { segment, complete: true });
    }
    stage.pass(1000);
    let needed = SegmentId::new(0, 16);
    let rest = |o: &Output| matches!(o, Output::Fetch { segment, first: 0, .. } if *segment == needed);
    assert!(
        stage.out.iter().any(rest),
        "what nobody has is fetched: neighbours brought nothing meanwhile either"
    );
}

#[test]
fn a_player_that_cannot_begin_gets_what_it_asks_for_also_while_it_stands_still() {
    let mut stage = Stage::with(0);
    let stands = |stage: &mut Stage, ms, buffered_ms| {
        let (position, buffered) = (Duration::from_millis(ms), Duration::from_millis(buffered_ms));
        stage.feed(Input::Player(Player { position, buffered, playing: false, rate_permille: 1000 }));
    };
    stands(&mut stage, 6000, 0);
    for number in 16..19 {
        let segment = SegmentId::new(0, number);
        stage.feed(Input::Want(segment));
        for piece in 0..PIECES {
            let (from, verdict) = (Source::Origin, Verdict::Verified);
            stage.feed(Input::Arrived { segment, piece, from, verdict });
        }
        stage.feed(Input::FetchEnded { segment, complete: true });
    }
    // It has been given 1.2 s, but needs something else first; and whoever fetches ahead for all has not come to that yet.
    stands(&mut stage, 6300, 90);
    stage.out.clear();
    let wanted = SegmentId::new(0, 24);
    stage.feed(Input::Want(wanted));
    stage.pass(1000);
    assert!(stage.out.iter().any(|o| matches!(o, Output::Fetch { segment, .. } if *segment == wanted)));
}

#[test]
fn what_was_born_before_there_was_a_top_is_not_left_for_the_last_moment() {
    let mut stage = Stage::greeted(0);
    stage.pass(100);
    // Both are far ahead of the player; nobody else is there.
    let (position, buffered) = (Duration::from_secs(1), Duration::ZERO);
    stage.feed(Input::Player(Player { position, buffered, playing: true, rate_permille: 1000 }));
    let (old, young) = (SegmentId::new(0, 16), SegmentId::new(0, 24));
    for segment in [old, young] {
        stage.feed(Input::Want(segment));
    }
    let fetches = |stage: &Stage, of| {
        stage.out.iter().any(|o| matches!(o, Output::Fetch { segment, .. } if *segment == of))
    };
    stage.pass(500);
    assert!(!fetches(&stage, old), "of an origin nothing is known of");
    stage.feed(Input::OriginRate(2_000_000));
    stage.pass(500);
    assert!(fetches(&stage, old) && !fetches(&stage, young));
}

#[test]
fn who_comes_is_no_top_while_a_neighbour_has_places() {
    let mut stage = Stage::greeted(1);
    let is_top = |stage: &Stage| stage.core.snapshot().depths.contains(&Some(0));
    stage.say(1, Message::Seats((0..4).map(|stripe| seat(stripe, 3, &[])).collect()));
    stage.play();
    stage.say(1, Message::Feed { stripes: 0 });
    stage.pass(1000);
    assert!(!is_top(&stage));
    // They are all taken.
    stage.say(1, Message::Seats((0..4).map(|stripe| seat(stripe, 0, &[])).collect()));
    stage.pass(12_000);
    assert!(is_top(&stage));
}

#[test]
fn what_the_player_asks_for_is_fetched_once_even_if_it_lies_in_the_past() {
    let mut stage = Stage::with(0);
    stage.out.clear();
    let wanted = SegmentId::new(0, 12);
    stage.feed(Input::Want(wanted));
    stage.pass(1000);
    let about = |o: &&Output| match o {
        Output::Fetch { segment, .. } | Output::CancelFetch(segment) => *segment == wanted,
        _ => false,
    };
    let told: Vec<_> = stage.out.iter().filter(about).collect();
    assert!(matches!(told[..], [Output::Fetch { .. }]), "{told:?}");
}
