//! The event queue: what happens next, and in which order what happens at once.
//!
//! Invariant: events come out in the order of (time, order of pushing), to the microsecond, however far ahead they were
//! pushed. A run is determined by its seed only because of that.
//!
//! A hierarchical timing wheel (Varghese and Lauck 1987): 4096 slots of 1024 us for the block of 4.2 s in progress, 4096
//! slots of one such block each for the 4.8 h in progress, a map for what is beyond. A push touches one slot; a slot is
//! sorted once, when its turn comes. Slots keep the order of pushing, and their sort is stable, so events carry no number.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};
use swarm::Time;

/// Events to come.
#[derive(Debug)]
pub struct Wheel<E> {
    /// No event is earlier: the time of the last that came out.
    now: u64,
    /// The slot whose events are in `current`, counted from the start of time.
    slot: u64,
    /// The events of that slot, last first.
    current: Vec<(u64, E)>,
    /// What was pushed for that slot, or an earlier one, after it was sorted.
    late: BinaryHeap<Reverse<Late<E>>>,
    late_pushes: u64,
    /// Later slots of the block in progress.
    slots: Ring<E>,
    /// Later blocks of the era in progress.
    blocks: Ring<E>,
    /// Later eras.
    eras: BTreeMap<u64, Vec<(u64, E)>>,
    len: usize,
}

impl<E> Default for Wheel<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> Wheel<E> {
    /// None yet.
    pub fn new() -> Self {
        Self {
            now: 0,
            slot: 0,
            current: Vec::new(),
            late: BinaryHeap::new(),
            late_pushes: 0,
            slots: Ring::new(),
            blocks: Ring::new(),
            eras: BTreeMap::new(),
            len: 0,
        }
    }

    /// How many events are to come.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Lets `event` happen at `at`; at the time of the last event that came out if that is later, because time does not go
    /// back.
    pub fn push(&mut self, at: Time, event: E) {
        let at = at.0.max(self.now);
        let slot = at >> SLOT_BITS;
        self.len += 1;
        if slot <= self.slot {
            self.late_pushes += 1;
            self.late.push(Reverse(Late { at, order: self.late_pushes, event }));
        } else if slot >> RING_BITS == self.slot >> RING_BITS {
            self.slots.push(slot, (at, event));
        } else {
            self.put_far(at, event);
        }
    }

    /// The next event and its time.
    pub fn pop(&mut self) -> Option<(Time, E)> {
        self.turn();
        let late_first = match (self.current.last(), self.late.peek()) {
            (Some((at, _)), Some(Reverse(late))) => late.at < *at,
            (None, Some(_)) => true,
            _ => false,
        };
        let (at, event) = if late_first {
            self.late.pop().map(|Reverse(late)| (late.at, late.event))?
        } else {
            self.current.pop()?
        };
        self.now = at;
        self.len -= 1;
        Some((Time(at), event))
    }

    /// The time of the next event. It may turn the wheel, and what is pushed for an earlier time after that is in order but
    /// costs as much as in a heap: ask just before a pop.
    pub fn peek_time(&mut self) -> Option<Time> {
        self.turn();
        let current = self.current.last().map(|(at, _)| *at);
        let late = self.late.peek().map(|Reverse(late)| late.at);
        current.into_iter().chain(late).min().map(Time)
    }

    /// Brings the next slot that has events to `current`, if nothing is left of the one before.
    fn turn(&mut self) {
        if !self.current.is_empty() || !self.late.is_empty() || self.len == 0 {
            return;
        }
        // Slots up to this one are empty, except at the start of a block or an era.
        let mut from = (self.slot & RING_MASK) + 1;
        loop {
            if let Some(slot) = self.slots.first_from(from) {
                self.slot = (self.slot & !RING_MASK) | slot;
                self.slots.swap(slot, &mut self.current);
                self.current.sort_by_key(|(at, _)| *at);
                self.current.reverse();
                return;
            }
            let block = self.slot >> RING_BITS;
            if let Some(next) = self.blocks.first_from((block & RING_MASK) + 1) {
                self.enter_block((block & !RING_MASK) | next);
            } else {
                let (era, events) = self.eras.pop_first().expect("an event is somewhere");
                for (at, event) in events {
                    self.blocks.push(at >> BLOCK_BITS, (at, event));
                }
                let first = self.blocks.first_from(0).expect("no era is empty");
                self.enter_block((era << RING_BITS) | first);
            }
            from = 0;
        }
    }

    fn enter_block(&mut self, block: u64) {
        self.slot = block << RING_BITS;
        let mut events = std::mem::take(&mut self.current);
        self.blocks.swap(block, &mut events);
        for (at, event) in events.drain(..) {
            self.slots.push(at >> SLOT_BITS, (at, event));
        }
        self.current = events;
    }

    fn put_far(&mut self, at: u64, event: E) {
        let block = at >> BLOCK_BITS;
        if block >> RING_BITS == self.slot >> (2 * RING_BITS) {
            self.blocks.push(block, (at, event));
        } else {
            self.eras.entry(block >> RING_BITS).or_default().push((at, event));
        }
    }
}

const SLOT_BITS: u32 = 10;
const RING_BITS: u32 = 12;
const BLOCK_BITS: u32 = SLOT_BITS + RING_BITS;
const RING_MASK: u64 = (1 << RING_BITS) - 1;

/// Slots in a ring, and which of them hold something.
#[derive(Debug)]
struct Ring<E> {
    slots: Vec<Vec<(u64, E)>>,
    occupied: [u64; 1 << (RING_BITS - 6)],
    /// The room of slots whose turn is over, for the next that need some: few slots hold something at a time.
    spare: Vec<Vec<(u64, E)>>,
}

impl<E> Ring<E> {
    fn new() -> Self {
        Self {
            slots: std::iter::repeat_with(Vec::new).take(1 << RING_BITS).collect(),
            occupied: [0; 1 << (RING_BITS - 6)],
            spare: Vec::new(),
        }
    }

    fn push(&mut self, index: u64, entry: (u64, E)) {
        let index = index & RING_MASK;
        self.occupied[(index / 64) as usize] |= 1 << (index % 64);
        let slot = &mut self.slots[index as usize];
        if slot.capacity() == 0 {
            *slot = self.spare.pop().unwrap_or_default();
        }
        slot.push(entry);
    }

    /// Exchanges a slot's events for an empty vector, whose room is kept for others.
    fn swap(&mut self, index: u64, empty: &mut Vec<(u64, E)>) {
        let index = index & RING_MASK;
        self.occupied[(index / 64) as usize] &= !(1 << (index % 64));
        let events = std::mem::take(&mut self.slots[index as usize]);
        self.spare.push(std::mem::replace(empty, events));
    }

    /// The first slot at or after `from` that holds something; `from` may be one past the last.
    fn first_from(&self, from: u64) -> Option<u64> {
        let mut word = (from / 64) as usize;
        let mut bits = self.occupied.get(word)? & (u64::MAX << (from % 64));
        while bits == 0 {
            word += 1;
            bits = *self.occupied.get(word)?;
        }
        Some(word as u64 * 64 + u64::from(bits.trailing_zeros()))
    }
}

/// An event with its place in the order, for the heap.
#[derive(Debug)]
struct Late<E> {
    at: u64,
    order: u64,
    event: E,
}

impl<E> PartialEq for Late<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<E> Eq for Late<E> {}

impl<E> PartialOrd for Late<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Late<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}
