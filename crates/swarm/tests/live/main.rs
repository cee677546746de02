//! Stories of live streams: what is pushed, who is followed, what heads tell, and what strangers cannot do.

mod left_trees;
mod stage;
mod stream;

use manifest::SegmentId;
use proptest::collection::vec;
use proptest::prelude::*;
use stage::{Stage, seat};
use std::collections::BTreeMap;
use std::time::Duration;
use stream::{BEFORE, PIECE, PIECES, SWARM, Stream, name, parts, peer_id};
use swarm::trace::{Replay, replay};
use swarm::{Hangup, Input, Link, Output, Player, Source, Topology, Verdict};
use wire::{Have, Hello, MAX_PATH, MAX_STRIPES, Message, Playing, Run, Seat};

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

/// What a hostile neighbour may say; names of those around are among its paths.
fn message() -> impl Strategy<Value = Message> {
    let names = prop_oneof![any::<u32>(), (0..6usize).prop_map(|at| name(peer_id(at)))];
    let seat = (0..MAX_STRIPES, any::<u8>(), vec(names, 0..=MAX_PATH));
    let seat = seat.prop_map(|(stripe, room, path)| Seat { stripe, room, path });
    let segment =
        || (0..2u8, 0..120u32).prop_map(|(rendition, sequence)| SegmentId::new(rendition, sequence));
    prop_oneof![
        4 => vec(seat, 0..=8).prop_map(Message::Seats),
        4 => any::<u8>().prop_map(|stripes| Message::Follow { stripes }),
        4 => any::<u8>().prop_map(|stripes| Message::Feed { stripes }),
        2 => any::<u32>().prop_map(|head| Message::Behind { head }),
        2 => (segment(), 1..80u32).prop_map(|(first, count)| {
            Message::Have(Have { whole: std::vec![Run { first, count }], ..Have::default() })
        }),
        1 => (any::<u32>(), segment(), 0..9u32).prop_map(|(id, segment, piece)| {
            Message::Request { id, segment, piece, within_ms: 100, leaves: false }
        }),
        1 => (any::<u32>(), any::<u8>()).prop_map(|(at, video)| Message::Playing(Playing {
            position_ms: at / 2, window_end_ms: at, video: video % 2, audio: 255,
        })),
        1 => (0..100_000u32, any::<bool>()).prop_map(|(upload_kbps, keeps)| {
            Message::Hello(Hello { version: 1, swarm: SWARM, upload_kbps, keeps })
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    /// Whatever neighbours say about trees and heads, the core neither panics nor outgrows its bounds, and its viewer is served.
    #[test]
    fn floods_about_trees_change_nothing_that_matters(story in vec((1..6u32, message(), 0..400u64), 1..300)) {
        let mut stage = Stage::with(5);
        let mut born = BEFORE;
        stage.pass(10_000);
        prop_assert!(stage.out.iter().any(|o| matches!(o, Output::Fetch { .. })), "the origin is there");
        for (link, message, ms) in story {
            stage.out.clear();
            let hung_up = |o: &Output| matches!(o, Output::Hangup(..));
            stage.say(link, message);
            stage.now = stage.now + Duration::from_millis(ms);
            if ms % 5 == 0 {
                born += 1;
                stage.feed(Input::Head { from: Source::Origin, number: born, parts: &parts([born]) });
                let (segment, piece) = (SegmentId::new(0, born), ms as u32 % PIECES);
                let (from, verdict) = (Source::Peer(Link(1 + born % 5)), Verdict::Verified);
                stage.feed(Input::Arrived { segment, piece, from, verdict });
            }
            stage.feed(Input::Wake);
            let about_trees = stage.out.iter().filter(|o| matches!(o, Output::Send(_, Message::Seats(_) | Message::Follow { .. } | Message::Feed { .. })));
            prop_assert!(about_trees.count() <= 5 * 12, "one message leads to few");
            for output in &stage.out {
                match output {
                    Output::Send(_, Message::Seats(seats)) => {
                        prop_assert!(seats.len() <= 4 && seats.iter().all(|seat| seat.path.len() <= MAX_PATH));
                        let me = name(peer_id(0));
                        prop_assert!(seats.iter().all(|seat| !seat.path.contains(&me)), "nobody is its own parent");
                    }
                    Output::Send(_, Message::Feed { stripes } | Message::Follow { stripes }) => {
                        prop_assert!(*stripes < 16, "there are four stripes");
                    }
                    Output::Fetch { segment, .. } => prop_assert!(segment.sequence <= born),
                    Output::Hangup(_, why) => prop_assert!(*why != Hangup::Forger || stage.out.iter().any(hung_up)),
                    _ => {}
                }
            }
            let snapshot = stage.core.snapshot();
            prop_assert!(snapshot.depths.iter().flatten().all(|&depth| depth <= MAX_PATH));
            prop_assert!(snapshot.fetching <= 2 + snapshot.wants && snapshot.held_bytes <= 160 * u64::from(PIECE * PIECES));
        }
    }
}
