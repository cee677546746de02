//! Where this peer stands in the push trees: whom it follows in each stripe, and where others may follow it.
//!
//! A tree begins with its *tops*, who fetch their stripe from the origin: a few in the whole swarm, agreed upon without a message.
//! Everybody else follows a neighbour that is nearer to a top than others. A peer has children in its home stripe only, so that
//! its loss hurts one stripe; in a small audience in all. Each peer tells through whom a stripe comes to it, and nobody follows one
//! to whom it comes through itself: that is what keeps trees free of loops.

use crate::io::Link;
use crate::stripes;
use crate::time::Time;
use alloc::vec::Vec;
use wire::{MAX_PATH, Seat};

/// This peer in one stripe.
#[derive(Debug, Default)]
pub(crate) struct Branch {
    /// Who pushes it to us.
    pub parent: Option<Link>,
    /// Who was asked to, and when.
    pub asked: Option<(Link, Time)>,
    /// Whether we fetch it from the origin.
    pub top: bool,
    /// Since when it comes, by parent or as top; or since when it does not.
    pub since: Time,
    /// When a better place was last looked for.
    pub looked: Time,
    /// How often it came late of late.
    pub late: u8,
    /// Up to which part that was counted.
    pub judged: u32,
    /// How long its pieces take from the head that announces them, smoothed, and their mean deviation, in microseconds.
    lag: Option<(u64, u64)>,
}

#[derive(Debug)]
pub(crate) struct Trees {
    pub branches: Vec<Branch>,
    /// What neighbours were last told, and when.
    pub told: Option<(Time, Vec<Seat>)>,
}

impl Branch {
    /// A parent is given up, or lost.
    pub fn orphan(&mut self, now: Time) {
        self.parent = None;
        self.since = now;
        self.late = 0;
        self.lag = None;
    }

    /// A pushed piece took so long.
    pub fn sample(&mut self, lag_us: u64) {
        self.lag = Some(match self.lag {
            None => (lag_us, lag_us / 2),
            Some((mean, spread)) => ((mean * 15 + lag_us) / 16, (spread * 15 + mean.abs_diff(lag_us)) / 16),
        });
    }

    /// How long to wait for a piece before it is asked for elsewhere.
    pub fn grace_us(&self) -> u64 {
        self.lag
            .map_or(FIRST_GRACE_US, |(mean, spread)| (mean + 4 * spread).clamp(LEAST_GRACE_US, MOST_GRACE_US))
    }
}

const FIRST_GRACE_US: u64 = 1_000_000;
const LEAST_GRACE_US: u64 = 250_000;
const MOST_GRACE_US: u64 = 2_000_000;

impl Trees {
    pub fn new(count: u8) -> Self {
        Self { branches: (0..count.max(1)).map(|_| Branch::default()).collect(), told: None }
    }

    pub fn stripes(&self) -> u8 {
        self.branches.len() as u8
    }

    /// The stripe of a piece.
    pub fn stripe(&self, sequence: u32, piece: u32, pieces: u32) -> u8 {
        stripes::of(self.stripes(), sequence, piece, pieces)
    }

    /// The stripes for which `link` is asked or does push to us.
    pub fn followed(&self, link: Link) -> u8 {
        let here =
            |branch: &Branch| branch.parent == Some(link) || branch.asked.is_some_and(|(l, _)| l == link);
        self.branches.iter().enumerate().filter(|(_, b)| here(b)).fold(0, |mask, (s, _)| mask | 1 << s)
    }

    pub fn lose(&mut self, now: Time, link: Link) {
        for branch in &mut self.branches {
            if branch.parent == Some(link) {
                branch.orphan(now);
            }
            branch.asked.take_if(|(asked, _)| *asked == link);
        }
    }
}

/// What we know of a neighbour, and do for it, in the trees.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// Where others may follow it.
    pub seats: Vec<Seat>,
    /// The stripes that we push to it.
    pub fed: u8,
    /// Not to be asked for a place before.
    pub refuses_until: Time,
    /// When it last asked for heads.
    pub asked_heads: Option<Time>,
}

impl Standing {
    pub fn seat(&self, stripe: u8) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.stripe == stripe)
    }
}

/// The path to one who follows a seat, or `None` if it is too long or comes through `me`.
pub(crate) fn path_below(seat: &Seat, parent: u32, me: u32) -> Option<Vec<u32>> {
    let sound = parent != me && !seat.path.contains(&me) && seat.path.len() < MAX_PATH;
    sound.then(|| core::iter::once(parent).chain(seat.path.iter().copied()).collect())
}
