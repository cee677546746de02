//! What a lab has counted. Invariant: every packet that a host sent is in it once: as delivered, as dropped for a reason that
//! is named, or as still under way.

use serde::Serialize;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Packets, and their bytes with IP headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Traffic {
    pub(crate) fn add(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}

/// Counters since the lab was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was delivered: by sender, then by receiver, whatever NATs were between them.
    pub delivered: BTreeMap<String, BTreeMap<String, Traffic>>,
    /// What was sent to addresses that lead nowhere: by sender, then by address. Private ones lead nowhere beyond a LAN.
    pub unroutable: BTreeMap<String, BTreeMap<Ipv4Addr, Traffic>>,
    /// Lost by chance on an access line.
    pub lost: u64,
    /// Dropped because the queue of an access line was full.
    pub queue_full: u64,
    /// Refused by a NAT, by its name.
    pub refused: BTreeMap<String, u64>,
    /// Multicasts and broadcasts beyond a LAN, which end there.
    pub multicast: u64,
    /// Fragments, protocols without ports, IPv6, and packets with somebody else's source.
    pub not_carried: u64,
    /// Packets under way beyond what the lab holds.
    pub overrun: u64,
    /// Delivered later than planned, at worst, microseconds: how far the machine kept up.
    pub latest_us: u64,
}

impl Report {
    /// What went from one host to another.
    pub fn traffic(&self, from: &str, to: &str) -> Traffic {
        self.delivered.get(from).and_then(|row| row.get(to)).copied().unwrap_or_default()
    }

    /// How late the latest delivery was.
    pub fn latest(&self) -> Duration {
        Duration::from_micros(self.latest_us)
    }
}
