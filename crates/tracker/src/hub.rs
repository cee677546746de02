//! The table and the connections' outboxes behind one lock, held for one message at a time and never across a wait.

mod operator;

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use rendezvous::{Cause, ConnId, Counts, InfoHash, Locality, Outgoing, Stats, Table, Verdict};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::{
    Config,
    budget::{Budget, Holding},
    outbox::{End, Outbox},
};

#[derive(Debug)]
pub(crate) struct Hub {
    config: Config,
    /// Of each connection's task a receiver, for as long as it runs: so they are counted, and the end of the last is seen.
    places: watch::Sender<()>,
    state: Mutex<State>,
    budget: Arc<Budget>,
    /// Newcomers are sent away.
    draining: AtomicBool,
}

#[derive(Debug)]
struct State {
    table: Table,
    outboxes: Outboxes,
    closing: bool,
    /// Time zero of the table: when the first connection came.
    start: Option<Instant>,
    expired_at: Duration,
    out: Vec<Outgoing>,
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

    fn iter(&self) -> impl Iterator<Item = &Outbox> {
        self.places.iter().filter_map(|(_, there)| there.as_deref())
    }
}

impl State {
    fn now(&mut self) -> Duration {
        self.start.get_or_insert_with(Instant::now).elapsed()
    }
}

impl Hub {
    pub(crate) fn new(config: Config) -> Self {
        // The standard library's only door to the system's entropy.
        let seed = RandomState::new().hash_one(0);
        let table = Table::new(config.table.clone(), seed);
        let state = State {
            table,
            outboxes: Outboxes::default(),
            closing: false,
            start: None,
            expired_at: Duration::ZERO,
            out: Vec::new(),
        };
        let budget = Budget::new(config.memory_bytes);
        Self {
            config,
            budget,
            places: watch::Sender::new(()),
            state: Mutex::new(state),
            draining: AtomicBool::new(false),
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Room for one connection from there, unless there is none.
    pub(crate) fn admit(self: &Arc<Self>, from: Locality) -> Option<Guest> {
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
        if state.table.connect(id, from).is_err() {
            state.outboxes.remove(id);
            return None;
        }
        drop(state);
        Some(Guest {
            membership: Membership { hub: self.clone(), id, outbox },
            place: self.places.subscribe(),
        })
    }

    pub(crate) fn stats(&self) -> Stats {
        self.lock().table.stats()
    }

    pub(crate) fn counts(&self, info_hash: InfoHash) -> Counts {
        self.lock().table.counts(info_hash)
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

    fn lock(&self) -> MutexGuard<'_, State> {
        // The table is usable after every step it takes; a panic in one message must not end the others.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
}

impl Membership {
    pub(crate) fn config(&self) -> &Config {
        &self.hub.config
    }

    /// For what it holds of the memory of all.
    pub(crate) fn holding(&self) -> Holding {
        Holding::new(Arc::clone(&self.hub.budget))
    }

    pub(crate) fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// Takes in a message and puts what follows from it into the outboxes.
    pub(crate) fn handle(&self, text: &[u8]) -> Verdict {
        let mut state = self.hub.lock();
        let now = state.now();
        let State { table, outboxes, out, .. } = &mut *state;
        let verdict = table.handle(now, self.id, text, out);
        for Outgoing { to, text, cause } in out.drain(..) {
            match cause {
                Cause::Receiver => self.outbox.push(text),
                Cause::Other(undelivered) => {
                    let Some(outbox) = outboxes.get(to) else { continue };
                    if !outbox.push_foreign(text)
                        && let Some(undelivered) = undelivered
                    {
                        self.outbox.push(undelivered);
                    }
                }
            }
        }
        verdict
    }

    /// Counts a ping or a pong against the allowance of messages.
    pub(crate) fn charge(&self) -> Verdict {
        let mut state = self.hub.lock();
        let now = state.now();
        state.table.charge(now, self.id)
    }

    /// Lets silent members go, if nobody did lately. Every connection calls it at its ticks: without connections there
    /// are no members either.
    pub(crate) fn expire(&self) {
        let mut state = self.hub.lock();
        let now = state.now();
        if now.saturating_sub(state.expired_at) >= self.hub.config.table.lifetime() / 16 {
            state.expired_at = now;
            let gone = state.table.expire(now);
            drop(state);
            if gone > 0 {
                tracing::debug!(gone, "let silent members go");
            }
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        state.table.disconnect(self.id);
        state.outboxes.remove(self.id);
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
        let [attacker, victim] = [1, 2].map(|_| hub.admit(Locality::default()).unwrap().membership);
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
