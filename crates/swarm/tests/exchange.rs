//! Peers that meet through neighbours when the tracker is gone, and what a neighbour can make of that.

mod common;
use common::stage::Stage;
use common::{Manner, World, peer_id};
use std::time::Duration;
use swarm::{Config, Hangup, Input, Link, Output, PeerId};
use wire::{MAX_NAMED, Message, Said, Signal};

const OFFER: [u8; 20] = *b"offeroffer0123456789";

/// Linked to as many that have greeted and give.
fn among(neighbours: u32) -> Stage {
    let mut stage = Stage::new(Config::default());
    (1..=neighbours).for_each(|n| stage.greet(n, false, 8000));
    stage
}

fn said(peer: usize, what: Said) -> Signal {
    Signal { peer: peer_id(peer).0, offer_id: OFFER, what }
}

/// What was sent since the last time anybody looked.
fn sent(stage: &mut Stage) -> Vec<(u32, Message)> {
    let sent = stage.out.drain(..).filter_map(|output| match output {
        Output::Send(link, message) => Some((link.0, message)),
        _ => None,
    });
    sent.collect()
}

fn asked(stage: &mut Stage) -> Vec<u32> {
    let is_question = |(link, message)| matches!(message, Message::Meet { .. }).then_some(link);
    sent(stage).into_iter().filter_map(is_question).collect()
}

fn dialled(stage: &mut Stage) -> Vec<PeerId> {
    let dialled = stage.out.drain(..).filter_map(|output| match output {
        Output::Dial(peer) => Some(peer),
        _ => None,
    });
    dialled.collect()
}

/// The neighbour names these, once it is asked.
fn name(stage: &mut Stage, link: u32, peers: std::ops::Range<usize>) {
    while !asked(stage).contains(&link) {
        stage.pass(1000);
    }
    stage.say(link, Message::Peers(peers.map(|n| peer_id(n).0).collect()));
}

#[test]
fn a_swarm_outlives_its_tracker() {
    let mut world = World::new(40);
    for _ in 0..3 {
        world.join(Manner::Honest);
    }
    world.run_for(Duration::from_secs(5));
    world.tracker_up = false;
    let late = world.join(Manner::Honest);
    world.feed(late, Input::Strangers(&[peer_id(1)]));
    world.run_for(Duration::from_secs(30));
    assert_eq!(world.viewers[late].core.snapshot().links.len(), 3, "it met the others through one of them");
    world.origin_up = false;
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.viewers[late].stalls, 0, "and has what they have");
}

#[test]
fn neighbours_are_asked_only_if_the_tracker_names_nobody() {
    let mut stage = among(5);
    for _ in 0..10 {
        stage.feed(Input::Audience(40));
        stage.feed(Input::Strangers(&[peer_id(77)]));
        stage.feed(Input::DialFailed(peer_id(77)));
        stage.pass(3000);
    }
    assert_eq!(asked(&mut stage), [], "the tracker names peers");
    stage.pass(20_000);
    assert!((3..=6).contains(&asked(&mut stage).len()), "three at a time, every 15 s");
    // It says that there are no more.
    for _ in 0..10 {
        stage.feed(Input::Audience(5));
        stage.pass(3000);
    }
    assert_eq!(asked(&mut stage), []);
}

#[test]
fn an_offer_goes_by_who_named_the_peer_and_its_answer_comes_back_that_way() {
    let mut stage = among(2);
    let offer = said(9, Said::Offer("v=0".into()));
    assert!(!stage.core.carries(stage.now, &offer));
    name(&mut stage, 1, 9..10);
    stage.pass(300);
    assert_eq!(dialled(&mut stage), [peer_id(9)]);
    assert!(stage.core.carries(stage.now, &offer));
    stage.feed(Input::Signal(offer.clone()));
    assert_eq!(sent(&mut stage), [(1, Message::Carry(offer.clone()))]);
    // From another neighbour, of another peer: no answer to it.
    let answer = |peer| Message::Carried(said(peer, Said::Answer("v=1".into())));
    stage.say(2, answer(9));
    stage.say(1, answer(8));
    assert!(stage.out.is_empty());
    stage.say(1, answer(9));
    stage.say(1, answer(9));
    assert_eq!(stage.out, [Output::Signal(said(9, Said::Answer("v=1".into())))], "once");
    // When the tracker knows the peer, too, the offer is for the tracker.
    stage.feed(Input::Strangers(&[peer_id(9)]));
    assert!(!stage.core.carries(stage.now, &offer));
    let long = said(9, Said::Offer("x".repeat(9000)));
    assert!(!stage.core.carries(stage.now, &long));
}

#[test]
fn an_offer_that_is_brought_is_answered_by_who_brought_it() {
    let mut stage = among(2);
    let _ = sent(&mut stage);
    let offer = said(9, Said::Offer("v=0".into()));
    stage.say(2, Message::Carried(offer.clone()));
    assert_eq!(stage.out, [Output::Signal(offer)]);
    let answer = said(9, Said::Answer("v=1".into()));
    assert!(!stage.core.carries(stage.now, &said(8, Said::Answer("v=1".into()))));
    stage.out.clear();
    stage.feed(Input::Signal(answer.clone()));
    assert_eq!(sent(&mut stage), [(2, Message::Carry(answer.clone()))]);
    assert!(!stage.core.carries(stage.now, &answer), "once");
    // From one that is linked already nobody takes any.
    stage.say(2, Message::Carried(said(1, Said::Offer("v=0".into()))));
    assert_eq!(sent(&mut stage), [(2, Message::Carry(said(1, Said::Nobody)))]);
}

#[test]
fn what_is_to_be_carried_goes_one_hop_in_the_name_of_who_gave_it() {
    let mut stage = among(3);
    let _ = sent(&mut stage);
    let offer = Said::Offer("v=0".into());
    stage.say(1, Message::Carry(said(3, offer.clone())));
    assert_eq!(sent(&mut stage), [(3, Message::Carried(said(1, offer.clone())))]);
    for stranger in [1, 0, 9] {
        stage.say(1, Message::Carry(said(stranger, offer.clone())));
        assert_eq!(sent(&mut stage), [(1, Message::Carried(said(stranger, Said::Nobody)))]);
        stage.say(1, Message::Carry(said(stranger, Said::Nobody)));
        assert_eq!(sent(&mut stage), []);
    }
}

#[test]
fn those_that_give_and_are_there_are_named_and_never_more_than_fit() {
    let mut stage = Stage::new(Config { links_max: 60, ..Config::default() });
    (1..=50).for_each(|n| stage.greet(n, false, if n == 50 { 0 } else { 8000 }));
    let _ = sent(&mut stage);
    stage.say(50, Message::Meet { want: 200 });
    let [(50, Message::Peers(many))] = &sent(&mut stage)[..] else { panic!("one answer") };
    assert_eq!(many.len(), MAX_NAMED);
    stage.say(1, Message::Meet { want: 6 });
    let [(1, Message::Peers(few))] = &sent(&mut stage)[..] else { panic!("one answer") };
    assert_eq!(few.len(), 6);
    assert!(!few.contains(&peer_id(1).0) && !many.contains(&peer_id(50).0));
    stage.pass(61_000);
    let _ = sent(&mut stage);
    stage.say(50, Message::Meet { want: 6 });
    assert!(sent(&mut stage).contains(&(50, Message::Peers(vec![]))), "nobody was heard for a minute");
}

/// Whenever it asks neighbour 1, that one names thirty more, who are there when they are dialled. How many were.
fn named_without_end(stage: &mut Stage, seconds: u64) -> u32 {
    let mut met = 0;
    for round in 0..seconds as usize {
        stage.pass(1000);
        for output in core::mem::take(&mut stage.out) {
            match output {
                Output::Send(Link(1), Message::Meet { .. }) => {
                    let names = (1000 + 30 * round..1030 + 30 * round).map(|n| peer_id(n).0);
                    stage.say(1, Message::Peers(names.collect()));
                }
                Output::Dial(peer) => {
                    met += 1;
                    stage.feed(Input::LinkUp { link: Link(1000 + met), peer, dialled: true });
                    stage.greeting(1000 + met, 8000, false);
                }
                _ => {}
            }
        }
    }
    met
}

#[test]
fn one_neighbour_fills_no_more_than_half_of_the_places() {
    let mut stage = among(1);
    assert_eq!(named_without_end(&mut stage, 100), 6);
    // Another may name as many.
    stage.greet(2, false, 8000);
    name(&mut stage, 2, 100..130);
    stage.pass(300);
    assert_eq!(dialled(&mut stage).len(), 3, "half of the dials");
}

#[test]
fn a_peer_that_could_not_be_reached_is_not_dialled_again_at_once() {
    let mut stage = among(1);
    let mut dials = Vec::new();
    while dials.len() < 2 {
        name(&mut stage, 1, 9..10);
        stage.pass(300);
        if dialled(&mut stage) == [peer_id(9)] {
            dials.push(stage.now);
            stage.feed(Input::DialFailed(peer_id(9)));
        }
    }
    assert!(dials[1].since(dials[0]) >= Duration::from_secs(120));
}

#[test]
fn who_talks_too_much_of_others_is_done_with() {
    let floods: [fn() -> Message; 4] = [
        || Message::Meet { want: 1 },
        || Message::Peers(vec![[7; 20]]),
        || Message::Carry(said(9, Said::Offer("v=0".into()))),
        || Message::Carried(said(9, Said::Answer("v=0".into()))),
    ];
    for flood in floods {
        let mut stage = among(2);
        for _ in 0..300 {
            stage.say(1, flood());
        }
        assert_eq!(stage.hung_up(1), Some(Hangup::Forger));
        assert!(sent(&mut stage).len() < 60, "what is too much is not answered");
        assert_eq!(dialled(&mut stage), []);
    }
    // Whoever floods another through us gets it no more than it can take.
    let mut stage = among(3);
    let _ = sent(&mut stage);
    for n in 0..40 {
        stage.say(1 + n % 2, Message::Carry(said(3, Said::Offer("v=0".into()))));
    }
    let passed = sent(&mut stage).into_iter().filter(|(link, _)| *link == 3).count();
    assert_eq!(passed, 24);
}

#[test]
fn a_forger_tells_against_who_named_it() {
    let mut stage = among(2);
    name(&mut stage, 1, 9..10);
    stage.pass(300);
    stage.feed(Input::LinkUp { link: Link(9), peer: peer_id(9), dialled: true });
    stage.feed(Input::Garbage(Link(9)));
    assert_eq!(stage.hung_up(9), Some(Hangup::Forger));
    // Nobody vouches for one that vouches for forgers.
    let _ = sent(&mut stage);
    stage.say(2, Message::Meet { want: 9 });
    assert_eq!(sent(&mut stage), [(2, Message::Peers(vec![]))]);
    name(&mut stage, 2, 9..10);
    stage.pass(100);
    assert_eq!(dialled(&mut stage), [], "and the forger is not met again");
}
