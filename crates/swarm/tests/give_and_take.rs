//! Newcomers are tried before they are relied upon, and those who give are served before those who only take.

mod common;
use common::stage::Stage;
use manifest::SegmentId;
use swarm::{Config, Hangup, Input, Link, Output, Source, Verdict};
use wire::{Have, Message, Run};

const VIDEO: u8 = 2;

/// A viewer in mid-film that can upload so much, and knows nobody yet.
fn viewer(upload: u32) -> Stage {
    let mut stage = Stage::new(Config { upload, ..Config::default() });
    stage.play(8000, 3000);
    stage
}

/// A neighbour that holds the whole film and uploads so much.
fn meet(stage: &mut Stage, link: u32, upload_kbps: u32) {
    stage.greet(link, true, upload_kbps);
    let whole = (0..4).map(|r| Run { first: SegmentId::new(r, 1), count: 30 }).collect();
    stage.say(link, Message::Have(Have { whole, ..Have::default() }));
}

#[test]
fn a_newcomer_is_asked_for_one_piece_until_it_has_brought_one() {
    let mut stage = viewer(0);
    meet(&mut stage, 1, 32_000);
    stage.feed(Input::Want(SegmentId::new(VIDEO, 5)));
    stage.pass(50);
    let first = stage.asked(1);
    assert_eq!(first.len(), 1, "{first:?}");
    stage.bring(1, first[0], Verdict::Verified);
    stage.pass(50);
    assert!(stage.asked(1).len() > 1, "now it has shown something");
}

#[test]
fn what_a_forger_wastes_under_any_name_is_one_piece() {
    let mut stage = viewer(0);
    let mut wasted = 0;
    for name in 1..=20 {
        meet(&mut stage, name, 32_000);
        stage.feed(Input::Want(SegmentId::new(VIDEO, 5)));
        stage.pass(50);
        let asked = stage.asked(name);
        assert!(asked.len() <= 1, "{asked:?}");
        for piece in asked {
            wasted += 1;
            stage.bring(name, piece, Verdict::Forged);
            assert!(stage.out.contains(&Output::Hangup(Link(name), Hangup::Forger)));
        }
    }
    assert!((1..=20).contains(&wasted));
}

#[test]
fn what_is_needed_soon_is_asked_of_neighbours_that_are_relied_upon() {
    let mut stage = viewer(0);
    meet(&mut stage, 1, 32_000);
    stage.feed(Input::Want(SegmentId::new(VIDEO, 5)));
    for _ in 0..4 {
        stage.pass(50);
        for piece in stage.asked(1) {
            stage.bring(1, piece, Verdict::Verified);
        }
    }
    // A newcomer that holds all, a piece that is needed in 2.5 s, and one that is not needed for 10 s.
    meet(&mut stage, 2, 32_000);
    stage.play(21_500, 0);
    stage.feed(Input::Want(SegmentId::new(VIDEO, 7)));
    stage.feed(Input::Want(SegmentId::new(3, 9)));
    stage.pass(30);
    let asked = stage.asked(2);
    assert!(!asked.iter().any(|(segment, _)| *segment == SegmentId::new(VIDEO, 7)), "{asked:?}");
}

#[test]
fn those_who_share_nothing_are_served_when_nobody_else_waits() {
    let mut stage = viewer(65_536);
    let segment = SegmentId::new(VIDEO, 1);
    for piece in 0..20 {
        stage.feed(Input::Arrived { segment, piece, from: Source::Origin, verdict: Verdict::Verified });
    }
    meet(&mut stage, 1, 0);
    meet(&mut stage, 2, 8_000);
    stage.out.clear();
    // The free rider is in more of a hurry, and came first.
    (0..5).for_each(|n| stage.ask_of_it(1, n, segment, n, 1_000));
    (0..5).for_each(|n| stage.ask_of_it(2, n, segment, n, 10_000));
    for _ in 0..80 {
        stage.pass(100);
        (1..=2).for_each(|n| stage.feed(Input::LinkRoom { link: Link(n), room: 128 * 1024 }));
    }
    let served = stage.served();
    assert_eq!(served.len(), 10, "nobody is cut off: {served:?}");
    let last_giver = served.iter().rposition(|&link| link == 2).unwrap();
    // What could be sent at once went before anybody had looked who stands where.
    assert!(served[4..=last_giver].iter().all(|&link| link == 2), "{served:?}");
}
