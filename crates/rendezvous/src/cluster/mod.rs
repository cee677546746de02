//! Several trackers as one: which node keeps which membership, and what they tell each other about it.
//!
//! A client stays where it connected. Its node knows who has the swarm, passes the client's messages to that node, and what comes back
//! to the client; the owner's table sees connections of other nodes as connections. When nodes come or go, or a swarm becomes so big
//! that it is split into cells, each node moves the memberships of its own connections, and no one else's. Nothing is stored but in
//! the memory of nodes, and every message may be lost: what is not answered is sent again, what is not renewed is forgotten.
//!
//! Like the rest of the crate it knows no sockets: envelopes come in as bytes, and go out as bytes for one node or for all. The wire is
//! written down in `docs/spec/cluster.md`.

mod client;
mod config;
mod door;
mod envelope;
mod levels;
mod local;
mod nodes;
mod notices;
mod owner;
mod peek;
mod place;
mod relayed;
mod upkeep;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Add,
    time::Duration,
};

pub use config::Config;
pub use notices::{NOTICE_BYTES, Notice, Topic};
pub use place::NodeId;

use crate::{
    ConnId, Counts, InfoHash, Locality, Outgoing, PeerId, Stats, Table, TokenId,
    admission::{Leases, Questions},
    table::Full,
};
use envelope::{Envelope, Standing};
use levels::Levels;
use local::Local;
use nodes::Nodes;
use notices::Notices;
use place::{Cell, FOREIGN, Spot, mix, owner};
use relayed::AllRelayed;

/// What is to be sent.
#[derive(Debug, Default)]
pub struct Out {
    /// To clients of this node.
    pub texts: Vec<Outgoing>,
    /// To other nodes.
    pub parcels: Vec<Parcel>,
    /// For whoever says who may join.
    pub news: Vec<News>,
}

/// What other nodes say of who may join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A token has let somebody in, there.
    Used {
        /// Which, and in which swarm.
        token: TokenId,
        /// How long it would let in, in seconds since 1970.
        until_unix_secs: u64,
        /// Where.
        by: NodeId,
    },
    /// A document that is newer than what was [published](Cluster::publish) here. It is offered to others when it is published in turn.
    Notice(Notice),
}

/// Bytes for other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Who gets it.
    pub to: To,
    /// What [`Cluster::receive`] of the other side takes in.
    pub bytes: Vec<u8>,
}

/// Which nodes something is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Every node, this one too: it does not listen to itself.
    All,
    /// One.
    Node(NodeId),
}

/// What there is of a cluster at this moment, and what was done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Other nodes that are heard and hear this one.
    pub nodes: usize,
    /// Swarms, and cells of swarms, that are kept here.
    pub cells: usize,
    /// Connections of other nodes for which memberships are kept here.
    pub relayed: usize,
    /// Memberships of connections of this node that other nodes keep.
    pub elsewhere: usize,
    /// Envelopes sent.
    pub sent: u64,
    /// Envelopes taken in.
    pub received: u64,
    /// Of these, such as could not be read, or were too many.
    pub bad: u64,
}

/// What a client says, or what is said for it, and which membership that is about.
#[derive(Clone, Copy)]
struct Words<'a> {
    conn: ConnId,
    about: Option<(InfoHash, PeerId)>,
    text: &'a [u8],
}

/// What became of somebody's words.
struct Outcome {
    standing: Standing,
    /// For who said them.
    reply: Option<String>,
}

/// One node of a cluster. It is to a server what a [`Table`] is, and keeps as many of those as it has cells of one swarm.
#[derive(Debug)]
pub struct Cluster {
    config: Config,
    table_config: crate::Config,
    seed: u64,
    nodes: Nodes,
    levels: Levels,
    locals: BTreeMap<ConnId, Local>,
    relayed: AllRelayed,
    /// Cell 0 of every swarm, and so on: each table has one cell of a swarm at most.
    tables: BTreeMap<Cell, Table>,
    /// Announces that wait for an answer, and when to look for it.
    awaiting: VecDeque<(Duration, ConnId, InfoHash)>,
    pending_bytes: usize,
    /// Up to where it was looked for memberships that are in the wrong place.
    moving_from: Option<ConnId>,
    /// Other nodes that are to be told of all their members once more, at the next look.
    telling: BTreeSet<NodeId>,
    /// Of each other node the connections that it knows of, as in its [`AllRelayed::sum`].
    sums: BTreeMap<NodeId, u64>,
    /// When a node was last asked to tell all once more.
    asked: BTreeMap<NodeId, Duration>,
    /// Clients that somebody else decides about, and until when those are in that have a token.
    questions: Questions,
    leases: Leases<(ConnId, InfoHash)>,
    notices: Notices,
    /// Nodes that have heard by which tokens clients of this one are in.
    told_tokens: BTreeSet<NodeId>,
    beat_at: Option<Duration>,
    sizes_at: Duration,
    scratch: Vec<Outgoing>,
    sent: u64,
    received: u64,
    bad: u64,
    refused: u64,
    denied: u64,
}

impl Cluster {
    /// A node that has not heard of others yet. `id` is one that no node has had before: a random one.
    pub fn new(table_config: crate::Config, config: Config, seed: u64, id: NodeId) -> Self {
        let mut cluster = Self {
            config,
            table_config,
            seed,
            nodes: Nodes::new(id),
            levels: Levels::default(),
            locals: BTreeMap::new(),
            relayed: AllRelayed::default(),
            tables: BTreeMap::new(),
            awaiting: VecDeque::new(),
            pending_bytes: 0,
            moving_from: None,
            telling: BTreeSet::new(),
            sums: BTreeMap::new(),
            asked: BTreeMap::new(),
            questions: Questions::default(),
            leases: Leases::default(),
            notices: Notices::default(),
            told_tokens: BTreeSet::new(),
            beat_at: None,
            sizes_at: Duration::ZERO,
            scratch: Vec::new(),
            sent: 0,
            received: 0,
            bad: 0,
            refused: 0,
            denied: 0,
        };
        cluster.table(Cell::default());
        cluster
    }

    /// Its own name.
    pub fn id(&self) -> NodeId {
        self.nodes.me()
    }

    /// A client of this node. Ids below two to the power of 63 are the caller's.
    ///
    /// # Errors
    /// [`Full`] at the limit; nothing is kept then.
    pub fn connect(&mut self, conn: ConnId, from: Locality) -> Result<(), Full> {
        if self.locals.len() >= self.table_config.connections || conn >= FOREIGN {
            return Err(Full);
        }
        self.table(Cell::default()).connect(conn, from)?;
        let config = &self.table_config;
        self.locals.entry(conn).or_insert_with(|| Local::new(from, config));
        Ok(())
    }

    /// A client of this node is gone, wherever its memberships are.
    pub fn disconnect(&mut self, conn: ConnId, out: &mut Out) {
        let Some(local) = self.locals.remove(&conn) else { return };
        self.questions.forget(conn);
        for home in &local.homes {
            self.pending_bytes -= client::pending_len(home);
            self.leases.set((conn, home.info_hash), None);
        }
        for node in local.known_to {
            *self.sums.entry(node).or_default() ^= mix(conn.0);
            self.post(node, &Envelope::Gone { conn: conn.0 }, out);
        }
        self.leave_tables(conn);
    }

    /// What is known of a swarm, as far as it is kept here.
    pub fn counts(&self, info_hash: InfoHash) -> Counts {
        let all = self.tables.values().map(|table| table.counts(info_hash));
        all.fold(Counts::default(), Counts::add)
    }

    /// What is kept here, and what was done here. The members are those kept here, the connections those of clients.
    pub fn stats(&self) -> Stats {
        let all = self.tables.values().map(Table::stats);
        let sum = all.fold(Stats::default(), |sum, one| Stats {
            connections: 0,
            members: sum.members + one.members,
            swarms: sum.swarms + one.swarms,
            announces: sum.announces + one.announces,
            offers: sum.offers + one.offers,
            answers: sum.answers + one.answers,
            unexpected_answers: sum.unexpected_answers + one.unexpected_answers,
            refused: sum.refused + one.refused,
            denied: sum.denied + one.denied,
        });
        let (refused, denied) = (sum.refused + self.refused, sum.denied + self.denied);
        Stats { connections: self.locals.len(), refused, denied, ..sum }
    }

    /// What there is of the cluster.
    pub fn figures(&self) -> Figures {
        let me = self.nodes.me();
        let homes = self.locals.values().flat_map(|local| &local.homes);
        Figures {
            nodes: self.nodes.linked().count(),
            cells: self.tables.values().map(|table| table.stats().swarms).sum(),
            relayed: self.relayed.len(),
            elsewhere: homes.filter(|home| home.spot.node != me).count(),
            sent: self.sent,
            received: self.received,
            bad: self.bad,
        }
    }

    /// From now on other nodes keep what this one does, as far as there are any: it is about to stop.
    pub fn drain(&mut self) {
        if self.nodes.drain() {
            self.look_for_moves();
        }
        self.beat_at = None;
    }

    /// Where else a client may go: to one of the others, the same for the same number.
    pub fn elsewhere(&self, number: u64) -> Option<&str> {
        let urls: Vec<&str> = self.nodes.linked().filter_map(|node| self.nodes.url(node)).collect();
        urls.get((number % urls.len().max(1) as u64) as usize).copied()
    }

    fn owner(&self, info_hash: InfoHash, cell: Cell) -> Spot {
        let node = owner(info_hash, cell, self.nodes.owners().iter().copied());
        Spot { cell, node: node.unwrap_or(self.nodes.me()) }
    }

    fn post(&mut self, to: NodeId, envelope: &Envelope<'_>, out: &mut Out) {
        let bytes = envelope.write(self.nodes.me());
        self.ship(To::Node(to), bytes, out);
    }

    fn post_all(&mut self, envelope: &Envelope<'_>, out: &mut Out) {
        let bytes = envelope.write(self.nodes.me());
        self.ship(To::All, bytes, out);
    }

    fn ship(&mut self, to: To, bytes: Vec<u8>, out: &mut Out) {
        self.sent += 1;
        out.parcels.push(Parcel { to, bytes });
    }
}
