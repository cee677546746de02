//! What a hub does as a node of a cluster.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use rendezvous::cluster::{self, Cluster, NodeId, Out};

use super::{Hub, State, door, seed};
use crate::{ClusterFigures, Config, bus::Bus, keeper::Keeper};

impl Hub {
    /// A node of a cluster.
    pub(crate) fn linked(
        mut config: Config,
        cluster: cluster::Config,
        id: NodeId,
        bus: Arc<dyn Bus>,
    ) -> Self {
        let door = door(&mut config);
        let mut node = Cluster::new(config.table.clone(), cluster, seed(), id);
        door.iter().flat_map(|door| &door.authorities).for_each(|&key| node.follow(key));
        Self::with(config, Keeper::Node(Box::new(node)), door, Some(bus))
    }

    /// What came from other nodes.
    pub(crate) fn receive(&self, bytes: &[u8]) {
        let news = self.with_node(|node, now, out| {
            node.receive(now, bytes, out);
            std::mem::take(&mut out.news)
        });
        news.into_iter().flatten().for_each(|one| self.learn(one));
    }

    /// To be called some times a second, if there is a bus.
    pub(crate) fn tick(&self) {
        self.expire();
        self.with_node(|node, now, out| node.tick(now, out)); // `None` is a tracker alone
    }

    pub(crate) fn figures(&self) -> Option<ClusterFigures> {
        let unsent = self.unsent.load(Ordering::Relaxed);
        self.lock().keeper.node().map(|node| ClusterFigures { node: node.figures(), unsent })
    }

    pub(super) fn with_node<Done>(
        &self,
        work: impl FnOnce(&mut Cluster, Duration, &mut Out) -> Done,
    ) -> Option<Done> {
        let mut state = self.lock();
        let now = state.now();
        let State { keeper, outboxes, out, .. } = &mut *state;
        let done = work(keeper.node()?, now, out);
        self.carry_out(outboxes, None, out);
        Some(done)
    }
}
