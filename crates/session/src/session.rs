//! One viewer of one film: the core, and the translation between it and the driver.

use crate::asked::{Asked, Request};
#[cfg(feature = "live")]
use crate::live::Stream;
use crate::order::{Order, Orders};
use crate::pieces::Pieces;
use manifest::{Hash, Index, OpenError, PublicKey, SegmentId};
use std::collections::BTreeMap;
use swarm::trace::Recorder;
use swarm::{Config, Input, Link, Output, Peer, PeerId, Player, Snapshot, Time};
use wire::{Frame, Frames, MAX_MESSAGE_BYTES, Message};

/// A trace stops growing here; what follows is not recorded.
const MAX_TRACE_BYTES: usize = 64 << 20;

/// What a session is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Our name in the swarm.
    pub me: PeerId,
    /// Seed of every choice the core makes by chance.
    pub seed: u64,
    /// How the core behaves; `upload` holds until [`Session::sharing`] says otherwise.
    pub config: Config,
    /// Whether to record a trace. It replays if nothing but `upload` differs from what is usual in the config's role.
    pub record: bool,
}

/// The state of one viewer. Every method takes the time first, in the core's microseconds, and leaves what is to be done
/// in [`Session::orders`], which the next call overwrites.
#[derive(Debug)]
pub struct Session {
    pub(crate) peer: Peer,
    pub(crate) pieces: Pieces,
    pub(crate) asked: Asked,
    /// Chaining values of whole-segment fetches whose leaves are not known yet.
    pub(crate) staged: BTreeMap<SegmentId, Vec<Option<Hash>>>,
    outputs: Vec<Output>,
    pub(crate) orders: Orders,
    /// The publisher's, if the driver was given one.
    pub(crate) key: Option<PublicKey>,
    wake_at: Option<Time>,
    trace: Option<Recorder>,
    /// Of a live stream.
    #[cfg(feature = "live")]
    pub(crate) live: Option<Box<Stream>>,
}

impl Session {
    /// Reads an index and starts a viewer of it. `key` is the publisher's, if the driver was given one: then nothing but an
    /// index signed by it is taken.
    pub fn open(
        now: Time,
        index: &[u8],
        key: Option<&PublicKey>,
        options: Options,
    ) -> Result<Self, OpenError> {
        let mut session = Self::start(now, Index::open(index, key)?, options);
        session.key = key.copied();
        Ok(session)
    }

    /// Starts a viewer of a film whose index was checked.
    pub fn start(now: Time, index: Index, options: Options) -> Self {
        let mut session = Self::with(Pieces::new(index.clone()), options);
        session.one(now, Input::Film(&index));
        session
    }

    pub(crate) fn with(pieces: Pieces, options: Options) -> Self {
        let Options { me, seed, config, record } = options;
        let trace = record.then(|| Recorder::new(me, &config, seed));
        Self {
            peer: Peer::new(me, config, seed),
            pieces,
            asked: Asked::default(),
            staged: BTreeMap::new(),
            outputs: Vec::new(),
            orders: Orders::default(),
            key: None,
            wake_at: None,
            trace,
            #[cfg(feature = "live")]
            live: None,
        }
    }

    /// What the last call wants done.
    pub fn orders(&self) -> &[Order] {
        self.orders.list()
    }

    /// Takes what the last call wants done.
    pub fn take_orders(&mut self) -> Vec<Order> {
        self.orders.take()
    }

    /// When to call [`Session::wake`], unless something else happens before.
    pub fn wake_at(&self) -> Option<Time> {
        self.wake_at
    }

    /// The index; of a live stream one without renditions.
    pub fn index(&self) -> &Index {
        self.pieces.index()
    }

    /// What the core knows about itself.
    pub fn snapshot(&self) -> Snapshot {
        self.peer.snapshot()
    }

    /// Inputs and outputs of the core so far, for [`swarm::trace::replay`]; empty unless asked for at the start.
    pub fn trace(&self) -> &[u8] {
        self.trace.as_ref().map_or(&[], Recorder::bytes)
    }

    /// The time of [`Session::wake_at`] has come.
    pub fn wake(&mut self, now: Time) {
        self.one(now, Input::Wake);
    }

    /// What the player does.
    pub fn player(&mut self, now: Time, player: Player) {
        self.one(now, Input::Player(player));
    }

    /// The player waits for a segment.
    pub fn want(&mut self, now: Time, segment: SegmentId) {
        self.one(now, Input::Want(segment));
    }

    /// The player no longer waits for it.
    pub fn unwant(&mut self, now: Time, segment: SegmentId) {
        self.one(now, Input::Unwant(segment));
    }

    /// Bytes a second to upload; `None` shares nothing.
    pub fn sharing(&mut self, now: Time, upload: Option<u32>) {
        self.one(now, Input::Sharing(upload));
    }

    /// See [`Input::OriginRate`].
    pub fn origin_rate(&mut self, now: Time, bytes_per_s: u32) {
        self.one(now, Input::OriginRate(bytes_per_s));
    }

    /// How many other viewers the tracker knows of.
    pub fn audience(&mut self, now: Time, others: u32) {
        self.one(now, Input::Audience(others));
    }

    /// Peers the tracker named.
    pub fn strangers(&mut self, now: Time, peers: &[PeerId]) {
        self.one(now, Input::Strangers(peers));
    }

    /// A connection is open.
    pub fn link_up(&mut self, now: Time, link: Link, peer: PeerId, dialled: bool) {
        self.asked.open(link);
        self.one(now, Input::LinkUp { link, peer, dialled });
    }

    /// A connection is gone.
    pub fn link_down(&mut self, now: Time, link: Link) {
        if self.asked.is_open(link) {
            self.asked.close(link);
            self.one(now, Input::LinkDown(link));
        } else {
            self.begin();
        }
    }

    /// A dial led to nothing.
    pub fn dial_failed(&mut self, now: Time, peer: PeerId) {
        self.one(now, Input::DialFailed(peer));
    }

    /// How many bytes a connection would take.
    pub fn link_room(&mut self, now: Time, link: Link, room: u32) {
        if self.asked.is_open(link) {
            self.one(now, Input::LinkRoom { link, room });
        } else {
            self.begin();
        }
    }

    /// A message came from a neighbour.
    pub fn message(&mut self, now: Time, link: Link, bytes: &[u8]) {
        self.begin();
        if bytes.len() > MAX_MESSAGE_BYTES {
            self.garbage(now, link);
        }
        let base = bytes.as_ptr() as usize;
        for frame in Frames::new(bytes) {
            // A message before this one, or a frame of this one, may have led to a hang-up.
            if !self.asked.is_open(link) {
                break;
            }
            match frame {
                Err(_) => self.garbage(now, link),
                Ok(Frame::Message(message)) => self.feed(now, Input::Message(link, message)),
                Ok(Frame::Leaves { segment, leaves }) => self.hear_leaves(now, link, segment, leaves),
                Ok(Frame::Head(head)) => self.hear_head(now, link, head),
                Ok(Frame::Piece { id, segment, piece, payload }) => {
                    let offset = payload.as_ptr() as usize - base;
                    self.piece(now, link, (id, segment, piece), payload, offset as u32);
                }
            }
        }
        self.orders.finish();
    }

    pub(crate) fn garbage(&mut self, now: Time, link: Link) {
        if self.asked.is_open(link) {
            self.feed(now, Input::Garbage(link));
        }
    }

    /// A call begins: what the last one wanted is past.
    pub(crate) fn begin(&mut self) {
        self.orders.clear();
        self.begin_live();
    }

    /// A call that is one input.
    pub(crate) fn one(&mut self, now: Time, input: Input<'_>) {
        self.begin();
        self.feed(now, input);
        self.orders.finish();
    }

    pub(crate) fn feed(&mut self, now: Time, input: Input<'_>) {
        self.outputs.clear();
        self.wake_at = self.peer.handle(now, input.clone(), &mut self.outputs);
        if let Some(trace) = self.trace.as_mut().filter(|trace| trace.bytes().len() < MAX_TRACE_BYTES) {
            trace.record(now, &input, &self.outputs);
        }
        for output in std::mem::take(&mut self.outputs) {
            self.translate(output);
        }
    }

    fn translate(&mut self, output: Output) {
        let orders = &mut self.orders;
        match output {
            Output::Announce { want } => orders.push(Order::Announce(want)),
            Output::Dial(peer) => orders.push(Order::Dial(peer)),
            Output::Signal(signal) => orders.push(Order::Signal(signal)),
            Output::Hangup(link, why) => {
                orders.flush(link);
                orders.push(Order::Hangup(link, why));
                self.asked.close(link);
            }
            Output::Send(link, message) => {
                if let Message::Request { id, segment, piece, leaves, .. } = message {
                    self.asked.insert(link, id, Request { segment, piece, leaves });
                }
                orders.send(link, &message);
            }
            Output::SendPiece { link, id, segment, piece, leaves } => {
                let Some(len) = self.pieces.len_of(segment, piece) else { return };
                let known = self.pieces.leaves(segment).filter(|_| leaves);
                orders.send_piece(link, id, segment, piece, len, known);
            }
            Output::Fetch { segment, first, end } => {
                // Single pieces can only be checked against known leaves.
                let whole = (0, self.pieces.count_of(segment));
                let (first, end) = if self.pieces.leaves(segment).is_some() { (first, end) } else { whole };
                orders.push(Order::Fetch { segment, first, end });
            }
            Output::CancelFetch(segment) => {
                self.staged.remove(&segment);
                orders.push(Order::CancelFetch(segment));
            }
            Output::SendHeads { link, after } => self.send_heads(link, after),
            Output::AskHeads { .. } => self.ask_heads(),
            Output::Deliver(segment) => orders.push(Order::Deliver(segment)),
            Output::Evict(segment) => {
                self.pieces.forget(segment);
                self.asked.forget(segment);
                orders.push(Order::Evict(segment));
            }
        }
    }
}
