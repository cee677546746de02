//! How fast a swarm can grow, who can reach whom, and what talking costs.

/// Seconds until a swarm of `from` viewers has grown to `to`, however many wait: a newcomer needs `buffer` seconds of the
/// stream before it plays and uploads, and only what is left over feeds newcomers, so
/// `dn/dt = (server + n (uplink - rate)) / (rate buffer)`, solved. Infinite where nothing is left over (the fluid form of
/// the time and scale limits of Liu, Li, Chen and Zhang, ICNP 2009).
pub fn flash_absorb_time(
    from: f64,
    to: f64,
    uplink_mbps: f64,
    rate_mbps: f64,
    server_mbps: f64,
    buffer_s: f64,
) -> f64 {
    let newcomer_mbit = rate_mbps * buffer_s;
    let surplus = uplink_mbps - rate_mbps;
    if surplus.abs() < 1e-12 {
        return (to - from) * newcomer_mbit / server_mbps;
    }
    let (at_first, at_last) = (server_mbps + from * surplus, server_mbps + to * surplus);
    if at_first <= 0.0 || at_last <= 0.0 {
        return f64::INFINITY;
    }
    libm::log(at_last / at_first) * newcomer_mbit / surplus
}

/// The share of random pairs of viewers that can connect without a relay, from the shares of address translators. Whoever lets
/// no UDP through reaches nobody; of the rest, a symmetric translator meets neither another nor a port-restricted one. The
/// five shares add up to 1.
pub fn nat_pair_success(open: f64, cone: f64, port_restricted: f64, symmetric: f64, blocked: f64) -> f64 {
    debug_assert!((open + cone + port_restricted + symmetric + blocked - 1.0).abs() < 1e-9);
    let passing = open + cone + port_restricted + symmetric;
    passing * passing - symmetric * symmetric - 2.0 * symmetric * port_restricted
}

/// The part of a stream's rate that maps cost: one of `window` bits and a header of `header` bytes to each neighbour every
/// `interval`.
pub fn bitmap_overhead(
    neighbours: u32,
    window_bits: u32,
    interval_s: f64,
    rate_mbps: f64,
    header_bytes: u32,
) -> f64 {
    let bits = f64::from(neighbours) * f64::from(header_bytes * 8 + window_bits);
    bits / 1e6 / interval_s / rate_mbps
}

/// The length of the proof that one of `blocks` belongs to a Merkle tree with hashes of `hash` bytes.
pub fn merkle_proof_bytes(blocks: u64, hash_bytes: u32) -> u32 {
    hash_bytes * (u64::BITS - blocks.saturating_sub(1).leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::super::assert_close;
    use super::*;

    #[test]
    fn flash_crowds() {
        assert_close(flash_absorb_time(100.0, 10_000.0, 5.0, 3.0, 30.0, 4.0), 26.801, 3);
        assert_eq!(flash_absorb_time(100.0, 10_000.0, 2.9, 3.0, 30.0, 4.0), f64::INFINITY);
        assert_close(flash_absorb_time(0.0, 10.0, 3.0, 3.0, 30.0, 4.0), 4.0, 9);
    }

    /// What `scenarios/flash_crowd.toml` demands can be had: whom nobody reaches is few.
    #[test]
    fn a_server_of_ten_streams_absorbs_whom_nobody_reaches() {
        // Of a thousand viewers five in a hundred let no UDP through. At the lowest rendition, with sound, each needs its first segment
        // of 4 s to start, and goes on; nobody gives anything to others.
        let absorb = |viewers| flash_absorb_time(0.0, viewers, 0.0, 0.478, 31.3, 4.0);
        assert_close(absorb(50.0), 5.77, 2);
        // They come within 30 s. All together, as with the server alone, never start.
        assert_eq!(absorb(1000.0), f64::INFINITY);
    }

    #[test]
    fn address_translators() {
        assert_close(nat_pair_success(0.20, 0.21, 0.45, 0.10, 0.04), 0.8216, 4);
        assert_close(nat_pair_success(0.10, 0.10, 0.46, 0.30, 0.04), 0.5556, 4);
    }

    #[test]
    fn talk() {
        assert_close(bitmap_overhead(20, 64, 0.5, 3.0, 40), 0.00512, 6);
        assert_eq!(merkle_proof_bytes(64, 32), 192);
        assert_eq!(merkle_proof_bytes(1, 32), 0);
    }
}
