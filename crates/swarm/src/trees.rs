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
use wire::{MAX_PATH, MAX_STRIPES, Seat};

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
    /// Through whom it came, for those below an orphan: they stay with it for a while.
    pub path_before: Option<Vec<u32>>,
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
    /// A parent is given up, or lost; the way led by `path`.
    pub fn orphan(&mut self, now: Time, path: Option<Vec<u32>>) {
        self.parent = None;
        self.path_before = path;
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

    /// The mean of how long its pieces take.
    pub fn lag_us(&self) -> Option<u64> {
        self.lag.map(|(mean, _)| mean)
    }

    /// How long to wait for a piece before it is asked for elsewhere.
    pub fn grace_us(&self) -> u64 {
        self.lag.map_or(FIRST_GRACE_US, |(mean, spread)| {
            (mean + 4 * spread + LEAST_GRACE_US / 2).clamp(LEAST_GRACE_US, MOST_GRACE_US)
        })
    }
}

const FIRST_GRACE_US: u64 = 1_000_000;
const LEAST_GRACE_US: u64 = 800_000;
const MOST_GRACE_US: u64 = 2_500_000;

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

    /// Where this peer stands in the stripe of a piece.
    pub fn branch_of(&self, sequence: u32, piece: u32, pieces: u32) -> &Branch {
        &self.branches[usize::from(self.stripe(sequence, piece, pieces))]
    }

    /// The stripes for which `link` is asked or does push to us.
    pub fn followed(&self, link: Link) -> u8 {
        let here =
            |branch: &Branch| branch.parent == Some(link) || branch.asked.is_some_and(|(l, _)| l == link);
        self.branches.iter().enumerate().filter(|(_, b)| here(b)).fold(0, |mask, (s, _)| mask | 1 << s)
    }

    /// A link is gone, and `path` says by which way a stripe has come until now.
    pub fn lose(&mut self, now: Time, link: Link, path: impl Fn(u8) -> Option<Vec<u32>>) {
        for (stripe, branch) in self.branches.iter_mut().enumerate() {
            if branch.parent == Some(link) {
                branch.orphan(now, path(stripe as u8));
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
    /// Not to be asked for a place in each stripe before.
    pub refuses_until: [Time; MAX_STRIPES as usize],
    /// When it last asked for heads.
    pub asked_heads: Option<Time>,
}

impl Standing {
    /// The way to one who follows it: through `name` to `me`.
    pub fn path(&self, stripe: u8, name: u32, me: u32) -> Option<Vec<u32>> {
        path_below(self.seat(stripe)?, name, me)
    }

    /// Whether we push a stripe to it.
    pub fn is_fed(&self, stripe: u8) -> bool {
        self.fed >> stripe & 1 == 1
    }

    pub fn seat(&self, stripe: u8) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.stripe == stripe)
    }
}

/// The path to one who follows a seat, or `None` if it is too long or comes through `me`.
pub(crate) fn path_below(seat: &Seat, parent: u32, me: u32) -> Option<Vec<u32>> {
    let sound = parent != me && !seat.path.contains(&me) && seat.path.len() < MAX_PATH;
    sound.then(|| core::iter::once(parent).chain(seat.path.iter().copied()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: u32 = 7;

    fn seat(path: &[u32]) -> Seat {
        Seat { stripe: 0, room: 1, path: path.to_vec() }
    }

    #[test]
    fn a_path_goes_by_the_parent_and_never_through_oneself() {
        assert_eq!(path_below(&seat(&[]), 1, ME), Some([1].to_vec()));
        assert_eq!(path_below(&seat(&[2, 3]), 1, ME), Some([1, 2, 3].to_vec()));
        assert_eq!(path_below(&seat(&[2, ME]), 1, ME), None);
        assert_eq!(path_below(&seat(&[]), ME, ME), None);
        let longest = path_below(&seat(&[1; MAX_PATH - 1]), 2, ME);
        assert_eq!(longest.map(|path| path.len()), Some(MAX_PATH));
        assert_eq!(path_below(&seat(&[1; MAX_PATH]), 2, ME), None);
    }

    #[test]
    fn what_comes_late_and_unevenly_is_waited_for_longer_within_bounds() {
        let grace = |lags: &[u64]| {
            let mut branch = Branch::default();
            lags.iter().for_each(|&lag| branch.sample(lag));
            branch.grace_us()
        };
        assert_eq!(grace(&[]), FIRST_GRACE_US);
        assert_eq!(grace(&[20_000; 50]), LEAST_GRACE_US);
        let (even, uneven) = (grace(&[500_000; 50]), grace(&[200_000, 800_000].repeat(25)));
        assert!(LEAST_GRACE_US < even && even < uneven && uneven < MOST_GRACE_US, "{even} {uneven}");
        assert_eq!(grace(&[u64::from(u32::MAX); 50]), MOST_GRACE_US);
    }

    #[test]
    fn with_a_link_go_the_branches_that_hang_on_it_and_their_path_stays_known() {
        let mut trees = Trees::new(3);
        let (now, gone, other) = (Time::from_millis(9), Link(1), Link(2));
        trees.branches[0].parent = Some(gone);
        trees.branches[1].parent = Some(other);
        trees.branches[1].asked = Some((gone, now));
        trees.branches[2].asked = Some((other, now));
        assert_eq!((trees.followed(gone), trees.followed(other)), (0b011, 0b110));
        trees.lose(now, gone, |stripe| Some([u32::from(stripe)].to_vec()));
        assert_eq!((trees.followed(gone), trees.followed(other)), (0, 0b110));
        let branch = &trees.branches[0];
        assert_eq!((branch.since, &branch.path_before), (now, &Some([0].to_vec())));
        assert_eq!(trees.branches[1].path_before, None);
    }

    #[test]
    fn a_stream_has_a_stripe_at_least() {
        assert_eq!(Trees::new(0).stripes(), 1);
    }
}
