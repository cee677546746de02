//! A viewer of a live stream: heads are checked before the core hears of them, and pieces against the leaves in them.
//!
//! Its invariant: what the core is told has been born was said by a head that the stream's chain has taken. And what came before its
//! head waits, within a bound, until that head has come.

use crate::order::{Order, Place};
use crate::pieces::Pieces;
use crate::session::{Options, Session};
use manifest::live::{Accepted, Chain, Description, Head, Refused};
use manifest::{PublicKey, SegmentId};
use std::collections::VecDeque;
use swarm::{Input, Link, Part, Source, Time};

/// Heads that are kept for neighbours who missed some, and that one is sent at a time.
const HEADS_KEPT: usize = 32;
/// Pieces that wait for their head.
const EARLY_MAX: usize = 128;
/// A part may be so far beyond the last that is known for a piece of it to wait.
const EARLY_AHEAD: u32 = 64;
/// The core's numbers of heads: those of an epoch follow on each other, and the next epoch's are higher. A publisher takes a new
/// epoch long before it has made so many heads.
const EPOCH_SHIFT: u32 = 20;
const EPOCH_MAX: u32 = (1 << (32 - EPOCH_SHIFT)) - 1;

/// What a session knows of the stream that it watches.
#[derive(Debug)]
pub(crate) struct Stream {
    description: Description,
    chain: Chain,
    /// What the calendar said at the time zero of the core, milliseconds since 1970 UTC.
    zero_ms: u64,
    /// Newest last, by the core's numbers, as they were signed; without a gap.
    heads: VecDeque<(u32, Vec<u8>)>,
    early: VecDeque<Early>,
    /// Pieces that the last call took out of `early`.
    came_early: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Early {
    link: Link,
    segment: SegmentId,
    piece: u32,
    bytes: Vec<u8>,
}

/// The core's number of a head; `None` for one that no publisher makes.
fn number(epoch: u32, number: u64) -> Option<u32> {
    let number = u32::try_from(number).ok().filter(|&number| number < 1 << EPOCH_SHIFT)?;
    (epoch <= EPOCH_MAX).then_some(epoch << EPOCH_SHIFT | number)
}

impl Session {
    fn live(&self) -> Option<&Stream> {
        self.live.as_deref()
    }

    fn live_mut(&mut self) -> Option<&mut Stream> {
        self.live.as_deref_mut()
    }

    /// Reads the description of a live stream and starts a viewer of it; `wall_ms` is what the calendar says at `now`, milliseconds
    /// since 1970 UTC. `key` is the publisher's, if the driver was given one.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn open_live(
        now: Time,
        wall_ms: u64,
        description: &[u8],
        key: Option<&PublicKey>,
        options: Options,
    ) -> Result<Self, Refused> {
        let description = Description::open(description, key)?;
        let (stream, piece_len) = (description.stream(), description.piece_len);
        let kinds: Vec<_> = description.renditions.iter().map(|rendition| rendition.kind).collect();
        let stream_of = Stream {
            chain: Chain::new(description.publisher, stream, piece_len),
            description,
            zero_ms: wall_ms.saturating_sub(now.0 / 1000),
            heads: VecDeque::new(),
            early: VecDeque::new(),
            came_early: Vec::new(),
        };
        let mut session = Self::with(Pieces::live(piece_len), options);
        session.live = Some(Box::new(stream_of));
        session.one(now, Input::Live { swarm: stream, piece_len, kinds: &kinds });
        Ok(session)
    }

    /// The stream that is watched, if it is one.
    pub fn description(&self) -> Option<&Description> {
        self.live().map(|live| &live.description)
    }

    /// The same stream has new initialisation segments. `false`: these bytes do not say so.
    pub fn describe(&mut self, bytes: &[u8]) -> bool {
        let Some(live) = self.live_mut() else { return false };
        match Description::open(bytes, Some(&live.description.publisher)) {
            Ok(newer) if live.description.becomes(&newer) => live.description = newer,
            _ => return false,
        }
        true
    }

    /// Bytes of a part that a head has told of; 0 for any other.
    pub fn part_size(&self, part: SegmentId) -> u32 {
        if self.live().is_some() { self.pieces.size_of(part).unwrap_or(0) } else { 0 }
    }

    /// Nothing of the last call is to be read any more.
    pub(crate) fn begin_live(&mut self) {
        if let Some(live) = self.live_mut() {
            live.came_early.clear();
        }
    }

    /// Whether these are the bytes of an initialisation segment that a rendition of the stream has had; `None` of a film.
    pub(crate) fn is_live_init(&self, rendition: u8, bytes: &[u8]) -> Option<bool> {
        let live = self.live()?;
        let root = manifest::digest::root(bytes);
        Some(live.description.renditions.get(usize::from(rendition)).is_some_and(|r| r.inits.contains(&root)))
    }

    /// The swarm id and the publisher of the stream; `None` of a film.
    pub(crate) fn live_names(&self) -> Option<([u8; 20], Option<PublicKey>)> {
        let description = self.description()?;
        Some((description.stream(), Some(description.publisher)))
    }

    /// The epoch and number of the newest head: what the origin is asked to go on from. Zeros before the first.
    pub fn position(&self) -> (u32, u64) {
        self.live().and_then(|live| live.chain.position()).unwrap_or_default()
    }

    /// The origin has answered an [`Order::AskHeads`] with delegations and heads, oldest first, each as it was signed.
    ///
    /// # Errors
    /// [`Refused`], of the first that is not what may follow; those before it have been taken. What is known already is no error.
    pub fn heads<'a>(
        &mut self,
        now: Time,
        signed: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(), Refused> {
        self.begin();
        let signed: Vec<_> = signed.into_iter().collect();
        // Epoch by epoch.
        let mut runs = signed.chunk_by(|_, next| !is_delegation(next));
        let outcome = runs.try_for_each(|run| self.epoch(now, run));
        self.orders.finish();
        outcome
    }

    /// A delegation, unless it is known, and heads of its epoch.
    fn epoch(&mut self, now: Time, signed: &[&[u8]]) -> Result<(), Refused> {
        let (delegation, heads) = signed.split_at(signed.partition_point(|bytes| is_delegation(bytes)));
        delegation.iter().try_for_each(|bytes| unless_old(self.delegation(now, bytes)))?;
        if let Some(live) = self.live_mut() {
            // The newest are checked one by one, for neighbours.
            let older = heads.len().saturating_sub(HEADS_KEPT - 1);
            live.chain.vouch(&heads[..older]);
        }
        heads.iter().try_for_each(|bytes| unless_old(self.take_head(now, Source::Origin, bytes)))
    }

    /// The bytes of an [`Order::Keep`] at a [`Place::Early`] of the last call.
    pub fn early(&self, place: u32) -> &[u8] {
        self.live().and_then(|live| live.came_early.get(place as usize)).map_or(&[], |bytes| &bytes[..])
    }

    /// Whether somebody may be holding back what is new: see [`Chain::is_frozen`]. The driver then asks the origin.
    pub fn is_frozen(&self, now: Time, target_ms: u64) -> bool {
        self.live().is_some_and(|live| live.chain.is_frozen(live.wall_ms(now), target_ms))
    }

    fn delegation(&mut self, now: Time, bytes: &[u8]) -> Result<(), Refused> {
        let Some(live) = self.live_mut() else { return Ok(()) };
        let wall_ms = live.wall_ms(now);
        live.chain.accept_delegation(wall_ms, bytes)
    }

    /// A neighbour has sent a head.
    pub(crate) fn hear_head(&mut self, now: Time, link: Link, bytes: &[u8]) {
        if self.live().is_none() {
            return; // a film has none: nobody has asked for any
        }
        match self.take_head(now, Source::Peer(link), bytes) {
            Err(Refused::NoDelegation) => self.ask_heads(),
            // What is true of another time, or for another clock, is nobody's fault.
            Ok(())
            | Err(
                Refused::Early
                | Refused::Expired
                | Refused::Forked
                | Refused::Equivocation
                | Refused::OutsideDelegation
                | Refused::TimeBackwards
                | Refused::WindowBackwards(_)
                | Refused::Backwards(_)
                | Refused::Contradiction(_),
            ) => {}
            Err(why) if is_old(&why) => {}
            Err(_) => self.garbage(now, link),
        }
    }

    fn take_head(&mut self, now: Time, from: Source, bytes: &[u8]) -> Result<(), Refused> {
        let Some(live) = self.live_mut() else { return Ok(()) };
        if let Source::Peer(_) = from {
            // One that does not follow is not taken, or those between could not be any more. The core asks for them.
            let head = Head::peek(bytes)?;
            let number = number(head.epoch, head.number).ok_or(Refused::NoDelegation)?;
            if let Some((epoch, last)) = live.chain.position()
                && epoch == head.epoch
                && head.number > last + 1
            {
                self.feed(now, Input::Head { from, number, parts: &[] });
                return Ok(());
            }
        }
        let accepted = live.chain.accept(live.wall_ms(now), bytes)?;
        let number = number(accepted.head.epoch, accepted.head.number).ok_or(Refused::NoDelegation)?;
        if !accepted.is_signed {
            live.heads.clear();
        } else {
            if live.heads.len() == HEADS_KEPT {
                live.heads.pop_front();
            }
            live.heads.push_back((number, bytes.to_vec()));
        }
        let parts = self.learn(accepted);
        self.feed(now, Input::Head { from, number, parts: &parts });
        self.settle_early(now);
        Ok(())
    }

    /// Takes in what a head says was born.
    fn learn(&mut self, Accepted { head, born, .. }: Accepted) -> Vec<Part> {
        for (rendition, &first) in head.first.iter().enumerate() {
            self.pieces.forget_before(SegmentId::new(rendition as u8, first));
        }
        let is_new = |entry: &manifest::live::Entry| born.binary_search(&entry.segment).is_ok();
        let mut parts = Vec::new();
        for entry in head.entries.into_iter().filter(is_new) {
            let (id, start_ms, duration_ms, size) =
                (entry.segment, entry.start_ms, entry.duration_ms, entry.size);
            self.pieces.announce(id, size, entry.leaves);
            self.orders.push(Order::Told { part: id, start_ms, duration_ms, cut: entry.cut });
            parts.push(Part { id, start_ms, duration_ms, size });
        }
        parts
    }

    /// A piece was pushed by a neighbour.
    pub(crate) fn pushed(
        &mut self,
        now: Time,
        link: Link,
        (segment, piece): (SegmentId, u32),
        bytes: &[u8],
        at: u32,
    ) {
        if self.live().is_some() && self.pieces.leaves(segment).is_some() {
            return self.take_pushed(now, link, (segment, piece), bytes, Place::Message(at));
        }
        let last = self.pieces.last(segment.rendition);
        let about_to_be = last > 0 && (1..=EARLY_AHEAD).contains(&segment.sequence.saturating_sub(last));
        let Some(live) = self.live_mut().filter(|_| about_to_be) else {
            return self.unasked(now, link, bytes.len() as u32);
        };
        if live.early.len() == EARLY_MAX {
            live.early.pop_front();
        }
        live.early.push_back(Early { link, segment, piece, bytes: bytes.to_vec() });
    }

    fn take_pushed(&mut self, now: Time, link: Link, name: (SegmentId, u32), bytes: &[u8], place: Place) {
        let leaf = self.pieces.leaf_of(name.0, name.1, bytes);
        let check = self.pieces.admit(name.0, name.1, leaf);
        self.judged(now, Source::Peer(link), name, check, place, bytes.len() as u32);
    }

    /// Takes pieces whose head has come.
    fn settle_early(&mut self, now: Time) {
        let early = self.live_mut().map(|live| std::mem::take(&mut live.early)).unwrap_or_default();
        for Early { link, segment, piece, bytes } in early {
            let known = self.pieces.leaves(segment).is_some();
            let place = self.live().map_or(0, |live| live.came_early.len() as u32);
            if known && self.asked.is_open(link) {
                self.take_pushed(now, link, (segment, piece), &bytes, Place::Early(place));
            }
            if let Some(live) = self.live_mut() {
                match known {
                    true => live.came_early.push(bytes),
                    false => live.early.push_back(Early { link, segment, piece, bytes }),
                }
            }
        }
    }

    /// The heads after a number, oldest first, for a neighbour.
    pub(crate) fn send_heads(&mut self, link: Link, after: u32) {
        for (_, head) in self.live.iter().flat_map(|live| &live.heads).filter(|(number, _)| *number > after) {
            self.orders.send_head(link, head);
        }
    }

    pub(crate) fn ask_heads(&mut self) {
        let (epoch, number) = self.position();
        self.orders.push(Order::AskHeads { epoch, number });
    }
}

impl Stream {
    fn wall_ms(&self, now: Time) -> u64 {
        self.zero_ms.saturating_add(now.0 / 1000)
    }
}

fn is_delegation(signed: &[u8]) -> bool {
    signed.starts_with(b"BCLD")
}

/// What is known, or past, is no error.
fn unless_old(taken: Result<(), Refused>) -> Result<(), Refused> {
    taken.or_else(|why| if is_old(&why) { Ok(()) } else { Err(why) })
}

/// Of what was taken already, or is past.
fn is_old(why: &Refused) -> bool {
    matches!(why, Refused::Known | Refused::Rollback | Refused::OldEpoch)
}

/// The delegations and heads in an answer of the origin, each after its length as a `u32` in little-endian order, up to what is cut short.
#[derive(Clone, Debug)]
pub struct Signed<'a>(pub &'a [u8]);

impl<'a> Iterator for Signed<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.0.split_first_chunk::<4>()?;
        let (one, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        self.0 = rest;
        Some(one)
    }
}
