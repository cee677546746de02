//! What a run showed: raw figures, from which reports are made.
//!
//! Invariant: everything here is a count or a sum over one run; nothing is a judgement, and nothing rests on the machine's
//! clock but [`Run::wall_s`].

use serde::{Deserialize, Serialize};

/// One scenario on one seed, with Braidcast or with the origin alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// What everything random was drawn from.
    pub seed: u64,
    /// Whether viewers only asked the origin: the run to compare with.
    pub alone: bool,
    /// How long it lasted, in simulated seconds.
    pub seconds: f64,
    /// How long that took, in seconds of the machine's clock. Not part of what is compared.
    pub wall_s: f64,
    /// Events handled.
    pub events: u64,
    /// A digest of all events and decisions, in hexadecimal: the same seed gives the same.
    pub trace: String,
    /// Viewers in the order in which they came.
    pub viewers: Vec<Seen>,
    /// What happened over time, in equal steps.
    pub series: Vec<Moment>,
    /// Who fed whom, the most first; a bounded number.
    pub feeds: Vec<Feed>,
    /// Bytes of media that the origin sent.
    pub origin_bytes: u64,
    /// Of those, to who keeps for others.
    #[serde(default)]
    pub edge_bytes: u64,
    /// What the origin was asked for: requests.
    pub origin_requests: u64,
    /// What the origin's bytes cost, in the currency of the scenario.
    pub origin_cost: f64,
    /// The most the origin sent in one step of the series, in bits a second.
    pub origin_peak_bps: f64,
    /// How many copies of each segment left the origin, for segments that anybody watched: copies, number of segments.
    pub copies: Vec<(u32, u32)>,
    /// Of a live stream: how long pieces took from their birth to viewers.
    pub delay: Option<Delay>,
    /// The part of viewers' bytes that could have come from peers if all uplinks were used and everything was in time:
    /// 0 to 1. Where it comes from is told in [`Run::ceiling_why`].
    pub ceiling: f64,
    /// What the ceiling rests on, as a sentence.
    pub ceiling_why: String,
    /// Where the scenario has sites: what went between them.
    #[serde(default)]
    pub sites: Option<Sites>,
}

/// What was sent from place to place. A place is a site, in the order of the scenario, or the last, where all are who are at none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sites {
    /// The places.
    pub places: Vec<Place>,
    /// Bytes that viewers sent from each place to each, headers and messages among them.
    pub sent: Vec<Vec<u64>>,
    /// Those of them that went between viewers whom the operator keeps apart.
    pub between_apart: u64,
}

impl Sites {
    /// Bytes that came to a place from the origin and from other places.
    pub fn came_in(&self, place: usize) -> u64 {
        let others = self.sent.iter().enumerate().filter(|&(from, _)| from != place);
        self.places[place].from_origin + others.map(|(_, to)| to[place]).sum::<u64>()
    }

    /// The same, in copies of all that anybody there watched; `None` where nobody watched anything.
    pub fn copies(&self, place: usize) -> Option<f64> {
        let watched = self.places[place].watched;
        (watched > 0).then(|| self.came_in(place) as f64 / watched as f64)
    }
}

/// The viewers of a place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// What people call it.
    pub name: String,
    /// Whom they meet.
    pub mode: String,
    /// Whether they share a line, and meet each other behind it and nobody else.
    pub is_closed: bool,
    /// How many they are.
    pub viewers: u32,
    /// Bytes that the origin sent them.
    pub from_origin: u64,
    /// Bytes of all that anybody's player there was given, each segment once.
    pub watched: u64,
}

/// From the birth of a piece to its arrival from a peer, at viewers who have been there for as long as they are behind the live
/// edge, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Delay {
    /// The mean.
    pub mean_s: f64,
    /// Quantiles 0.5, 0.9, 0.99.
    pub quantiles_s: [f64; 3],
    /// What no swarm of this size with these uplinks and latencies can beat for the last viewer
    /// ([`crate::bounds::postal_delay`] with the mean of what viewers lend and the mean latency between them).
    pub postal_s: f64,
}

/// One viewer of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// When it came, in seconds from the start of the run.
    pub came_s: f64,
    /// How long it stayed, in seconds.
    pub stayed_s: f64,
    /// From coming to the first picture, in seconds; `None` if it left before.
    pub startup_s: Option<f64>,
    /// How long it watched moving pictures, in seconds.
    pub played_s: f64,
    /// Interruptions after the first picture.
    pub stalls: u32,
    /// How long they lasted together, in seconds.
    pub stalled_s: f64,
    /// Mean bitrate of what was played, in kbit/s.
    pub mean_kbps: f64,
    /// Sum of the differences of bitrate between a segment and the next, in kbit/s.
    pub switched_kbps: f64,
    /// Segments of pictures that were played.
    pub segments: u32,
    /// Media bytes from the origin.
    pub from_origin: u64,
    /// Media bytes from peers.
    pub from_peers: u64,
    /// Media bytes to peers.
    pub to_peers: u64,
    /// Media bytes that came and were held already.
    pub duplicate: u64,
    /// Media bytes that came and were never played.
    pub unused: u64,
    /// Media bytes that failed the check.
    pub refused: u64,
    /// Media bytes from peers that break the rules, and passed the check all the same.
    pub from_enemies: u64,
    /// Honest neighbours that it let go for a while, as no help.
    pub let_go: u32,
    /// Whether the tracker names only enemies to it.
    pub victim: bool,
    /// When the tracker named an honest viewer to such a one too, in seconds from the start of the run.
    pub let_in_s: Option<f64>,
    /// From then to the first media exchanged with an honest viewer, in seconds.
    pub exchanged_s: Option<f64>,
    /// Bytes of messages between peers that are no media, sent.
    pub control: u64,
    /// What its uplink carries, in Mbit/s.
    pub uplink_mbps: f64,
    /// Its access class.
    pub class: u32,
    /// Whether it is one of those who play by the rules.
    pub honest: bool,
    /// Whether it takes and does not give.
    pub rides_free: bool,
}

/// A moment of a run: sums over all viewers that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// The end of the step, in seconds from the start.
    pub at_s: f64,
    /// Viewers there.
    pub viewers: u32,
    /// Of them, those whose picture stands.
    pub stalled: u32,
    /// What the origin sent, in bits a second.
    pub origin_bps: f64,
    /// What peers sent, in bits a second.
    pub peers_bps: f64,
    /// What viewers played, in bits a second.
    pub played_bps: f64,
    /// The mean of what viewers have ready, in seconds.
    pub buffered_s: f64,
}

/// Media bytes from one viewer to another; viewers by their number in [`Run::viewers`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Feed {
    /// Who gave.
    pub from: u32,
    /// Who got.
    pub to: u32,
    /// How much.
    pub bytes: u64,
}
