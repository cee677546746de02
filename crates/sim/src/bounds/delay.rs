//! How soon a piece of data can be everywhere. A holder's uplink sends one copy after another, and each copy is whole before
//! it can be passed on: that alone bounds every topology and every schedule.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// How many slots pass until each of `peers` holds a chunk, when the source and every holder send one copy a slot: the holders
/// double (Liu, Multimedia 2007). 0 for nobody.
pub fn snowball_slots(peers: u64) -> u32 {
    if peers == 0 { 0 } else { 1 + log2_up(peers) }
}

/// [`snowball_slots`] in time, where an uplink is `uplink_per_rate` times the rate of the stream, a chunk is `chunk` of it,
/// and copies are sent one after another.
pub fn snowball_delay_sequential(peers: u64, chunk: Duration, uplink_per_rate: f64) -> Duration {
    chunk.div_f64(uplink_per_rate) * snowball_slots(peers)
}

/// The same where an uplink sends `uplink_per_rate` copies side by side: each takes a whole `chunk`, and the holders multiply
/// by `1 + uplink_per_rate` meanwhile. Never sooner than one after another, which is why an uploader serves its requests so.
pub fn snowball_delay_parallel(peers: u64, chunk: Duration, uplink_per_rate: f64) -> Duration {
    if peers <= 1 {
        return chunk.div_f64(uplink_per_rate) * peers as u32;
    }
    let generations = libm::log(peers as f64) / libm::log(1.0 + uplink_per_rate);
    chunk * (1 + (generations - 1e-12).ceil() as u32)
}

/// How many peers hold a chunk after `slots`, when the source serves one and every holder at most `copies` others, one a
/// slot: sums of the `copies`-step Fibonacci numbers (Bianchi, Melazzi, Bracciale, Lo Piccolo and Salsano, arXiv 0902.1394).
pub fn fib_reach(slots: usize, copies: usize) -> u64 {
    let mut newcomers: Vec<u64> = Vec::with_capacity(slots);
    for slot in 0..slots {
        // Everybody who came within the last `copies` slots brings one more.
        let sum = newcomers[slot.saturating_sub(copies)..].iter().fold(0u64, |sum, &n| sum.saturating_add(n));
        newcomers.push(if slot == 0 { 1 } else { sum });
    }
    newcomers.iter().fold(0, |sum, &n| sum.saturating_add(n))
}

/// How many slots pass until [`fib_reach`] is `peers` or more. `copies` is at least 1.
pub fn fib_slots(peers: u64, copies: usize) -> usize {
    assert!(copies > 0, "nobody would pass anything on");
    (0..).find(|&slots| fib_reach(slots, copies) >= peers).expect("each slot reaches one more")
}

/// The earliest time at which `peers` can hold a block that one of them holds at 0: a holder starts a copy every `upload`, and
/// it has arrived `latency` after its last byte left (broadcast in the postal model: Bar-Noy and Kipnis 1992; LogP: Karp,
/// Sahay, Santos and Schauser 1993). The greedy schedule is optimal and is what is computed: O(peers log peers).
pub fn postal_delay(peers: u64, upload: Duration, latency: Duration) -> Duration {
    let (upload, latency) = (upload.as_nanos() as u64, latency.as_nanos() as u64);
    let mut starts = BinaryHeap::from([Reverse(0u64)]);
    let mut last = 0;
    for _ in 1..peers {
        let Reverse(start) = starts.pop().expect("holders go on for ever");
        let arrives = start + upload + latency;
        last = last.max(arrives);
        starts.push(Reverse(start + upload));
        starts.push(Reverse(arrives));
    }
    Duration::from_nanos(last)
}

/// How many levels a tree of fan-out `stripes` needs for `peers`.
pub fn multitree_depth(peers: u64, stripes: u64) -> u32 {
    let (mut depth, mut reached, mut level) = (0, 0u64, 1u64);
    while reached < peers {
        reached = reached.saturating_add(level);
        level = level.saturating_mul(stripes);
        depth += 1;
    }
    depth
}

/// The time until a packet has reached the lowest leaf, in seconds, where the stream is cut into `stripes`, each with a tree in
/// whose inside every peer is but once (SplitStream, SOSP 2003): a level costs as many packets as there are children, and the
/// latency. The uplink is as wide as the stream.
pub fn multitree_delay(peers: u64, stripes: u64, packet_mbit: f64, uplink_mbps: f64, latency_s: f64) -> f64 {
    f64::from(multitree_depth(peers, stripes)) * (stripes as f64 * packet_mbit / uplink_mbps + latency_s)
}

/// The mean time that one hop costs where blocks are asked for, in seconds: half an interval until the holder's next map
/// leaves, then map, request and block, each half a round trip, and the upload. A block that is pushed costs the last two.
pub fn pull_hop_delay(block_mbit: f64, uplink_mbps: f64, rtt_s: f64, map_interval_s: f64) -> f64 {
    map_interval_s / 2.0 + 1.5 * rtt_s + block_mbit / uplink_mbps
}

/// The least `d` with `2^d >= n`; `n` is at least 1.
fn log2_up(n: u64) -> u32 {
    u64::BITS - (n - 1).leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::super::assert_close;
    use super::*;

    fn seconds(s: f64) -> Duration {
        Duration::from_secs_f64(s)
    }

    #[test]
    fn snowballs() {
        let slots = [1, 2, 1000, 1024, 1_000_000].map(snowball_slots);
        assert_eq!(slots, [1, 2, 11, 11, 21]);
        assert_eq!(snowball_delay_sequential(10_000, seconds(1.0), 1.0), seconds(15.0));
        assert_close(snowball_delay_sequential(10_000, seconds(1.0), 3.0).as_secs_f64(), 5.0, 6);
        assert_eq!(snowball_delay_parallel(10_000, seconds(1.0), 3.0), seconds(8.0));
        assert_close(snowball_delay_sequential(10_000, seconds(0.05), 3.0).as_secs_f64(), 0.25, 6);
    }

    #[test]
    fn few_copies_are_enough() {
        assert_eq!(fib_reach(10, 2), 143);
        assert_eq!([1, 2, 4, 1_000_000].map(|copies| fib_slots(1000, copies)), [1000, 15, 12, 11]);
    }

    #[test]
    fn postal_broadcast() {
        let hundred = Duration::from_millis(100);
        for (latency, expected) in [(0, 1000), (50, 1300), (100, 1600)] {
            let found = postal_delay(1000, hundred, Duration::from_millis(latency));
            assert_eq!(found, Duration::from_millis(expected));
        }
        let latency = Duration::from_millis(30);
        let block = postal_delay(100_000, Duration::from_nanos(13_107_200), latency);
        assert_close(block.as_secs_f64(), 0.4421, 4);
        assert_eq!(postal_delay(100_000, Duration::from_millis(600), latency), Duration::from_millis(10_470));
        assert_eq!(postal_delay(1, hundred, latency), Duration::ZERO);
    }

    #[test]
    fn trees_and_pulls() {
        for (stripes, depth, delay) in [(2, 14, 0.812), (4, 8, 0.528), (8, 6, 0.492), (16, 5, 0.57)] {
            assert_eq!(multitree_depth(10_000, stripes), depth);
            assert_close(multitree_delay(10_000, stripes, 0.012, 3.0, 0.05), delay, 4);
        }
        assert_close(pull_hop_delay(0.131072, 10.0, 0.06, 0.5), 0.3531, 4);
    }
}
