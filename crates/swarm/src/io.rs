//! The core's whole surface: what a driver tells it, and what it asks of the driver.

use core::time::Duration;
use manifest::{Index, Kind, SegmentId};
use wire::{Message, Signal};

/// A peer's identity in the swarm: the tracker's `peer_id`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerId(pub [u8; 20]);

impl core::fmt::Debug for PeerId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{}", b.escape_ascii()))
    }
}

/// The driver's name for one open connection; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link(pub u32);

/// Where bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The origin, or the CDN before it.
    Origin,
    /// A neighbour.
    Peer(Link),
}

/// What the driver found when it checked a piece against the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the publisher's piece; the driver has stored it.
    Verified,
    /// It is not; the driver has thrown it away.
    Forged,
}

/// What the player is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Player {
    /// Position in the film.
    pub position: Duration,
    /// How far beyond the position the player can go with what it has been given.
    pub buffered: Duration,
    /// Whether it moves, or would if it had something to play: false when paused by the viewer.
    pub playing: bool,
    /// Speed in thousandths: 1000 is normal.
    pub rate_permille: u32,
}

/// A part of a live stream, as a head of it tells: the unit in which a live stream is indexed, hashed and signed. A stream
/// without parts has its segments here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its rendition, and its place in the order of that rendition's parts, from 1.
    pub id: SegmentId,
    /// Where it starts in the stream, milliseconds.
    pub start_ms: u32,
    /// How long it plays, milliseconds.
    pub duration_ms: u32,
    /// Its bytes.
    pub size: u32,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input<'a> {
    /// The time named by the last call has come (or passed: only speed depends on it).
    Wake,
    /// The film, its signature already checked. Given once, before any want.
    Film(&'a Index),
    /// A live stream, instead of a film. Given once, before any head and any want.
    Live {
        /// The swarm of everybody who watches it.
        swarm: [u8; 20],
        /// Bytes of a piece.
        piece_len: u32,
        /// What its renditions carry, in their order.
        kinds: &'a [Kind],
    },
    /// A head of the live stream, its signature, its place in the chain and its expiry already checked: it has grown. One from a
    /// neighbour that does not follow on the one before is not taken: it leads to a question for those between.
    Head {
        /// From where it came.
        from: Source,
        /// Its number in the chain, from 1.
        number: u32,
        /// What is new since the head before, in order. The first head that is given tells the whole window.
        parts: &'a [Part],
    },
    /// The player moved, paused, sought. At least once a second while it plays.
    Player(Player),
    /// The player asks for a segment.
    Want(SegmentId),
    /// The player no longer waits for a segment it asked for.
    Unwant(SegmentId),
    /// The viewer's choice: how much to upload in bytes a second, or `None` to share nothing.
    Sharing(Option<u32>),
    /// How many other viewers the tracker knows of.
    Audience(u32),
    /// What the origin was seen to send, in bytes a second, by what the driver fetched without being told to.
    OriginRate(u32),
    /// Peers that might be dialled.
    Strangers(&'a [PeerId]),
    /// A connection is open.
    LinkUp {
        /// Its name from now on.
        link: Link,
        /// Who is there.
        peer: PeerId,
        /// Whether this side began it.
        dialled: bool,
    },
    /// A dial led to nothing.
    DialFailed(PeerId),
    /// How many bytes a connection would take without queueing more than it should.
    LinkRoom {
        /// Which connection.
        link: Link,
        /// Bytes.
        room: u32,
    },
    /// A connection is gone.
    LinkDown(Link),
    /// A message came, decoded.
    Message(Link, Message),
    /// To be carried by a neighbour: an offer of ours to a peer that a neighbour named, or the answer to an offer that came by
    /// [`Output::Signal`]. Nothing happens unless [`Peer::carries`](crate::Peer::carries) it.
    Signal(Signal),
    /// Bytes came that are no message, or data nobody could verify.
    Garbage(Link),
    /// A piece came and was checked. A piece that is already held is reported like any other.
    Arrived {
        /// Which segment.
        segment: SegmentId,
        /// Which piece of it.
        piece: u32,
        /// From where.
        from: Source,
        /// What the check said.
        verdict: Verdict,
    },
    /// The driver holds all of this segment, verified, and had it before: on a disk, from another day.
    Held(SegmentId),
    /// The driver does not hold this segment any more: it made room, or found it damaged. Whoever waits for a piece of it is
    /// refused, neighbours are told, and it is fetched again when it is wanted.
    Lost(SegmentId),
    /// A fetch from the origin is over; its pieces have been reported before.
    FetchEnded {
        /// Which segment.
        segment: SegmentId,
        /// Whether all that was asked for came.
        complete: bool,
    },
}

/// What is to be done. Everything is carried out at once and without waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask the tracker for up to `want` peers; 0 only says that we are still here.
    Announce {
        /// How many.
        want: u32,
    },
    /// Open a connection to a peer: answered by `LinkUp` or `DialFailed`.
    Dial(PeerId),
    /// Close a connection. No `LinkDown` follows.
    Hangup(Link, Hangup),
    /// Send a message.
    Send(Link, Message),
    /// A neighbour has carried this to us, in the name of the peer that it names: an offer to be answered by [`Input::Signal`],
    /// the answer to an offer of ours, or the word that nobody takes it.
    Signal(Signal),
    /// Send a piece from the store as the answer to a request. If it is gone after all, do nothing.
    SendPiece {
        /// On which connection.
        link: Link,
        /// The request it answers.
        id: u32,
        /// Which segment.
        segment: SegmentId,
        /// Which piece of it.
        piece: u32,
        /// Whether the segment's leaves go before it.
        leaves: bool,
    },
    /// Fetch pieces `first..end` of a segment from the origin. Unless a piece of the segment is held already, the
    /// whole segment is asked for, so that it can be verified without leaves.
    Fetch {
        /// Which segment.
        segment: SegmentId,
        /// First piece.
        first: u32,
        /// One past the last piece.
        end: u32,
    },
    /// Give up the fetch of a segment. No `FetchEnded` follows.
    CancelFetch(SegmentId),
    /// Give a segment to the player: every piece is in the store.
    Deliver(SegmentId),
    /// Drop a segment from the store.
    Evict(SegmentId),
    /// Send a neighbour the heads that are held after number `after`, oldest first, as they were signed.
    SendHeads {
        /// On which connection.
        link: Link,
        /// The last head that it has.
        after: u32,
    },
    /// Ask the origin for the heads after number `after`; it answers once there is one. One question is open at a time: while
    /// it is, do nothing.
    AskHeads {
        /// The last head that we have.
        after: u32,
    },
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hangup {
    /// A second connection to the same peer.
    Duplicate,
    /// Another film, or another version of the wire.
    Stranger,
    /// It sent a piece or leaves that fail against the index, or no message at all: never again this session.
    Forger,
    /// It says it holds what it does not, or answers nothing.
    Unresponsive,
    /// More connections than wanted.
    Full,
}
