//! Commands to bytes and back. A data-channel message is one frame of a command or one chunk of media without any
//! header; [`Joiner`] tells them apart and puts split commands together.
//!
//! The invariant: decoding never panics, makes no more ids than it was given bytes, and what is encoded here decodes to
//! the same command in every release that speaks this protocol, those with the narrower reading included.
//!
//! A command is a code byte, then fields: a name of one byte and a value (`value.rs`). Fields of unknown name are skipped,
//! of a name given twice the last counts.

mod frame;
mod value;

use std::ops::Range;

use bytes::Bytes;

pub use frame::{DEFAULT_MESSAGE, Incoming, Joiner, MAX_JOINED, MIN_MESSAGE, TooLong, chunk_len, is_framed};
pub use value::MAX_GROUPS;
use value::{Reader, Value, put_ids, put_int};

/// The number of a segment within its rendition: a position, a media sequence number or a time, by family and format.
///
/// Browsers keep it as a double, so it lies within ±(2^53 - 1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SegmentId(i64);

impl SegmentId {
    /// The greatest; the least is its negative.
    pub const MAX: i64 = (1 << 53) - 1;

    /// `None` outside ±[`SegmentId::MAX`].
    pub fn new(id: i64) -> Option<Self> {
        (-Self::MAX..=Self::MAX).contains(&id).then_some(SegmentId(id))
    }

    /// As a number.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl From<u32> for SegmentId {
    fn from(id: u32) -> Self {
        SegmentId(id.into())
    }
}

/// The requester's name for one request on one channel; what answers it repeats it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RequestId(pub u32);

/// One thing that a peer says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Code 0: all that the sender has. Replaces what it said before.
    Announcement {
        /// Segments that it can give.
        held: Vec<SegmentId>,
        /// Segments that it is fetching from the origin.
        fetching: Vec<SegmentId>,
    },
    /// Code 1: send this segment, and nothing that was asked for before.
    Request {
        /// What is wanted.
        segment: SegmentId,
        /// Its name for the answers.
        request: RequestId,
        /// The first byte wanted: what comes before is there already.
        from: u32,
    },
    /// Code 2: the bytes of the segment follow as raw chunks.
    Data {
        /// What follows.
        segment: SegmentId,
        /// Which request this answers.
        request: RequestId,
        /// How many bytes follow: the segment's length less the request's `from`.
        bytes: u32,
    },
    /// Code 3: all bytes of the segment were sent.
    Completed {
        /// What was sent.
        segment: SegmentId,
        /// Which request this answers.
        request: RequestId,
    },
    /// Code 4: the sender does not have the segment.
    Absent {
        /// What it has not.
        segment: SegmentId,
        /// Which request this answers.
        request: RequestId,
    },
    /// Code 5: the segment is not wanted any more.
    Cancel {
        /// What was wanted.
        segment: SegmentId,
        /// Which request ends.
        request: RequestId,
    },
}

/// Bytes that are no command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    /// They end within a value, or before the code.
    #[error("the command ends within a value")]
    Short,
    /// A value of a type that does not exist, or an integer of no or too many bytes.
    #[error("a value of unknown type or size")]
    Type,
    /// A field that this command needs is missing, or is of another type.
    #[error("a field is missing or of the wrong type")]
    Field,
    /// An id or a length that cannot be.
    #[error("a number out of range")]
    Range,
}

impl Command {
    /// The messages to send, in order: one, or several when the command is longer than `max_message` bytes, frames
    /// included. Less than [`MIN_MESSAGE`] counts as that.
    ///
    /// An announcement leaves out the ids after the 255th group of each list: give it what [`window`] chooses.
    pub fn messages(&self, max_message: usize) -> Vec<Bytes> {
        frame::split(&self.encode(), max_message)
    }

    /// The command without frames.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32);
        let (code, segment, request) = match self {
            Command::Announcement { held, fetching } => {
                out.push(0);
                for (name, ids) in [(b'l', held), (b'p', fetching)] {
                    if !ids.is_empty() {
                        out.push(name);
                        put_ids(&mut out, ids);
                    }
                }
                return out;
            }
            Command::Request { segment, request, .. } => (1, segment, request),
            Command::Data { segment, request, .. } => (2, segment, request),
            Command::Completed { segment, request } => (3, segment, request),
            Command::Absent { segment, request } => (4, segment, request),
            Command::Cancel { segment, request } => (5, segment, request),
        };
        out.push(code);
        let mut field = |name: u8, value: i64| {
            out.push(name);
            put_int(&mut out, value);
        };
        // The order in which the releases write them.
        field(b'i', segment.0);
        if let Command::Data { bytes, .. } = self {
            field(b's', (*bytes).into());
        }
        field(b'r', request.0.into());
        if let Command::Request { from: from @ 1.., .. } = self {
            field(b'b', (*from).into());
        }
        out
    }

    /// Reads a command without frames. `None` when its code is of a later version.
    ///
    /// # Errors
    /// When a value is cut off, of unknown type or out of range, or a field that the command needs is not there.
    pub fn decode(payload: &[u8]) -> Result<Option<Command>, Malformed> {
        let mut reader = Reader::new(payload);
        let code = reader.byte()?;
        let (mut held, mut fetching) = (Vec::new(), Vec::new());
        let (mut i, mut r, mut s, mut b) = (None, None, None, None);
        while let Some(name) = reader.next_byte() {
            match (name, reader.value()?) {
                (b'l', Value::Ids(ids)) => held = ids,
                (b'p', Value::Ids(ids)) => fetching = ids,
                (b'i', Value::Int(value)) => i = Some(value),
                (b'r', Value::Int(value)) => r = Some(value),
                (b's', Value::Int(value)) => s = Some(value),
                (b'b', Value::Int(value)) => b = Some(value),
                (b'l' | b'p' | b'i' | b'r' | b's' | b'b', _) => return Err(Malformed::Field),
                _ => {}
            }
        }
        if code == 0 {
            return Ok(Some(Command::Announcement { held, fetching }));
        }
        if code > 5 {
            return Ok(None);
        }
        let small = |value: i64| u32::try_from(value).map_err(|_| Malformed::Range);
        let segment = SegmentId::new(i.ok_or(Malformed::Field)?).ok_or(Malformed::Range)?;
        let request = RequestId(small(r.ok_or(Malformed::Field)?)?);
        Ok(Some(match code {
            1 => Command::Request { segment, request, from: small(b.unwrap_or(0))? },
            2 => Command::Data { segment, request, bytes: small(s.ok_or(Malformed::Field)?)? },
            3 => Command::Completed { segment, request },
            4 => Command::Absent { segment, request },
            _ => Command::Cancel { segment, request },
        }))
    }
}

/// Which of `ids` (ascending) one announcement can name: all, or as many as its groups carry, from the group of `near` on and
/// what fits before it.
pub fn window(ids: &[SegmentId], near: SegmentId) -> Range<usize> {
    let mut starts: Vec<usize> = value::groups(ids).map(|group| group.start).collect();
    let groups = starts.len();
    starts.push(ids.len());
    let at = ids.partition_point(|id| *id < near);
    let first = starts.partition_point(|start| *start <= at).saturating_sub(1);
    let first = first.min(groups.saturating_sub(MAX_GROUPS));
    starts[first]..starts[groups.min(first + MAX_GROUPS)]
}
