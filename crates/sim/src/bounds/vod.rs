//! Films on demand: viewers want the same thing at different times, so what counts is who still holds it.

/// The least a server must send for one film watched by viewers in the order of their arrival, oldest first, when nobody keeps
/// more than it plays: a viewer is helped only by those ahead of it, so for each `k` the first `k` need `k` rates and have the
/// uplinks of `k - 1` (Huang, Li and Ross, SIGCOMM 2007, one film, no prefetching). Mbit/s.
pub fn vod_min_server_noprefetch(rate_mbps: f64, uplinks_oldest_first_mbps: &[f64]) -> f64 {
    let (mut needed, mut helped) = (0.0f64, 0.0);
    for (ahead, uplink) in uplinks_oldest_first_mbps.iter().enumerate() {
        needed = needed.max((ahead as f64 + 1.0) * rate_mbps - helped);
        helped += uplink;
    }
    needed
}

/// Upload left over per viewer, in Mbit/s; where it is negative, the server makes up for it (same paper's surplus and deficit
/// modes).
pub fn vod_surplus(rate_mbps: f64, mean_uplink_mbps: f64) -> f64 {
    mean_uplink_mbps - rate_mbps
}

/// The share of calls refused by `circuits` to which `offered` erlangs are offered (Erlang 1917), by the usual recursion.
pub fn erlang_b(offered: f64, circuits: u64) -> f64 {
    (1..=circuits).fold(1.0, |blocked, k| {
        let load = offered * blocked;
        load / (k as f64 + load)
    })
}

/// The share of film starts refused when `boxes` hold all films spread over them and send with `uplink` each: whole streams are
/// circuits (Suh et al., IEEE JSAC 2007). `offered` is the mean number of streams wanted at once.
pub fn push_to_peer_blocking(
    boxes: u64,
    uplink_mbps: f64,
    rate_mbps: f64,
    offered: f64,
    server_mbps: f64,
) -> f64 {
    let streams = ((boxes as f64 * uplink_mbps + server_mbps) / rate_mbps + 1e-9).floor();
    erlang_b(offered, streams as u64)
}

/// The probability that somebody who can be reached still holds a segment: viewers of the film arrive at `arrivals_per_s` and
/// keep a segment for `hold` seconds in the mean, so the holders are Poisson (M/G/infinity); `reachable` is the share of pairs
/// that can connect.
pub fn vod_availability(arrivals_per_s: f64, hold_s: f64, reachable: f64) -> f64 {
    1.0 - libm::exp(-arrivals_per_s * hold_s * reachable)
}

/// The most that peers can bring: what is available, as far as uplinks reach.
pub fn vod_offload(
    arrivals_per_s: f64,
    hold_s: f64,
    reachable: f64,
    effective_upload_mbps: f64,
    rate_mbps: f64,
) -> f64 {
    vod_availability(arrivals_per_s, hold_s, reachable).min(effective_upload_mbps / rate_mbps).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::super::assert_close;
    use super::*;

    #[test]
    fn without_prefetching_order_counts() {
        assert_close(vod_min_server_noprefetch(1.0, &[2.0, 0.0, 0.0, 2.0]), 2.0, 9);
        assert_close(vod_min_server_noprefetch(1.0, &[0.5; 10]), 5.5, 9);
        assert_close(vod_surplus(3.0, 5.4), 2.4, 9);
    }

    #[test]
    fn films_placed_beforehand() {
        assert_close(erlang_b(50.0, 60), 0.021668, 6);
        assert_close(push_to_peer_blocking(100, 0.6, 1.0, 50.0, 0.0), 0.021668, 6);
    }

    #[test]
    fn holding_buys_offload() {
        assert_close(vod_availability(1.0 / 60.0, 300.0, 0.75), 0.976482, 6);
        assert_close(vod_offload(1.0 / 60.0, 300.0, 0.75, 5.4, 3.0), 0.976482, 6);
        assert_close(vod_offload(1.0 / 60.0, 300.0, 0.75, 5.4, 10.0), 0.54, 6);
    }
}
