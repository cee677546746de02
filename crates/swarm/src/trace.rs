//! Inputs and outputs as bytes, to record a run in one place and replay it, bit for bit, in another.
//!
//! A trace is `me:20 seed:u64le role:u8 upload:u32le` and then one record a call: `time`, input, `count`, outputs. Role 1 keeps for
//! others. Integers are varints (64-bit ones as two). It is for tests and for reports of what went wrong, not a wire: it may change with any version.

use crate::{Config, Hangup, Input, Link, Output, Part, Peer, PeerId, Player, Role, Source, Time, Verdict};
use alloc::vec::Vec;
use core::time::Duration;
use manifest::{Index, Kind, SegmentId};
use wire::{Bytes, Frame, Frames, Malformed, Message, Signal, put_message, put_varint};

/// Writes down one peer's run.
#[derive(Debug)]
pub struct Recorder {
    bytes: Vec<u8>,
}

impl Recorder {
    /// A recorder for a peer made by `Peer::new(me, config, seed)`. Of the config its role and upload are written down: it is
    /// replayed with what else is usual in that role.
    pub fn new(me: PeerId, config: &Config, seed: u64) -> Self {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&me.0);
        bytes.extend_from_slice(&seed.to_le_bytes());
        bytes.push(u8::from(config.role == Role::Keeper));
        bytes.extend_from_slice(&config.upload.to_le_bytes());
        Self { bytes }
    }

    /// Adds one call of [`Peer::handle`] with what it put out.
    pub fn record(&mut self, now: Time, input: &Input<'_>, outputs: &[Output]) {
        put_u64(&mut self.bytes, now.0);
        put_input(&mut self.bytes, input);
        put_varint(&mut self.bytes, outputs.len() as u32);
        outputs.iter().for_each(|output| put_output(&mut self.bytes, output));
    }

    /// The trace so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What a replay found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// Every one of `calls` calls gave the recorded outputs.
    Same {
        /// How many.
        calls: u32,
    },
    /// Call number `call`, counted from 0, gave others.
    Differs {
        /// Which.
        call: u32,
    },
    /// The bytes are no trace.
    Malformed,
}

/// Runs a recorded trace through a fresh peer and compares what comes out.
pub fn replay(trace: &[u8]) -> Replay {
    replay_inner(trace).unwrap_or(Replay::Malformed)
}

fn replay_inner(trace: &[u8]) -> Result<Replay, Malformed> {
    let mut bytes = Bytes(trace);
    let me = peer_id(&mut bytes)?;
    let seed = u64::from_le_bytes(bytes.take(8)?.try_into().map_err(|_| Malformed)?);
    let usual = if flag(&mut bytes)? { Config::keeper() } else { Config::default() };
    let upload = u32::from_le_bytes(bytes.take(4)?.try_into().map_err(|_| Malformed)?);
    let mut peer = Peer::new(me, Config { upload, ..usual }, seed);
    let mut calls = 0;
    let (mut out, mut got) = (Vec::new(), Vec::new());
    while !bytes.0.is_empty() {
        let now = Time(u64_of(&mut bytes)?);
        out.clear();
        feed(&mut bytes, |input| {
            peer.handle(now, input, &mut out);
        })?;
        got.clear();
        put_varint(&mut got, out.len() as u32);
        out.iter().for_each(|output| put_output(&mut got, output));
        if !bytes.0.starts_with(&got) {
            return Ok(Replay::Differs { call: calls });
        }
        bytes.take(got.len())?;
        calls += 1;
    }
    Ok(Replay::Same { calls })
}

/// Runs arbitrary bytes as a sequence of inputs: an entry for fuzzers. Times only go forward.
pub fn drive(peer: &mut Peer, bytes: &[u8], mut each: impl FnMut(&Peer, &[Output])) {
    let mut bytes = Bytes(bytes);
    let mut now = Time::default();
    let mut out = Vec::new();
    while let Ok(step) = bytes.varint() {
        now = now + Duration::from_millis(u64::from(step % 20_000));
        out.clear();
        if feed(&mut bytes, |input| {
            peer.handle(now, input, &mut out);
        })
        .is_err()
        {
            return;
        }
        each(peer, &out);
    }
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    put_varint(out, value as u32);
    put_varint(out, (value >> 32) as u32);
}

fn u64_of(bytes: &mut Bytes<'_>) -> Result<u64, Malformed> {
    Ok(u64::from(bytes.varint()?) | u64::from(bytes.varint()?) << 32)
}

fn put_span(out: &mut Vec<u8>, span: Duration) {
    put_u64(out, span.as_micros() as u64);
}

fn span(bytes: &mut Bytes<'_>) -> Result<Duration, Malformed> {
    u64_of(bytes).map(Duration::from_micros)
}

fn put_segment(out: &mut Vec<u8>, segment: SegmentId) {
    out.push(segment.rendition);
    put_varint(out, segment.sequence);
}

fn peer_id(bytes: &mut Bytes<'_>) -> Result<PeerId, Malformed> {
    bytes.take(20)?.try_into().map(PeerId).map_err(|_| Malformed)
}

fn flag(bytes: &mut Bytes<'_>) -> Result<bool, Malformed> {
    match bytes.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed),
    }
}

fn put_source(out: &mut Vec<u8>, source: Source) {
    match source {
        Source::Origin => out.push(0),
        Source::Peer(Link(link)) => {
            out.push(1);
            put_varint(out, link);
        }
    }
}

fn source(bytes: &mut Bytes<'_>) -> Result<Source, Malformed> {
    Ok(if flag(bytes)? { Source::Peer(Link(bytes.varint()?)) } else { Source::Origin })
}

fn put_blob(out: &mut Vec<u8>, blob: &[u8]) {
    put_varint(out, blob.len() as u32);
    out.extend_from_slice(blob);
}

fn blob<'a>(bytes: &mut Bytes<'a>) -> Result<&'a [u8], Malformed> {
    let len = bytes.varint()? as usize;
    bytes.take(len)
}

fn put_signal(out: &mut Vec<u8>, signal: &Signal) {
    put_wire(out, &Message::Carry(signal.clone()));
}

fn put_wire(out: &mut Vec<u8>, message: &Message) {
    let mut frame = Vec::new();
    put_message(&mut frame, message);
    put_blob(out, &frame);
}

/// Appends one input.
pub fn put_input(out: &mut Vec<u8>, input: &Input<'_>) {
    match input {
        Input::Live { .. } | Input::Head { .. } if !cfg!(feature = "live") => {}
        Input::Held(_) | Input::Lost(_) if !cfg!(feature = "keep") => {}
        Input::Wake => out.push(0),
        Input::Film(index) => {
            out.push(1);
            put_blob(out, &index.seal_unsigned());
        }
        Input::Player(player) => {
            out.push(2);
            put_span(out, player.position);
            put_span(out, player.buffered);
            out.push(u8::from(player.playing));
            put_varint(out, player.rate_permille);
        }
        Input::Want(segment) => {
            out.push(3);
            put_segment(out, *segment);
        }
        Input::Unwant(segment) => {
            out.push(4);
            put_segment(out, *segment);
        }
        Input::Sharing(limit) => {
            out.push(5);
            out.push(u8::from(limit.is_some()));
            put_varint(out, limit.unwrap_or(0));
        }
        Input::Audience(others) => {
            out.push(6);
            put_varint(out, *others);
        }
        Input::OriginRate(rate) => {
            out.push(16);
            put_varint(out, *rate);
        }
        Input::Strangers(peers) => {
            out.push(7);
            put_varint(out, peers.len() as u32);
            peers.iter().for_each(|peer| out.extend_from_slice(&peer.0));
        }
        Input::LinkUp { link, peer, dialled } => {
            out.push(8);
            put_varint(out, link.0);
            out.extend_from_slice(&peer.0);
            out.push(u8::from(*dialled));
        }
        Input::DialFailed(peer) => {
            out.push(9);
            out.extend_from_slice(&peer.0);
        }
        Input::LinkRoom { link, room } => {
            out.push(10);
            put_varint(out, link.0);
            put_varint(out, *room);
        }
        Input::LinkDown(link) => {
            out.push(11);
            put_varint(out, link.0);
        }
        Input::Message(link, message) => {
            out.push(12);
            put_varint(out, link.0);
            put_wire(out, message);
        }
        Input::Garbage(link) => {
            out.push(13);
            put_varint(out, link.0);
        }
        Input::Arrived { segment, piece, from, verdict } => {
            out.push(14);
            put_segment(out, *segment);
            put_varint(out, *piece);
            put_source(out, *from);
            out.push(u8::from(*verdict == Verdict::Verified));
        }
        Input::Live { swarm, piece_len, kinds } => {
            out.push(17);
            out.extend_from_slice(swarm);
            put_varint(out, *piece_len);
            let kinds: Vec<u8> = kinds.iter().map(|&kind| u8::from(kind == Kind::Audio)).collect();
            put_blob(out, &kinds);
        }
        Input::Head { from, number, parts } => {
            out.push(18);
            put_source(out, *from);
            put_varint(out, *number);
            put_varint(out, parts.len() as u32);
            for part in *parts {
                put_segment(out, part.id);
                [part.start_ms, part.duration_ms, part.size].into_iter().for_each(|n| put_varint(out, n));
            }
        }
        Input::Held(segment) => {
            out.push(19);
            put_segment(out, *segment);
        }
        Input::Lost(segment) => {
            out.push(20);
            put_segment(out, *segment);
        }
        Input::Signal(signal) => {
            out.push(21);
            put_signal(out, signal);
        }
        Input::FetchEnded { segment, complete } => {
            out.push(15);
            put_segment(out, *segment);
            out.push(u8::from(*complete));
        }
    }
}

/// Reads one input and hands it on.
fn feed(bytes: &mut Bytes<'_>, then: impl FnOnce(Input<'_>)) -> Result<(), Malformed> {
    let link = |bytes: &mut Bytes<'_>| bytes.varint().map(Link);
    match bytes.u8()? {
        0 => then(Input::Wake),
        1 => then(Input::Film(&Index::open(blob(bytes)?, None).map_err(|_| Malformed)?)),
        2 => then(Input::Player(Player {
            position: span(bytes)?,
            buffered: span(bytes)?,
            playing: flag(bytes)?,
            rate_permille: bytes.varint()?,
        })),
        3 => then(Input::Want(bytes.segment()?)),
        4 => then(Input::Unwant(bytes.segment()?)),
        5 => {
            let (on, limit) = (flag(bytes)?, bytes.varint()?);
            then(Input::Sharing(on.then_some(limit)));
        }
        6 => then(Input::Audience(bytes.varint()?)),
        7 => {
            let count = bytes.varint()? as usize;
            if count > bytes.0.len() {
                return Err(Malformed);
            }
            let peers = (0..count).map(|_| peer_id(bytes)).collect::<Result<Vec<_>, _>>()?;
            then(Input::Strangers(&peers));
        }
        8 => then(Input::LinkUp { link: link(bytes)?, peer: peer_id(bytes)?, dialled: flag(bytes)? }),
        9 => then(Input::DialFailed(peer_id(bytes)?)),
        10 => then(Input::LinkRoom { link: link(bytes)?, room: bytes.varint()? }),
        11 => then(Input::LinkDown(link(bytes)?)),
        12 => {
            let link = link(bytes)?;
            match Frames::new(blob(bytes)?).next() {
                Some(Ok(Frame::Message(message))) => then(Input::Message(link, message)),
                _ => return Err(Malformed),
            }
        }
        13 => then(Input::Garbage(link(bytes)?)),
        14 => then(Input::Arrived {
            segment: bytes.segment()?,
            piece: bytes.varint()?,
            from: source(bytes)?,
            verdict: if flag(bytes)? { Verdict::Verified } else { Verdict::Forged },
        }),
        16 => then(Input::OriginRate(bytes.varint()?)),
        17 => {
            let swarm = bytes.take(20)?.try_into().map_err(|_| Malformed)?;
            let piece_len = bytes.varint()?;
            let kind = |&byte: &u8| if byte == 1 { Kind::Audio } else { Kind::Video };
            let kinds: Vec<Kind> = blob(bytes)?.iter().map(kind).collect();
            then(Input::Live { swarm, piece_len, kinds: &kinds });
        }
        18 => {
            let (from, number, count) = (source(bytes)?, bytes.varint()?, bytes.varint()? as usize);
            if count > bytes.0.len() {
                return Err(Malformed);
            }
            let part = |bytes: &mut Bytes<'_>| {
                let (id, start_ms) = (bytes.segment()?, bytes.varint()?);
                Ok(Part { id, start_ms, duration_ms: bytes.varint()?, size: bytes.varint()? })
            };
            let parts = (0..count).map(|_| part(bytes)).collect::<Result<Vec<_>, _>>()?;
            then(Input::Head { from, number, parts: &parts });
        }
        19 => then(Input::Held(bytes.segment()?)),
        20 => then(Input::Lost(bytes.segment()?)),
        21 => match Frames::new(blob(bytes)?).next() {
            Some(Ok(Frame::Message(Message::Carry(signal)))) => then(Input::Signal(signal)),
            _ => return Err(Malformed),
        },
        15 => then(Input::FetchEnded { segment: bytes.segment()?, complete: flag(bytes)? }),
        _ => return Err(Malformed),
    }
    Ok(())
}

/// Appends one output.
pub fn put_output(out: &mut Vec<u8>, output: &Output) {
    match output {
        Output::Announce { want } => {
            out.push(0);
            put_varint(out, *want);
        }
        Output::Dial(peer) => {
            out.push(1);
            out.extend_from_slice(&peer.0);
        }
        Output::Hangup(link, why) => {
            out.push(2);
            put_varint(out, link.0);
            out.push(match why {
                Hangup::Duplicate => 0,
                Hangup::Stranger => 1,
                Hangup::Forger => 2,
                Hangup::Unresponsive => 3,
                Hangup::Full => 4,
            });
        }
        Output::Send(link, message) => {
            out.push(3);
            put_varint(out, link.0);
            put_wire(out, message);
        }
        Output::SendPiece { link, id, segment, piece, leaves } => {
            out.push(4);
            put_varint(out, link.0);
            put_varint(out, *id);
            put_segment(out, *segment);
            put_varint(out, *piece);
            out.push(u8::from(*leaves));
        }
        Output::Fetch { segment, first, end } => {
            out.push(5);
            put_segment(out, *segment);
            put_varint(out, *first);
            put_varint(out, *end);
        }
        Output::CancelFetch(segment) => {
            out.push(6);
            put_segment(out, *segment);
        }
        Output::Deliver(segment) => {
            out.push(7);
            put_segment(out, *segment);
        }
        Output::SendHeads { link, after } => {
            out.push(9);
            put_varint(out, link.0);
            put_varint(out, *after);
        }
        Output::AskHeads { after } => {
            out.push(10);
            put_varint(out, *after);
        }
        Output::Signal(signal) => {
            out.push(11);
            put_signal(out, signal);
        }
        Output::Evict(segment) => {
            out.push(8);
            put_segment(out, *segment);
        }
    }
}
