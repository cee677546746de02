//! Frames: messages of the core, and the three kinds that carry data between drivers: leaves, pieces, heads.

use crate::codec::{self, Bytes, Malformed, put_segment, put_varint};
use crate::message::Message;
use alloc::vec::Vec;
use manifest::{Hash, MAX_PIECES, SegmentId};

/// Of what this build never says: nobody takes it for anything.
pub(crate) const NOTHING: u8 = 0;
pub(crate) const HELLO: u8 = 1;
pub(crate) const HAVE: u8 = 2;
pub(crate) const PLAYING: u8 = 3;
pub(crate) const REQUEST: u8 = 4;
pub(crate) const CANCEL: u8 = 5;
pub(crate) const REFUSE: u8 = 6;
pub(crate) const GOODBYE: u8 = 7;
const LEAVES: u8 = 8;
const PIECE: u8 = 9;
pub(crate) const SEATS: u8 = 10;
pub(crate) const FOLLOW: u8 = 11;
pub(crate) const FEED: u8 = 12;
pub(crate) const BEHIND: u8 = 13;
const HEAD: u8 = 14;
pub(crate) const MEET: u8 = 15;
pub(crate) const PEERS: u8 = 16;
pub(crate) const CARRY: u8 = 17;
pub(crate) const CARRIED: u8 = 18;

/// Longest data-channel message that is read or written: leaves of the largest segment and the largest piece fit.
pub const MAX_MESSAGE_BYTES: usize = 160 * 1024;

/// The id of a piece that answers no request: it comes down a push tree.
pub const PUSHED: u32 = u32::MAX;

const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// One received frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// For the core.
    Message(Message),
    /// The chaining values of a segment's pieces, 32 bytes each; they prove themselves against the index.
    Leaves {
        /// Which segment.
        segment: SegmentId,
        /// In the order of the pieces.
        leaves: Vec<Hash>,
    },
    /// A piece, not yet verified.
    Piece {
        /// Id of the request it answers, or [`PUSHED`].
        id: u32,
        /// Which segment.
        segment: SegmentId,
        /// Which piece of it.
        piece: u32,
        /// Its bytes; never empty, at most 64 KiB.
        payload: &'a [u8],
    },
    /// A head of a live stream, not yet verified: never empty, at most 64 KiB.
    Head(&'a [u8]),
}

/// The frames of one received data-channel message, in order. Frames of unknown kind are passed over; after the first
/// malformed one the iterator ends.
#[derive(Debug)]
pub struct Frames<'a> {
    rest: Bytes<'a>,
}

impl<'a> Frames<'a> {
    /// Reads `message`.
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: Bytes(message) }
    }

    fn frame(&mut self) -> Result<Option<Frame<'a>>, Malformed> {
        let kind = self.rest.u8()?;
        let len = self.rest.varint()? as usize;
        let body = self.rest.take(len)?;
        let mut bytes = Bytes(body);
        match kind {
            LEAVES => {
                let segment = bytes.segment()?;
                let count = bytes.0.len() / 32;
                if bytes.0.len() % 32 != 0 || count == 0 || count > MAX_PIECES as usize {
                    return Err(Malformed);
                }
                let leaves = bytes.0.chunks_exact(32).map(|leaf| {
                    let mut hash = [0; 32];
                    hash.copy_from_slice(leaf);
                    Hash(hash)
                });
                Ok(Some(Frame::Leaves { segment, leaves: leaves.collect() }))
            }
            PIECE => {
                let (id, segment, piece) = (bytes.varint()?, bytes.segment()?, bytes.varint()?);
                if bytes.0.is_empty() || bytes.0.len() > MAX_PAYLOAD_BYTES {
                    return Err(Malformed);
                }
                Ok(Some(Frame::Piece { id, segment, piece, payload: bytes.0 }))
            }
            HEAD if body.is_empty() || body.len() > MAX_PAYLOAD_BYTES => Err(Malformed),
            HEAD => Ok(Some(Frame::Head(body))),
            _ => Ok(codec::decode(kind, body)?.map(Frame::Message)),
        }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.0.is_empty() {
            match self.frame() {
                Ok(Some(frame)) => return Some(Ok(frame)),
                Ok(None) => {}
                Err(malformed) => {
                    self.rest = Bytes(&[]);
                    return Some(Err(malformed));
                }
            }
        }
        None
    }
}

/// Appends `message` as a frame.
pub fn put_message(out: &mut Vec<u8>, message: &Message) {
    let mut body = Vec::new();
    let kind = codec::encode(message, &mut body);
    put(out, kind, &body, &[]);
}

/// Appends a segment's leaves as a frame.
pub fn put_leaves(out: &mut Vec<u8>, segment: SegmentId, leaves: &[Hash]) {
    let mut body = Vec::with_capacity(8 + leaves.len() * 32);
    put_segment(&mut body, segment);
    leaves.iter().for_each(|leaf| body.extend_from_slice(&leaf.0));
    put(out, LEAVES, &body, &[]);
}

/// Appends a head of a live stream as a frame, as the publisher signed it.
pub fn put_head(out: &mut Vec<u8>, head: &[u8]) {
    put(out, HEAD, head, &[]);
}

/// Appends a piece as a frame: the answer to request `id`.
pub fn put_piece(out: &mut Vec<u8>, id: u32, segment: SegmentId, piece: u32, payload: &[u8]) {
    let mut head = Vec::with_capacity(16);
    put_varint(&mut head, id);
    put_segment(&mut head, segment);
    put_varint(&mut head, piece);
    put(out, PIECE, &head, payload);
}

fn put(out: &mut Vec<u8>, kind: u8, head: &[u8], tail: &[u8]) {
    out.push(kind);
    put_varint(out, (head.len() + tail.len()) as u32);
    out.extend_from_slice(head);
    out.extend_from_slice(tail);
}
