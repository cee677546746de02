//! What is said on every link: a short message asks for a piece, a long one is a piece. Each side answers what it is asked,
//! and one that may ask keeps so many pieces asked for, as a viewer does. Invariant: a channel never has more asked for than
//! it was told to, and nothing is sent that its pipe did not take.

use crate::Shared;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Asks for one piece.
const REQUEST: &[u8] = b"a piece?";

/// One way to the other side.
pub trait Pipe {
    /// Sends, if it fits into what may be under way; whether it did.
    fn send(&mut self, message: &Bytes) -> bool;
}

/// The channels of one socket.
pub struct Talk<Key> {
    flows: BTreeMap<Key, Flow>,
    piece: Bytes,
    ask: usize,
    each: u64,
    is_paced: bool,
    may_ask: bool,
}

#[derive(Default)]
struct Flow {
    /// Pieces the other side has asked for.
    owed: usize,
    /// Requests that are to go out.
    wanting: usize,
    /// Bytes asked for so far.
    asked: u64,
}

impl<Key: Ord + Copy> Talk<Key> {
    pub fn new(shared: &Shared) -> Self {
        let args = &shared.args;
        Self {
            flows: BTreeMap::new(),
            piece: (0..args.message).map(|at| (at.wrapping_mul(31) ^ at >> 8) as u8).collect(),
            ask: args.ask,
            each: args.each,
            is_paced: args.rate > 0,
            may_ask: false,
        }
    }

    /// Between two requests of a channel, if they go by the clock.
    pub fn pace(shared: &Shared) -> Option<Duration> {
        let args = &shared.args;
        (args.rate > 0).then(|| Duration::from_secs_f64(args.message as f64 * 8.0 / args.rate as f64))
    }

    /// A channel is open.
    pub fn up(&mut self, key: Key, pipe: &mut impl Pipe, shared: &Shared) {
        let wanting = if self.may_ask && !self.is_paced { self.ask } else { 0 };
        self.flows.insert(key, Flow { wanting, ..Flow::default() });
        self.pump(key, pipe, shared);
    }

    /// A channel is gone.
    pub fn down(&mut self, key: Key) {
        self.flows.remove(&key);
    }

    /// Asks from now on; gives the channels that have something to send.
    pub fn go(&mut self) -> Vec<Key> {
        self.may_ask = true;
        let ask = if self.is_paced { 0 } else { self.ask };
        self.flows.values_mut().for_each(|flow| flow.wanting = ask);
        self.flows.keys().copied().collect()
    }

    /// The time for one more request of each channel has come; gives the channels that have something to send.
    pub fn tick(&mut self) -> Vec<Key> {
        if !self.may_ask {
            return Vec::new();
        }
        // Of a peer that does not keep up no more than this is wanted.
        self.flows.values_mut().for_each(|flow| flow.wanting = (flow.wanting + 1).min(self.ask));
        self.flows.keys().copied().collect()
    }

    /// A message came.
    pub fn message(&mut self, key: Key, length: usize, pipe: &mut impl Pipe, shared: &Shared) {
        let Some(flow) = self.flows.get_mut(&key) else { return };
        if length == REQUEST.len() {
            flow.owed += 1;
        } else {
            shared.taken.fetch_add(length as u64, Ordering::Relaxed);
            flow.wanting += usize::from(self.may_ask && !self.is_paced);
        }
        self.pump(key, pipe, shared);
    }

    /// Sends what is to be sent, as far as it fits; whether anything was.
    pub fn pump(&mut self, key: Key, pipe: &mut impl Pipe, shared: &Shared) -> bool {
        let Some(flow) = self.flows.get_mut(&key) else { return false };
        let mut is_any = false;
        while flow.wanting > 0 {
            if self.each > 0 && flow.asked >= self.each {
                flow.wanting = 0;
                break;
            }
            if !pipe.send(&Bytes::from_static(REQUEST)) {
                break;
            }
            flow.wanting -= 1;
            flow.asked += self.piece.len() as u64;
            is_any = true;
        }
        while flow.owed > 0 && pipe.send(&self.piece) {
            flow.owed -= 1;
            shared.given.fetch_add(self.piece.len() as u64, Ordering::Relaxed);
            is_any = true;
        }
        is_any
    }
}
