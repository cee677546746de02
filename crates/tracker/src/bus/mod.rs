//! What carries words from one tracker to others: a small trait, in this process or over NATS.
//!
//! The invariant: whoever sends never waits. What there is no room for is lost, and counted; the cluster makes it good.

mod local;
mod nats;

use std::{fmt, sync::Arc};

pub use local::Exchange;
pub use nats::{NatsError, join as join_nats};
use rendezvous::cluster::{NodeId, Parcel};
use tokio::sync::mpsc;

/// Envelopes that wait at either end of a link.
const WAITING: usize = 16 * 1024;

/// The way to other nodes.
pub trait Bus: fmt::Debug + Send + Sync + 'static {
    /// Sends, in the order of the calls. Whether there was room for it; what becomes of it after that is not known.
    fn publish(&self, parcel: Parcel) -> bool;
}

/// A node's end of a bus.
#[derive(Debug)]
pub struct Link {
    /// The name under which the node is reached.
    pub id: NodeId,
    /// To the others.
    pub bus: Arc<dyn Bus>,
    /// What they send to this one, or to all.
    pub inbox: mpsc::Receiver<Vec<u8>>,
}
