//! Connections, the swarms they are in, and what each message does to them.

mod allowance;
mod joining;
mod looks;
mod overview;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use crate::{
    Config, Counts, InfoHash, Locality, PeerId,
    admission::{Leases, Questions},
    candidates,
    connection::Connection,
    member::Member,
    message::{self, About, Announce, Event, Request, Signal},
    networks::Networks,
    outgoing::{Cause, ConnId, Outgoing, Verdict},
    refusal::Refusal,
    reply,
    rng::Rng,
    sdp::Relation,
    swarm::Swarm,
};

pub use overview::{Overview, Seen, SiteCount};

/// The server has as many connections as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room for another connection")]
pub struct Full;

/// What there is at this moment, and what was done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Open connections.
    pub connections: usize,
    /// Members of all swarms together.
    pub members: usize,
    /// Swarms with at least one member.
    pub swarms: usize,
    /// Announces carried out.
    pub announces: u64,
    /// Offers passed on.
    pub offers: u64,
    /// Answers passed on.
    pub answers: u64,
    /// Answers that nobody waited for, dropped.
    pub unexpected_answers: u64,
    /// Messages refused with an error.
    pub refused: u64,
    /// Of these, announces of those who may not join.
    pub denied: u64,
}

/// The tracker without its sockets: see the [crate] for an example.
///
/// Times are durations since one fixed moment of the caller's choice and do not run backwards.
#[derive(Debug)]
pub struct Table {
    config: Config,
    rng: Rng,
    /// Boxed, because a tree that grows at its end is half empty.
    connections: BTreeMap<ConnId, Box<Connection>>,
    swarms: BTreeMap<InfoHash, Swarm>,
    leases: Leases<(InfoHash, PeerId)>,
    questions: Questions,
    networks: Networks,
    members: usize,
    stats: Stats,
}

impl Table {
    /// An empty table. The seed decides who is drawn from a swarm: a server takes an unpredictable one.
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            config,
            rng: Rng::new(seed),
            connections: BTreeMap::new(),
            swarms: BTreeMap::new(),
            leases: Leases::default(),
            questions: Questions::default(),
            networks: Networks::default(),
            members: 0,
            stats: Stats::default(),
        }
    }

    /// The figures it keeps to.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A connection opened, from there.
    ///
    /// # Errors
    /// [`Full`] at the limit; nothing is kept then.
    pub fn connect(&mut self, conn: ConnId, from: Locality) -> Result<(), Full> {
        if self.connections.len() >= self.config.connections {
            return Err(Full);
        }
        self.connections.entry(conn).or_insert_with(|| Box::new(Connection::new(from, &self.config)));
        Ok(())
    }

    /// A connection ended, which takes it out of all its swarms.
    pub fn disconnect(&mut self, conn: ConnId) {
        let memberships = self.connections.remove(&conn).map_or(Vec::new(), |gone| gone.memberships);
        memberships.into_iter().for_each(|(info_hash, peer)| self.leave_swarm(info_hash, peer));
        self.questions.forget(conn);
    }

    /// Takes in a message and adds what is to be sent to `out`, in order. Any bytes will do: what cannot be understood
    /// is answered with an error.
    pub fn handle(&mut self, now: Duration, conn: ConnId, text: &[u8], out: &mut Vec<Outgoing>) -> Verdict {
        self.end_leases(now, out);
        let Some(sender) = self.connections.get_mut(&conn) else { return Verdict::Close };
        if !sender.messages.take(now, self.config.messages) {
            self.refuse(conn, About::default(), &Refusal::TooManyMessages, out);
            return Verdict::Close;
        }
        if !sender.has_network_room(now, &mut self.networks, &self.config) {
            let refusal = Refusal::BusyNetwork { retry: self.config.interval / 4 };
            self.refuse(conn, About::default(), &refusal, out);
            return Verdict::Stay;
        }
        let (about, request) = message::parse(text, &self.config);
        let done = match request {
            Ok(Request::Announce(announce)) => self.announce(now, conn, announce, out),
            Ok(Request::Directed(signal)) => self.directed(now, conn, about, signal, out),
            Ok(Request::Answer(signal)) => {
                self.relay_answer(now, conn, signal, out);
                Ok(Verdict::Stay)
            }
            Ok(Request::Scrape(hashes)) => self.scrape(now, conn, hashes, out),
            Err(refusal) => Err(refusal),
        };
        done.unwrap_or_else(|refusal| {
            self.refuse(conn, about, &refusal, out);
            Verdict::Stay
        })
    }

    /// Removes the members that have been silent for too long and says how many. To be called a few times per
    /// interval.
    pub fn expire(&mut self, now: Duration) -> usize {
        let lifetime = self.config.lifetime();
        let mut gone = Vec::new();
        for (&info_hash, swarm) in &self.swarms {
            let silent =
                swarm.members().iter().filter(|member| now.saturating_sub(member.last_seen) >= lifetime);
            gone.extend(silent.map(|member| (info_hash, member.peer, member.conn)));
        }
        for &(info_hash, peer, conn) in &gone {
            self.leave(conn, info_hash, peer);
        }
        gone.len()
    }

    /// What is there, and what was done.
    pub fn stats(&self) -> Stats {
        Stats {
            connections: self.connections.len(),
            members: self.members,
            swarms: self.swarms.len(),
            ..self.stats
        }
    }

    /// What is known of a swarm: all zero if nobody is in it.
    pub fn counts(&self, info_hash: InfoHash) -> Counts {
        self.swarms.get(&info_hash).map_or(Counts::default(), Swarm::counts)
    }

    /// Whether the connection is in the swarm under this name already.
    ///
    /// # Errors
    /// If the name is another connection's, or the connection goes by another name there.
    fn check_name(&self, conn: ConnId, info_hash: InfoHash, peer: PeerId) -> Result<bool, Refusal> {
        match self.connections.get(&conn).and_then(|connection| connection.name_in(info_hash)) {
            Some(name) if name == peer => Ok(true),
            Some(_) => Err(Refusal::OtherPeerId),
            None if self.swarms.get(&info_hash).is_some_and(|swarm| swarm.get(peer).is_some()) => {
                Err(Refusal::Taken)
            }
            None => Ok(false),
        }
    }

    fn announce(
        &mut self,
        now: Duration,
        conn: ConnId,
        announce: Announce,
        out: &mut Vec<Outgoing>,
    ) -> Result<Verdict, Refusal> {
        let Announce { info_hash, peer_id, event, .. } = announce;
        // Leaving is never too much: a member that may not leave would stay as a ghost.
        if event == Event::Stopped {
            self.check_name(conn, info_hash, peer_id)?;
            self.leave(conn, info_hash, peer_id);
            self.questions.remove(conn, info_hash);
            let text = reply::announced(info_hash, self.config.interval.as_secs(), self.counts(info_hash));
            out.push(Outgoing { to: conn, text, cause: Cause::Receiver });
            self.stats.announces += 1;
            return Ok(Verdict::Stay);
        }
        self.check_announce_rate(now, conn)?;
        let is_member = self.check_name(conn, info_hash, peer_id)?;
        if !is_member {
            self.check_room(conn, info_hash)?;
        }
        if self.config.asks && (!is_member || announce.token.is_some()) {
            return self.ask(conn, announce).map(Verdict::Ask);
        }
        if !is_member {
            self.join(now, conn, info_hash, peer_id);
        }
        self.carry_out(now, conn, announce, out);
        Ok(Verdict::Stay)
    }

    /// The announce of a member.
    fn carry_out(&mut self, now: Duration, conn: ConnId, announce: Announce, out: &mut Vec<Outgoing>) {
        let Announce { info_hash, peer_id, event, said, want, offers, .. } = announce;
        let lease = self.leases.get((info_hash, peer_id));
        self.stats.announces += 1;
        let Self { config, rng, swarms, stats, .. } = self;
        let Some(swarm) = swarms.get_mut(&info_hash) else { return };
        let Some(place) = swarm.place(peer_id) else { return };
        let completed = event == Event::Completed;
        let mut claims = swarm.members()[place].claims.updated(now, said);
        claims.complete |= completed;
        swarm.set_claims(place, claims, completed);
        let wanted = offers.len() + want;
        let drawn = candidates::draw(swarm, place, wanted, now, rng);
        let (offered, candidates) = drawn.split_at(offers.len().min(drawn.len()));
        let mut text = reply::announced(info_hash, config.interval.as_secs(), swarm.counts());
        if let Some(lease) = lease {
            reply::add_lease(&mut text, lease);
        }
        if swarm.members()[place].standing.only_takes() {
            reply::add_no_upload(&mut text);
        }
        if want > 0 {
            reply::add_candidates(&mut text, candidates.iter().map(|&place| swarm.members()[place].peer));
        }
        out.push(Outgoing { to: conn, text, cause: Cause::Receiver });
        for (offer, &receiver) in offers.iter().zip(offered) {
            let [sender, receiver] = [place, receiver].map(|place| &swarm.members()[place]);
            let (relation, to) = (relation(config, sender, receiver), receiver.conn);
            let text = reply::relayed("offer", info_hash, peer_id, offer, &relation);
            out.push(Outgoing { to, text, cause: Cause::Other(None) });
            stats.offers += 1;
            let expected = &mut swarm.at_mut(place).expected;
            expected.add(now, offer.id, to, config.answer_within, config.outstanding_offers);
        }
        swarm.at_mut(place).last_seen = now;
    }

    fn directed(
        &mut self,
        now: Duration,
        conn: ConnId,
        about: About<'_>,
        signal: Signal,
        out: &mut Vec<Outgoing>,
    ) -> Result<Verdict, Refusal> {
        let Signal { info_hash, from, to, offer } = signal;
        if !self.check_name(conn, info_hash, from)? {
            return Err(Refusal::NotMember);
        }
        let rate = self.config.directed;
        if !self.connections.get_mut(&conn).is_some_and(|sender| sender.directed.take(now, rate)) {
            return Err(Refusal::TooManyDirected { every: rate.every });
        }
        let Self { config, swarms, stats, .. } = self;
        let swarm = swarms.get_mut(&info_hash).ok_or(Refusal::NotMember)?;
        let place = swarm.place(from).ok_or(Refusal::NotMember)?;
        let sender = &swarm.members()[place];
        // Whom one may not meet is not there for him.
        let may = |to: &&Member| to.conn != conn && sender.standing.may_be_given(to.standing);
        let receiver = swarm.get(to).filter(may).ok_or(Refusal::NoSuchPeer)?;
        let text = reply::relayed("offer", info_hash, from, &offer, &relation(config, sender, receiver));
        let receiver = receiver.conn;
        let sender = swarm.at_mut(place);
        sender.last_seen = now;
        sender.expected.add(now, offer.id, receiver, config.answer_within, config.outstanding_offers);
        stats.offers += 1;
        let undelivered = reply::refused(about, &Refusal::Busy);
        out.push(Outgoing { to: receiver, text, cause: Cause::Other(Some(undelivered)) });
        Ok(Verdict::Stay)
    }

    /// An answer has no reply, also if nobody waits for it: that happens to honest peers too, when the other side left.
    fn relay_answer(&mut self, now: Duration, conn: ConnId, signal: Signal, out: &mut Vec<Outgoing>) {
        let Signal { info_hash, from, to, offer } = signal;
        let member = self.check_name(conn, info_hash, from) == Ok(true);
        let Self { config, swarms, stats, .. } = self;
        let relayed = swarms.get_mut(&info_hash).filter(|_| member).and_then(|swarm| {
            let sender = swarm.place(from)?;
            swarm.at_mut(sender).last_seen = now;
            let receiver = swarm.place(to)?;
            if !swarm.at_mut(receiver).expected.take(now, offer.id, conn) {
                return None;
            }
            let [sender, receiver] = [sender, receiver].map(|place| &swarm.members()[place]);
            let relation = relation(config, sender, receiver);
            Some((receiver.conn, reply::relayed("answer", info_hash, from, &offer, &relation)))
        });
        let Some((to, text)) = relayed else {
            stats.unexpected_answers += 1;
            return;
        };
        out.push(Outgoing { to, text, cause: Cause::Other(None) });
        stats.answers += 1;
    }

    fn scrape(
        &mut self,
        now: Duration,
        conn: ConnId,
        hashes: Option<Vec<InfoHash>>,
        out: &mut Vec<Outgoing>,
    ) -> Result<Verdict, Refusal> {
        self.check_announce_rate(now, conn)?;
        let interval_secs = self.config.interval.as_secs();
        let text = match hashes {
            Some(mut hashes) => {
                hashes.sort_unstable();
                hashes.dedup();
                reply::scraped(hashes.iter().map(|&hash| (hash, self.counts(hash))), interval_secs)
            }
            None => {
                let limit = self.config.scrape_all.ok_or(Refusal::ScrapeAll)?;
                if self.swarms.len() > limit {
                    return Err(Refusal::ScrapeTooMany { limit });
                }
                reply::scraped(self.swarms.iter().map(|(&hash, swarm)| (hash, swarm.counts())), interval_secs)
            }
        };
        out.push(Outgoing { to: conn, text, cause: Cause::Receiver });
        Ok(Verdict::Stay)
    }

    fn refuse(&mut self, conn: ConnId, about: About<'_>, refusal: &Refusal, out: &mut Vec<Outgoing>) {
        self.stats.refused += 1;
        let text = reply::refused(about, refusal);
        out.push(Outgoing { to: conn, text, cause: Cause::Receiver });
    }

    /// Ends a membership on both sides, if there is one.
    fn leave(&mut self, conn: ConnId, info_hash: InfoHash, peer: PeerId) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let Some(place) = connection.memberships.iter().position(|&one| one == (info_hash, peer)) else {
            return;
        };
        connection.memberships.swap_remove(place);
        self.leave_swarm(info_hash, peer);
    }

    fn leave_swarm(&mut self, info_hash: InfoHash, peer: PeerId) {
        self.leases.set((info_hash, peer), None);
        if let Entry::Occupied(mut swarm) = self.swarms.entry(info_hash) {
            swarm.get_mut().remove(peer);
            self.members -= 1;
            if swarm.get().len() == 0 {
                swarm.remove();
            }
        }
    }
}

/// What a description of `sender` may tell `receiver`.
fn relation<'a>(config: &'a Config, sender: &Member, receiver: &Member) -> Relation<'a> {
    let same_site = sender.standing.is_same_site(receiver.standing);
    Relation { sender: sender.from.address, receiver: receiver.from.address, same_site, config }
}
