//! Stories of live streams: what is pushed, who is followed, what heads tell, and what strangers cannot do. Here, those of all viewers.

mod alone;
mod left_trees;
mod random;
mod stage;
mod stream;

use std::collections::BTreeMap;
use stream::{PIECES, Stream, name, peer_id};
use swarm::Topology;
use swarm::trace::{Replay, replay};
use wire::{MAX_PATH, MAX_STRIPES};

fn shares(stream: &Stream) -> (u32, u32, u32) {
    let sum = |of: fn(&stream::Viewer) -> u32| stream.viewers.iter().map(of).sum();
    (sum(|v| v.from_origin), sum(|v| v.pushed), sum(|v| v.asked))
}

#[test]
fn pieces_get_to_all_down_the_trees_and_few_copies_leave_the_origin() {
    let mut stream = Stream::new(12, 11, Topology::HYBRID);
    stream.run(10);
    let (before, ..) = shares(&stream);
    stream.viewers.iter_mut().for_each(|viewer| viewer.starved = 0);
    stream.run(20);
    let (origin, pushed, asked) = shares(&stream);
    let born = 20_000 / 400 * PIECES;
    assert!(
        origin - before < born * 3,
        "{} pieces from the origin for {born} that were born",
        origin - before
    );
    assert!(pushed > 10 * asked, "{pushed} pushed, {asked} asked for");
    for (at, viewer) in stream.viewers.iter().enumerate() {
        assert!(viewer.heard + 1 >= stream.born, "{at} has heard of all but the last");
        assert_eq!(viewer.starved, 0, "{at}");
        assert!(stream.depths(at).iter().all(Option::is_some), "{at}: {:?}", stream.depths(at));
    }
}

/// How long, in seconds, each viewer and stripe has been part of a ring of parents, as far as they tell.
fn rings(stream: &Stream, so_far: &BTreeMap<(usize, u8), u32>) -> BTreeMap<(usize, u8), u32> {
    let who: BTreeMap<u32, usize> = (0..stream.viewers.len()).map(|at| (name(peer_id(at)), at)).collect();
    let parent = |at: usize, stripe: u8| {
        let seat = stream.viewers[at].seats.iter().find(|seat| seat.stripe == stripe)?;
        who.get(seat.path.first()?).copied().filter(|&parent| !stream.viewers[parent].gone)
    };
    let mut rings = BTreeMap::new();
    for stripe in 0..MAX_STRIPES {
        for at in (0..stream.viewers.len()).filter(|&at| !stream.viewers[at].gone) {
            let mut above = parent(at, stripe);
            for _ in 0..stream.viewers.len() {
                if above == Some(at) {
                    rings.insert((at, stripe), so_far.get(&(at, stripe)).unwrap_or(&0) + 1);
                    break;
                }
                above = above.and_then(|above| parent(above, stripe));
            }
        }
    }
    rings
}

fn places_are_as_they_should(stream: &Stream) {
    for (at, viewer) in stream.viewers.iter().enumerate() {
        for seat in &viewer.seats {
            assert_eq!(u32::from(seat.stripe), name(peer_id(at)) % 4, "{at} offers what it gives: {seat:?}");
            assert!(seat.path.len() <= MAX_PATH && !seat.path.contains(&name(peer_id(at))), "{at}: {seat:?}");
            assert!(seat.room <= 3, "{at}: {seat:?}");
        }
    }
    let tops =
        |stripe: usize| (0..stream.viewers.len()).filter(|&at| stream.depths(at)[stripe] == Some(0)).count();
    assert!((0..4).all(|stripe| (1..=8).contains(&tops(stripe))), "{:?}", [0, 1, 2, 3].map(tops));
}

#[test]
fn the_loss_of_those_in_the_middle_is_repaired_and_nobody_follows_itself() {
    let mut stream = Stream::new(40, 12, Topology::HYBRID);
    stream.run(12);
    places_are_as_they_should(&stream);
    let feeds = |stream: &Stream, at: usize| stream.viewers[at].pushed;
    let mut busiest: Vec<usize> = (0..40).collect();
    busiest.sort_by_key(|&at| std::cmp::Reverse(feeds(&stream, at)));
    busiest[..6].iter().for_each(|&at| stream.crash(at, 200));
    stream.viewers.iter_mut().for_each(|viewer| viewer.starved = 0);
    let mut looped = BTreeMap::new();
    for _ in 0..15 {
        stream.run(1);
        looped = rings(&stream, &looped);
        assert!(looped.values().all(|&seconds| seconds < 5), "{looped:?}");
    }
    for at in (0..40).filter(|at| !busiest[..6].contains(at)) {
        let viewer = &stream.viewers[at];
        assert!(viewer.starved <= 2, "{at} had nothing to play {} times", viewer.starved);
        assert!(viewer.heard + 2 >= stream.born, "{at} has heard of {} of {}", viewer.heard, stream.born);
        assert!(stream.depths(at).iter().flatten().count() >= 2, "{at}: {:?}", stream.depths(at));
    }
    let there = (0..40).filter(|at| !busiest[..6].contains(at));
    let places: usize = there.map(|at| stream.depths(at).iter().flatten().count()).sum();
    assert!(places >= 34 * 4 * 9 / 10, "{places} places of {}", 34 * 4);
}

#[test]
fn tops_that_are_gone_unnoticed_are_replaced_before_they_are_noticed() {
    let mut stream = Stream::new(12, 11, Topology::HYBRID);
    stream.run(10);
    let is_top = |stream: &Stream, at: usize| stream.depths(at).contains(&Some(0));
    let gone: Vec<usize> = (0..12).filter(|&at| is_top(&stream, at)).collect();
    assert!(gone.len() < 8, "{gone:?}");
    gone.iter().for_each(|&at| stream.crash(at, 60_000));
    stream.run(9);
    let there: Vec<usize> = (0..12).filter(|at| !gone.contains(at)).collect();
    for stripe in 0..4 {
        let top = there.iter().any(|&at| stream.depths(at)[stripe] == Some(0));
        assert!(
            top,
            "stripe {stripe}: {:?}",
            there.iter().map(|&at| stream.depths(at)[stripe]).collect::<Vec<_>>()
        );
    }
    assert!(there.iter().all(|&at| stream.viewers[at].starved <= 2));
}

#[test]
fn heads_that_are_missed_are_asked_for() {
    let mut stream = Stream::new(12, 11, Topology::HYBRID);
    stream.run(8);
    let below = |at: &usize| stream.depths(*at).iter().all(|depth| depth.is_some_and(|depth| depth > 0));
    let at = (0..12).find(below).expect("most follow somebody in every stripe");
    (stream.viewers[at].loses, stream.viewers[at].starved) = (4, 0);
    stream.run(15);
    let viewer = &stream.viewers[at];
    assert!(viewer.sent_behind > 3, "it asked {} times", viewer.sent_behind);
    assert!(viewer.heard + 3 >= stream.born, "it has heard of {} of {}", viewer.heard, stream.born);
    assert_eq!(viewer.starved, 0);
}

#[test]
fn a_stream_plays_in_a_mesh_down_a_tree_and_in_any_number_of_stripes() {
    let striped = |stripes| Topology { stripes, ..Topology::HYBRID };
    for topology in [Topology::MESH, Topology::TREE, striped(1), striped(8)] {
        let mut stream = Stream::new(10, 9, topology);
        stream.run(8);
        stream.viewers.iter_mut().for_each(|viewer| viewer.starved = 0);
        let (before, ..) = shares(&stream);
        stream.run(12);
        let (origin, pushed, asked) = shares(&stream);
        let origin = origin - before;
        let born = 12_000 / 400 * PIECES;
        assert!(origin < born * 3, "{topology:?}: {origin} pieces from the origin for {born}");
        assert_eq!(pushed > 0, topology.push, "{topology:?}");
        assert!(topology.repair || asked == 0, "{topology:?}: {asked} asked for");
        for (at, viewer) in stream.viewers.iter().enumerate() {
            assert!(viewer.starved <= 1, "{topology:?}: {at} starved {} times", viewer.starved);
        }
    }
}

#[test]
fn a_recorded_live_run_replays_bit_for_bit() {
    let mut stream = Stream::new(12, 11, Topology::HYBRID);
    stream.run(12);
    stream.crash(7, 200);
    stream.run(5);
    let traces: Vec<&[u8]> = stream.viewers.iter().filter_map(|v| Some(v.trace.as_ref()?.bytes())).collect();
    assert_eq!(traces.len(), 3);
    for trace in traces {
        assert!(matches!(replay(trace), Replay::Same { calls } if calls > 100));
    }
}
