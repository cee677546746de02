//! Random sequences of messages, against a small model of who is where; and random bytes, against nothing but panics.

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::prelude::*;
use rendezvous::{Config, ConnId, InfoHash, Locality, Rate, Table, Verdict};
use serde_json::{Value, json};

#[derive(Clone, Debug)]
enum Step {
    Connect(u64),
    Disconnect(u64),
    Announce {
        conn: u64,
        swarm: u8,
        peer: u8,
        left: Option<u8>,
        event: Option<&'static str>,
        offers: u8,
        want: u8,
    },
    Directed {
        conn: u64,
        swarm: u8,
        from: u8,
        to: u8,
    },
    /// Answers what was relayed last to this connection, or something made up.
    Answer {
        conn: u64,
        made_up: bool,
    },
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let event = prop_oneof![6 => Just(None), 1 => Just(Some("started")), 2 => Just(Some("completed")), 2 => Just(Some("stopped"))];
    prop_oneof![
        2 => (0..6u64).prop_map(Step::Connect),
        1 => (0..6u64).prop_map(Step::Disconnect),
        10 => (0..6u64, 0..3u8, 0..8u8, prop::option::of(0..2u8), event, 0..4u8, 0..4u8).prop_map(
            |(conn, swarm, peer, left, event, offers, want)| Step::Announce {
                conn, swarm, peer, left, event, offers, want
            }
        ),
        3 => (0..6u64, 0..3u8, 0..8u8, 0..8u8).prop_map(|(conn, swarm, from, to)| Step::Directed { conn, swarm, from, to }),
        3 => (0..6u64, any::<bool>()).prop_map(|(conn, made_up)| Step::Answer { conn, made_up }),
        1 => (1..200u64).prop_map(Step::Pass),
    ]
}

fn swarm_name(swarm: u8) -> String {
    format!("swarm{swarm:015}")
}

fn peer_name(peer: u8) -> String {
    format!("-BC0001-{peer:012}")
}

#[derive(Debug)]
struct Member {
    peer: u8,
    seen: u64,
    complete: bool,
}

/// Who is where: the key is the invariant itself.
#[derive(Debug, Default)]
struct Model {
    now: u64,
    connections: BTreeSet<u64>,
    members: BTreeMap<(u64, u8), Member>,
    /// Offers on their way: receiver, swarm, offerer's connection and name, offer id, time.
    offers: Vec<(u64, u8, u64, u8, String, u64)>,
    next_offer: u64,
}

impl Model {
    fn holder(&self, swarm: u8, peer: u8) -> Option<u64> {
        self.members.iter().find(|((_, s), m)| *s == swarm && m.peer == peer).map(|((conn, _), _)| *conn)
    }

    /// Whether the connection may speak under this name.
    fn may(&self, conn: u64, swarm: u8, peer: u8) -> bool {
        match self.members.get(&(conn, swarm)) {
            Some(member) => member.peer == peer,
            None => self.holder(swarm, peer).is_none(),
        }
    }

    fn counts(&self, swarm: u8) -> (usize, usize) {
        let of = |complete| {
            self.members.iter().filter(|((_, s), m)| *s == swarm && m.complete == complete).count()
        };
        (of(true), of(false))
    }

    fn forget(&mut self, conn: u64, swarm: u8) {
        self.members.remove(&(conn, swarm));
        self.offers.retain(|offer| (offer.2, offer.1) != (conn, swarm));
    }
}

struct Run {
    table: Table,
    model: Model,
}

impl Run {
    fn say(&mut self, conn: u64, message: &Value) -> Vec<(u64, Value)> {
        let mut out = Vec::new();
        let now = Duration::from_secs(self.model.now);
        let verdict = self.table.handle(now, ConnId(conn), message.to_string().as_bytes(), &mut out);
        let open = self.model.connections.contains(&conn);
        assert_eq!(verdict, if open { Verdict::Stay } else { Verdict::Close });
        out.into_iter().map(|one| (one.to.0, serde_json::from_str(&one.text).unwrap())).collect()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Connect(conn) => {
                self.table.connect(ConnId(conn), Locality::default()).unwrap();
                self.model.connections.insert(conn);
            }
            Step::Disconnect(conn) => {
                self.table.disconnect(ConnId(conn));
                self.model.connections.remove(&conn);
                (0..3).for_each(|swarm| self.model.forget(conn, swarm));
            }
            Step::Announce { conn, swarm, peer, left, event, offers, want } => {
                self.announce(conn, swarm, peer, left, event, offers, want);
            }
            Step::Directed { conn, swarm, from, to } => self.directed(conn, swarm, from, to),
            Step::Answer { conn, made_up } => self.answer(conn, made_up),
            Step::Pass(secs) => {
                self.model.now += secs;
                let now = self.model.now;
                self.table.expire(Duration::from_secs(now));
                let late: Vec<_> =
                    self.model.members.iter().filter(|(_, m)| m.seen + 255 <= now).map(|(k, _)| *k).collect();
                late.into_iter().for_each(|(conn, swarm)| self.model.forget(conn, swarm));
            }
        }
        self.check();
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one message")]
    fn announce(
        &mut self,
        conn: u64,
        swarm: u8,
        peer: u8,
        left: Option<u8>,
        event: Option<&str>,
        offers: u8,
        want: u8,
    ) {
        let ids: Vec<String> =
            (0..offers).map(|n| format!("{:020}", self.model.next_offer + u64::from(n))).collect();
        self.model.next_offer += u64::from(offers);
        let list: Vec<Value> = ids
            .iter()
            .map(|id| json!({"offer_id": id, "offer": {"type": "offer", "sdp": support::sdp(1)}}))
            .collect();
        let message = json!({
            "action": "announce", "info_hash": swarm_name(swarm), "peer_id": peer_name(peer),
            "left": left, "event": event, "offers": list, "want": want,
        });
        let out = self.say(conn, &message);
        if !self.model.connections.contains(&conn) {
            return assert!(out.is_empty());
        }
        assert_eq!((out[0].0, &out[0].1["info_hash"]), (conn, &json!(swarm_name(swarm))));
        if !self.model.may(conn, swarm, peer) {
            assert!(out.len() == 1 && out[0].1["failure reason"].is_string(), "{out:?}");
            return;
        }
        if event == Some("stopped") {
            self.model.forget(conn, swarm);
            assert_eq!(out.len(), 1);
        } else {
            let now = self.model.now;
            let member = self.model.members.entry((conn, swarm)).or_insert(Member {
                peer,
                seen: now,
                complete: false,
            });
            member.seen = now;
            member.complete = match (event, left) {
                (Some("completed"), _) => true,
                (_, Some(left)) => left == 0,
                _ => member.complete,
            };
            let is_complete = member.complete;
            let (complete, incomplete) = self.model.counts(swarm);
            let others = if is_complete { incomplete } else { complete + incomplete - 1 };
            let relayed = usize::from(offers).min(others);
            assert_eq!(out.len(), 1 + relayed);
            let mut receivers = BTreeSet::new();
            for ((to, offer), id) in out[1..].iter().zip(&ids) {
                assert!(*to != conn && receivers.insert(*to));
                assert_eq!(offer["offer_id"], *id);
                assert!(self.model.members.contains_key(&(*to, swarm)));
                self.model.offers.push((*to, swarm, conn, peer, id.clone(), now));
            }
            let candidates = out[0].1["candidates"].as_array().map_or(0, Vec::len);
            assert_eq!(candidates, usize::from(want).min(others - relayed));
        }
        let counts = self.model.counts(swarm);
        assert_eq!((&out[0].1["complete"], &out[0].1["incomplete"]), (&json!(counts.0), &json!(counts.1)));
    }

    fn directed(&mut self, conn: u64, swarm: u8, from: u8, to: u8) {
        let id = format!("{:020}", self.model.next_offer);
        self.model.next_offer += 1;
        let message = json!({
            "action": "announce", "info_hash": swarm_name(swarm), "peer_id": peer_name(from),
            "to_peer_id": peer_name(to), "offer_id": id, "offer": {"type": "offer", "sdp": support::sdp(1)},
        });
        let out = self.say(conn, &message);
        if !self.model.connections.contains(&conn) {
            return assert!(out.is_empty());
        }
        assert_eq!(out.len(), 1);
        let member = self.model.members.contains_key(&(conn, swarm)) && self.model.may(conn, swarm, from);
        match self.model.holder(swarm, to).filter(|&to| member && to != conn) {
            Some(receiver) => {
                assert_eq!((out[0].0, &out[0].1["offer_id"]), (receiver, &json!(id)));
                self.model.members.get_mut(&(conn, swarm)).unwrap().seen = self.model.now;
                self.model.offers.push((receiver, swarm, conn, from, id, self.model.now));
            }
            None => assert!(out[0].0 == conn && out[0].1["failure reason"].is_string()),
        }
    }

    fn answer(&mut self, conn: u64, made_up: bool) {
        let Some(index) = self.model.offers.iter().rposition(|offer| offer.0 == conn) else { return };
        let (_, swarm, to_conn, to, id, time) = self.model.offers[index].clone();
        let Some(member) = self.model.members.get_mut(&(conn, swarm)) else { return };
        member.seen = self.model.now;
        let from = member.peer;
        let id = if made_up { "never-sent----------".to_owned() } else { id };
        let message = json!({
            "action": "announce", "info_hash": swarm_name(swarm), "peer_id": peer_name(from),
            "to_peer_id": peer_name(to), "offer_id": id, "answer": {"type": "answer", "sdp": support::sdp(1)},
        });
        let out = self.say(conn, &message);
        if made_up || time + 120 <= self.model.now {
            return assert!(out.is_empty());
        }
        assert_eq!(out.len(), 1);
        assert_eq!((out[0].0, &out[0].1["peer_id"]), (to_conn, &json!(peer_name(from))));
        self.model.offers.remove(index);
        assert!(self.say(conn, &message).is_empty(), "an answer passes once");
    }

    fn check(&self) {
        let stats = self.table.stats();
        assert_eq!(stats.connections, self.model.connections.len());
        assert_eq!(stats.members, self.model.members.len());
        let swarms: BTreeSet<u8> = self.model.members.keys().map(|key| key.1).collect();
        assert_eq!(stats.swarms, swarms.len());
        for swarm in 0..3 {
            let counts = self.table.counts(InfoHash::from_binary(&swarm_name(swarm)).unwrap());
            assert_eq!((counts.complete, counts.incomplete), self.model.counts(swarm));
        }
    }
}

fn generous() -> Config {
    let free = Rate { burst: 1_000_000, every: Duration::from_millis(1) };
    Config { messages: free, announces: free, outstanding_offers: 10_000, ..Config::default() }
}

/// JSON-like text that comes close to real messages.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let bit = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "null",
        "0",
        "-1e400",
        "\"action\":",
        "\"announce\"",
        "\"scrape\"",
        "\"info_hash\":",
        "\"peer_id\":",
        "\"to_peer_id\":",
        "\"offer_id\":",
        "\"aaaaaaaaaaaaaaaaaaaa\"",
        "\"\\u00ff\\ud800\"",
        "\"offers\":",
        "\"offer\":",
        "\"answer\":",
        "\"type\":\"offer\"",
        "\"sdp\":\"\"",
        "\"want\":",
        "\"numwant\":",
        "\"left\":",
        "\"event\":\"stopped\"",
        "\"\u{e9}\u{1f600}\"",
        "\\",
        "\n",
    ]);
    prop::collection::vec(bit, 0..40).prop_map(|bits| bits.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_table_agrees_with_the_model(steps in prop::collection::vec(step(), 1..120), seed: u64) {
        let mut run = Run { table: Table::new(generous(), seed), model: Model::default() };
        (0..4).for_each(|conn| run.step(Step::Connect(conn)));
        steps.into_iter().for_each(|step| run.step(step));
        (0..6).for_each(|conn| run.step(Step::Disconnect(conn)));
        prop_assert_eq!(run.table.stats().members, 0);
    }

    #[test]
    fn no_bytes_make_it_panic_and_every_reply_is_json_with_an_action(
        text in prop_oneof![nearly(), prop::collection::vec(any::<u8>(), 0..300)],
    ) {
        let mut table = Table::new(generous(), 1);
        table.connect(ConnId(0), Locality::default()).unwrap();
        let mut out = Vec::new();
        let _ = table.handle(Duration::ZERO, ConnId(0), &text, &mut out);
        for one in out {
            let reply: Value = serde_json::from_str(&one.text).unwrap();
            prop_assert!(reply["action"] == "announce" || reply["action"] == "scrape");
        }
    }

    #[test]
    fn the_same_seed_and_calls_give_the_same_texts(seed: u64) {
        let run = |seed| {
            let mut table = Table::new(Config::default(), seed);
            let mut out = Vec::new();
            for conn in 0..30 {
                table.connect(ConnId(conn), Locality::default()).unwrap();
                let message = json!({
                    "action": "announce", "info_hash": swarm_name(0), "peer_id": peer_name(conn as u8), "want": 5,
                });
                let _ = table.handle(Duration::ZERO, ConnId(conn), message.to_string().as_bytes(), &mut out);
            }
            out
        };
        prop_assert_eq!(run(seed), run(seed));
    }
}
