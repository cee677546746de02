//! One open connection: where it comes from, what it may still send, and which swarms it is in.

use std::time::Duration;

use crate::{Config, InfoHash, Locality, Networks, PeerId, bucket::Bucket, sdp::is_inside, site::Standing};

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) from: Locality,
    pub(crate) standing: Standing,
    pub(crate) messages: Bucket,
    pub(crate) announces: Bucket,
    pub(crate) directed: Bucket,
    /// Under which name it is in which swarm: a handful, so searched from the front.
    pub(crate) memberships: Vec<(InfoHash, PeerId)>,
}

impl Connection {
    pub(crate) fn new(from: Locality, config: &Config) -> Self {
        let from = from.canonical();
        Self {
            from,
            standing: Standing::of(from.address, config),
            messages: Bucket::default(),
            announces: Bucket::default(),
            directed: Bucket::default(),
            memberships: Vec::new(),
        }
    }

    /// Takes one message's room of its network, where that is limited.
    pub(crate) fn has_network_room(&self, now: Duration, networks: &mut Networks, config: &Config) -> bool {
        let address = self.from.address;
        let is_exempt = self.standing.site().is_some() || is_inside(address);
        is_exempt || networks.take(now, address, config.network_messages, config.networks)
    }

    pub(crate) fn name_in(&self, info_hash: InfoHash) -> Option<PeerId> {
        self.memberships.iter().find(|one| one.0 == info_hash).map(|one| one.1)
    }
}
