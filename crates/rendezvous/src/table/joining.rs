//! Who comes in, and who has to go.

use std::time::Duration;

use super::Table;
use crate::{
    Denial, InfoHash, Lease, Outgoing, PeerId, Question,
    admission::Held,
    groups::Key,
    message::{About, Announce},
    outgoing::{Cause, ConnId},
    refusal::Refusal,
    reply,
    sdp::{host, is_inside},
    site::Standing,
};

impl Table {
    /// Carries out what waited for an answer: somebody joins, for as long as the lease lasts if there is one, or is told why not. If
    /// the connection is gone by now, or has said that it leaves, nothing happens.
    pub fn answer(
        &mut self,
        now: Duration,
        question: Question,
        answer: Result<Option<Lease>, Denial>,
        out: &mut Vec<Outgoing>,
    ) {
        let Question { conn, info_hash, peer_id, held, .. } = question;
        self.end_leases(now, out);
        let Held::Announce(announce) = held else { return };
        if !self.questions.remove(conn, info_hash) {
            return;
        }
        let done = answer.map_err(|why| Refusal::Denied(Box::new(why))).and_then(|lease| {
            // While the question waited another one may have taken the name, or the room.
            if !self.check_name(conn, info_hash, peer_id)? {
                self.check_room(conn, info_hash)?;
                self.join(now, conn, info_hash, peer_id);
            }
            self.leases.set((info_hash, peer_id), lease);
            Ok(())
        });
        match done {
            Ok(()) => self.carry_out(now, conn, announce, out),
            Err(refusal) => {
                self.stats.denied += u64::from(matches!(refusal, Refusal::Denied(_)));
                let info_hash = json(info_hash);
                let about = About { info_hash: Some(&info_hash), ..About::default() };
                self.refuse(conn, about, &refusal, out);
            }
        }
    }

    /// Ends the memberships whose leases are over, and tells those whose they were. Every message does so first; to be called beside
    /// that while there are none.
    pub fn end_leases(&mut self, now: Duration, out: &mut Vec<Outgoing>) {
        while let Some((info_hash, peer)) = self.leases.due(now) {
            self.dismiss(info_hash, peer, &Refusal::Denied(Box::new(Denial::expired())), out);
        }
    }

    /// The swarms that there are.
    pub fn swarms(&self) -> impl Iterator<Item = InfoHash> + '_ {
        self.swarms.keys().copied()
    }

    /// Ends all memberships of a swarm, tells those whose they were why, and says how many they were.
    pub fn empty(&mut self, info_hash: InfoHash, why: &Denial, out: &mut Vec<Outgoing>) -> usize {
        self.dismiss_all(info_hash, &Refusal::Denied(Box::new(why.clone())), out)
    }

    /// The same for whatever reason.
    pub(super) fn dismiss_all(
        &mut self,
        info_hash: InfoHash,
        why: &Refusal,
        out: &mut Vec<Outgoing>,
    ) -> usize {
        let Some(swarm) = self.swarms.get(&info_hash) else { return 0 };
        let peers: Vec<PeerId> = swarm.members().iter().map(|member| member.peer).collect();
        peers.iter().for_each(|&peer| self.dismiss(info_hash, peer, why, out));
        peers.len()
    }

    /// Ends a membership, and says why to whose it was.
    fn dismiss(&mut self, info_hash: InfoHash, peer: PeerId, why: &Refusal, out: &mut Vec<Outgoing>) {
        let member = self.swarms.get(&info_hash).and_then(|swarm| swarm.get(peer));
        let Some(to) = member.map(|member| member.conn) else {
            return self.leases.set((info_hash, peer), None);
        };
        self.leave(to, info_hash, peer);
        let info_hash = json(info_hash);
        let text = reply::refused(About { info_hash: Some(&info_hash), ..About::default() }, why);
        out.push(Outgoing { to, text, cause: Cause::Other(None) });
    }

    /// Asks whether the announce may be carried out.
    pub(super) fn ask(&mut self, conn: ConnId, mut announce: Announce) -> Result<Box<Question>, Refusal> {
        let Announce { info_hash, peer_id, .. } = announce;
        if !self.questions.add(conn, info_hash) {
            return Err(Refusal::Asked);
        }
        let (token, proof) = (announce.token.take(), announce.proof.take());
        Ok(Box::new(Question { conn, info_hash, peer_id, token, proof, held: Held::Announce(announce) }))
    }

    /// Whether a connection that is not in the swarm could join it.
    pub(super) fn check_room(&self, conn: ConnId, info_hash: InfoHash) -> Result<(), Refusal> {
        let Self { config, connections, swarms, .. } = self;
        let connection = connections.get(&conn).ok_or(Refusal::NotMember)?;
        let limit = config.swarms_per_connection;
        if connection.memberships.len() + self.questions.len(conn) >= limit {
            return Err(Refusal::TooManySwarms { limit });
        }
        let (from, standing, retry) = (connection.from, connection.standing, config.interval);
        if let Some(swarm) = swarms.get(&info_hash) {
            if swarm.len() >= config.members_per_swarm {
                return Err(Refusal::SwarmFull { retry });
            }
            let limit = config.members_per_address;
            let public = standing == Standing::Public && !is_inside(from.address);
            if public && swarm.groups().len(Key::Host(host(from.address))) >= limit {
                return Err(Refusal::AddressFull { limit, retry });
            }
        }
        Ok(())
    }

    /// Begins a membership for which there is room.
    pub(super) fn join(&mut self, now: Duration, conn: ConnId, info_hash: InfoHash, peer: PeerId) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        // Nearly all are in one swarm.
        connection.memberships.reserve_exact(1);
        connection.memberships.push((info_hash, peer));
        let (from, standing) = (connection.from, connection.standing);
        self.swarms.entry(info_hash).or_default().insert(now, peer, conn, from, standing);
        self.members += 1;
    }
}

fn json(info_hash: InfoHash) -> String {
    let mut json = String::new();
    info_hash.push_json(&mut json);
    json
}
