//! Who leaves the push trees, for what, and how they come back.

use crate::stage::{Stage, seat};
use crate::stream::{BEFORE, PIECES, parts};
use manifest::SegmentId;
use swarm::{Input, Link, Output, Part, Source, Verdict};
use wire::{Have, Message, Run, Seat};

/// One who follows a neighbour in all stripes, from whom everything comes late: whether others hold what is missing.
fn fed_late(others_have_it: bool) -> Stage {
    let mut stage = Stage::with(3);
    stage.say(1, Message::Seats((0..4).map(|stripe| seat(stripe, 3, &[])).collect()));
    stage.pass(300);
    stage.say(1, Message::Feed { stripes: 0xff });
    assert!(stage.core.snapshot().depths.iter().all(|depth| *depth == Some(1)), "it follows");
    stage.out.clear();
    for number in BEFORE + 1..BEFORE + 26 {
        stage.feed(Input::Head { from: Source::Peer(Link(1)), number, parts: &parts([number]) });
        // Who has just come catches up for five seconds.
        if others_have_it && number > BEFORE + 15 {
            let whole = vec![Run { first: SegmentId::new(0, 1), count: number }];
            stage.say(2, Message::Have(Have { whole, ..Have::default() }));
        }
        stage.pass(400);
        for piece in 0..PIECES {
            let (segment, from) = (SegmentId::new(0, number.saturating_sub(4)), Source::Peer(Link(1)));
            stage.feed(Input::Arrived { segment, piece, from, verdict: Verdict::Verified });
        }
    }
    stage
}

fn last_seats(stage: &Stage) -> Option<&Vec<Seat>> {
    stage.out.iter().rev().find_map(|output| match output {
        Output::Send(Link(3), Message::Seats(seats)) => Some(seats),
        _ => None,
    })
}

#[test]
fn who_is_fed_late_leaves_the_trees_if_others_have_it_and_tells_those_below() {
    let stage = fed_late(true);
    assert!(stage.told(1).contains(&&Message::Follow { stripes: 0 }));
    assert!(stage.core.snapshot().depths.iter().all(Option::is_none));
    assert_eq!(last_seats(&stage), Some(&vec![]), "nothing comes through it any more");
}

#[test]
fn who_is_fed_late_stays_in_the_trees_if_nobody_has_it_sooner() {
    let stage = fed_late(false);
    assert!(!stage.told(1).contains(&&Message::Follow { stripes: 0 }));
    assert!(stage.core.snapshot().depths.contains(&Some(1)));
}

#[test]
fn one_who_brings_nothing_is_left_also_where_a_part_is_a_single_piece() {
    let mut stage = Stage::with(2);
    stage.say(1, Message::Seats((0..4).map(|stripe| seat(stripe, 3, &[])).collect()));
    stage.pass(300);
    stage.say(1, Message::Feed { stripes: 0xff });
    assert!(stage.core.snapshot().depths.contains(&Some(1)), "it follows");
    for number in BEFORE + 1..BEFORE + 101 {
        let part = Part { size: 5000, ..parts([number])[0] };
        stage.feed(Input::Head { from: Source::Peer(Link(1)), number, parts: &[part] });
        stage.pass(400);
        stage.say(1, Message::Seats((0..4).map(|stripe| seat(stripe, 3, &[])).collect()));
    }
    let mostly = stage.core.snapshot().depths.iter().filter(|depth| **depth == Some(1)).count();
    assert!(mostly <= 1, "{:?}", stage.core.snapshot().depths);
}
