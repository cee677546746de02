//! Whatever neighbours say of trees and heads.

use crate::stage::Stage;
use crate::stream::{BEFORE, PIECE, PIECES, SWARM, name, parts, peer_id};
use manifest::SegmentId;
use proptest::collection::vec;
use proptest::prelude::*;
use std::time::Duration;
use swarm::{Hangup, Input, Link, Output, Source, Verdict};
use wire::{Have, Hello, MAX_PATH, MAX_STRIPES, Message, Playing, Run, Seat};

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
