//! The figures that a gate keeps to.

use core::time::Duration;

/// Limits of a [`Gate`](crate::Gate).
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Longest time from `iat` to `exp` of a token.
    pub max_life: Duration,
    /// How far the clocks of backend and tracker may be apart.
    pub skew: Duration,
    /// Longest token, in bytes.
    pub token_bytes: usize,
    /// Most used tokens that are remembered at a time, about 100 bytes each. Beyond it nobody is admitted until one of them
    /// expires: see [`Spent`](crate::Spent).
    pub spent: usize,
    /// Most authorities whose takedowns count.
    pub authorities: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_life: Duration::from_secs(10 * 60),
            skew: Duration::from_secs(30),
            token_bytes: 2048,
            spent: 1 << 20,
            authorities: 64,
        }
    }
}
