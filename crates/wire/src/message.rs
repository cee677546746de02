//! The messages that carry no media: what the swarm core reads and writes.

use crate::Bits;
use alloc::string::String;
use alloc::vec::Vec;
use manifest::SegmentId;

/// Version of this wire. Peers of other versions never meet: it is part of the swarm id.
pub const VERSION: u8 = 1;

/// What one peer tells another, apart from the media itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The first message on a link, from both sides.
    Hello(Hello),
    /// What has changed in the sender's store since its last `Have`.
    Have(Have),
    /// Where the sender's player is.
    Playing(Playing),
    /// Asks for one piece. Answered by a piece frame with the same `id`, or by `Refuse`.
    Request {
        /// Chosen by the asker, unique on the link while the request is open.
        id: u32,
        /// Which segment.
        segment: SegmentId,
        /// Which piece of it.
        piece: u32,
        /// In how many milliseconds the asker needs it: the server answers in this order.
        within_ms: u32,
        /// Whether the segment's leaves should come before the piece.
        leaves: bool,
    },
    /// Takes a request back; the piece may come all the same if it is on its way.
    Cancel {
        /// The request's id.
        id: u32,
    },
    /// The answer to a request that will not be served.
    Refuse {
        /// The request's id.
        id: u32,
        /// Why not.
        why: Refusal,
    },
    /// Where the sender stands in the push trees, as far as others may follow it. Replaces what it said before.
    Seats(Vec<Seat>),
    /// Asks to be pushed the pieces of these stripes, a bit each, from now on. Replaces what was asked before; answered by
    /// `Feed`.
    Follow {
        /// Stripe `n` is bit `n`.
        stripes: u8,
    },
    /// The stripes whose pieces the sender pushes from now on. Replaces what it said before.
    Feed {
        /// Stripe `n` is bit `n`.
        stripes: u8,
    },
    /// Asks for the heads of a live stream after this one.
    Behind {
        /// The last head that the sender has; 0: none.
        head: u32,
    },
    /// Asks for peers to connect to.
    Meet {
        /// How many would be welcome; at most [`MAX_NAMED`] are named.
        want: u8,
    },
    /// The answer: ids of peers that the sender is linked to. At most [`MAX_NAMED`].
    Peers(Vec<[u8; 20]>),
    /// To be passed on to the peer that it names.
    Carry(Signal),
    /// Passed on, from the peer that it names.
    Carried(Signal),
    /// The sender is about to close the link.
    Goodbye,
}

/// Most peers named at a time.
pub const MAX_NAMED: usize = 32;
/// Longest session description that neighbours carry, in bytes.
pub const MAX_SDP_BYTES: usize = 8 * 1024;

/// A session description on its way between two peers that both know the one between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Whom it is for, or whom it is from.
    pub peer: [u8; 20],
    /// The offer that it is, or that it is about.
    pub offer_id: [u8; 20],
    /// What it says.
    pub what: Said,
}

/// What is said about a connection to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The description of who offers it: never empty, at most [`MAX_SDP_BYTES`].
    Offer(String),
    /// The description of who takes the offer; the same bounds.
    Answer(String),
    /// Nobody takes the offer.
    Nobody,
}

/// Most stripes of a stream.
pub const MAX_STRIPES: u8 = 8;
/// Most peers between the origin and a seat.
pub const MAX_PATH: usize = 16;

/// A place in the push tree of one stripe where others may sit down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Which stripe, from 0; below [`MAX_STRIPES`].
    pub stripe: u8,
    /// How many more may follow there.
    pub room: u8,
    /// The short names of the peers through which the stripe comes, from the sender's parent up; empty for one that
    /// fetches it from the origin. At most [`MAX_PATH`].
    pub path: Vec<u32>,
}

/// Why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The piece is not in the store (any more).
    Absent,
    /// Too many requests are waiting.
    Busy,
    /// The viewer does not share.
    NotSharing,
}

/// Who is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u8,
    /// The swarm the sender is in: [`manifest::Index::swarm_id`].
    pub swarm: [u8; 20],
    /// What the sender is ready to upload, in kbit/s; 0 from one that does not share.
    pub upload_kbps: u32,
    /// Whether it keeps for others: it fetches what its neighbours will want.
    pub keeps: bool,
}

/// A run of whole segments of one rendition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first segment.
    pub first: SegmentId,
    /// How many in sequence; at least 1.
    pub count: u32,
}

/// A segment of which some pieces are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partial {
    /// Which segment.
    pub segment: SegmentId,
    /// Which of its pieces.
    pub pieces: Bits,
}

/// A change in what a peer holds. What is not named stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Have {
    /// Segments now held whole.
    pub whole: Vec<Run>,
    /// Segments now held in part.
    pub partial: Vec<Partial>,
    /// Segments no longer held.
    pub gone: Vec<Run>,
    /// Everything the sender is fetching from the origin now (a full list, not a change).
    pub fetching: Vec<SegmentId>,
}

/// Where a player is: which segments its viewer will want soon. One that keeps for others is nowhere: 0 to 0, and no rendition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Playing {
    /// Position in the film, milliseconds.
    pub position_ms: u32,
    /// Up to where the peer wants segments now, milliseconds of film; not before the position.
    pub window_end_ms: u32,
    /// Rendition of pictures it plays, by place in the index; 255: none yet.
    pub video: u8,
    /// Rendition of sound it plays, by place in the index; 255: none.
    pub audio: u8,
}
