//! What peers say, and what cores and sessions are told.

use crate::put;
use braidcast_fuzz::{Film, live, live_parts};
use manifest::{Kind, SegmentId, digest};
use std::collections::VecDeque;
use std::time::Duration;
use swarm::{Config, Input, Link, Output, Peer, PeerId, Player, Source, Time, Verdict, trace};
use wire::{Bits, Have, Hello, Message, Partial, Playing, Refusal, Run, Said, Seat, Signal, VERSION};

pub fn seeds(film: &Film) {
    frames(film);
    let (operations, traced) = story(film);
    put("swarm_operations", "story", &operations);
    put("swarm_trace", "story", &traced);
    let (operations, traced) = live_story();
    put("swarm_live", "story", &operations);
    put("swarm_trace", "live", &traced);
    put("session_calls", "story", &session(film));
}

fn messages(film: &Film) -> Vec<Message> {
    let segment = SegmentId::new(0, 1);
    let mut pieces = Bits::none(3);
    pieces.set(1);
    let runs =
        vec![Run { first: SegmentId::new(0, 2), count: 2 }, Run { first: SegmentId::new(1, 1), count: 4 }];
    vec![
        Message::Hello(Hello {
            version: VERSION,
            swarm: film.index.swarm_id(),
            upload_kbps: 5000,
            keeps: true,
        }),
        Message::Have(Have {
            whole: runs.clone(),
            partial: vec![Partial { segment, pieces }],
            gone: runs,
            fetching: vec![segment],
        }),
        Message::Playing(Playing { position_ms: 1000, window_end_ms: 16_000, video: 0, audio: 1 }),
        Message::Request { id: 1, segment, piece: 1, within_ms: 4000, leaves: true },
        Message::Cancel { id: 1 },
        Message::Refuse { id: 1, why: Refusal::Busy },
        Message::Seats(vec![Seat { stripe: 3, room: 2, path: vec![1, 2] }]),
        Message::Follow { stripes: 9 },
        Message::Feed { stripes: 1 },
        Message::Behind { head: 300 },
        Message::Meet { want: 6 },
        Message::Peers(vec![[b'b'; 20], [b'c'; 20]]),
        Message::Carry(signal(Said::Offer("v=0".into()))),
        Message::Carried(signal(Said::Answer("v=0".into()))),
        Message::Carried(signal(Said::Nobody)),
        Message::Goodbye,
    ]
}

fn signal(what: Said) -> Signal {
    Signal { peer: [b'a'; 20], offer_id: [b'o'; 20], what }
}

fn frames(film: &Film) {
    let mut all = Vec::new();
    for message in messages(film) {
        wire::put_message(&mut all, &message);
    }
    put("wire_frames", "messages", &all);
    let segment = SegmentId::new(1, 4);
    let mut media = Vec::new();
    let bytes = film.segment(segment).expect("the film has it");
    wire::put_leaves(&mut media, segment, &digest::leaves(bytes, film.index.piece_len));
    wire::put_piece(&mut media, 3, segment, 0, bytes);
    put("wire_frames", "media", &media);
}

/// Two viewers of the film, one link, one origin: what the first is told, as operations and as a recorded trace.
fn story(film: &Film) -> (Vec<u8>, Vec<u8>) {
    let ids = [PeerId([b'm'; 20]), PeerId([b'a'; 20])];
    let config = Config::default();
    let mut peers = ids.map(|id| Peer::new(id, config.clone(), 7));
    let mut operations = Vec::new();
    let mut recorder = trace::Recorder::new(ids[0], &config, 7);
    let mut now = Time(0);
    // `swarm_operations` tells the first three of these by itself.
    let mut queue: VecDeque<(usize, Input<'_>, bool)> = VecDeque::new();
    for who in [0, 1] {
        queue.push_back((who, Input::Film(&film.index), true));
        let start =
            Player { position: Duration::ZERO, buffered: Duration::ZERO, playing: true, rate_permille: 1000 };
        queue.push_back((who, Input::Player(start), true));
        queue.push_back((who, Input::LinkUp { link: Link(0), peer: ids[1 - who], dialled: who == 0 }, true));
        queue.push_back((who, Input::LinkRoom { link: Link(0), room: 128 * 1024 }, false));
    }
    for sequence in 1..=4 {
        for (who, rendition) in [(1, 0), (1, 1), (0, 0), (0, 1)] {
            queue.push_back((who, Input::Want(SegmentId::new(rendition, sequence)), false));
        }
        queue.push_back((0, Input::Wake, false));
        queue.push_back((1, Input::Wake, false));
    }
    queue.push_back((0, Input::Sharing(None), false));
    queue.push_back((0, Input::LinkDown(Link(0)), false));

    let mut calls = 0;
    while let Some((who, input, given)) = queue.pop_front() {
        calls += 1;
        if calls > 400 {
            break;
        }
        now = now + Duration::from_millis(40);
        let mut outputs = Vec::new();
        peers[who].handle(now, input.clone(), &mut outputs);
        if who == 0 {
            recorder.record(now, &input, &outputs);
            if !given {
                wire::put_varint(&mut operations, 40);
                trace::put_input(&mut operations, &input);
            }
        }
        for output in outputs.into_iter().rev() {
            let arrived =
                |segment, piece, from| Input::Arrived { segment, piece, from, verdict: Verdict::Verified };
            match output {
                Output::Send(link, message) => {
                    queue.push_front((1 - who, Input::Message(link, message), false))
                }
                Output::SendPiece { link, segment, piece, .. } => {
                    queue.push_front((1 - who, arrived(segment, piece, Source::Peer(link)), false));
                }
                Output::Fetch { segment, first, end } => {
                    queue.push_front((who, Input::FetchEnded { segment, complete: true }, false));
                    for piece in (first..end).rev() {
                        queue.push_front((who, arrived(segment, piece, Source::Origin), false));
                    }
                }
                _ => {}
            }
        }
    }
    (operations, recorder.bytes().to_vec())
}

/// A viewer of a live stream who follows one neighbour and is followed by another: as operations, which begin with all that
/// `swarm_live` does not tell by itself, and as a recorded trace.
fn live_story() -> (Vec<u8>, Vec<u8>) {
    let (me, config) = (PeerId([b'm'; 20]), Config::default());
    let mut peer = Peer::new(me, config.clone(), 7);
    let mut recorder = trace::Recorder::new(me, &config, 7);
    let mut operations = Vec::new();
    let mut now = Time(0);
    let mut tell = |ms: u32, input: Input<'_>, given: bool| {
        now = now + Duration::from_millis(u64::from(ms));
        let mut outputs = Vec::new();
        peer.handle(now, input.clone(), &mut outputs);
        recorder.record(now, &input, &outputs);
        if !given {
            wire::put_varint(&mut operations, ms);
            trace::put_input(&mut operations, &input);
        }
    };
    let kinds = [Kind::Video, Kind::Audio];
    tell(1, Input::Live { swarm: live::STREAM, piece_len: 16 * 1024, kinds: &kinds }, true);
    tell(1, Input::Head { from: Source::Origin, number: 5, parts: &live_parts(1..=5) }, true);
    let player =
        Player { position: Duration::ZERO, buffered: Duration::ZERO, playing: true, rate_permille: 1000 };
    tell(1, Input::Player(player), true);
    tell(1, Input::Audience(2), false);
    for (link, peer) in [(Link(0), PeerId([b'a'; 20])), (Link(1), PeerId([b'b'; 20]))] {
        tell(1, Input::LinkUp { link, peer, dialled: link == Link(0) }, true);
        tell(1, Input::LinkRoom { link, room: 128 * 1024 }, false);
        let hello = Hello { version: VERSION, swarm: live::STREAM, upload_kbps: 9000, keeps: false };
        let playing = Playing { position_ms: 0, window_end_ms: 40_000, video: 0, audio: 1 };
        tell(5, Input::Message(link, Message::Hello(hello)), false);
        tell(0, Input::Message(link, Message::Playing(playing)), false);
    }
    let seats = (0..4).map(|stripe| Seat { stripe, room: 3, path: vec![9, 8] }).collect();
    tell(20, Input::Message(Link(0), Message::Seats(seats)), false);
    for rendition in [0, 1] {
        tell(9, Input::Want(SegmentId::new(rendition, 5)), false);
    }
    tell(300, Input::Wake, false);
    tell(40, Input::Message(Link(0), Message::Feed { stripes: 0x0f }), false);
    tell(40, Input::Message(Link(1), Message::Follow { stripes: 0x0f }), false);
    for number in 6..10 {
        let from = Source::Peer(Link(0));
        tell(200, Input::Head { from, number, parts: &live_parts(number..=number) }, false);
        let pieces = (0..7).map(|piece| (SegmentId::new(0, number), piece));
        for (segment, piece) in pieces.chain([(SegmentId::new(1, number), 0)]) {
            tell(9, Input::Arrived { segment, piece, from, verdict: Verdict::Verified }, false);
        }
        tell(50, Input::Want(SegmentId::new(0, number)), false);
    }
    let from = Source::Peer(Link(0));
    tell(40, Input::Head { from, number: 20, parts: &live_parts(20..=20) }, false);
    tell(40, Input::Message(Link(1), Message::Behind { head: 2 }), false);
    let own = vec![Seat { stripe: 1, room: 0, path: vec![7; 16] }];
    tell(40, Input::Message(Link(0), Message::Seats(own)), false);
    tell(40, Input::LinkDown(Link(0)), false);
    tell(3500, Input::Wake, false);
    tell(2500, Input::Head { from: Source::Origin, number: 400, parts: &live_parts(395..=400) }, false);
    tell(40, Input::Sharing(None), false);
    (operations, recorder.bytes().to_vec())
}

/// Calls in the bytes of `session_calls`: a want, a link, messages, a forged and a real piece, the origin.
fn session(film: &Film) -> Vec<u8> {
    let mut bytes = vec![4, 1, 0, 1, 1, 1, 0, 1];
    for message in messages(film) {
        let mut frame = Vec::new();
        wire::put_message(&mut frame, &message);
        bytes.extend([6, 1, 0]);
        wire::put_varint(&mut bytes, frame.len() as u32);
        bytes.extend(frame);
    }
    for id in 0..4 {
        bytes.extend([0, 60, 7, 1, 0, 0, 1, 0, id, 0, 7, 1, 0, 0, 1, 1, id, 1]);
    }
    bytes.extend([
        8, 1, 0, 1, 0, 0, 8, 1, 0, 1, 1, 0, 8, 1, 0, 1, 2, 0, 9, 1, 0, 1, 1, 0, 14, 1, 3, 9, 2, 1, 0, 11, 1,
        0, 2, 0, 11, 1, 0, 3, 1, 12, 1, 0, 2, 13, 1, 1, 5,
    ]);
    bytes
}
