//! Frames of commands, and what is no frame: media.
//!
//! A frame is four letters, a part of a command, four letters. The letters say whether the part is the first and whether it is
//! the last. Whatever does not begin and end so is media, and media that happens to begin and end so is taken for a
//! command: the format has no escape. So its writer must cut such a chunk elsewhere ([`chunk_len`]).
//!
//! The invariant: a [`Joiner`] keeps at most [`MAX_JOINED`] bytes.

use bytes::{BufMut, Bytes, BytesMut};

use super::Command;

/// The longest message the releases send unless configured otherwise, frames included, in bytes.
pub const DEFAULT_MESSAGE: usize = 65535;

/// The shortest bound on messages that commands are split for, in bytes.
pub const MIN_MESSAGE: usize = 64;

/// The longest command a [`Joiner`] puts together, in bytes: over 200,000 segments announced.
pub const MAX_JOINED: usize = 1 << 18;

const FIRST: &[u8; 4] = b"cstr";
const LATER: &[u8; 4] = b"dstr";
const LAST: &[u8; 4] = b"cend";
const MORE: &[u8; 4] = b"dend";
const FRAME_BYTES: usize = 8;

/// Whether readers take this message for a part of a command.
pub fn is_framed(message: &[u8]) -> bool {
    message.len() >= FRAME_BYTES
        && (message.starts_with(FIRST) || message.starts_with(LATER))
        && (message.ends_with(LAST) || message.ends_with(MORE))
}

/// How many of the bytes of `rest` make the next chunk of media: `max_message`, or one less where that would read as a part
/// of a command. 0 only when nothing is left.
pub fn chunk_len(rest: &[u8], max_message: usize) -> usize {
    let length = rest.len().min(max_message.max(MIN_MESSAGE));
    // One less cannot end in the letters too: both end in `d`, and neither has another.
    if is_framed(&rest[..length]) { length - 1 } else { length }
}

/// Cuts a command into equal parts, as the releases do, and frames them.
pub(super) fn split(payload: &[u8], max_message: usize) -> Vec<Bytes> {
    let max = max_message.max(MIN_MESSAGE);
    let mut parts = 1;
    if payload.len() + FRAME_BYTES > max {
        parts = payload.len().div_ceil(max);
        while payload.len().div_ceil(parts) + FRAME_BYTES > max {
            parts += 1;
        }
    }
    let length = payload.len().div_ceil(parts);
    (0..parts)
        .map(|part| {
            let start = (part * length).min(payload.len());
            let body = &payload[start..(start + length).min(payload.len())];
            let mut frame = BytesMut::with_capacity(body.len() + FRAME_BYTES);
            frame.put_slice(if part == 0 { FIRST } else { LATER });
            frame.put_slice(body);
            frame.put_slice(if part + 1 == parts { LAST } else { MORE });
            frame.freeze()
        })
        .collect()
}

/// What a message, or the last of several, said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Incoming {
    /// A whole command.
    Command(Command),
    /// Bytes of a segment.
    Chunk(Bytes),
}

/// A peer sends a command without end: it is to be dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a command is longer than {MAX_JOINED} bytes")]
pub struct TooLong;

/// Takes the messages of one peer in order and puts split commands together.
#[derive(Debug, Default)]
pub struct Joiner {
    /// The parts of a command that is not yet whole.
    joined: Option<Vec<u8>>,
}

impl Joiner {
    /// What the message says; `None` when more parts are to come, when a part has no first, and when the command is of a
    /// later version or does not decode: the releases overlook such commands too.
    ///
    /// A first part while another command is being joined takes its place. Media does not interrupt the joining.
    ///
    /// # Errors
    /// When a command is longer than [`MAX_JOINED`]. The parts are forgotten.
    pub fn take(&mut self, message: Bytes) -> Result<Option<Incoming>, TooLong> {
        if !is_framed(&message) {
            return Ok(Some(Incoming::Chunk(message)));
        }
        let body = &message[4..message.len() - 4];
        let last = message.ends_with(LAST);
        let begun = self.joined.take();
        let mut joined = match begun {
            _ if message.starts_with(FIRST) => Vec::new(),
            Some(joined) => joined,
            None => return Ok(None),
        };
        if joined.len() + body.len() > MAX_JOINED {
            return Err(TooLong);
        }
        joined.extend_from_slice(body);
        if !last {
            self.joined = Some(joined);
            return Ok(None);
        }
        Ok(Command::decode(&joined).ok().flatten().map(Incoming::Command))
    }
}
