//! The tables of this node, for its own clients and for those of others.

use std::time::Duration;

use super::{
    Cluster, News, Out, Outcome, To, Words, client,
    envelope::{self, Ask, Beat, Envelope, Reply, Said, Standing},
    notices::Progress,
    place::{Cell, Level, NodeId, Spot},
    relayed::Handle,
};
use crate::{Cause, ConnId, Denial, InfoHash, Locality, Outgoing, PeerId, Table, Verdict, refusal::Refusal};

impl Cluster {
    /// Takes in what another node sent. Any bytes will do: those that mean nothing are counted.
    pub fn receive(&mut self, now: Duration, bytes: &[u8], out: &mut Out) {
        let Some((from, envelope)) = envelope::read(bytes) else {
            self.bad += 1;
            return;
        };
        if from == self.nodes.me() {
            return; // what is for all comes back
        }
        self.received += 1;
        match envelope {
            Envelope::Beat(beat) => self.handle_beat(now, from, &beat, out),
            _ if !self.nodes.handle_heard(now, from) => self.bad += 1,
            Envelope::Said(said) if said.text.len() > self.table_config.message_bytes => self.bad += 1,
            Envelope::Said(said) => self.handle_said(now, from, said, out),
            Envelope::Gone { conn } => {
                if let Some(conn) = self.relayed.remove(Handle { node: from, conn }) {
                    self.leave_tables(conn);
                }
            }
            Envelope::Reply(reply) => self.handle_reply(now, from, reply, out),
            Envelope::Sum(sum) => self.handle_sum(now, from, sum, out),
            Envelope::Again => {
                self.forget_known(from);
                self.telling.insert(from);
                self.look_for_moves();
            }
            Envelope::Pass { conn, text } => {
                let to = ConnId(conn);
                if self.locals.contains_key(&to) {
                    out.texts.push(Outgoing { to, text: text.to_owned(), cause: Cause::Other(None) });
                }
            }
            Envelope::Used(all) => self.handle_used(from, &all, out),
            Envelope::Fetch(wanted) => {
                let part = self.notices.part(wanted).map(|part| Envelope::Part(part).write(self.nodes.me()));
                if let Some(bytes) = part {
                    self.ship(To::Node(from), bytes, out);
                }
            }
            Envelope::Part(part) => match self.notices.handle_part(now, from, &part) {
                Some(Progress::More(wanted)) => self.post(from, &Envelope::Fetch(wanted), out),
                Some(Progress::Whole(notice)) => out.news.push(News::Notice(notice)),
                None => {}
            },
            Envelope::Size { info_hash, cell, members } => {
                if self.owner(info_hash, Cell::default()).node == self.nodes.me() {
                    self.levels.handle_size(now, info_hash, cell, members as usize);
                }
            }
        }
    }

    fn handle_beat(&mut self, now: Duration, from: NodeId, beat: &Beat, out: &mut Out) {
        let mut changed = self.nodes.handle_beat(now, from, beat);
        for &(info_hash, level) in &beat.levels {
            let is_known = self.levels.get(info_hash) != Level::default();
            if !is_known || self.owner(info_hash, Cell::default()).node == from {
                changed |= self.levels.handle_told(now, info_hash, level);
            }
        }
        if let Some(wanted) = self.notices.handle_told(now, self.config.live, from, &beat.notices) {
            self.post(from, &Envelope::Fetch(wanted), out);
        }
        // What its owner no longer speaks of is one swarm again.
        let told = |info_hash| beat.levels.iter().any(|one| one.0 == info_hash);
        let split = self.levels.split().map(|one| one.0);
        let joined: Vec<InfoHash> =
            split.filter(|&one| self.owner(one, Cell::default()).node == from && !told(one)).collect();
        for info_hash in joined {
            changed |= self.levels.handle_told(now, info_hash, Level::default());
        }
        if changed {
            self.look_for_moves();
        }
    }

    fn handle_said(&mut self, now: Duration, from: NodeId, said: Said<'_>, out: &mut Out) {
        let handle = Handle { node: from, conn: said.conn };
        let info_hash = said.about.map(|about| about.0);
        let most = self.config.relayed;
        let outcome = match self.relayed.enter(now, handle, most) {
            Some(conn) => {
                let words = Words { conn, about: said.about, text: said.text };
                self.carry(now, said.locality, said.cell, words, out).1
            }
            None => {
                let refusal = Refusal::SwarmFull { retry: self.table_config.interval };
                let reply = client::refused(info_hash.unwrap_or(InfoHash([0; 20])), &refusal);
                Outcome { standing: Standing::Stranger, reply: Some(reply) }
            }
        };
        let is_member = outcome.standing == Standing::Member;
        let text = match said.ask {
            Ask::Reply if is_member && outcome.reply.is_none() => return,
            Ask::Reply => outcome.reply.as_deref().unwrap_or_default(),
            Ask::Join if !is_member => "",
            Ask::Join | Ask::Quiet => return,
        };
        let reply =
            Reply { conn: said.conn, cell: said.cell, about: info_hash, standing: outcome.standing, text };
        self.post(from, &Envelope::Reply(reply), out);
    }

    /// Something was lost, and it cannot be known what: that node's connections are all new from here on.
    fn handle_sum(&mut self, now: Duration, from: NodeId, sum: u64, out: &mut Out) {
        let asked = self.asked.get(&from).is_some_and(|&at| now.saturating_sub(at) < self.config.again_after);
        if sum == self.relayed.sum(from) || asked {
            return;
        }
        self.asked.insert(from, now);
        for conn in self.relayed.remove_node(from) {
            self.leave_tables(conn);
        }
        self.post(from, &Envelope::Again, out);
    }

    fn handle_reply(&mut self, now: Duration, from: NodeId, reply: Reply<'_>, out: &mut Out) {
        let conn = ConnId(reply.conn);
        if !self.locals.contains_key(&conn) {
            return; // it has gone in the meantime
        }
        let text = reply.text.to_owned();
        match reply.about {
            Some(info_hash) => {
                let spot = Spot { cell: reply.cell, node: from };
                let outcome = Outcome { standing: reply.standing, reply: Some(text) };
                self.settle(now, conn, info_hash, spot, outcome, out);
            }
            None => out.texts.push(Outgoing { to: conn, text, cause: Cause::Receiver }),
        }
    }

    /// Lets a table carry out a message, and passes on what is for others.
    pub(super) fn carry(
        &mut self,
        now: Duration,
        from: Locality,
        cell: Cell,
        words: Words<'_>,
        out: &mut Out,
    ) -> (Verdict, Outcome) {
        let Words { conn, about, text } = words;
        let mut outgoing = std::mem::take(&mut self.scratch);
        let table = self.table(cell);
        if table.connect(conn, from).is_err() {
            return (Verdict::Stay, Outcome { standing: Standing::Stranger, reply: None });
        }
        let holder = about.and_then(|(info_hash, peer)| table.holder(info_hash, peer));
        let verdict = table.handle(now, conn, text, &mut outgoing);
        let verdict = resolve(table, now, verdict, about, &mut outgoing);
        let standing = match about {
            Some((info_hash, _)) if !table.is_member(conn, info_hash) => match holder {
                Some(holder) if holder != conn => Standing::Taken,
                _ => Standing::Stranger,
            },
            _ => Standing::Member,
        };
        let mut reply = None;
        for one in outgoing.drain(..) {
            if one.cause == Cause::Receiver {
                reply = Some(one.text);
            } else {
                self.pass(conn, one, out);
            }
        }
        self.scratch = outgoing;
        (verdict, Outcome { standing, reply })
    }

    /// What one peer sends another. Across nodes nobody is told that there was no room for it.
    fn pass(&mut self, sender: ConnId, one: Outgoing, out: &mut Out) {
        if let Some(Handle { node, conn }) = self.relayed.handle(one.to) {
            self.post(node, &Envelope::Pass { conn, text: &one.text }, out);
        } else {
            let cause = if self.locals.contains_key(&sender) { one.cause } else { Cause::Other(None) };
            out.texts.push(Outgoing { cause, ..one });
        }
    }

    /// Ends all memberships of a swarm that are kept here and tells each of it; says how many.
    pub fn close_swarm(&mut self, info_hash: InfoHash, out: &mut Out) -> usize {
        let (mut told, mut closed) = (Vec::new(), 0);
        for table in self.tables.values_mut() {
            closed += table.close_swarm(info_hash, &mut told);
        }
        for one in told {
            self.pass(one.to, one, out);
        }
        closed
    }

    /// What is kept here.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values()
    }

    /// Whether it is a connection of this node's own.
    pub fn is_client(&self, conn: ConnId) -> bool {
        self.locals.contains_key(&conn)
    }

    /// The table of a cell's number, a new one if there was none.
    pub(super) fn table(&mut self, cell: Cell) -> &mut Table {
        self.tables.entry(cell).or_insert_with(|| {
            let connections = self.table_config.connections.saturating_add(self.config.relayed);
            let config = crate::Config { connections, ..self.table_config.clone() };
            Table::new(config, self.seed.wrapping_add(u64::from(cell.0)))
        })
    }

    pub(super) fn leave_tables(&mut self, conn: ConnId) {
        self.tables.values_mut().for_each(|table| table.disconnect(conn));
    }
}

/// Answers a table's question whether somebody may join: under the names that the client's own node has looked at, he may.
pub(super) fn resolve(
    table: &mut Table,
    now: Duration,
    verdict: Verdict,
    about: Option<(InfoHash, PeerId)>,
    outgoing: &mut Vec<Outgoing>,
) -> Verdict {
    let Verdict::Ask(question) = verdict else { return verdict };
    let answer = match about == Some((question.info_hash, question.peer_id)) {
        true => Ok(None),
        false => Err(Denial::plain("refused", "this message does not say plainly who joins which swarm")),
    };
    table.answer(now, *question, answer, outgoing);
    Verdict::Stay
}
