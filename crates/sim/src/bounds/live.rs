//! What a live stream leaves to peers. Everybody wants the same thing at nearly the same time, so time, not capacity, is short.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The share of chunks that reach a peer when everybody sends its latest chunk to somebody chosen blindly, at unit load:
/// `1 - 1/e` (Bonald, Massoulie, Mathieu, Perino and Twigg, SIGMETRICS 2008).
pub fn blind_push_share() -> f64 {
    1.0 - libm::exp(-1.0)
}

/// The most that peers can bring when a copy fetched from the server at publication must be everywhere `until` seconds later
/// and doubles once every `unit / uplink + latency`. A `unit` is what must be complete before it is passed on.
pub fn relay_generations_offload(until_s: f64, unit_mbit: f64, uplink_mbps: f64, latency_s: f64) -> f64 {
    let generations = (until_s / (unit_mbit / uplink_mbps + latency_s) + 1e-9).floor();
    1.0 - libm::pow(2.0, -generations.min(60.0))
}

/// The share of `viewers` that peers can serve with one segment when the viewers' deadlines are spread evenly over `spread`
/// seconds, a copy takes `transfer` seconds and each holder sends `fanout` copies at a time. Earliest deadline first, which
/// is optimal here; who cannot be served in time takes it from the server at its deadline. In lockstep it is nothing.
pub fn live_spread_offload(viewers: u32, spread_s: f64, transfer_s: f64, fanout: u32) -> f64 {
    // When the next upload slots become free, in nanoseconds: whole numbers have an order.
    let nanos = |s: f64| (s * 1e9).round() as u64;
    let transfer = nanos(transfer_s);
    let mut free: BinaryHeap<Reverse<u64>> = BinaryHeap::new();
    let mut served = 0;
    for viewer in 0..viewers {
        let deadline = nanos(spread_s * (f64::from(viewer) + 0.5) / f64::from(viewers));
        let holds_from = match free.peek() {
            Some(&Reverse(slot)) if slot + transfer <= deadline => {
                free.pop();
                free.push(Reverse(slot + transfer));
                served += 1;
                slot + transfer
            }
            _ => deadline,
        };
        for _ in 0..fanout {
            free.push(Reverse(holds_from));
        }
    }
    f64::from(served) / f64::from(viewers)
}

/// In which order a peer asks for what it lacks and the other holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullOrder {
    /// The newest, which is the rarest, first.
    RarestFirst,
    /// What is due soonest first.
    DeadlineFirst,
    /// Rarest first among the newest so many positions; if nothing is wanted there, deadline first among the rest.
    Mixed(usize),
}

/// The share of peers that hold the chunk at each position of a sliding window, newest first, of `peers` of whom each asks a
/// random other for one chunk a slot (Zhou, Chiu and Lui, ICNP 2007). The last is the continuity of playback. `window` is at
/// least 1, and a [`PullOrder::Mixed`] zone lies within it.
pub fn window_model(peers: u64, window: usize, order: PullOrder) -> Vec<f64> {
    let zone = match order {
        PullOrder::RarestFirst => window,
        PullOrder::DeadlineFirst => 1,
        PullOrder::Mixed(zone) => zone.clamp(1, window),
    };
    // Rarest first: the slot is free for this position if all newer ones were not wanted: with probability 1 - p.
    let mut newest = vec![1.0 / peers as f64];
    for i in 0..zone - 1 {
        let p = newest[i];
        newest.push(p + p * (1.0 - p) * (1.0 - p));
    }
    // Deadline first depends on the share at the end, which depends on it: find where both agree.
    let (mut low, mut high) = (newest[zone - 1], 1.0);
    let mut shares = newest.clone();
    for _ in 0..100 {
        let end = (low + high) / 2.0;
        shares.truncate(zone);
        for i in zone - 1..window - 1 {
            let p = shares[i];
            let pull = p * (1.0 - p);
            shares.push((p + pull * (1.0 - end - newest[zone - 1])) / (1.0 - pull));
        }
        if shares[window - 1] > end {
            low = end;
        } else {
            high = end;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::super::assert_close;
    use super::*;

    #[test]
    fn generations() {
        for (until, offload) in [(15.0, 0.9844), (6.0, 0.75), (3.0, 0.5)] {
            assert_close(relay_generations_offload(until, 24.0, 10.0, 0.03), offload, 4);
        }
        for until in [3.0, 1.0] {
            assert_close(relay_generations_offload(until, 0.131072, 10.0, 0.03), 1.0, 6);
        }
        assert_close(blind_push_share(), 0.632121, 6);
    }

    #[test]
    fn lockstep_leaves_nothing_to_peers() {
        assert_close(live_spread_offload(100, 10.0, 0.5, 1), 0.95, 4);
        assert_close(live_spread_offload(100, 2.0, 0.5, 1), 0.75, 4);
        assert_close(live_spread_offload(100, 1.0, 0.5, 3), 0.5, 4);
        assert_close(live_spread_offload(100, 0.0, 0.5, 3), 0.0, 9);
    }

    #[test]
    fn sliding_windows() {
        use PullOrder::{DeadlineFirst, Mixed, RarestFirst};
        let rows = [
            (40, RarestFirst, 0.9666),
            (40, DeadlineFirst, 0.8584),
            (40, Mixed(10), 0.9991),
            (40, Mixed(20), 0.972),
            (40, Mixed(30), 0.967),
            (20, RarestFirst, 0.9005),
            (20, DeadlineFirst, 0.6441),
            (20, Mixed(10), 0.9441),
            (20, Mixed(15), 0.9041),
        ];
        for (window, order, continuity) in rows {
            let shares = window_model(1000, window, order);
            assert_eq!(shares.len(), window);
            assert_close(shares[window - 1], continuity, 4);
        }
    }
}
