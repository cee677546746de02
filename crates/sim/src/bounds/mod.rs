//! Limits that hold whatever a swarm does, as functions, under the names the literature uses.
//!
//! A measured figure means something only next to its limit: an offload of 0.6 is excellent where the ceiling is 0.64 and
//! poor where it is 0.98. Each function names its source or how it follows; each has its worked examples as tests.
//!
//! Rates are in Mbit/s, amounts of data in Mbit, times in seconds or [`Duration`](core::time::Duration), shares in 0..=1.
//! The *rate* of a stream is what a viewer needs to play without stalling; an *uplink* is what a viewer can send; the
//! *server* is the origin or the CDN, everything that is no viewer; *offload* is the share of the viewers' bytes that the
//! server does not send.

mod capacity;
mod crowd;
mod delay;
mod live;
mod vod;

pub use capacity::{
    FluidSchedule, UsableShare, ViewerClass, effective_upload, fluid_max_offload, fluid_min_server,
    fluid_rmax, fluid_rmax_capped, fluid_schedule, normal_cdf, normal_quantile, offload_ceiling,
    p_universal_exact, p_universal_normal, poisson_swarm_offload, server_for_confidence,
};
pub use crowd::{bitmap_overhead, flash_absorb_time, merkle_proof_bytes, nat_pair_success};
pub use delay::{
    fib_reach, fib_slots, multitree_delay, multitree_depth, postal_delay, pull_hop_delay,
    snowball_delay_parallel, snowball_delay_sequential, snowball_slots,
};
pub use live::{PullOrder, blind_push_share, live_spread_offload, relay_generations_offload, window_model};
pub use vod::{
    erlang_b, push_to_peer_blocking, vod_availability, vod_min_server_noprefetch, vod_offload, vod_surplus,
};

#[cfg(test)]
fn assert_close(found: f64, expected: f64, decimals: i32) {
    let half = 0.5 * libm::pow(10.0, f64::from(-decimals)) + 1e-12;
    assert!((found - expected).abs() <= half, "{found} is not {expected} to {decimals} decimals");
}
