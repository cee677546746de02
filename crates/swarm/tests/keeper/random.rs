//! Whatever neighbours and the driver say to a keeper, or to a viewer.

use crate::common::film;
use crate::common::stage::Stage;
use manifest::SegmentId;
use proptest::prelude::*;
use std::collections::BTreeSet;
use swarm::{Config, Input, Link, Output, Source, Verdict};
use wire::{Have, Message, Playing, Run};

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Greet(u32, u32, bool),
    Go(u32),
    Plays(u32, u32, u32, u8, u8),
    Holds(u32, SegmentId, u32),
    Fetches(u32, Vec<SegmentId>),
    Asks(u32, u32, SegmentId, u32),
    Held(SegmentId),
    Lost(SegmentId),
    Want(SegmentId),
    Unwant(SegmentId),
    Bring(u32, SegmentId, u32, bool),
    Ended(SegmentId, bool),
    Sharing(Option<u32>),
}

fn segments() -> impl Strategy<Value = SegmentId> {
    (0..5u8, 0..33u32).prop_map(|(rendition, sequence)| SegmentId::new(rendition, sequence))
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3000u64).prop_map(Step::Pass),
        2 => (1..6u32, 0..50_000u32, any::<bool>()).prop_map(|(link, kbps, keeps)| Step::Greet(link, kbps, keeps)),
        1 => (1..6u32).prop_map(Step::Go),
        3 => (1..6u32, any::<u32>(), any::<u32>(), 0..5u8, 0..5u8).prop_map(|(link, a, b, video, audio)| {
            let (a, b) = if a % 2 == 0 { (a % 130_000, b % 200_000) } else { (a, b) };
            Step::Plays(link, a.min(b), a.max(b), video, audio)
        }),
        2 => (1..6u32, segments(), 1..30u32).prop_map(|(link, first, count)| Step::Holds(link, first, count)),
        1 => (1..6u32, proptest::collection::vec(segments(), 0..4)).prop_map(|(link, of)| Step::Fetches(link, of)),
        3 => (1..6u32, 0..50u32, segments(), 0..30u32).prop_map(|(link, id, of, piece)| Step::Asks(link, id, of, piece)),
        2 => segments().prop_map(Step::Held),
        2 => segments().prop_map(Step::Lost),
        2 => segments().prop_map(Step::Want),
        1 => segments().prop_map(Step::Unwant),
        2 => (0..6u32, segments(), 0..30u32, any::<bool>()).prop_map(|(link, of, piece, good)| Step::Bring(link, of, piece, good)),
        2 => (segments(), any::<bool>()).prop_map(|(of, complete)| Step::Ended(of, complete)),
        1 => proptest::option::of(0..10_000_000u32).prop_map(Step::Sharing),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever neighbours and the driver say: only what is held is served, only what there is is fetched, within the bounds.
    #[test]
    fn a_keeper_stays_within_its_bounds(steps in proptest::collection::vec(steps(), 1..120), keeps in any::<bool>()) {
        let config = if keeps { Config::keeper() } else { Config::default() };
        let film = film(30);
        let mut stage = Stage::new(config.clone());
        let mut held: BTreeSet<(SegmentId, u32)> = BTreeSet::new();
        let mut open: BTreeSet<SegmentId> = BTreeSet::new();
        for step in steps {
            match step {
                Step::Pass(millis) => stage.pass(millis),
                Step::Greet(link, kbps, true) => stage.greet_keeper(link, kbps),
                Step::Greet(link, kbps, false) => stage.greet(link, link % 2 == 0, kbps),
                Step::Go(link) => stage.feed(Input::LinkDown(Link(link))),
                Step::Plays(link, position_ms, window_end_ms, video, audio) => {
                    stage.say(link, Message::Playing(Playing { position_ms, window_end_ms, video, audio }));
                }
                Step::Holds(link, first, count) => {
                    stage.say(link, Message::Have(Have { whole: vec![Run { first, count }], ..Have::default() }));
                }
                Step::Fetches(link, fetching) => {
                    stage.say(link, Message::Have(Have { fetching, ..Have::default() }));
                }
                Step::Asks(link, id, segment, piece) => stage.ask_of_it(link, id, segment, piece, 2000),
                Step::Held(segment) => {
                    held.extend((0..film.piece_count(segment)).map(|piece| (segment, piece)));
                    stage.feed(Input::Held(segment));
                }
                Step::Lost(segment) => {
                    held.retain(|(other, _)| *other != segment);
                    stage.feed(Input::Lost(segment));
                }
                Step::Want(segment) => stage.feed(Input::Want(segment)),
                Step::Unwant(segment) => stage.feed(Input::Unwant(segment)),
                Step::Bring(link, segment, piece, good) => {
                    let verdict = if good { Verdict::Verified } else { Verdict::Forged };
                    if good && film.piece_range(segment, piece).is_some() {
                        held.insert((segment, piece));
                    }
                    let from = if link == 0 { Source::Origin } else { Source::Peer(Link(link)) };
                    stage.feed(Input::Arrived { segment, piece, from, verdict });
                }
                Step::Ended(segment, complete) => {
                    open.remove(&segment);
                    stage.feed(Input::FetchEnded { segment, complete });
                }
                Step::Sharing(limit) => stage.feed(Input::Sharing(limit)),
            }
            for output in stage.out.drain(..) {
                match output {
                    Output::SendPiece { segment, piece, .. } => {
                        prop_assert!(held.contains(&(segment, piece)), "only what is held is served");
                    }
                    Output::Fetch { segment, first, end } => {
                        prop_assert!(first < end && end <= film.piece_count(segment));
                        prop_assert!(open.insert(segment), "{:?} is being fetched", segment);
                    }
                    Output::CancelFetch(segment) => prop_assert!(open.remove(&segment)),
                    Output::Deliver(segment) => {
                        let whole = (0..film.piece_count(segment)).all(|piece| held.contains(&(segment, piece)));
                        prop_assert!(whole, "only what is whole is delivered");
                    }
                    Output::Evict(segment) => held.retain(|(other, _)| *other != segment),
                    _ => {}
                }
            }
            let bytes = |&(segment, piece): &(SegmentId, u32)| {
                film.piece_range(segment, piece).map_or(0, |range| u64::from(range.end - range.start))
            };
            let snapshot = stage.core.snapshot();
            prop_assert_eq!(snapshot.held_bytes, held.iter().map(bytes).sum::<u64>());
            prop_assert!(snapshot.fetching <= config.fetches_max + snapshot.wants);
        }
    }
}
