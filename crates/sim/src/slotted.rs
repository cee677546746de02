//! Swarms of a million: one bit a chunk, one slot a transfer, no network.
//!
//! Invariant: a peer passes on in a slot only what it held at the slot's start. The models of the literature are of this kind,
//! so what they predict is checked here, and laws of scale are found that the full simulator is too slow for. A window is
//! one `u64`: bit `i` is the chunk that is `i` slots old.

use crate::bounds::PullOrder;
use crate::rng::Rng;

/// How a peer chooses what to push to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// Its latest chunk to a random neighbour, which may have it (Bonald et al. 2008: delivers `1 - 1/e` at unit load).
    LatestBlind,
    /// To a random neighbour, the latest chunk that it lacks.
    LatestUseful,
    /// To a random neighbour, any chunk that it lacks.
    RandomUseful,
    /// To a random neighbour, the chunk that it lacks and whose window ends soonest.
    DeadlineFirst,
    /// Its latest chunk to a neighbour that lacks it, if one is found in so many tries; else to the last one asked.
    LatestToNeedy {
        /// At most so many neighbours are asked.
        probes: u32,
    },
}

/// Who knows whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mesh {
    /// Everybody knows everybody.
    Full,
    /// Each peer knows so many (rounded up to an even number), and each of them knows it: links as they are.
    Mutual(usize),
    /// Each peer sends to so many that it chose at random and hears from those that chose it: some are chosen by few.
    OneWay(usize),
}

/// A swarm that pushes. The source makes a chunk a slot and sends it to one peer.
#[derive(Clone, Debug, PartialEq)]
pub struct PushSwarm {
    /// How many peers; at least 2.
    pub peers: usize,
    /// What each does.
    pub scheme: Push,
    /// For how many chunks after it a chunk is wanted: 1..=64.
    pub window: u32,
    /// How many chunks a peer can send in a slot, in the mean: its uplink by the rate of the stream.
    pub uplink_per_rate: f64,
    /// Who knows whom.
    pub mesh: Mesh,
    /// How many slots pass before anything is measured. Three windows are enough where the newest goes first; where it does not,
    /// shares go on falling for many windows.
    pub settling: u32,
    /// How many slots are measured.
    pub slots: u32,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The share of chunks that a peer had when their window ended.
    pub share: f64,
    /// The mean delay of those that came, in slots; 1 if it came in the slot in which it was made.
    pub mean_delay: f64,
    /// The delay that 99 of 100 did not exceed, in slots.
    pub p99_delay: u32,
    /// Uploads of what the receiver had, for each chunk and peer.
    pub duplicates: f64,
}

impl PushSwarm {
    /// Runs it.
    ///
    /// # Panics
    /// If the values are not as described.
    pub fn run(&self, seed: u64) -> Delivery {
        assert!(self.peers >= 2 && (1..=64).contains(&self.window), "{self:?}");
        let mut rng = Rng::stream(seed, 0, "push");
        let neighbours = Neighbours::new(self.mesh, self.peers, &mut rng);
        let mut swarm = Windows {
            held: vec![0; self.peers],
            fresh: vec![0; self.peers],
            delays: [0; 64],
            whole: 0,
            duplicates: 0,
        };
        let (whole, part) = (self.uplink_per_rate.floor(), self.uplink_per_rate % 1.0);
        for slot in 0..self.settling + self.slots {
            swarm.age(self.window);
            if slot == self.settling {
                (swarm.delays, swarm.whole, swarm.duplicates) = ([0; 64], 0, 0);
            }
            swarm.give(rng.below(self.peers), 1);
            for from in 0..self.peers {
                for _ in 0..whole as u32 + u32::from(rng.chance(part)) {
                    self.push(from, &mut swarm, &neighbours, &mut rng);
                }
            }
        }
        swarm.age(self.window);
        let came: u64 = swarm.delays.iter().sum();
        let mut seen = 0;
        let p99_delay = swarm.delays.iter().position(|&count| {
            seen += count;
            seen as f64 >= 0.99 * came as f64
        });
        let sum: f64 =
            swarm.delays.iter().zip(1u32..).map(|(&count, delay)| count as f64 * f64::from(delay)).sum();
        let peers = self.peers as f64;
        Delivery {
            share: swarm.whole as f64 / (peers * f64::from(self.slots)),
            mean_delay: sum / came.max(1) as f64,
            p99_delay: p99_delay.map_or(0, |age| age as u32 + 1),
            duplicates: swarm.duplicates as f64 / (peers * f64::from(self.slots)),
        }
    }

    /// One upload, if there is anything to send.
    fn push(&self, from: usize, swarm: &mut Windows, neighbours: &Neighbours, rng: &mut Rng) {
        let mut to = neighbours.pick(from, rng);
        let latest = lowest(swarm.held[from]);
        let useful = swarm.held[from] & !swarm.has(to);
        let chunk = match self.scheme {
            Push::LatestBlind => latest,
            Push::LatestUseful => lowest(useful),
            Push::RandomUseful => random_bit(useful, rng),
            Push::DeadlineFirst => highest(useful),
            Push::LatestToNeedy { probes } => {
                let mut asked = 1;
                while swarm.has(to) & latest != 0 && asked < probes {
                    to = neighbours.pick(from, rng);
                    asked += 1;
                }
                latest
            }
        };
        if chunk != 0 {
            swarm.give(to, chunk);
        }
    }
}

/// What everybody holds, and what was counted.
struct Windows {
    /// At the slot's start.
    held: Vec<u64>,
    /// Come since.
    fresh: Vec<u64>,
    /// How many came at which age.
    delays: [u64; 64],
    /// How many were there when their window ended.
    whole: u64,
    duplicates: u64,
}

impl Windows {
    /// A new slot: all chunks are one older, and the oldest is counted and forgotten.
    fn age(&mut self, window: u32) {
        let wanted = u64::MAX >> (64 - window);
        for (held, fresh) in self.held.iter_mut().zip(&mut self.fresh) {
            let all = *held | std::mem::take(fresh);
            self.whole += all >> (window - 1);
            *held = (all << 1) & wanted;
        }
    }

    fn has(&self, peer: usize) -> u64 {
        self.held[peer] | self.fresh[peer]
    }

    fn give(&mut self, to: usize, chunk: u64) {
        if self.has(to) & chunk != 0 {
            self.duplicates += 1;
        } else {
            self.fresh[to] |= chunk;
            self.delays[chunk.trailing_zeros() as usize] += 1;
        }
    }
}

/// A swarm in which every peer asks one random other for one chunk a slot (Zhou, Chiu and Lui 2007).
#[derive(Clone, Debug, PartialEq)]
pub struct PullSwarm {
    /// How many peers; at least 2. The source gives the newest chunk to one of them each slot.
    pub peers: usize,
    /// How many chunks the window holds: 1..=64. The last one is being played.
    pub window: u32,
    /// Which chunk is asked for.
    pub order: PullOrder,
    /// How many slots are measured, after the swarm has settled.
    pub slots: u32,
}

impl PullSwarm {
    /// Runs it: the continuity of playback, which is the share of chunks that were there when their turn came.
    pub fn run(&self, seed: u64) -> f64 {
        assert!(self.peers >= 2 && (1..=64).contains(&self.window), "{self:?}");
        let mut rng = Rng::stream(seed, 0, "pull");
        let wanted = u64::MAX >> (64 - self.window);
        // What is being played is not asked for any more.
        let asked = wanted >> 1;
        let newest = match self.order {
            PullOrder::RarestFirst => asked,
            PullOrder::DeadlineFirst => 0,
            PullOrder::Mixed(zone) => asked & ((1u64 << zone.min(63)) - 1),
        };
        let mut before = vec![0u64; self.peers];
        let mut after = vec![0u64; self.peers];
        let settled = 4 * self.window;
        let mut played = 0u64;
        for slot in 0..settled + self.slots {
            before[rng.below(self.peers)] |= 1;
            for peer in 0..self.peers {
                let other = (peer + 1 + rng.below(self.peers - 1)) % self.peers;
                let lacking = before[other] & !before[peer] & asked;
                let rare = lacking & newest;
                let chunk = if rare != 0 { lowest(rare) } else { highest(lacking) };
                let window = before[peer] | chunk;
                played += u64::from(slot >= settled) & (window >> (self.window - 1));
                after[peer] = (window << 1) & wanted;
            }
            std::mem::swap(&mut before, &mut after);
        }
        played as f64 / (self.peers as f64 * f64::from(self.slots))
    }
}

/// A mesh, drawn.
enum Neighbours {
    All(usize),
    /// So many of each peer, one peer after another.
    Some(usize, Vec<u32>),
}

impl Neighbours {
    fn new(mesh: Mesh, peers: usize, rng: &mut Rng) -> Self {
        match mesh {
            Mesh::Full => Self::All(peers),
            Mesh::OneWay(degree) => {
                let degree = degree.max(1);
                let other = |place: usize, rng: &mut Rng| (place / degree + 1 + rng.below(peers - 1)) % peers;
                Self::Some(degree, (0..peers * degree).map(|place| other(place, rng) as u32).collect())
            }
            Mesh::Mutual(degree) => {
                // The union of random rings: connected, and random enough that no structure shows.
                let degree = degree.next_multiple_of(2).max(2);
                let mut all = vec![0u32; peers * degree];
                let mut ring: Vec<u32> = (0..peers as u32).collect();
                for pair in (0..degree).step_by(2) {
                    rng.shuffle(&mut ring);
                    for (place, &peer) in ring.iter().enumerate() {
                        let of = peer as usize * degree + pair;
                        all[of] = ring[(place + 1) % peers];
                        all[of + 1] = ring[(place + peers - 1) % peers];
                    }
                }
                Self::Some(degree, all)
            }
        }
    }

    fn pick(&self, peer: usize, rng: &mut Rng) -> usize {
        match self {
            Self::All(peers) => (peer + 1 + rng.below(peers - 1)) % peers,
            Self::Some(degree, all) => all[peer * degree + rng.below(*degree)] as usize,
        }
    }
}

/// The newest of these chunks; 0 if there is none.
fn lowest(chunks: u64) -> u64 {
    chunks & chunks.wrapping_neg()
}

/// The oldest of these chunks; 0 if there is none.
fn highest(chunks: u64) -> u64 {
    chunks.checked_ilog2().map_or(0, |bit| 1 << bit)
}

/// One of the bits that are set; 0 if none is.
fn random_bit(mut bits: u64, rng: &mut Rng) -> u64 {
    let set = bits.count_ones() as usize;
    if set == 0 {
        return 0;
    }
    for _ in 0..rng.below(set) {
        bits &= bits - 1;
    }
    lowest(bits)
}
