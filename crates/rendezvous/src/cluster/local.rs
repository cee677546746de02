//! The connections of this node, and where their memberships are kept.
//!
//! The invariant: the node that has a connection decides where its memberships are, and tells every node that heard of the connection
//! when it ends.

use crate::{Config, InfoHash, Locality, PeerId, groups::network, sdp::is_inside, site};

use super::place::{Level, NodeId, Spot, hash, mix, owner};

/// A membership of a connection.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) info_hash: InfoHash,
    pub(crate) peer: PeerId,
    pub(crate) spot: Spot,
    /// In a neighbouring cell.
    pub(crate) bridge: Option<Spot>,
    /// An announce that says all that is known of the member, for another owner.
    pub(crate) presence: Box<str>,
    /// Whether the owner has said that it is a member.
    pub(crate) confirmed: bool,
    pub(crate) pending: Option<Pending>,
}

/// An announce that was not answered yet.
#[derive(Debug)]
pub(crate) struct Pending {
    /// None if there was no room for it: then the presence will do.
    pub(crate) text: Option<Box<[u8]>>,
    /// How often it was sent.
    pub(crate) sent: u32,
}

impl Home {
    /// Where it is.
    pub(crate) fn spots(&self) -> impl Iterator<Item = Spot> + use<> {
        [Some(self.spot), self.bridge].into_iter().flatten()
    }
}

#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) from: Locality,
    /// Of where it is, if that says anything: neighbours are in one cell.
    near: Option<u64>,
    pub(crate) homes: Vec<Home>,
    /// Other nodes that have heard of it.
    pub(crate) known_to: Vec<NodeId>,
}

impl Local {
    pub(crate) fn new(from: Locality, config: &Config) -> Self {
        let from = from.canonical();
        let near = match site::Standing::of(from.address, config) {
            site::Standing::Site(id, _) => Some(hash(b"site", &(id.place() as u64).to_be_bytes())),
            _ if is_inside(from.address) => None,
            _ => match network(from.address) {
                core::net::IpAddr::V4(ip) => Some(hash(b"network", &ip.octets())),
                core::net::IpAddr::V6(ip) => Some(hash(b"network", &ip.octets())),
            },
        };
        Self { from, near: near.map(mix), homes: Vec::new(), known_to: Vec::new() }
    }

    pub(crate) fn place(&self, info_hash: InfoHash) -> Option<usize> {
        self.homes.iter().position(|home| home.info_hash == info_hash)
    }

    /// Where a membership belongs.
    pub(crate) fn wanted(
        &self,
        info_hash: InfoHash,
        peer: PeerId,
        level: Level,
        nodes: &[NodeId],
    ) -> Option<(Spot, Option<Spot>)> {
        let cell = level.cell(self.near.unwrap_or_else(|| mix(hash(b"peer", &peer.0))));
        let spot = |cell| owner(info_hash, cell, nodes.iter().copied()).map(|node| Spot { cell, node });
        Some((spot(cell)?, level.bridge(cell, peer).and_then(spot)))
    }
}
