//! Figures of a cluster. All nodes of one should have the same.

use std::time::Duration;

/// Limits and intervals of a [`Cluster`](super::Cluster) that has others.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients reach this node, `ws:` or `wss:`, for others to send them here.
    pub url: Option<String>,
    /// How often a node says that it is there.
    pub beat_every: Duration,
    /// A node that was not heard for so long is gone, with all that was relayed for it.
    pub live: Duration,
    /// How often the sizes of swarms are looked at.
    pub sizes_every: Duration,
    /// A node that knows of other connections than it should is told all again, no more often than this.
    pub again_after: Duration,
    /// A cell with more members is split, if what comes of it is not too small.
    pub cell_most: usize,
    /// Cells with fewer members on average are joined again, two and two.
    pub cell_least: usize,
    /// Most connections of other nodes that this one keeps memberships for.
    pub relayed: usize,
    /// Most bytes of announces that are kept until their owner has answered. Of those beyond it the offers are not sent again.
    pub pending_bytes: usize,
    /// Memberships that are looked at in one tick, when the nodes or the cells have changed.
    pub moves_per_tick: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: None,
            beat_every: Duration::from_secs(1),
            live: Duration::from_secs(3),
            sizes_every: Duration::from_secs(5),
            again_after: Duration::from_secs(20),
            cell_most: 5000,
            cell_least: 500,
            relayed: 500_000,
            pending_bytes: 32 << 20,
            moves_per_tick: 2500,
        }
    }
}
