//! What clients of this node say, on its way to who keeps their memberships, and what comes back.

use std::time::Duration;

use super::{
    Cluster, Out, Outcome, Words,
    door::Shown,
    envelope::{Ask, Envelope, Said, Standing},
    local::{Home, Pending},
    owner::resolve,
    peek::{self, Peek},
    place::{Cell, NodeId, Spot, mix},
};
use crate::{Cause, ConnId, InfoHash, Outgoing, PeerId, Verdict, message::About, refusal::Refusal, reply};

/// An announce that is not answered, or comes to a name that is taken, is sent so often in all.
pub(super) const SENDS: u32 = 3;

/// Bytes of a home's announce that waits.
pub(super) fn pending_len(home: &Home) -> usize {
    home.pending.as_ref().and_then(|pending| pending.text.as_ref()).map_or(0, |text| text.len())
}

impl Cluster {
    /// Takes in a message of a client of this node, as [`Table::handle`](crate::Table::handle) does.
    pub fn handle(&mut self, now: Duration, conn: ConnId, text: &[u8], out: &mut Out) -> Verdict {
        let words = |info_hash, peer| Words { conn, about: Some((info_hash, peer)), text };
        match peek::peek(text, self.table_config.message_bytes) {
            Peek::Announce { info_hash, peer, stops: true, .. } => {
                self.stop(now, (info_hash, peer), words(info_hash, peer), out)
            }
            Peek::Announce { info_hash, peer, token, proof, .. }
                if self.is_to_be_asked(conn, (info_hash, peer), token.is_some()) =>
            {
                self.ask(now, (info_hash, peer), Shown { token, proof }, words(info_hash, peer), out)
            }
            Peek::Announce { info_hash, peer, presence, .. } => {
                let words = words(info_hash, peer);
                match self.settle_in(now, (info_hash, peer), presence, words, out) {
                    Some(spot) => self.say(now, spot, words, out),
                    None => self.charge(now, conn),
                }
            }
            Peek::Signal { info_hash, peer, is_answer } => {
                self.signal(now, info_hash, is_answer, words(info_hash, peer), out)
            }
            Peek::Scrape(hashes) => self.scrape(now, &hashes, Words { conn, about: None, text }, out),
            Peek::Other => self.here(now, conn, text, out),
        }
    }

    /// Counts something else that a client sent against its allowance of messages.
    pub fn charge(&mut self, now: Duration, conn: ConnId) -> Verdict {
        self.table(Cell::default()).charge(now, conn)
    }

    /// What is about no membership: this node's own table answers it.
    pub(super) fn here(&mut self, now: Duration, conn: ConnId, text: &[u8], out: &mut Out) -> Verdict {
        let table = self.table(Cell::default());
        let verdict = table.handle(now, conn, text, &mut out.texts);
        resolve(table, now, verdict, None, &mut out.texts)
    }

    /// Gives an announce's membership its place, and says where the announce is to go. If there is no room its client is told.
    pub(super) fn settle_in(
        &mut self,
        now: Duration,
        (info_hash, peer): (InfoHash, PeerId),
        presence: String,
        words: Words<'_>,
        out: &mut Out,
    ) -> Option<Spot> {
        let Words { conn, text, .. } = words;
        let limit = self.table_config.swarms_per_connection;
        let local = self.locals.get_mut(&conn)?;
        let place = local.place(info_hash);
        let named = place.map_or(peer, |place| local.homes[place].peer);
        let (spot, bridge) =
            local.wanted(info_hash, named, self.levels.get(info_hash), self.nodes.owners())?;
        if place.is_none() && local.homes.len() >= limit {
            self.tell(conn, info_hash, &Refusal::TooManySwarms { limit }, out);
            return None;
        }
        let place = place.unwrap_or_else(|| {
            let presence = presence.as_str().into();
            local.homes.push(Home {
                info_hash,
                peer,
                spot,
                bridge,
                presence,
                confirmed: false,
                pending: None,
            });
            local.homes.len() - 1
        });
        let home = &mut local.homes[place];
        if home.peer == peer {
            home.presence = presence.into();
        }
        let old: Vec<Spot> = home.spots().collect();
        (home.spot, home.bridge) = (spot, bridge);
        self.await_reply(now, conn, info_hash, text);
        let left = old.into_iter().filter(|&one| one != spot && Some(one) != bridge);
        self.leave_spots(now, conn, (info_hash, named), left, out);
        if let Some(bridge) = bridge {
            self.renew(now, conn, info_hash, bridge, Ask::Quiet, out);
        }
        Some(spot)
    }

    /// Keeps an announce until its answer comes.
    fn await_reply(&mut self, now: Duration, conn: ConnId, info_hash: InfoHash, text: &[u8]) {
        let room = self.config.pending_bytes.saturating_sub(self.pending_bytes);
        let me = self.nodes.me();
        let Some(home) = self.home(conn, info_hash).filter(|home| home.spot.node != me || !home.confirmed)
        else {
            return;
        };
        let was = (home.pending.is_some(), pending_len(home));
        let kept = text.len() <= room + was.1;
        home.pending = Some(Pending { text: kept.then(|| text.into()), sent: 1 });
        let len = pending_len(home);
        self.pending_bytes = self.pending_bytes - was.1 + len;
        if !was.0 {
            self.awaiting.push_back((now + self.config.live, conn, info_hash));
        }
    }

    fn stop(&mut self, now: Duration, about: (InfoHash, PeerId), words: Words<'_>, out: &mut Out) -> Verdict {
        let ((info_hash, peer), conn) = (about, words.conn);
        self.questions.remove(conn, info_hash);
        let spot = match self.home(conn, info_hash) {
            None => self.owner(info_hash, Cell::default()),
            Some(home) if home.peer != peer => home.spot,
            Some(_) => match self.take_home(conn, info_hash) {
                Some(home) => {
                    self.leave_spots(now, conn, about, home.bridge.into_iter(), out);
                    home.spot
                }
                None => return Verdict::Close,
            },
        };
        self.say(now, spot, words, out)
    }

    fn signal(
        &mut self,
        now: Duration,
        info_hash: InfoHash,
        is_answer: bool,
        words: Words<'_>,
        out: &mut Out,
    ) -> Verdict {
        let Some((spot, bridge)) = self.home(words.conn, info_hash).map(|home| (home.spot, home.bridge))
        else {
            return self.here(now, words.conn, words.text, out);
        };
        // Which of the two cells the offer came by is not kept: where it did not, the answer is dropped.
        if let Some(bridge) = bridge.filter(|_| is_answer) {
            let _ = self.send(now, bridge, Ask::Quiet, words, out);
        }
        self.say(now, spot, words, out)
    }

    /// Each owner answers for its own.
    fn scrape(&mut self, now: Duration, hashes: &[InfoHash], words: Words<'_>, out: &mut Out) -> Verdict {
        let Words { conn, text, .. } = words;
        let me = self.nodes.me();
        let mut by_node: Vec<(NodeId, Vec<InfoHash>)> = Vec::new();
        for &info_hash in hashes {
            let node = self.owner(info_hash, Cell::default()).node;
            match by_node.iter_mut().find(|one| one.0 == node) {
                Some((_, hashes)) => hashes.push(info_hash),
                None => by_node.push((node, vec![info_hash])),
            }
        }
        let is_mine = by_node.iter().all(|one| one.0 == me);
        if is_mine || hashes.len() > self.table_config.hashes_per_scrape {
            return self.here(now, conn, text, out);
        }
        if self.charge(now, conn) == Verdict::Close {
            return self.here(now, conn, text, out);
        }
        for (node, hashes) in by_node {
            let text = peek::scrape(&hashes);
            if node == me {
                let _ = self.here(now, conn, text.as_bytes(), out); // it was charged for
            } else {
                let spot = Spot { cell: Cell::default(), node };
                self.relay(spot, Ask::Reply, Words { text: text.as_bytes(), ..words }, out);
            }
        }
        Verdict::Stay
    }

    /// A client's own words, to who has the cell.
    fn say(&mut self, now: Duration, spot: Spot, words: Words<'_>, out: &mut Out) -> Verdict {
        let is_here = spot.node == self.nodes.me();
        // The first table counts messages itself.
        if !(is_here && spot.cell == Cell::default()) && self.charge(now, words.conn) == Verdict::Close {
            return self.here(now, words.conn, words.text, out);
        }
        self.send(now, spot, Ask::Reply, words, out)
    }

    pub(super) fn send(
        &mut self,
        now: Duration,
        spot: Spot,
        ask: Ask,
        words: Words<'_>,
        out: &mut Out,
    ) -> Verdict {
        if spot.node != self.nodes.me() {
            self.relay(spot, ask, words, out);
            return Verdict::Stay;
        }
        let Some(from) = self.locals.get(&words.conn).map(|local| local.from) else { return Verdict::Close };
        let (verdict, outcome) = self.carry(now, from, spot.cell, words, out);
        let is_member = outcome.standing == Standing::Member;
        match (ask, words.about) {
            (Ask::Reply, Some((info_hash, _))) => {
                self.settle(now, words.conn, info_hash, spot, outcome, out);
            }
            (Ask::Join, Some((info_hash, _))) if !is_member => {
                self.settle(now, words.conn, info_hash, spot, Outcome { reply: None, ..outcome }, out);
            }
            _ => {}
        }
        verdict
    }

    fn relay(&mut self, spot: Spot, ask: Ask, words: Words<'_>, out: &mut Out) {
        let Words { conn, about, text } = words;
        let Some(local) = self.locals.get_mut(&conn) else { return };
        if !local.known_to.contains(&spot.node) {
            local.known_to.push(spot.node);
            *self.sums.entry(spot.node).or_default() ^= mix(conn.0);
        }
        let said = Said { conn: conn.0, cell: spot.cell, ask, locality: local.from, about, text };
        self.post(spot.node, &Envelope::Said(said), out);
    }

    /// Tells a spot all that is known of a member.
    pub(super) fn renew(
        &mut self,
        now: Duration,
        conn: ConnId,
        info_hash: InfoHash,
        spot: Spot,
        ask: Ask,
        out: &mut Out,
    ) {
        let Some(home) = self.home(conn, info_hash) else { return };
        let (peer, presence) = (home.peer, home.presence.clone());
        let words = Words { conn, about: Some((info_hash, peer)), text: presence.as_bytes() };
        let _ = self.send(now, spot, ask, words, out);
    }

    pub(super) fn leave_spots(
        &mut self,
        now: Duration,
        conn: ConnId,
        about: (InfoHash, PeerId),
        spots: impl Iterator<Item = Spot>,
        out: &mut Out,
    ) {
        for spot in spots {
            let text = peek::stopped(about.0, about.1);
            let words = Words { conn, about: Some(about), text: text.as_bytes() };
            let _ = self.send(now, spot, Ask::Quiet, words, out);
        }
    }

    /// An owner has dealt with what a client of this node said, or what was said for it.
    pub(super) fn settle(
        &mut self,
        now: Duration,
        conn: ConnId,
        info_hash: InfoHash,
        spot: Spot,
        outcome: Outcome,
        out: &mut Out,
    ) {
        let Outcome { standing, reply } = outcome;
        // It was ended while the owner's word was on its way.
        if standing == Standing::Member && self.home(conn, info_hash).is_none() {
            return;
        }
        if let Some(home) = self.home(conn, info_hash).filter(|home| home.spot == spot) {
            match standing {
                Standing::Member => {
                    home.confirmed = true;
                    self.forget_pending(conn, info_hash);
                }
                // By its own former connection, perhaps, at a node that is no more: all know that soon. It is tried again.
                Standing::Taken
                    if !home.confirmed && home.pending.as_ref().is_some_and(|one| one.sent < SENDS) =>
                {
                    return;
                }
                // The owner knows nothing of a member: it thought this node was gone.
                Standing::Stranger | Standing::Taken if home.confirmed => {
                    home.confirmed = false;
                    self.forget_pending(conn, info_hash);
                    self.renew(now, conn, info_hash, spot, Ask::Join, out);
                }
                Standing::Stranger | Standing::Taken => {
                    if let Some(home) = self.take_home(conn, info_hash) {
                        let about = (info_hash, home.peer);
                        self.leave_spots(now, conn, about, home.bridge.into_iter(), out);
                    }
                }
            }
        }
        if let Some(mut text) = reply.filter(|text| !text.is_empty()) {
            let lease = self.leases.get((conn, info_hash)).filter(|_| standing == Standing::Member);
            if let Some(lease) = lease.filter(|_| text.contains(r#""interval":"#) && text.ends_with('}')) {
                reply::add_lease(&mut text, lease);
            }
            self.add_hint(conn, spot.node, &mut text);
            out.texts.push(Outgoing { to: conn, text, cause: Cause::Receiver });
        }
    }

    /// Tells a client that asked for candidates, and so is one of ours, where it would be nearer to its swarm.
    fn add_hint(&self, conn: ConnId, node: NodeId, text: &mut String) {
        let only = self.locals.get(&conn).is_some_and(|local| local.homes.len() == 1);
        let Some(url) = self.nodes.url(node).filter(|_| only && text.contains(r#""candidates":["#)) else {
            return;
        };
        if text.ends_with('}') {
            text.truncate(text.len() - 1);
            text.push_str(&format!(r#","go to":{}}}"#, serde_json::Value::from(url)));
        }
    }

    /// Refuses what a client of this node said.
    pub(super) fn tell(&mut self, conn: ConnId, info_hash: InfoHash, refusal: &Refusal, out: &mut Out) {
        self.refused += 1;
        self.denied += u64::from(refusal.denial().is_some());
        let text = refused(info_hash, refusal);
        out.texts.push(Outgoing { to: conn, text, cause: Cause::Receiver });
    }

    pub(super) fn home(&mut self, conn: ConnId, info_hash: InfoHash) -> Option<&mut Home> {
        let local = self.locals.get_mut(&conn)?;
        let place = local.place(info_hash)?;
        local.homes.get_mut(place)
    }

    pub(super) fn take_home(&mut self, conn: ConnId, info_hash: InfoHash) -> Option<Home> {
        self.leases.set((conn, info_hash), None);
        let local = self.locals.get_mut(&conn)?;
        let home = local.homes.swap_remove(local.place(info_hash)?);
        self.pending_bytes -= pending_len(&home);
        Some(home)
    }

    pub(super) fn forget_pending(&mut self, conn: ConnId, info_hash: InfoHash) {
        let Some(home) = self.home(conn, info_hash) else { return };
        let len = pending_len(home);
        home.pending = None;
        self.pending_bytes -= len;
    }
}

/// An error about an announce in a swarm.
pub(super) fn refused(info_hash: InfoHash, refusal: &Refusal) -> String {
    let mut name = String::new();
    info_hash.push_json(&mut name);
    reply::refused(About { info_hash: Some(&name), ..About::default() }, refusal)
}
