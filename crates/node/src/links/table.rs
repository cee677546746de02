//! The connections of a shard and the ways to them. Invariant: every connection is found by its user name fragment, and every
//! path leads to a connection that is there.

use super::connection::Connection;
use super::demux::{Demux, Id, Kind, Path, classify};
use super::stack::{Broken, guard};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;
use str0m::Input;
use str0m::net::{Protocol, Receive};
use swarm::{Link, PeerId};

/// All connections.
pub(super) struct Table {
    connections: BTreeMap<Id, Connection>,
    links: BTreeMap<Link, Id>,
    demux: Demux,
    last: u64,
}

impl Table {
    pub fn new(now: Instant) -> Self {
        Self { connections: BTreeMap::new(), links: BTreeMap::new(), demux: Demux::new(now), last: 0 }
    }

    /// How many there are, pending and open.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// How many strangers' offers are being answered.
    pub fn answering(&self) -> usize {
        self.connections.values().filter(|c| c.is_pending() && !c.dialled).count()
    }

    /// The pending connection to a peer that this is true of.
    pub fn pending(&self, peer: &PeerId, is_it: impl Fn(&Connection) -> bool) -> Option<Id> {
        let mut all = self.connections.iter();
        all.find(|(_, c)| c.is_pending() && c.peer == *peer && is_it(c)).map(|(id, _)| *id)
    }

    /// The pending connection that began with this offer of ours.
    pub fn offered(&self, offer_id: &str) -> Option<Id> {
        let mut all = self.connections.iter();
        all.find(|(_, c)| c.is_pending() && c.dialled && c.offer_id == offer_id).map(|(id, _)| *id)
    }

    pub fn get_mut(&mut self, id: Id) -> Option<&mut Connection> {
        self.connections.get_mut(&id)
    }

    pub fn get(&self, id: Id) -> Option<&Connection> {
        self.connections.get(&id)
    }

    /// The connection of an open link.
    pub fn of_link(&self, link: Link) -> Option<Id> {
        self.links.get(&link).copied()
    }

    /// How many open connections send their data from this address.
    pub fn from(&self, source: SocketAddr) -> usize {
        let open = self.connections.values().filter(|c| c.link().is_some());
        open.filter(|c| c.source() == Some(source)).count()
    }

    pub fn ids(&self) -> Vec<Id> {
        self.connections.keys().copied().collect()
    }

    pub fn add(&mut self, connection: Connection) -> Id {
        self.last += 1;
        let id = Id(self.last);
        self.demux.add(connection.ufrag().to_owned(), id);
        self.connections.insert(id, connection);
        id
    }

    /// A connection has got a name.
    pub fn name(&mut self, link: Link, id: Id) {
        self.links.insert(link, id);
    }

    /// A connection has lost its name.
    pub fn forget_name(&mut self, link: Link) -> Option<Id> {
        self.links.remove(&link)
    }

    /// Takes a connection out; gives the paths it had, too.
    pub fn remove(&mut self, id: Id) -> Option<(Connection, Vec<Path>)> {
        let connection = self.connections.remove(&id)?;
        if let Some(link) = connection.link() {
            self.links.remove(&link);
        }
        let paths = self.demux.remove(connection.ufrag(), id);
        Some((connection, paths))
    }

    /// Whether this path leads to a connection.
    pub fn is_bound(&self, path: &Path) -> bool {
        self.demux.by_path(path).is_some()
    }

    /// Gives a datagram to the connection it belongs to, if there is one.
    pub fn deliver(
        &mut self,
        now: Instant,
        path: Path,
        destination: SocketAddr,
        datagram: &[u8],
    ) -> Option<(Id, Result<(), Broken>)> {
        let kind = classify(datagram)?;
        if kind == Kind::Quic {
            // Only where ICE has verified who is there: a stranger's costs this look-up.
            let id = self.demux.by_path(&path).filter(|_| path.0 == Protocol::Udp)?;
            let connection = self.connections.get_mut(&id)?;
            return Some((id, connection.handle_quic(now, path.1, destination.ip(), datagram)));
        }
        // From nowhere, at first: what comes from the address a connection sends to, it accepts without verifying it.
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let receive = guard(|| Receive::new(path.0, nowhere, destination, datagram)).ok()?;
        let mut input = Input::Receive(now, receive);
        let id = match kind {
            Kind::Request(ufrag) => {
                let id = self.demux.by_ufrag(ufrag).filter(|id| self.accepts(*id, &input))?;
                self.demux.claim(path, id);
                id
            }
            Kind::Stun => {
                let bound = self.demux.by_path(&path).filter(|id| self.accepts(*id, &input));
                let id = bound.or_else(|| self.scan(now, &input))?;
                if let (Some(loser), Some(winner)) =
                    (self.demux.prove(path, id), self.connections.get_mut(&id))
                {
                    winner.displaces = Some(loser);
                }
                id
            }
            Kind::Data | Kind::Quic => {
                set_source(&mut input, path.1);
                self.demux.by_path(&path).or_else(|| self.scan(now, &input))?
            }
        };
        set_source(&mut input, path.1);
        let connection = self.connections.get_mut(&id)?;
        Some((id, connection.handle_input(input)))
    }

    fn accepts(&self, id: Id, input: &Input<'_>) -> bool {
        self.connections.get(&id).is_some_and(|connection| connection.accepts(input))
    }

    fn scan(&mut self, now: Instant, input: &Input<'_>) -> Option<Id> {
        if !self.demux.may_scan(now) {
            return None;
        }
        // Those that look for a path are the youngest.
        self.connections.iter().rev().find(|(_, connection)| connection.accepts(input)).map(|(id, _)| *id)
    }
}

fn set_source(input: &mut Input<'_>, source: SocketAddr) {
    if let Input::Receive(_, receive) = input {
        receive.source = source;
    }
}
