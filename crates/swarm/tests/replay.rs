//! One recorded input trace gives the same outputs again.

mod common;
use manifest::SegmentId;
use proptest::prelude::*;
use std::time::Duration;
use swarm::trace::{Recorder, Replay, drive, replay};
use swarm::{Config, Input, Link, Peer, Player, Source, Time, Verdict};
use wire::{Have, Hello, Message, Playing, Run};

fn recorded(config: &Config) -> Vec<u8> {
    let film = common::film(10);
    let (me, seed) = (common::peer_id(1), 7);
    let mut peer = Peer::new(me, config.clone(), seed);
    let mut recorder = Recorder::new(me, config, seed);
    let mut out = Vec::new();
    let mut step = |at_ms: u64, input: Input<'_>| {
        out.clear();
        peer.handle(Time::from_millis(at_ms), input.clone(), &mut out);
        recorder.record(Time::from_millis(at_ms), &input, &out);
    };
    let hello = Hello { version: 1, swarm: film.swarm_id(), upload_kbps: 8000, keeps: false };
    let whole = vec![Run { first: SegmentId::new(0, 1), count: 10 }];
    let playing = Playing { position_ms: 3000, window_end_ms: 43_000, video: 0, audio: 3 };
    step(0, Input::Film(&film));
    step(1, Input::Audience(1));
    step(1, Input::OriginRate(3_000_000));
    step(1, Input::Strangers(&[common::peer_id(2), common::peer_id(3)]));
    step(300, Input::LinkUp { link: Link(1), peer: common::peer_id(2), dialled: true });
    step(301, Input::LinkRoom { link: Link(1), room: 131_072 });
    step(320, Input::Message(Link(1), Message::Hello(hello)));
    step(320, Input::Message(Link(1), Message::Have(Have { whole, ..Have::default() })));
    step(320, Input::Message(Link(1), Message::Playing(playing)));
    step(400, Input::Want(SegmentId::new(0, 1)));
    let (segment, from) = (SegmentId::new(0, 1), Source::Peer(Link(1)));
    for piece in 0..6 {
        step(
            450 + u64::from(piece) * 10,
            Input::Arrived { segment, piece, from, verdict: Verdict::Verified },
        );
    }
    let player = Player {
        position: Duration::from_millis(200),
        buffered: Duration::from_millis(3800),
        playing: true,
        rate_permille: 1000,
    };
    step(700, Input::Player(player));
    step(750, Input::Want(SegmentId::new(0, 2)));
    for at in 0..20 {
        step(800 + at * 100, Input::Wake);
    }
    step(2900, Input::Held(SegmentId::new(0, 3)));
    step(2950, Input::Lost(SegmentId::new(0, 1)));
    step(3000, Input::LinkDown(Link(1)));
    step(3050, Input::Wake);
    recorder.bytes().to_vec()
}

#[test]
fn a_recorded_run_replays_bit_for_bit() {
    for config in [Config::default(), Config::keeper()] {
        assert!(matches!(replay(&recorded(&config)), Replay::Same { calls } if calls > 30));
    }
}

#[test]
fn a_changed_output_is_noticed() {
    let mut trace = recorded(&Config::default());
    let last = trace.len() - 1;
    trace[last] ^= 1;
    assert!(!matches!(replay(&trace), Replay::Same { .. }));
    assert_eq!(replay(&trace[..10]), Replay::Malformed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Whatever comes, the core neither panics nor outgrows its bounds.
    #[test]
    fn arbitrary_inputs_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let mut peer = Peer::new(common::peer_id(1), Config::default(), 1);
        peer.handle(Time::default(), Input::Film(&common::film(10)), &mut Vec::new());
        drive(&mut peer, &bytes, |peer, _| {
            assert!(peer.snapshot().links.len() <= Config::default().links_max);
        });
        let _ = replay(&bytes);
    }
}
