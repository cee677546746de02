//! What a node does by the clock: its beat, and what follows when others are heard no more, when announces are not answered, or when
//! memberships have to move.

use std::time::Duration;

use super::{
    Cluster, Out, Words,
    client::SENDS,
    envelope::{Ask, Beat, Envelope, SPLIT},
    place::{Cell, NodeId, Spot},
};
use crate::{ConnId, InfoHash};

impl Cluster {
    /// To be called some times per beat.
    pub fn tick(&mut self, now: Duration, out: &mut Out) {
        self.expire_nodes(now);
        self.end_leases(now, out);
        self.tell_tokens(out);
        if self.beat_at.is_none_or(|at| now >= at) {
            self.beat_at = Some(now + self.config.beat_every);
            self.beat(out);
        }
        if now >= self.sizes_at {
            self.sizes_at = now + self.config.sizes_every;
            self.weigh(now, out);
            for (node, sum) in self.sums.clone() {
                self.post(node, &Envelope::Sum(sum), out);
            }
        }
        self.send_again(now, out);
        self.move_some(now, out);
    }

    /// Removes the members that have been silent for too long and says how many. To be called a few times per interval.
    pub fn expire(&mut self, now: Duration) -> usize {
        let gone = self.tables.values_mut().map(|table| table.expire(now)).sum();
        for conn in self.relayed.expire(now, self.table_config.lifetime()) {
            self.leave_tables(conn);
        }
        self.tables.retain(|&cell, table| cell == Cell::default() || table.stats().members > 0);
        gone
    }

    fn expire_nodes(&mut self, now: Duration) {
        let (gone, changed) = self.nodes.expire(now, self.config.live);
        for node in gone {
            for conn in self.relayed.remove_node(node) {
                self.leave_tables(conn);
            }
            self.forget_known(node);
            self.asked.remove(&node);
            self.notices.forget(node);
        }
        if changed {
            self.look_for_moves();
        }
    }

    /// Another node knows nothing of this one's connections.
    pub(super) fn forget_known(&mut self, node: NodeId) {
        self.locals.values_mut().for_each(|local| local.known_to.retain(|&one| one != node));
        self.sums.remove(&node);
    }

    fn beat(&mut self, out: &mut Out) {
        let levels = self.levels.split().filter(|one| self.is_first_here(one.0)).take(SPLIT);
        let beat = Beat {
            draining: self.nodes.is_draining(),
            url: self.config.url.clone().unwrap_or_default(),
            hears: self.nodes.heard(),
            notices: self.notices.held().collect(),
            levels: levels.collect(),
        };
        self.post_all(&Envelope::Beat(beat), out);
    }

    fn is_first_here(&self, info_hash: InfoHash) -> bool {
        self.owner(info_hash, Cell::default()).node == self.nodes.me()
    }

    /// Tells the owners of first cells how big the others are, and decides about those whose first cell is here.
    fn weigh(&mut self, now: Duration, out: &mut Out) {
        let mut sizes = Vec::new();
        for (&cell, table) in &self.tables {
            let is_worth_a_word = |info_hash, members| {
                cell != Cell::default()
                    || members > self.config.cell_most
                    || self.levels.get(info_hash).cells() > 1
            };
            let told = table.sizes().filter(|&(info_hash, members)| is_worth_a_word(info_hash, members));
            sizes.extend(told.map(|(info_hash, members)| (info_hash, cell, members)));
        }
        for (info_hash, cell, members) in sizes {
            let first = self.owner(info_hash, Cell::default());
            if first.node == self.nodes.me() {
                self.levels.handle_size(now, info_hash, cell, members);
            } else {
                let members = u32::try_from(members).unwrap_or(u32::MAX);
                self.post(first.node, &Envelope::Size { info_hash, cell, members }, out);
            }
        }
        let mut changed = self.levels.decide(now, &self.config);
        let (me, owners) = (self.nodes.me(), self.nodes.owners());
        let is_mine = |info_hash| {
            super::owner(info_hash, Cell::default(), owners.iter().copied()).is_none_or(|node| node == me)
        };
        changed |= self.levels.expire(now, is_mine);
        if changed {
            self.look_for_moves();
        }
    }

    fn send_again(&mut self, now: Duration, out: &mut Out) {
        while let Some(&(due, conn, info_hash)) = self.awaiting.front()
            && due <= now
        {
            self.awaiting.pop_front();
            let Some(home) = self.home(conn, info_hash) else { continue };
            let Some(pending) = &mut home.pending else { continue };
            if pending.sent >= SENDS {
                self.forget_pending(conn, info_hash);
                continue;
            }
            pending.sent += 1;
            self.awaiting.push_back((now + self.config.live, conn, info_hash));
            self.repeat(now, conn, info_hash, out);
        }
    }

    /// Sends the announce that waits for its answer.
    fn repeat(&mut self, now: Duration, conn: ConnId, info_hash: InfoHash, out: &mut Out) {
        let Some(home) = self.home(conn, info_hash) else { return };
        let (about, spot) = ((info_hash, home.peer), home.spot);
        let kept = home.pending.as_ref().and_then(|pending| pending.text.clone());
        let text = kept.unwrap_or_else(|| home.presence.as_bytes().into());
        let words = Words { conn, about: Some(about), text: &text };
        let _ = self.send(now, spot, Ask::Reply, words, out);
    }

    pub(super) fn look_for_moves(&mut self) {
        self.moving_from = Some(ConnId(0));
    }

    fn move_some(&mut self, now: Duration, out: &mut Out) {
        let Some(from) = self.moving_from else { return };
        let (mut looked, mut homes, mut next) = (0, Vec::new(), None);
        for (&conn, local) in self.locals.range(from..) {
            if looked >= self.config.moves_per_tick {
                next = Some(conn);
                break;
            }
            looked += local.homes.len().max(1);
            homes.extend(local.homes.iter().map(|home| (conn, home.info_hash)));
        }
        self.moving_from = next;
        for (conn, info_hash) in homes {
            self.move_home(now, conn, info_hash, out);
        }
        if next.is_none() {
            self.telling.clear();
        }
    }

    fn move_home(&mut self, now: Duration, conn: ConnId, info_hash: InfoHash, out: &mut Out) {
        let Some(local) = self.locals.get_mut(&conn) else { return };
        let Some(place) = local.place(info_hash) else { return };
        let peer = local.homes[place].peer;
        let level = self.levels.get(info_hash);
        let Some((spot, bridge)) = local.wanted(info_hash, peer, level, self.nodes.owners()) else { return };
        let home = &mut local.homes[place];
        let old: Vec<Spot> = home.spots().collect();
        let waits = home.pending.is_some();
        (home.spot, home.bridge) = (spot, bridge);
        let new = [Some(spot), bridge];
        let left = old.iter().copied().filter(|&one| !new.contains(&Some(one)));
        self.leave_spots(now, conn, (info_hash, peer), left, out);
        let tells_spot = old[0] != spot || self.telling.contains(&spot.node);
        let tells_bridge = bridge.filter(|one| !old.contains(one) || self.telling.contains(&one.node));
        if tells_spot {
            match waits {
                true => self.repeat(now, conn, info_hash, out),
                false => self.renew(now, conn, info_hash, spot, Ask::Join, out),
            }
        }
        if let Some(bridge) = tells_bridge {
            self.renew(now, conn, info_hash, bridge, Ask::Quiet, out);
        }
    }
}
