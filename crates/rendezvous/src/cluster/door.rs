//! Who may join, in a cluster. A client is judged at the node it is connected to: that has its challenge, the keys and the other server's
//! word. What comes from another node has been judged there. So a token that was shown, and a list of takedowns, have to be known to all.
//!
//! The invariant: no table lets anybody in but under the very names that the client's own node has admitted.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Cluster, News, Notice, Out, Words, client,
    envelope::{Ask, Envelope, TOKENS, Used},
    local::Home,
    notices::Topic,
    peek::{self, Peek},
    place::NodeId,
};
use crate::{
    Cause, ConnId, Denial, InfoHash, Lease, Outgoing, PeerId, Question, TokenId, Verdict, admission::Held,
    refusal::Refusal,
};

/// What an announce shows to be let in.
pub(super) struct Shown {
    pub(super) token: Option<String>,
    pub(super) proof: Option<String>,
}

impl Cluster {
    /// Has documents of this topic fetched from other nodes: [`News::Notice`].
    pub fn follow(&mut self, topic: Topic) {
        self.notices.follow(topic);
    }

    /// Lets all other nodes that follow its topic have a document, if it is newer than the one before.
    pub fn publish(&mut self, notice: Notice) {
        if self.notices.keep(notice) {
            self.beat_at = None;
        }
    }

    /// Carries out what waited for an answer: somebody joins, for as long as the lease lasts if there is one, or is told why not. If
    /// the connection is gone by now, or has said that it leaves, nothing happens.
    pub fn answer(
        &mut self,
        now: Duration,
        question: Question,
        answer: Result<Option<Lease>, Denial>,
        out: &mut Out,
    ) {
        let Question { conn, info_hash, peer_id, held, .. } = question;
        let Held::Text(text) = held else { return };
        if !self.questions.remove(conn, info_hash) {
            return;
        }
        let lease = match answer {
            Ok(lease) => lease,
            Err(why) => return self.tell(conn, info_hash, &Refusal::Denied(Box::new(why)), out),
        };
        let Peek::Announce { presence, .. } = peek::peek(&text, self.table_config.message_bytes) else {
            return;
        };
        let words = Words { conn, about: Some((info_hash, peer_id)), text: &text };
        let Some(spot) = self.settle_in(now, (info_hash, peer_id), presence, words, out) else { return };
        self.leases.set((conn, info_hash), lease);
        if let Some(lease) = lease {
            let used = Used { token: lease.token, until_unix_secs: lease.until_unix_secs };
            self.post_all(&Envelope::Used(vec![used]), out);
        }
        let _ = self.send(now, spot, Ask::Reply, words, out); // it was charged for when it came
    }

    /// The swarms that clients of this node are in.
    pub fn swarms(&self) -> BTreeSet<InfoHash> {
        self.locals.values().flat_map(|local| &local.homes).map(|home| home.info_hash).collect()
    }

    /// Ends all memberships of this node's clients in a swarm, tells them why, and says how many they were. Each node does so for its own.
    pub fn empty(&mut self, now: Duration, info_hash: InfoHash, why: &Denial, out: &mut Out) -> usize {
        let members = self.locals.iter().filter(|(_, local)| local.place(info_hash).is_some());
        let members: Vec<ConnId> = members.map(|(&conn, _)| conn).collect();
        members.iter().for_each(|&conn| self.dismiss(now, conn, info_hash, why, out));
        members.len()
    }

    /// A token that `other` has let somebody in by has let somebody in here as well, at about the same time. Of the two nodes the one with
    /// the lower id keeps the membership. Whether one ended here.
    pub fn end_twice_used(&mut self, now: Duration, token: TokenId, other: NodeId, out: &mut Out) -> bool {
        let there = self.leases.iter().find(|(_, lease)| lease.token == token);
        let Some(((conn, info_hash), _)) = there.filter(|_| other < self.nodes.me()) else { return false };
        let why = Denial::plain("spent", "the token was used at another tracker as well");
        self.dismiss(now, conn, info_hash, &why, out);
        true
    }

    /// Whether somebody else has to say first if the announce may be carried out.
    pub(super) fn is_to_be_asked(&self, conn: ConnId, about: (InfoHash, PeerId), shows: bool) -> bool {
        let (info_hash, peer) = about;
        let local = self.locals.get(&conn);
        let home = local.and_then(|local| local.homes.get(local.place(info_hash)?));
        self.table_config.asks && (shows || home.is_none_or(|home| home.peer != peer))
    }

    /// Asks, unless it is refused already.
    pub(super) fn ask(
        &mut self,
        now: Duration,
        (info_hash, peer_id): (InfoHash, PeerId),
        shown: Shown,
        words: Words<'_>,
        out: &mut Out,
    ) -> Verdict {
        let Words { conn, text, .. } = words;
        if self.charge(now, conn) == Verdict::Close {
            return self.here(now, conn, text, out);
        }
        let limit = self.table_config.swarms_per_connection;
        let Some(local) = self.locals.get(&conn) else { return Verdict::Close };
        let (is_new, swarms) = (local.place(info_hash).is_none(), local.homes.len());
        let room = match self.table(Default::default()).take_room(now, conn) {
            Ok(()) if is_new && swarms + self.questions.len(conn) >= limit => {
                Err(Refusal::TooManySwarms { limit })
            }
            Ok(()) if !self.questions.add(conn, info_hash) => Err(Refusal::Asked),
            room => room,
        };
        if let Err(refusal) = room {
            self.tell(conn, info_hash, &refusal, out);
            return Verdict::Stay;
        }
        let Shown { token, proof } = shown;
        Verdict::Ask(Box::new(Question {
            conn,
            info_hash,
            peer_id,
            token,
            proof,
            held: Held::Text(text.into()),
        }))
    }

    /// Ends the memberships whose leases are over.
    pub(super) fn end_leases(&mut self, now: Duration, out: &mut Out) {
        while let Some((conn, info_hash)) = self.leases.due(now) {
            self.dismiss(now, conn, info_hash, &Denial::expired(), out);
        }
    }

    /// Ends a membership of a client of this node, and tells it why.
    fn dismiss(&mut self, now: Duration, conn: ConnId, info_hash: InfoHash, why: &Denial, out: &mut Out) {
        let Some(home) = self.take_home(conn, info_hash) else { return };
        self.leave_spots(now, conn, (info_hash, home.peer), Home::spots(&home), out);
        let text = client::refused(info_hash, &Refusal::Denied(Box::new(why.clone())));
        out.texts.push(Outgoing { to: conn, text, cause: Cause::Other(None) });
    }

    /// Tells nodes that were not there before by which tokens clients of this one are in: they may have let in others by them.
    pub(super) fn tell_tokens(&mut self, out: &mut Out) {
        let linked: BTreeSet<NodeId> = self.nodes.linked().collect();
        let new: Vec<NodeId> = linked.difference(&self.told_tokens).copied().collect();
        self.told_tokens = linked;
        if new.is_empty() {
            return;
        }
        let used = self
            .leases
            .iter()
            .map(|(_, lease)| Used { token: lease.token, until_unix_secs: lease.until_unix_secs });
        let used: Vec<Used> = used.collect();
        for some in used.chunks(TOKENS) {
            new.iter().for_each(|&node| self.post(node, &Envelope::Used(some.to_vec()), out));
        }
    }

    /// Tokens by which another node has let clients in.
    pub(super) fn handle_used(&mut self, from: NodeId, all: &[Used], out: &mut Out) {
        if self.table_config.asks {
            let news = all.iter().map(|&Used { token, until_unix_secs }| News::Used {
                token,
                until_unix_secs,
                by: from,
            });
            out.news.extend(news);
        }
    }
}
