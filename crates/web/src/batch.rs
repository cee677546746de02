//! What the page has to do, as a list of 32-bit words beside a buffer of bytes.
//!
//! Each entry is an operation code of [`op`] and its arguments.

use manifest::SegmentId;
use session::{Order, Place, Said, Session, Signal};
use swarm::{Hangup, Source};

/// Operation codes and their arguments. `segment` stands for two words, rendition and sequence; `bytes` for two words,
/// offset and length in [`Batch::bytes`](super::Batch::bytes).
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
    /// `kind bytes`: a neighbour has carried this. The bytes are 20 of the peer in whose name, 20 of the offer's id, and the
    /// description. Kind 0: an offer, 1: an answer, 2: nobody takes the offer.
    pub const SIGNAL: u32 = 13;

    /// `epoch number`: ask the origin for the heads that follow on this one.
    pub const ASK_HEADS: u32 = 14;
    /// `segment piece bytes`: a verified piece, to be stored, that came before its head.
    pub const STORE_EARLY: u32 = 15;
    /// `segment start duration cut`: a head has told of this part, times in milliseconds. Cut is the sum of 1: decoding can start in
    /// it, 2: its segment ends with it, 4: something stands before it that only the playlist tells.
    pub const TOLD: u32 = 16;

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

    /// Puts what the session's last call wants done in the place of what was there before.
    pub fn write(&mut self, session: &Session) {
        self.words.clear();
        self.bytes.clear();
        session.orders().iter().for_each(|order| self.put(order, session));
    }

    fn put(&mut self, order: &Order, session: &Session) {
        match order {
            Order::Send(link, message) => {
                let [at, len] = self.put_bytes(message);
                self.push(&[op::SEND, link.0, at, len]);
            }
            Order::SendPiece { link, head, segment, piece, .. } => {
                let [at, len] = self.put_bytes(head);
                self.push(&[op::SEND_PIECE, link.0, at, len]);
                self.push(&words(*segment));
                self.push(&[*piece]);
            }
            Order::Dial(peer) => {
                let [at, len] = self.put_bytes(&peer.0);
                self.push(&[op::DIAL, at, len]);
            }
            Order::Signal(Signal { peer, offer_id, what }) => {
                let (kind, sdp) = match what {
                    Said::Offer(sdp) => (0, &sdp[..]),
                    Said::Answer(sdp) => (1, &sdp[..]),
                    Said::Nobody => (2, ""),
                };
                let [at, len] = self.put_bytes(&[&peer[..], &offer_id[..], sdp.as_bytes()].concat());
                self.push(&[op::SIGNAL, kind, at, len]);
            }
            Order::Hangup(link, why) => self.push(&[op::HANGUP, link.0, hangup_code(*why)]),
            Order::Fetch { segment, first, end } => self.about(op::FETCH, *segment, &[*first, *end]),
            Order::CancelFetch(segment) => self.about(op::CANCEL_FETCH, *segment, &[]),
            Order::Deliver(segment) => self.about(op::DELIVER, *segment, &[]),
            Order::Evict(segment) => self.about(op::EVICT, *segment, &[]),
            Order::Announce(want) => self.push(&[op::ANNOUNCE, *want]),
            Order::AskHeads { epoch, number } => self.push(&[op::ASK_HEADS, *epoch, *number as u32]),
            Order::Told { part, start_ms, duration_ms, cut } => {
                self.about(op::TOLD, *part, &[*start_ms, *duration_ms, cut.bits().into()]);
            }
            Order::Keep { segment, piece, place: Place::Early(place), .. } => {
                let [at, len] = self.put_bytes(session.early(*place));
                self.about(op::STORE_EARLY, *segment, &[*piece, at, len]);
            }
            Order::Keep { segment, piece, place, len } => {
                let at = match place {
                    Place::Message(offset) => *offset,
                    Place::Fetch | Place::Early(_) => op::STAGED,
                };
                self.about(op::STORE, *segment, &[*piece, at, *len]);
            }
            Order::Refused { from, segment, piece, len } => {
                self.push(&[op::REFUSED, source_code(*from)]);
                self.push(&words(*segment));
                self.push(&[*piece, *len]);
            }
            Order::Dropped(from, len) => self.push(&[op::DROPPED, source_code(*from), *len]),
        }
    }

    fn push(&mut self, words: &[u32]) {
        self.words.extend_from_slice(words);
    }

    fn about(&mut self, op: u32, segment: SegmentId, rest: &[u32]) {
        self.push(&[op]);
        self.push(&words(segment));
        self.push(rest);
    }

    fn put_bytes(&mut self, bytes: &[u8]) -> [u32; 2] {
        let offset = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        [offset, bytes.len() as u32]
    }
}

fn words(segment: SegmentId) -> [u32; 2] {
    [u32::from(segment.rendition), segment.sequence]
}

fn source_code(from: Source) -> u32 {
    match from {
        Source::Origin => op::ORIGIN,
        Source::Peer(link) => link.0,
    }
}

fn hangup_code(why: Hangup) -> u32 {
    match why {
        Hangup::Duplicate => 0,
        Hangup::Stranger => 1,
        Hangup::Forger => 2,
        Hangup::Unresponsive => 3,
        Hangup::Full => 4,
    }
}
