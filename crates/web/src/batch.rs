//! What the page has to do, as a list of 32-bit words beside a buffer of bytes.
//!
//! Each entry is an operation code of [`op`] and its arguments. Frames for one link are gathered into messages of at most
//! [`wire::MAX_MESSAGE_BYTES`]; a piece always ends its message, so that it can be used as soon as it is there.

use manifest::{Hash, SegmentId};
use std::collections::BTreeMap;
use swarm::{Link, PeerId};
use wire::{MAX_MESSAGE_BYTES, Message};

/// Operation codes and their arguments. `segment` stands for two words, rendition and sequence; `bytes` for two words,
/// offset and length in [`Batch::bytes`].
pub mod op {
    /// `link bytes`: send these bytes as one message.
    pub const SEND: u32 = 1;
    /// `link bytes segment piece`: send these bytes and then the piece from the store as one message; nothing at all if
    /// the piece is not there.
    pub const SEND_PIECE: u32 = 2;
    /// `bytes`: open a connection to the peer with this id.
    pub const DIAL: u32 = 3;
    /// `link why`: close a connection. 0 duplicate, 1 stranger, 2 forger, 3 unresponsive, 4 full.
    pub const HANGUP: u32 = 4;
    /// `segment first end`: fetch these pieces from the origin; `0` and the number of pieces ask for all of it.
    pub const FETCH: u32 = 5;
    /// `segment`: give the fetch up.
    pub const CANCEL_FETCH: u32 = 6;
    /// `segment`: give it to the player.
    pub const DELIVER: u32 = 7;
    /// `segment`: drop it from the store.
    pub const EVICT: u32 = 8;
    /// `want`: announce to the tracker.
    pub const ANNOUNCE: u32 = 9;
    /// `segment piece offset length`: a verified piece, to be copied out of the message just passed in. An offset of
    /// [`STAGED`] names the piece of that number that the page holds back from its fetch of that segment.
    pub const STORE: u32 = 10;
    /// `link segment piece length`: a piece failed against the index and is to be forgotten; link [`ORIGIN`] for one
    /// from the origin.
    pub const REFUSED: u32 = 11;
    /// `link length`: media that is here already was dropped. What nobody asked for is not even counted.
    pub const DROPPED: u32 = 12;

    /// See [`STORE`].
    pub const STAGED: u32 = u32::MAX;
    /// See [`REFUSED`].
    pub const ORIGIN: u32 = u32::MAX;
}

/// What the page has to do after a call, in this order.
#[derive(Debug, Default)]
pub struct Batch {
    words: Vec<u32>,
    bytes: Vec<u8>,
    /// Frames gathered for links that have no complete message yet.
    gathering: BTreeMap<Link, Vec<u8>>,
}

impl Batch {
    /// Operations and their arguments.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// What the operations refer to.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn clear(&mut self) {
        self.words.clear();
        self.bytes.clear();
        self.gathering.clear();
    }

    pub(crate) fn push(&mut self, words: &[u32]) {
        self.words.extend_from_slice(words);
    }

    pub(crate) fn push_segment(&mut self, op: u32, segment: SegmentId, rest: &[u32]) {
        self.push(&[op, u32::from(segment.rendition), segment.sequence]);
        self.push(rest);
    }

    pub(crate) fn dial(&mut self, peer: PeerId) {
        let [offset, len] = self.put_bytes(&peer.0);
        self.push(&[op::DIAL, offset, len]);
    }

    pub(crate) fn send(&mut self, link: Link, message: &Message) {
        let mut frame = Vec::new();
        wire::put_message(&mut frame, message);
        self.gather(link, &frame);
    }

    /// The answer to request `id`: a piece of `len` bytes, with the segment's leaves before it where there are any.
    pub(crate) fn send_piece(
        &mut self,
        link: Link,
        id: u32,
        segment: SegmentId,
        piece: u32,
        len: u32,
        leaves: Option<&[Hash]>,
    ) {
        if let Some(leaves) = leaves {
            let mut frame = Vec::new();
            wire::put_leaves(&mut frame, segment, leaves);
            self.gather(link, &frame);
        }
        let head = piece_head(id, segment, piece, len);
        if self.gathered(link) + head.len() + len as usize > MAX_MESSAGE_BYTES {
            self.flush(link);
        }
        let mut bytes = self.gathering.remove(&link).unwrap_or_default();
        bytes.extend_from_slice(&head);
        let [offset, len] = self.put_bytes(&bytes);
        self.push(&[
            op::SEND_PIECE,
            link.0,
            offset,
            len,
            u32::from(segment.rendition),
            segment.sequence,
            piece,
        ]);
    }

    /// Turns what has been gathered for `link` into a message.
    pub(crate) fn flush(&mut self, link: Link) {
        if let Some(bytes) = self.gathering.remove(&link) {
            let [offset, len] = self.put_bytes(&bytes);
            self.push(&[op::SEND, link.0, offset, len]);
        }
    }

    /// Turns everything gathered into messages.
    pub(crate) fn finish(&mut self) {
        while let Some((&link, _)) = self.gathering.first_key_value() {
            self.flush(link);
        }
    }

    fn gather(&mut self, link: Link, frame: &[u8]) {
        if self.gathered(link) + frame.len() > MAX_MESSAGE_BYTES {
            self.flush(link);
        }
        self.gathering.entry(link).or_default().extend_from_slice(frame);
    }

    fn gathered(&self, link: Link) -> usize {
        self.gathering.get(&link).map_or(0, Vec::len)
    }

    fn put_bytes(&mut self, bytes: &[u8]) -> [u32; 2] {
        let offset = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        [offset, bytes.len() as u32]
    }
}

/// A piece frame up to its payload, which the page appends from its store: the bytes of the frame with an empty payload,
/// its length field counting the `len` bytes to come.
fn piece_head(id: u32, segment: SegmentId, piece: u32, len: u32) -> Vec<u8> {
    let mut empty = Vec::new();
    wire::put_piece(&mut empty, id, segment, piece, &[]);
    let mut rest = wire::Bytes(&empty[1..]);
    let head_len = rest.varint().expect("a frame that was just written has a length");
    let mut head = vec![empty[0]];
    wire::put_varint(&mut head, head_len + len);
    head.extend_from_slice(rest.0);
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_and_its_payload_are_a_piece_frame() {
        for len in [1u32, 100, 16_384, 65_536] {
            let payload = vec![7; len as usize];
            let mut whole = Vec::new();
            wire::put_piece(&mut whole, 9, SegmentId::new(2, 300), 5, &payload);
            let mut parts = piece_head(9, SegmentId::new(2, 300), 5, len);
            parts.extend_from_slice(&payload);
            assert_eq!(whole, parts);
        }
    }
}
