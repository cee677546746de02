//! What a driver had before, what it loses, and what it finds damaged when it is asked for it.

mod common;

use common::{FIRST, LINK, PIECE, Page, comfortable, film, run};
use manifest::digest::leaves;
use manifest::{Index, SegmentId};
use session::Order;
use std::collections::BTreeMap;
use swarm::trace::{Replay, replay};
use swarm::{Config, PeerId, Time};
use wire::{Frame, Frames, Message, Refusal};

type Media = BTreeMap<SegmentId, Vec<u8>>;

const NOW: Time = Time::from_millis(1);

fn store(page: &mut Page, segment: SegmentId, bytes: &[u8]) {
    let pieces = (0..).zip(bytes.chunks(PIECE as usize));
    page.store.extend(pieces.map(|(piece, bytes)| ((segment, piece), bytes.to_vec())));
}

/// One that keeps for others, and has all of the film from before.
fn keeper(index: &Index, media: &Media) -> Page {
    let mut page = Page::open_as(1, index, Config::keeper());
    page.at(|s| s.audience(NOW, 1));
    for (&segment, bytes) in media {
        store(&mut page, segment, bytes);
        assert!(page.session.held(NOW, segment, leaves(bytes, PIECE)));
        page.carry_out(&[]);
    }
    assert!(page.fetches.is_empty());
    page
}

fn link(keeper: &mut Page, viewer: &mut Page) {
    viewer.at(|s| s.player(NOW, comfortable()));
    keeper.at(|s| s.link_up(NOW, LINK, PeerId([2; 20]), false));
    viewer.at(|s| s.link_up(NOW, LINK, PeerId([1; 20]), true));
    for page in [keeper, viewer] {
        page.at(|s| s.link_room(NOW, LINK, 128 * 1024));
    }
}

/// What the orders of the last call say to the neighbour.
fn said(page: &mut Page) -> Vec<Message> {
    let orders = page.session.take_orders();
    let messages = orders.iter().flat_map(|order| match order {
        Order::Send(_, bytes) => Frames::new(bytes).collect(),
        _ => Vec::new(),
    });
    messages
        .filter_map(|frame| if let Ok(Frame::Message(message)) = frame { Some(message) } else { None })
        .collect()
}

#[test]
fn what_was_there_before_is_given_with_its_leaves() {
    let (index, media) = film(&[150_001, 90_000]);
    let (mut keeper, mut viewer) = (keeper(&index, &media), Page::open(2, &index));
    assert_eq!(keeper.session.leaves(FIRST), Some(&leaves(&media[&FIRST], PIECE)[..]));
    link(&mut keeper, &mut viewer);
    run(&mut keeper, &mut viewer, 10, 500, |_| {});
    for &segment in media.keys().filter(|&&s| s >= FIRST) {
        viewer.at(|s| s.want(Time::from_millis(600), segment));
    }
    run(&mut keeper, &mut viewer, 610, 1500, |_| {});
    assert!(viewer.fetches.is_empty() && keeper.fetches.is_empty(), "the origin was asked");
    for (&segment, bytes) in media.range(FIRST..) {
        assert_eq!(&viewer.bytes_of(segment), bytes);
    }
    for page in [&keeper, &viewer] {
        assert!(matches!(replay(page.session.trace()), Replay::Same { calls } if calls > 100));
    }
}

#[test]
fn leaves_that_the_index_does_not_vouch_for_hold_nothing() {
    let (index, media) = film(&[150_001]);
    let mut page = Page::open_as(1, &index, Config::keeper());
    let mut false_leaves = leaves(&media[&FIRST], PIECE);
    false_leaves[1].0[0] ^= 1;
    assert!(!page.session.held(NOW, FIRST, false_leaves));
    assert!(!page.session.held(NOW, FIRST, Vec::new()));
    assert!(!page.session.held(NOW, SegmentId::new(7, 1), leaves(&media[&FIRST], PIECE)));
    assert!(page.session.orders().is_empty());
    assert_eq!((page.session.snapshot().held_bytes, page.session.leaves(FIRST)), (0, None));
}

#[test]
fn what_is_lost_is_refused_and_comes_again() {
    let (index, media) = film(&[150_001]);
    let (mut keeper, mut viewer) = (keeper(&index, &media), Page::open(2, &index));
    link(&mut keeper, &mut viewer);
    run(&mut keeper, &mut viewer, 10, 500, |_| {});
    let held = keeper.session.snapshot().held_bytes;
    keeper.at(|s| s.lost(Time::from_millis(600), FIRST));
    keeper.store.retain(|(segment, _), _| *segment != FIRST);
    assert_eq!(held - keeper.session.snapshot().held_bytes, 150_001);
    let request = Message::Request { id: 70, segment: FIRST, piece: 0, within_ms: 1000, leaves: true };
    let mut message = Vec::new();
    wire::put_message(&mut message, &request);
    keeper.session.message(Time::from_millis(610), LINK, &message);
    assert!(said(&mut keeper).contains(&Message::Refuse { id: 70, why: Refusal::Absent }));
    assert!(keeper.session.held(Time::from_millis(620), FIRST, leaves(&media[&FIRST], PIECE)));
    assert_eq!(keeper.session.snapshot().held_bytes, held);
}

#[test]
fn a_piece_that_turns_out_damaged_is_refused() {
    let (index, media) = film(&[150_001]);
    let (mut keeper, mut viewer) = (keeper(&index, &media), Page::open(2, &index));
    link(&mut keeper, &mut viewer);
    keeper.session.absent(NOW, LINK, 9);
    assert_eq!(said(&mut keeper), [Message::Refuse { id: 9, why: Refusal::Absent }]);
    keeper.session.absent(NOW, swarm::Link(77), 9);
    assert!(keeper.session.orders().is_empty(), "nobody is there");
}

#[test]
fn what_was_on_its_way_when_its_segment_was_lost_is_no_fault_of_its_sender() {
    let (index, media) = film(&[150_001]);
    let (mut keeper, mut viewer) = (keeper(&index, &media), Page::open(2, &index));
    link(&mut keeper, &mut viewer);
    run(&mut keeper, &mut viewer, 10, 300, |_| {});
    viewer.at(|s| s.want(Time::from_millis(400), FIRST));
    for step in 0..20 {
        run(&mut keeper, &mut viewer, 410 + step * 10, 10, |_| {});
        viewer.at(|s| s.lost(Time::from_millis(420 + step * 10), FIRST));
        viewer.store.clear();
    }
    run(&mut keeper, &mut viewer, 700, 3000, |_| {});
    assert!(viewer.hangups.is_empty(), "{:?}", viewer.hangups);
    assert_eq!(viewer.bytes_of(FIRST), media[&FIRST]);
}
