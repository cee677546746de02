//! Bodies of frames: varints and the messages made of them.

use crate::message::{
    Have, Hello, MAX_NAMED, MAX_PATH, MAX_SDP_BYTES, MAX_STRIPES, Message, Partial, Playing, Refusal, Run,
    Said, Seat, Signal,
};
use crate::{Bits, frame};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use manifest::{MAX_PIECES, SegmentId};

/// Bytes that are no message. There is nothing to tell apart: the sender is broken or hostile either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("malformed peer message")
    }
}

impl core::error::Error for Malformed {}

/// Appends `value` as a LEB128 varint: 7 bits a byte, lowest first, 1 to 5 bytes.
pub fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A cursor over received bytes.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(n).ok_or(Malformed)?;
        self.0 = tail;
        Ok(head)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.take(1).map(|b| b[0])
    }

    /// The next varint, in its one shortest form.
    pub fn varint(&mut self) -> Result<u32, Malformed> {
        let mut value = 0u32;
        for shift in (0..35).step_by(7) {
            let byte = self.u8()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0x0f || shift > 0 && byte == 0 {
                return Err(Malformed);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    /// Yes or no.
    fn flag(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    /// How many things follow, each of which takes at least one byte.
    fn count(&mut self, most: usize) -> Result<usize, Malformed> {
        let count = self.varint()? as usize;
        if count > most || count > self.0.len() { Err(Malformed) } else { Ok(count) }
    }

    /// The next 20 bytes: the name of a peer, a swarm or an offer.
    fn name(&mut self) -> Result<[u8; 20], Malformed> {
        self.take(20)?.try_into().map_err(|_| Malformed)
    }

    /// All that is left, as a session description.
    fn sdp(&mut self) -> Result<String, Malformed> {
        let text = core::str::from_utf8(core::mem::take(&mut self.0)).map_err(|_| Malformed)?;
        if (1..=MAX_SDP_BYTES).contains(&text.len()) { Ok(text.to_owned()) } else { Err(Malformed) }
    }

    fn signal(&mut self) -> Result<Signal, Malformed> {
        let (kind, peer, offer_id) = (self.u8()?, self.name()?, self.name()?);
        let what = match kind {
            0 => Said::Offer(self.sdp()?),
            1 => Said::Answer(self.sdp()?),
            2 => Said::Nobody,
            _ => return Err(Malformed),
        };
        Ok(Signal { peer, offer_id, what })
    }

    /// The next segment id.
    pub fn segment(&mut self) -> Result<SegmentId, Malformed> {
        Ok(SegmentId::new(self.u8()?, self.varint()?))
    }

    fn run(&mut self) -> Result<Run, Malformed> {
        let run = Run { first: self.segment()?, count: self.varint()? };
        let fits = run.count > 0 && run.first.sequence.checked_add(run.count).is_some();
        if fits { Ok(run) } else { Err(Malformed) }
    }

    fn list<T>(
        &mut self,
        most: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        (0..self.count(most)?).map(|_| item(self)).collect()
    }
}

/// Most runs, partial segments or fetches in one `Have`.
const MAX_LIST: usize = 4096;

pub(crate) fn put_segment(out: &mut Vec<u8>, segment: SegmentId) {
    out.push(segment.rendition);
    put_varint(out, segment.sequence);
}

fn put_list<T>(out: &mut Vec<u8>, items: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) {
    put_varint(out, items.len().min(MAX_LIST) as u32);
    items.iter().take(MAX_LIST).for_each(|item| put(out, item));
}

fn put_run(out: &mut Vec<u8>, run: &Run) {
    put_segment(out, run.first);
    put_varint(out, run.count);
}

fn put_signal(out: &mut Vec<u8>, signal: &Signal) {
    let (kind, sdp) = match &signal.what {
        Said::Offer(sdp) => (0, &sdp[..]),
        Said::Answer(sdp) => (1, &sdp[..]),
        Said::Nobody => (2, ""),
    };
    out.push(kind);
    out.extend_from_slice(&signal.peer);
    out.extend_from_slice(&signal.offer_id);
    out.extend_from_slice(sdp.as_bytes());
}

/// The kind byte and the body of `message`.
pub(crate) fn encode(message: &Message, out: &mut Vec<u8>) -> u8 {
    match message {
        Message::Seats(_) | Message::Follow { .. } | Message::Feed { .. } | Message::Behind { .. }
            if !cfg!(feature = "live") =>
        {
            frame::NOTHING
        }
        Message::Hello(hello) => {
            out.push(hello.version);
            out.extend_from_slice(&hello.swarm);
            put_varint(out, hello.upload_kbps);
            out.push(u8::from(hello.keeps));
            frame::HELLO
        }
        Message::Have(have) => {
            put_list(out, &have.whole, put_run);
            put_list(out, &have.partial, |out, partial| {
                put_segment(out, partial.segment);
                put_varint(out, partial.pieces.len());
                out.extend_from_slice(&partial.pieces.to_bytes());
            });
            put_list(out, &have.gone, put_run);
            put_list(out, &have.fetching, |out, &segment| put_segment(out, segment));
            frame::HAVE
        }
        Message::Playing(playing) => {
            put_varint(out, playing.position_ms);
            put_varint(out, playing.window_end_ms);
            out.extend_from_slice(&[playing.video, playing.audio]);
            frame::PLAYING
        }
        Message::Request { id, segment, piece, within_ms, leaves } => {
            put_varint(out, *id);
            put_segment(out, *segment);
            put_varint(out, *piece);
            put_varint(out, *within_ms);
            out.push(u8::from(*leaves));
            frame::REQUEST
        }
        Message::Cancel { id } => {
            put_varint(out, *id);
            frame::CANCEL
        }
        Message::Refuse { id, why } => {
            put_varint(out, *id);
            out.push(match why {
                Refusal::Absent => 0,
                Refusal::Busy => 1,
                Refusal::NotSharing => 2,
            });
            frame::REFUSE
        }
        Message::Seats(seats) => {
            put_list(out, seats, |out, seat| {
                out.extend_from_slice(&[seat.stripe, seat.room]);
                put_list(out, &seat.path, |out, name| out.extend_from_slice(&name.to_le_bytes()));
            });
            frame::SEATS
        }
        Message::Follow { stripes } => {
            out.push(*stripes);
            frame::FOLLOW
        }
        Message::Feed { stripes } => {
            out.push(*stripes);
            frame::FEED
        }
        Message::Behind { head } => {
            put_varint(out, *head);
            frame::BEHIND
        }
        Message::Meet { want } => {
            out.push(*want);
            frame::MEET
        }
        Message::Peers(peers) => {
            put_list(out, peers, |out, peer| out.extend_from_slice(peer));
            frame::PEERS
        }
        Message::Carry(signal) => {
            put_signal(out, signal);
            frame::CARRY
        }
        Message::Carried(signal) => {
            put_signal(out, signal);
            frame::CARRIED
        }
        Message::Goodbye => frame::GOODBYE,
    }
}

/// Reads the body of a frame of `kind`; `Ok(None)` for a kind this version does not know.
pub(crate) fn decode(kind: u8, body: &[u8]) -> Result<Option<Message>, Malformed> {
    let mut bytes = Bytes(body);
    let message = match kind {
        frame::HELLO => Message::Hello(Hello {
            version: bytes.u8()?,
            swarm: bytes.name()?,
            upload_kbps: bytes.varint()?,
            keeps: bytes.flag()?,
        }),
        frame::HAVE => Message::Have(Have {
            whole: bytes.list(MAX_LIST, Bytes::run)?,
            partial: bytes.list(MAX_LIST, |bytes| {
                let segment = bytes.segment()?;
                let len = bytes.varint()?;
                if len > MAX_PIECES {
                    return Err(Malformed);
                }
                let pieces = Bits::from_bytes(len, bytes.take(len.div_ceil(8) as usize)?).ok_or(Malformed)?;
                Ok(Partial { segment, pieces })
            })?,
            gone: bytes.list(MAX_LIST, Bytes::run)?,
            fetching: bytes.list(MAX_LIST, Bytes::segment)?,
        }),
        frame::PLAYING => {
            let playing = Playing {
                position_ms: bytes.varint()?,
                window_end_ms: bytes.varint()?,
                video: bytes.u8()?,
                audio: bytes.u8()?,
            };
            if playing.window_end_ms < playing.position_ms {
                return Err(Malformed);
            }
            Message::Playing(playing)
        }
        frame::REQUEST => Message::Request {
            id: bytes.varint().and_then(|id| if id == frame::PUSHED { Err(Malformed) } else { Ok(id) })?,
            segment: bytes.segment()?,
            piece: bytes.varint()?,
            within_ms: bytes.varint()?,
            leaves: bytes.flag()?,
        },
        frame::CANCEL => Message::Cancel { id: bytes.varint()? },
        frame::REFUSE => Message::Refuse {
            id: bytes.varint()?,
            why: match bytes.u8()? {
                0 => Refusal::Absent,
                1 => Refusal::Busy,
                2 => Refusal::NotSharing,
                _ => return Err(Malformed),
            },
        },
        frame::SEATS..=frame::BEHIND if !cfg!(feature = "live") => return Ok(None),
        frame::SEATS => Message::Seats(bytes.list(usize::from(MAX_STRIPES), |bytes| {
            let (stripe, room) = (bytes.u8()?, bytes.u8()?);
            let path = bytes.list(MAX_PATH, |bytes| {
                Ok(u32::from_le_bytes(bytes.take(4)?.try_into().map_err(|_| Malformed)?))
            })?;
            if stripe < MAX_STRIPES { Ok(Seat { stripe, room, path }) } else { Err(Malformed) }
        })?),
        frame::FOLLOW => Message::Follow { stripes: bytes.u8()? },
        frame::FEED => Message::Feed { stripes: bytes.u8()? },
        frame::BEHIND => Message::Behind { head: bytes.varint()? },
        frame::MEET => Message::Meet { want: bytes.u8()? },
        frame::PEERS => Message::Peers(bytes.list(MAX_NAMED, Bytes::name)?),
        frame::CARRY => Message::Carry(bytes.signal()?),
        frame::CARRIED => Message::Carried(bytes.signal()?),
        frame::GOODBYE => Message::Goodbye,
        _ => return Ok(None),
    };
    if bytes.0.is_empty() { Ok(Some(message)) } else { Err(Malformed) }
}
