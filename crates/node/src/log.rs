//! What logs say. Its invariant: above the level debug no event has a whole peer id, an IP address of a viewer or a whole web
//! address in it.
//!
//! What tools may rely on is the field `event` and the fields beside it; the text is for people: `link_up` and `link_down`
//! (`link`, `peer`), `origin_failed` (`rendition`, and `sequence`, `status` or `reason`), `tracker_up`, `tracker_down`,
//! `tracker_unreachable` (`tracker`, its host), `uplink_cap` (`cap`), `draining`.

use std::fmt;
use swarm::PeerId;

/// The end of a peer id, in hex: enough to tell neighbours apart.
pub(crate) struct Short(pub(crate) PeerId);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.0.iter().skip(16).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_cannot_write_into_the_log() {
        assert_eq!(Short(PeerId(*b"-BC0001-\x1b[2J\n\n\n\n\n\n\n\n")).to_string(), "0a0a0a0a");
    }
}
