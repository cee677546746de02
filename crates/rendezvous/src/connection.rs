//! One open connection: where it comes from, what it may still send, and which swarms it is in.

use crate::{Config, InfoHash, Locality, PeerId, bucket::Bucket, site::Standing};

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

    pub(crate) fn name_in(&self, info_hash: InfoHash) -> Option<PeerId> {
        self.memberships.iter().find(|one| one.0 == info_hash).map(|one| one.1)
    }
}
