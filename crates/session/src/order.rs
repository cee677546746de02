//! What the driver has to do after a call. Frames for one link are gathered into messages of at most
//! [`wire::MAX_MESSAGE_BYTES`]; a piece always ends its message, so that it can be used as soon as it is there.

use manifest::live::Cut;
use manifest::{Hash, SegmentId};
use std::collections::BTreeMap;
use swarm::{Hangup, Link, PeerId, Source};
use wire::{MAX_MESSAGE_BYTES, Message, Signal};

/// One thing to do, at once and without waiting. They are given in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Send these bytes as one message.
    Send(Link, Vec<u8>),
    /// Send `head` and then the piece from the store as one message; nothing at all if the piece is not there, or what
    /// [`Session::absent`](crate::Session::absent) orders.
    SendPiece {
        /// On which connection.
        link: Link,
        /// The request that it answers.
        id: u32,
        /// What comes before the piece.
        head: Vec<u8>,
        /// Which segment.
        segment: SegmentId,
        /// Which piece of it.
        piece: u32,
    },
    /// Open a connection.
    Dial(PeerId),
    /// A neighbour has carried this, in the name of the peer that it names: an offer to be answered by
    /// [`Session::signal`](crate::Session::signal), an answer to an offer of ours, or the word that nobody takes it.
    Signal(Signal),
    /// Close a connection.
    Hangup(Link, Hangup),
    /// Fetch pieces `first..end` from the origin; 0 and the number of pieces ask for all of the segment.
    Fetch {
        /// Which segment.
        segment: SegmentId,
        /// First piece.
        first: u32,
        /// One past the last piece.
        end: u32,
    },
    /// Give the fetch up.
    CancelFetch(SegmentId),
    /// Give it to the player: it is whole.
    Deliver(SegmentId),
    /// Drop it from the store.
    Evict(SegmentId),
    /// Announce to the tracker, asking for up to this many peers.
    Announce(u32),
    /// Ask the origin for the heads that follow on this one, of which it may wait for the next, and answer by
    /// [`Session::heads`](crate::Session::heads). One question is open at a time: while it is, do nothing. `number` 0 asks for the
    /// whole window.
    AskHeads {
        /// The epoch of the newest head that is known; 0: of none.
        epoch: u32,
        /// Its number.
        number: u64,
    },
    /// A head has told of a part of the stream: what a playlist would say of it.
    Told {
        /// Which part.
        part: SegmentId,
        /// When it starts, milliseconds since the stream began.
        start_ms: u32,
        /// How long it lasts, milliseconds.
        duration_ms: u32,
        /// How it is cut.
        cut: Cut,
    },
    /// A verified piece, to be stored.
    Keep {
        /// Which segment.
        segment: SegmentId,
        /// Which piece of it.
        piece: u32,
        /// Where its bytes are.
        place: Place,
        /// How many there are.
        len: u32,
    },
    /// A piece failed against the index and is to be forgotten.
    Refused {
        /// From where it came.
        from: Source,
        /// Which segment it was to be of.
        segment: SegmentId,
        /// Which piece of it.
        piece: u32,
        /// Its length in bytes.
        len: u32,
    },
    /// Media of this many bytes that is here already was dropped. What nobody asked for is not even counted.
    Dropped(Source, u32),
}

/// Where the bytes of an [`Order::Keep`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// From this offset on in the message just passed in.
    Message(u32),
    /// Held back from the fetch of that segment under the number of the piece.
    Fetch,
    /// What [`Session::early`](crate::Session::early) gives for this number: it came before its head.
    Early(u32),
}

/// The orders of one call.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    list: Vec<Order>,
    /// Frames gathered for links that have no complete message yet.
    gathering: BTreeMap<Link, Vec<u8>>,
}

impl Orders {
    pub(crate) fn list(&self) -> &[Order] {
        &self.list
    }

    pub(crate) fn take(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.list)
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.gathering.clear();
    }

    pub(crate) fn push(&mut self, order: Order) {
        self.list.push(order);
    }

    pub(crate) fn send(&mut self, link: Link, message: &Message) {
        let mut frame = Vec::new();
        wire::put_message(&mut frame, message);
        self.gather(link, &frame);
    }

    #[cfg(feature = "live")]
    pub(crate) fn send_head(&mut self, link: Link, head: &[u8]) {
        let mut frame = Vec::new();
        wire::put_head(&mut frame, head);
        // A longer one comes from the origin only.
        if frame.len() <= MAX_MESSAGE_BYTES {
            self.gather(link, &frame);
        }
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
        let frame = piece_head(id, segment, piece, len);
        if self.gathered(link) + frame.len() + len as usize > MAX_MESSAGE_BYTES {
            self.flush(link);
        }
        let mut head = self.gathering.remove(&link).unwrap_or_default();
        head.extend_from_slice(&frame);
        self.push(Order::SendPiece { link, id, head, segment, piece });
    }

    /// Turns what has been gathered for `link` into a message.
    pub(crate) fn flush(&mut self, link: Link) {
        if let Some(bytes) = self.gathering.remove(&link) {
            self.push(Order::Send(link, bytes));
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
}

/// A piece frame up to its payload, which the driver appends from its store: the bytes of the frame with an empty payload,
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
