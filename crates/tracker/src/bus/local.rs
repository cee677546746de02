//! A bus between trackers of one process.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use rendezvous::cluster::{NodeId, Parcel, To};
use tokio::sync::mpsc;

use super::{Bus, Link, WAITING};

/// Where the trackers of a process meet. Clones are handles to the same one.
#[derive(Clone, Debug, Default)]
pub struct Exchange(Arc<Mutex<BTreeMap<NodeId, mpsc::Sender<Vec<u8>>>>>);

impl Exchange {
    /// A node's link to all others that have one.
    pub fn join(&self, id: NodeId) -> Link {
        let (sender, inbox) = mpsc::channel(WAITING);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        Link { id, bus: Arc::new(self.clone()), inbox }
    }
}

impl Bus for Exchange {
    fn publish(&self, parcel: Parcel) -> bool {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.retain(|_, sender| !sender.is_closed());
        match parcel.to {
            To::All => {
                let lost = nodes.values().filter(|one| one.try_send(parcel.bytes.clone()).is_err());
                lost.count() == 0
            }
            To::Node(id) => nodes.get(&id).is_none_or(|one| one.try_send(parcel.bytes).is_ok()),
        }
    }
}
