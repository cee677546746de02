//! Chunks: how RTMP cuts messages into pieces, so that a short one need not wait for a long one (RTMP 1.0 section 5.3).
//!
//! The invariant: what is held is bounded by one message of the largest kind allowed at the moment, whatever lengths are announced.

use bytes::{Buf, Bytes, BytesMut};
use std::collections::BTreeMap;
use thiserror::Error;

/// Message types.
pub(super) const SET_CHUNK_SIZE: u8 = 1;
pub(super) const ABORT: u8 = 2;
pub(super) const ACKNOWLEDGEMENT: u8 = 3;
pub(super) const USER_CONTROL: u8 = 4;
pub(super) const WINDOW_SIZE: u8 = 5;
pub(super) const PEER_BANDWIDTH: u8 = 6;
pub(super) const AUDIO: u8 = 8;
pub(super) const VIDEO: u8 = 9;
pub(super) const DATA_AMF3: u8 = 15;
pub(super) const COMMAND_AMF3: u8 = 17;
pub(super) const DATA_AMF0: u8 = 18;
pub(super) const COMMAND_AMF0: u8 = 20;

/// Bytes of a message that is neither picture nor sound.
const MAX_CONTROL: usize = 32 << 10;
/// Chunk streams that one connection may use; encoders use five.
const MAX_STREAMS: usize = 16;
/// Bytes of a chunk before anybody says otherwise.
const FIRST_SIZE: usize = 128;
/// A timestamp of this value stands for one of four bytes behind the header.
const EXTENDED: u32 = 0xff_ffff;

/// Why a connection's chunks make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum ChunkError {
    #[error("a message of {0} bytes")]
    TooLarge(usize),
    #[error("media before it was allowed to publish")]
    Early,
    #[error("too many chunk streams")]
    Streams,
    #[error("a chunk that continues nothing")]
    Headless,
    #[error("a chunk size of zero")]
    Size,
}

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub kind: u8,
    pub timestamp_ms: u32,
    pub stream: u32,
    pub payload: Bytes,
}

/// Puts messages together again.
#[derive(Debug)]
pub(super) struct ChunkReader {
    buffer: BytesMut,
    size: usize,
    /// Bytes of a picture or of sound; 0 before the publisher is known.
    max_media: usize,
    streams: BTreeMap<u32, ChunkStream>,
}

#[derive(Clone, Debug, Default)]
struct ChunkStream {
    header: Header,
    partial: BytesMut,
}

#[derive(Clone, Copy, Debug, Default)]
struct Header {
    timestamp_ms: u32,
    /// As it was sent: a time, or the distance from the message before.
    field: u32,
    extended: bool,
    len: usize,
    kind: u8,
    stream: u32,
}

impl ChunkReader {
    pub fn new() -> Self {
        Self { buffer: BytesMut::new(), size: FIRST_SIZE, max_media: 0, streams: BTreeMap::new() }
    }

    /// Lets media of up to `bytes` a message through.
    pub fn allow_media(&mut self, bytes: usize) {
        self.max_media = bytes;
    }

    /// Takes what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message of what came. Messages about chunks are obeyed here and come out all the same.
    pub fn next(&mut self) -> Result<Option<Message>, ChunkError> {
        while let Some(found) = self.chunk()? {
            let Some(message) = found else { continue };
            match (message.kind, message.payload.first_chunk::<4>()) {
                (SET_CHUNK_SIZE, Some(size)) => {
                    self.size = (u32::from_be_bytes(*size) & 0x7fff_ffff) as usize;
                    if self.size == 0 {
                        return Err(ChunkError::Size);
                    }
                }
                (ABORT, Some(id)) => {
                    if let Some(stream) = self.streams.get_mut(&u32::from_be_bytes(*id)) {
                        stream.partial.clear();
                    }
                }
                _ => {}
            }
            return Ok(Some(message));
        }
        Ok(None)
    }

    /// Takes one chunk off the buffer; `None` when it is not all there, `Some(None)` when its message is not.
    fn chunk(&mut self) -> Result<Option<Option<Message>>, ChunkError> {
        let mut rest = &self.buffer[..];
        let Some((form, id)) = basic_header(&mut rest) else { return Ok(None) };
        let known = self.streams.get(&id);
        if known.is_none() && self.streams.len() >= MAX_STREAMS {
            return Err(ChunkError::Streams);
        }
        if known.is_none() && form != 0 {
            return Err(ChunkError::Headless);
        }
        let held = known.map_or(0, |stream| if form == 3 { stream.partial.len() } else { 0 });
        let before = known.map(|stream| stream.header).unwrap_or_default();
        let Some(header) = message_header(&mut rest, form, before, held > 0) else { return Ok(None) };
        let limit = match header.kind {
            AUDIO | VIDEO if self.max_media == 0 => return Err(ChunkError::Early),
            AUDIO | VIDEO => self.max_media,
            _ => MAX_CONTROL,
        };
        let others: usize =
            self.streams.iter().filter(|(other, _)| **other != id).map(|(_, s)| s.partial.len()).sum();
        if header.len > limit || others + header.len > limit.max(self.max_media) + MAX_CONTROL {
            return Err(ChunkError::TooLarge(header.len));
        }
        let take = header.len.saturating_sub(held).min(self.size);
        if rest.len() < take {
            return Ok(None);
        }
        let at = self.buffer.len() - rest.len();
        self.buffer.advance(at);
        let data = self.buffer.split_to(take);
        let stream = self.streams.entry(id).or_default();
        stream.header = header;
        if held == 0 {
            stream.partial.clear();
        }
        let payload = if held == 0 && take == header.len {
            data.freeze()
        } else {
            stream.partial.extend_from_slice(&data);
            if stream.partial.len() < header.len {
                return Ok(Some(None));
            }
            stream.partial.split().freeze()
        };
        let Header { timestamp_ms, kind, stream, .. } = header;
        Ok(Some(Some(Message { kind, timestamp_ms, stream, payload })))
    }
}

/// Reads which of the four forms the message header has, and the chunk stream.
fn basic_header(rest: &mut &[u8]) -> Option<(u8, u32)> {
    let [first] = array(rest)?;
    let id = match first & 63 {
        0 => 64 + u32::from(array::<1>(rest)?[0]),
        1 => 64 + u32::from(u16::from_le_bytes(array(rest)?)),
        id => u32::from(id),
    };
    Some((first >> 6, id))
}

fn message_header(rest: &mut &[u8], form: u8, before: Header, goes_on: bool) -> Option<Header> {
    let mut header = before;
    if form < 3 {
        let [t0, t1, t2] = array(rest)?;
        header.field = u32::from_be_bytes([0, t0, t1, t2]);
        header.extended = header.field == EXTENDED;
    }
    if form < 2 {
        let [l0, l1, l2, kind] = array(rest)?;
        header.len = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        header.kind = kind;
    }
    if form == 0 {
        header.stream = u32::from_le_bytes(array(rest)?);
    }
    if header.extended {
        header.field = u32::from_be_bytes(array(rest)?);
    }
    if !goes_on {
        let base = if form == 0 { 0 } else { before.timestamp_ms };
        header.timestamp_ms = base.wrapping_add(header.field);
    }
    Some(header)
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

/// Appends a message of ours, in chunks of the size that nobody has to be told.
pub(super) fn put_message(out: &mut Vec<u8>, chunk_stream: u8, kind: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&[chunk_stream & 63, 0, 0, 0]);
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.push(kind);
    out.extend_from_slice(&stream.to_le_bytes());
    for (at, part) in payload.chunks(FIRST_SIZE).enumerate() {
        if at > 0 {
            out.push(0xc0 | chunk_stream & 63);
        }
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reader: &mut ChunkReader, bytes: &[u8]) -> Result<Vec<Message>, ChunkError> {
        let mut messages = Vec::new();
        for byte in bytes {
            reader.push(&[*byte]);
            while let Some(message) = reader.next()? {
                messages.push(message);
            }
        }
        Ok(messages)
    }

    #[test]
    fn a_message_comes_back_byte_by_byte() {
        let payload: Vec<u8> = (0..1000).map(|i| i as u8).collect();
        let mut bytes = Vec::new();
        put_message(&mut bytes, 3, COMMAND_AMF0, 7, &payload);
        put_message(&mut bytes, 2, ACKNOWLEDGEMENT, 0, &[1, 2, 3, 4]);
        let messages = read(&mut ChunkReader::new(), &bytes).unwrap();
        assert_eq!(messages.len(), 2);
        assert_eq!((messages[0].kind, messages[0].stream), (COMMAND_AMF0, 7));
        assert_eq!(messages[0].payload, payload);
    }

    #[test]
    fn times_count_on_from_message_to_message() {
        let mut reader = ChunkReader::new();
        reader.allow_media(1 << 20);
        // A full header at 1000, one 40 later, and one that repeats all of it; then one beyond three bytes.
        let mut bytes = vec![4, 0, 3, 232, 0, 0, 1, AUDIO, 1, 0, 0, 0, 9];
        bytes.extend([0x44, 0, 0, 40, 0, 0, 1, AUDIO, 9, 0xc4, 9]);
        bytes.extend([4, 255, 255, 255, 0, 0, 1, AUDIO, 1, 0, 0, 0, 1, 0, 0, 0, 9]);
        let times: Vec<u32> = read(&mut reader, &bytes).unwrap().iter().map(|m| m.timestamp_ms).collect();
        assert_eq!(times, [1000, 1040, 1080, 1 << 24]);
    }

    #[test]
    fn announced_lengths_take_no_memory() {
        let mut reader = ChunkReader::new();
        let huge = [4, 0, 0, 0, 255, 255, 255, COMMAND_AMF0, 0, 0, 0, 0];
        assert_eq!(read(&mut reader, &huge), Err(ChunkError::TooLarge(0xff_ffff)));
        let media = [4, 0, 0, 0, 0, 0, 9, VIDEO, 0, 0, 0, 0];
        assert_eq!(read(&mut ChunkReader::new(), &media), Err(ChunkError::Early));
        let mut many = Vec::new();
        (2..40).for_each(|id| put_message(&mut many, id, ACKNOWLEDGEMENT, 0, &[0; 4]));
        assert_eq!(read(&mut ChunkReader::new(), &many), Err(ChunkError::Streams));
        assert_eq!(read(&mut ChunkReader::new(), &[0xc3]), Err(ChunkError::Headless));
    }
}
