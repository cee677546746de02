//! What it takes until two viewers have a connection.

use core::time::Duration;

use crate::rng::Rng;

/// The steps of a WebRTC connection, each with a span of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkSetup {
    /// Gathering and checking candidates: from, to.
    pub ice: (Duration, Duration),
    /// Round trips between the two for DTLS and SCTP: from, to.
    pub handshake_round_trips: (u32, u32),
}

impl Default for LinkSetup {
    fn default() -> Self {
        Self { ice: (Duration::from_millis(200), Duration::from_millis(800)), handshake_round_trips: (2, 4) }
    }
}

impl LinkSetup {
    /// How long one takes: offer and answer by way of the tracker, candidates, handshakes. Each part is uniform.
    pub fn draw(&self, rng: &mut Rng, tracker_rtt: Duration, peer_rtt: Duration) -> Duration {
        let ice = rng.uniform(self.ice.0.as_secs_f64(), self.ice.1.as_secs_f64());
        let (few, many) = self.handshake_round_trips;
        let round_trips = few + rng.below((many - few) as usize + 1) as u32;
        tracker_rtt + Duration::from_secs_f64(ice) + peer_rtt * round_trips
    }
}
