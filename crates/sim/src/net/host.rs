//! A viewer's place in the network, and whom it can reach from there.

use core::time::Duration;

use super::Capacity;

/// One host.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// What it can send.
    pub up: Capacity,
    /// What it can receive.
    pub down: Capacity,
    /// Where it is.
    pub place: Place,
    /// What is between it and the others.
    pub nat: Nat,
    /// The probability that its access link loses a packet.
    pub loss: f64,
}

/// Network coordinates, in milliseconds of one way: a plane for the distance, and a height for the access link, which everything
/// passes (Dabek, Cox, Kaashoek and Morris, SIGCOMM 2004).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Place {
    /// On the plane.
    pub x_ms: f64,
    /// On the plane.
    pub y_ms: f64,
    /// Above it.
    pub height_ms: f64,
}

impl Place {
    /// Right at a meeting point of networks, with this height.
    pub fn at_height(height_ms: f64) -> Self {
        Self { x_ms: 0.0, y_ms: 0.0, height_ms }
    }

    /// One way between two places.
    pub fn latency_to(self, other: Place) -> Duration {
        let (dx, dy) = (self.x_ms - other.x_ms, self.y_ms - other.y_ms);
        let ms = (dx * dx + dy * dy).sqrt() + self.height_ms + other.height_ms;
        Duration::from_nanos((ms * 1e6) as u64)
    }
}

/// How an address translator treats packets nobody inside has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nat {
    /// There is none, or it lets all in.
    Open,
    /// One mapping for all; it lets in the hosts that were sent something.
    Cone,
    /// One mapping for all; it lets in the ports that were sent something.
    PortRestricted,
    /// A mapping for each destination, which nobody else can foresee.
    Symmetric,
    /// No UDP passes.
    Blocked,
}

impl Nat {
    /// Whether two viewers behind such translators can connect without a relay, both trying at once.
    pub fn can_connect(self, other: Nat) -> bool {
        use Nat::{Blocked, PortRestricted, Symmetric};
        !matches!(
            (self, other),
            (Blocked, _)
                | (_, Blocked)
                | (Symmetric, Symmetric)
                | (Symmetric, PortRestricted)
                | (PortRestricted, Symmetric)
        )
    }
}
