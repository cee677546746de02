//! The other nodes of a cluster, as far as they are heard.
//!
//! The invariant: two nodes that do not hear each other, in one direction or both, keep nothing for each other. Who hears a node says
//! so in its beat, and one is relied upon only while it says that.

use std::{collections::BTreeMap, time::Duration};

use super::{
    envelope::{Beat, NODES},
    place::NodeId,
};

#[derive(Debug)]
struct Other {
    heard: Duration,
    hears_us: bool,
    draining: bool,
    url: String,
}

#[derive(Debug)]
pub(crate) struct Nodes {
    me: NodeId,
    draining: bool,
    others: BTreeMap<NodeId, Other>,
    /// Those that may have cells, in order. This node is among them, unless it is about to stop and another is not.
    owners: Vec<NodeId>,
}

impl Nodes {
    pub(crate) fn new(me: NodeId) -> Self {
        Self { me, draining: false, others: BTreeMap::new(), owners: vec![me] }
    }

    pub(crate) fn me(&self) -> NodeId {
        self.me
    }

    pub(crate) fn owners(&self) -> &[NodeId] {
        &self.owners
    }

    /// Other nodes that are heard and hear this one.
    pub(crate) fn linked(&self) -> impl Iterator<Item = NodeId> {
        self.others.iter().filter(|(_, other)| other.hears_us).map(|(&id, _)| id)
    }

    /// Others that have been heard lately.
    pub(crate) fn heard(&self) -> Vec<NodeId> {
        self.others.keys().copied().collect()
    }

    /// Where clients reach a node, unless it is about to stop.
    pub(crate) fn url(&self, node: NodeId) -> Option<&str> {
        let other = self.others.get(&node).filter(|other| other.hears_us && !other.draining)?;
        Some(other.url.as_str()).filter(|url| !url.is_empty())
    }

    /// Whether its messages are taken: one of the first [`NODES`] that were heard.
    pub(crate) fn handle_heard(&mut self, now: Duration, node: NodeId) -> bool {
        if let Some(other) = self.others.get_mut(&node) {
            other.heard = now;
            return true;
        }
        let has_room = node != self.me && self.others.len() < NODES;
        if has_room {
            let other = Other { heard: now, hears_us: false, draining: false, url: String::new() };
            self.others.insert(node, other);
        }
        has_room
    }

    /// Whether that changes who may have cells.
    pub(crate) fn handle_beat(&mut self, now: Duration, node: NodeId, beat: &Beat) -> bool {
        if !self.handle_heard(now, node) {
            return false;
        }
        if let Some(other) = self.others.get_mut(&node) {
            (other.hears_us, other.draining) = (beat.hears.contains(&self.me), beat.draining);
            other.url.clone_from(&beat.url);
        }
        self.choose()
    }

    /// From now on others have the cells, if there are any.
    pub(crate) fn drain(&mut self) -> bool {
        self.draining = true;
        self.choose()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining
    }

    /// Forgets those that have been silent for `live`, and says which, and whether that changes who may have cells.
    pub(crate) fn expire(&mut self, now: Duration, live: Duration) -> (Vec<NodeId>, bool) {
        let silent = |other: &Other| now.saturating_sub(other.heard) >= live;
        let gone = self.others.iter().filter(|(_, other)| silent(other)).map(|(&id, _)| id).collect();
        self.others.retain(|_, other| !silent(other));
        (gone, self.choose())
    }

    fn choose(&mut self) -> bool {
        let linked = self.others.iter().filter(|(_, other)| other.hears_us);
        let mut all: Vec<(bool, NodeId)> = linked.map(|(&id, other)| (other.draining, id)).collect();
        all.push((self.draining, self.me));
        // When all are about to stop, it is as if none were.
        let stays = all.iter().any(|one| !one.0);
        let mut owners: Vec<NodeId> =
            all.into_iter().filter(|one| !(stays && one.0)).map(|one| one.1).collect();
        owners.sort_unstable();
        let changed = owners != self.owners;
        self.owners = owners;
        changed
    }
}
