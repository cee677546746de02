//! What keeps the memberships and the connections' outboxes behind one lock, held for one message at a time and never across a wait.

mod door;
mod linked;
mod operator;

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use rendezvous::{Cause, ConnId, Counts, InfoHash, Locality, Outgoing, Stats, Table, Verdict, cluster::Out};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    Config,
    admission::{Door, Visitor},
    budget::{Budget, Holding},
    bus::Bus,
    drain::Plan,
    keeper::Keeper,
    outbox::{End, Outbox},
    turns::{Newcomer, Turns},
};

#[derive(Debug)]
pub(crate) struct Hub {
    config: Config,
    /// Of each connection's task a receiver, for as long as it runs: so they are counted, and the end of the last is seen.
    places: watch::Sender<()>,
    /// Whoever holds its lock may take that of the state, and not the other way round.
    door: Option<Door>,
    /// To the other nodes, if there may be some.
    bus: Option<Arc<dyn Bus>>,
    /// What the bus had no room for.
    unsent: AtomicU64,
    state: Mutex<State>,
    budget: Arc<Budget>,
    /// Of connections that have just become WebSockets.
    turns: Arc<Turns>,
    /// Newcomers are sent away.
    draining: AtomicBool,
}

#[derive(Debug)]
struct State {
    keeper: Keeper,
    outboxes: Outboxes,
    closing: bool,
    /// Time zero of the table: when the first connection came.
    start: Option<Instant>,
    expired_at: Duration,
    out: Out,
}

/// The outboxes by connection. An id is a place in the lower half and how often that was taken in the upper one, so that
/// finding one is a step and none comes twice.
#[derive(Debug, Default)]
struct Outboxes {
    places: Vec<(u32, Option<Arc<Outbox>>)>,
    free: Vec<u32>,
}

impl Outboxes {
    fn insert(&mut self, outbox: Arc<Outbox>) -> ConnId {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push((0, None));
            // Far fewer connections than that have a file descriptor.
            (self.places.len() - 1) as u32
        });
        let (taken, there) = &mut self.places[place as usize];
        *taken = taken.wrapping_add(1);
        *there = Some(outbox);
        ConnId(u64::from(*taken) << 32 | u64::from(place))
    }

    fn get(&self, id: ConnId) -> Option<&Outbox> {
        self.places.get(id.0 as u32 as usize)?.1.as_deref()
    }

    fn remove(&mut self, id: ConnId) {
        let place = id.0 as u32;
        if let Some((_, there)) = self.places.get_mut(place as usize)
            && there.take().is_some()
        {
            self.free.push(place);
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<Outbox>> {
        self.places.iter().filter_map(|(_, there)| there.as_ref())
    }
}

impl State {
    fn now(&mut self) -> Duration {
        self.start.get_or_insert_with(Instant::now).elapsed()
    }
}

impl Hub {
    pub(crate) fn new(mut config: Config) -> Self {
        let door = door(&mut config);
        let table = Table::new(config.table.clone(), seed());
        Self::with(config, Keeper::Alone(Box::new(table)), door, None)
    }

    fn with(config: Config, keeper: Keeper, door: Option<Door>, bus: Option<Arc<dyn Bus>>) -> Self {
        let state = State {
            keeper,
            outboxes: Outboxes::default(),
            closing: false,
            start: None,
            expired_at: Duration::ZERO,
            out: Out::default(),
        };
        Self {
            budget: Budget::new(config.memory_bytes),
            config,
            places: watch::Sender::new(()),
            door,
            bus,
            unsent: AtomicU64::new(0),
            state: Mutex::new(state),
            turns: Arc::default(),
            draining: AtomicBool::new(false),
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Room for one connection from there, unless there is none. `origin` is the site that its browser names.
    pub(crate) fn admit(self: &Arc<Self>, from: Locality, origin: Option<&str>) -> Option<Guest> {
        let visitor = match &self.door {
            Some(door) => Some((Box::new(Visitor::new(from.address, origin)?), door.lock().needs_tokens())),
            None => None,
        };
        let mut state = self.lock();
        // One that takes its time to close has left the table, and is still there.
        if state.closing
            || self.is_draining()
            || self.budget.is_short()
            || self.places.receiver_count() >= self.config.table.connections
        {
            return None;
        }
        let outbox = Arc::new(Outbox::new(self.config.queue_bytes, Arc::clone(&self.budget)));
        let id = state.outboxes.insert(outbox.clone());
        if !state.keeper.connect(id, from) {
            state.outboxes.remove(id);
            return None;
        }
        drop(state);
        if let Some((visitor, true)) = &visitor {
            outbox.push(visitor.welcome());
        }
        let visitor = visitor.map(|(visitor, _)| visitor);
        Some(Guest {
            membership: Membership { hub: self.clone(), id, outbox, visitor },
            place: self.places.subscribe(),
        })
    }

    pub(crate) fn stats(&self) -> Stats {
        self.lock().keeper.stats()
    }

    pub(crate) fn counts(&self, info_hash: InfoHash) -> Counts {
        self.lock().keeper.counts(info_hash)
    }

    pub(crate) async fn shutdown(&self) {
        {
            let mut state = self.lock();
            state.closing = true;
            state.outboxes.iter().for_each(|outbox| outbox.end(End::GoingAway));
        }
        let all = self.config.write_within + self.config.close_within;
        if timeout(all, self.places.closed()).await.is_err() {
            tracing::warn!(connections = self.places.receiver_count(), "connections outlived the shutdown");
        }
    }

    /// Takes nobody in any more, lets others keep what was kept here, and closes the connections one after another.
    pub(crate) async fn drain(&self) {
        let others = {
            let mut state = self.lock();
            state.closing = true;
            state.keeper.node().map_or(0, |node| {
                node.drain();
                node.figures().nodes
            })
        };
        if others > 0 {
            tokio::time::sleep(self.config.handover).await;
        }
        let outboxes: Vec<Arc<Outbox>> = self.lock().outboxes.iter().cloned().collect();
        let plan = Plan::new(outboxes.len(), self.config.closes_per_s, self.config.drain_within);
        let begun = Instant::now();
        for (number, outbox) in outboxes.iter().enumerate() {
            sleep_until(begun + plan.leaves_at(number)).await;
            // The upper half of what is as good as random, in 53 bits.
            let chance = (seed() >> 11) as f64 / (1u64 << 53) as f64;
            outbox.end(End::Restarts(plan.waits(number, others > 0, chance)));
        }
    }

    /// What a client that is let go is told, as JSON: when to come back, and where to.
    pub(crate) fn farewell(&self, retry: Duration, number: u64) -> String {
        let mut state = self.lock();
        let elsewhere = state.keeper.node().and_then(|node| node.elsewhere(number));
        crate::drain::farewell(retry, elsewhere)
    }

    fn expire(&self) {
        let mut state = self.lock();
        let now = state.now();
        if now.saturating_sub(state.expired_at) >= self.config.table.lifetime() / 16 {
            state.expired_at = now;
            let State { keeper, outboxes, out, .. } = &mut *state;
            let gone = keeper.expire(now, out);
            self.carry_out(outboxes, None, out);
            drop(state);
            if gone > 0 {
                tracing::debug!(gone, "let silent members go");
            }
        }
    }

    /// Puts texts into the outboxes, and the rest onto the bus. `speaker` is who caused it, if a client of this tracker did.
    fn carry_out(&self, outboxes: &Outboxes, speaker: Option<Speaker>, out: &mut Out) {
        let reply = |to: ConnId, text| {
            let Some(outbox) = outboxes.get(to) else { return };
            match speaker {
                Some(Speaker { conn, is_at_work: true }) if conn == to => outbox.push(text),
                _ => outbox.push_late(text),
            }
        };
        for Outgoing { to, text, cause } in out.texts.drain(..) {
            match cause {
                Cause::Receiver => reply(to, text),
                Cause::Other(undelivered) => {
                    if outboxes.get(to).is_some_and(|outbox| !outbox.push_foreign(text))
                        && let (Some(undelivered), Some(speaker)) = (undelivered, speaker)
                    {
                        reply(speaker.conn, undelivered);
                    }
                }
            }
        }
        let Some(bus) = &self.bus else { return };
        for parcel in out.parcels.drain(..) {
            if !bus.publish(parcel) {
                self.unsent.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The table is usable after every step it takes; a panic in one message must not end the others.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom the settings let in; who may join is asked where that is not everybody.
fn door(config: &mut Config) -> Option<Door> {
    let door = config.admission.take().map(Door::new);
    config.table.asks = door.is_some();
    door
}

/// The standard library's only door to the system's entropy.
pub(crate) fn seed() -> u64 {
    RandomState::new().hash_one(0)
}

/// Whose message is being carried out.
#[derive(Clone, Copy, Debug)]
struct Speaker {
    conn: ConnId,
    /// Its task looks into its outbox next; else it has to be woken.
    is_at_work: bool,
}

/// A connection that was let in.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) membership: Membership,
    /// To be held for as long as the connection is there in any way.
    pub(crate) place: watch::Receiver<()>,
}

/// A connection's place in the hub: dropping it leaves all swarms.
#[derive(Debug)]
pub(crate) struct Membership {
    hub: Arc<Hub>,
    id: ConnId,
    outbox: Arc<Outbox>,
    /// Where not everybody may join.
    visitor: Option<Box<Visitor>>,
}

impl Membership {
    pub(crate) fn config(&self) -> &Config {
        &self.hub.config
    }

    /// What it is told when it is let go.
    pub(crate) fn farewell(&self, retry: Duration) -> String {
        self.hub.farewell(retry, self.id.0)
    }

    /// For what it holds of the memory of all.
    pub(crate) fn holding(&self) -> Holding {
        Holding::new(Arc::clone(&self.hub.budget))
    }

    /// As which it comes on at first.
    pub(crate) fn newcomer(&self) -> Newcomer {
        self.hub.turns.newcomer()
    }

    pub(crate) fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// Takes in a message and puts what follows from it into the outboxes.
    pub(crate) fn handle(&self, text: &[u8]) -> Verdict {
        let mut state = self.hub.lock();
        let now = state.now();
        let State { keeper, outboxes, out, .. } = &mut *state;
        let verdict = keeper.handle(now, self.id, text, out);
        self.hub.carry_out(outboxes, Some(Speaker { conn: self.id, is_at_work: true }), out);
        drop(state);
        match verdict {
            Verdict::Ask(question) => {
                self.ask(*question);
                Verdict::Stay
            }
            verdict => verdict,
        }
    }

    /// Counts a ping or a pong against the allowance of messages.
    pub(crate) fn charge(&self) -> Verdict {
        let mut state = self.hub.lock();
        let now = state.now();
        state.keeper.charge(now, self.id)
    }

    /// Lets silent members go, if nobody did lately. Every connection calls it at its ticks: without connections there
    /// are no members either, but those of other nodes.
    pub(crate) fn expire(&self) {
        self.hub.expire();
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        let State { keeper, outboxes, out, .. } = &mut *state;
        keeper.disconnect(self.id, out);
        outboxes.remove(self.id);
        self.hub.carry_out(outboxes, None, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: u64) -> String {
        format!("-BC0001-{number:012}")
    }

    #[test]
    fn no_peer_can_close_the_connection_of_another() {
        let mut config = Config { queue_bytes: 64 * 1024, ..Config::default() };
        config.table.directed.burst = 1000;
        let hub = Arc::new(Hub::new(config));
        let [attacker, victim] = [1, 2].map(|_| hub.admit(Locality::default(), None).unwrap().membership);
        let announce = |peer| {
            format!(
                r#"{{"action":"announce","info_hash":"film----------------","peer_id":"{}"}}"#,
                name(peer)
            )
        };
        for (who, peer) in [(&attacker, 1), (&victim, 2)] {
            assert_eq!(who.handle(announce(peer).as_bytes()), Verdict::Stay);
        }
        attacker.outbox().texts().unwrap();
        let long = format!(
            r"v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=ice-ufrag:{0}\r\na=ice-pwd:{0}\r\na=fingerprint:sha-256 {1}\r\na=setup:actpass\r\na=mid:0\r\n",
            "x".repeat(256),
            ["AB"; 32].join(":")
        );
        for offer in 0..190 {
            let text = format!(
                r#"{{"action":"announce","info_hash":"film----------------","peer_id":"{}","to_peer_id":"{}","offer_id":"{}","offer":{{"type":"offer","sdp":"{}"}}}}"#,
                name(1),
                name(2),
                name(offer),
                long
            );
            assert_eq!(attacker.handle(text.as_bytes()), Verdict::Stay);
        }
        let told = attacker.outbox().texts().unwrap();
        assert!(told.len() > 140, "{} errors", told.len());
        assert!(told[0].contains("too much waiting") && told[0].contains(&name(2)), "{}", told[0]);
        // The victim has read nothing yet, and its own replies still fit.
        for _ in 0..10 {
            assert_eq!(victim.handle(announce(2).as_bytes()), Verdict::Stay);
        }
        let waiting = victim.outbox().texts().expect("the victim stays");
        assert!(waiting.len() > 10, "some offers came through");
        assert!(waiting.iter().map(|text| text.len()).sum::<usize>() <= 64 * 1024);
    }
}
