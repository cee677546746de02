//! Swarms in virtual time: what a network, its viewers and their bandwidth do to a peer, and what mathematics allows.
//!
//! A discrete-event simulator's parts. It reads no clock, does no I/O and draws nothing that a seed does not determine: the
//! same seed gives the same run, natively and in WebAssembly, because floating-point numbers go through `+ - * /`, square
//! roots and [`libm`] only.
//!
//! - [`bounds`]: limits that no system can beat, as functions. Every figure of a run is to be read next to one.
//! - [`rng`]: one stream of random numbers for each (seed, peer, purpose).
//! - [`wheel`]: what happens next.
//! - [`net`]: hosts, access links, latency, loss, address translators, and an origin.
//! - [`population`], [`sessions`], [`traces`]: who watches, when, and over what bandwidth.
//! - [`slotted`]: swarms of a million peers, one bit a chunk, without a network.
//!
//! Times are [`swarm::Time`], spans [`Duration`](core::time::Duration). Rates say their unit in their name.

pub mod bounds;
pub mod figures;
pub mod net;
pub mod population;
pub mod report;
pub mod rng;
mod same;
pub mod scenario;
pub mod sessions;
pub mod slotted;
pub mod traces;
pub mod wheel;
mod world;

pub use same::run_digest;
pub use scenario::Scenario;
pub use world::{Broken, World};
