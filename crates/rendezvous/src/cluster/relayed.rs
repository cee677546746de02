//! The connections of other nodes, as the tables of this one know them.
//!
//! The invariant: each has one id here and one there, and both name it, until it ends, its node is gone, or nothing was heard of it for
//! as long as a member lives.

use std::{collections::BTreeMap, time::Duration};

use super::place::{FOREIGN, NodeId, mix};
use crate::ConnId;

/// A connection as its own node has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Handle {
    pub(crate) node: NodeId,
    pub(crate) conn: u64,
}

#[derive(Debug)]
struct Relayed {
    handle: Handle,
    heard: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct AllRelayed {
    by_handle: BTreeMap<Handle, ConnId>,
    by_conn: BTreeMap<ConnId, Relayed>,
    given: u64,
    /// Of each node the ids of its connections, mixed and taken together by exclusive or.
    sums: BTreeMap<NodeId, u64>,
}

impl AllRelayed {
    pub(crate) fn len(&self) -> usize {
        self.by_conn.len()
    }

    /// Its id here, a new one if there is none and room for it.
    pub(crate) fn enter(&mut self, now: Duration, handle: Handle, most: usize) -> Option<ConnId> {
        if let Some(&conn) = self.by_handle.get(&handle) {
            if let Some(relayed) = self.by_conn.get_mut(&conn) {
                relayed.heard = now;
            }
            return Some(conn);
        }
        if self.by_conn.len() >= most {
            return None;
        }
        let conn = ConnId(FOREIGN.0 | self.given);
        self.given += 1;
        *self.sums.entry(handle.node).or_default() ^= mix(handle.conn);
        self.by_handle.insert(handle, conn);
        self.by_conn.insert(conn, Relayed { handle, heard: now });
        Some(conn)
    }

    /// Where a connection is, if it is another node's.
    pub(crate) fn handle(&self, conn: ConnId) -> Option<Handle> {
        self.by_conn.get(&conn).map(|relayed| relayed.handle)
    }

    pub(crate) fn remove(&mut self, handle: Handle) -> Option<ConnId> {
        let conn = self.by_handle.remove(&handle)?;
        self.by_conn.remove(&conn);
        *self.sums.entry(handle.node).or_default() ^= mix(handle.conn);
        Some(conn)
    }

    /// Removes those of a node.
    pub(crate) fn remove_node(&mut self, node: NodeId) -> Vec<ConnId> {
        let range = Handle { node, conn: 0 }..=Handle { node, conn: u64::MAX };
        let handles: Vec<Handle> = self.by_handle.range(range).map(|(&handle, _)| handle).collect();
        let gone = handles.into_iter().filter_map(|handle| self.remove(handle)).collect();
        self.sums.remove(&node);
        gone
    }

    /// The sum of those of a node.
    pub(crate) fn sum(&self, node: NodeId) -> u64 {
        self.sums.get(&node).copied().unwrap_or(0)
    }

    /// Removes those of which nothing was heard for `lifetime`.
    pub(crate) fn expire(&mut self, now: Duration, lifetime: Duration) -> Vec<ConnId> {
        let silent = self.by_conn.values().filter(|one| now.saturating_sub(one.heard) >= lifetime);
        let handles: Vec<Handle> = silent.map(|one| one.handle).collect();
        handles.into_iter().filter_map(|handle| self.remove(handle)).collect()
    }
}
