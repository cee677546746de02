//! Every figure the table keeps to. All that a stranger can make it hold has its bound here.

use std::time::Duration;

use crate::Rate;

/// Limits and intervals of a [`crate::Table`]. The defaults suit one server for public streams.
#[derive(Clone, Debug)]
pub struct Config {
    /// How often clients are told to announce again.
    pub interval: Duration,
    /// How long a silent member stays beyond twice the interval.
    pub slack: Duration,
    /// How long an answer to a relayed offer is waited for.
    pub answer_within: Duration,
    /// Longest message taken in, in bytes.
    pub message_bytes: usize,
    /// Longest session description relayed, in bytes of the JSON string it comes as.
    pub sdp_bytes: usize,
    /// Most connections at a time.
    pub connections: usize,
    /// Most swarms one connection may be in.
    pub swarms_per_connection: usize,
    /// Most members of one swarm.
    pub members_per_swarm: usize,
    /// Most offers of one announce that are relayed; the rest is ignored.
    pub offers_per_announce: usize,
    /// Most candidates one announce may ask for.
    pub candidates_per_announce: usize,
    /// Most offers of one member that wait for an answer; the oldest is forgotten first.
    pub outstanding_offers: usize,
    /// Most info hashes in one scrape.
    pub hashes_per_scrape: usize,
    /// Whether a scrape without info hash lists every swarm. It is refused when there are more swarms than this, and
    /// always at `None`: who watches what is not for everybody.
    pub scrape_all: Option<usize>,
    /// Messages of any kind from one connection. A connection beyond it is to be closed.
    pub messages: Rate,
    /// Announces and scrapes from one connection. Beyond it they are refused with an error.
    pub announces: Rate,
    /// Directed offers from one connection. Beyond it they are refused with an error.
    pub directed: Rate,
}

impl Config {
    /// How long a member lives without a word from it.
    pub fn lifetime(&self) -> Duration {
        self.interval * 2 + self.slack
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(120),
            slack: Duration::from_secs(15),
            answer_within: Duration::from_secs(120),
            message_bytes: 64 * 1024,
            sdp_bytes: 16 * 1024,
            connections: 20_000,
            swarms_per_connection: 32,
            members_per_swarm: 20_000,
            offers_per_announce: 20,
            candidates_per_announce: 20,
            outstanding_offers: 64,
            hashes_per_scrape: 64,
            scrape_all: None,
            messages: Rate { burst: 200, every: Duration::from_millis(50) },
            announces: Rate { burst: 40, every: Duration::from_secs(2) },
            directed: Rate { burst: 20, every: Duration::from_millis(500) },
        }
    }
}
