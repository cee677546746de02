//! A table with a clock, and clients' messages in short.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::time::Duration;

use rendezvous::{Config, ConnId, InfoHash, Locality, Outgoing, Table, Verdict};
use serde_json::{Value, json};

pub const FILM: &str = "film----------------";
pub const SHOW: &str = "show----------------";

pub struct Rig {
    pub table: Table,
    pub now: Duration,
}

impl Rig {
    pub fn new(connections: u64) -> Self {
        Self::with(Config::default(), connections)
    }

    pub fn with(config: Config, connections: u64) -> Self {
        let mut table = Table::new(config, 42);
        (0..connections).for_each(|conn| table.connect(ConnId(conn), Locality::default()).unwrap());
        Self { table, now: Duration::ZERO }
    }

    /// Connects from an address, and joins the film as number `conn`.
    pub fn arrive(&mut self, conn: u64, address: &str, more: Value) -> Value {
        self.table.connect(ConnId(conn), address.parse::<std::net::IpAddr>().unwrap().into()).unwrap();
        self.say(conn, announce_with(FILM, &name(conn), more)).remove(0).1
    }

    /// The connections of those who are named to a member of the film.
    pub fn named(&mut self, conn: u64, want: u64) -> Vec<u64> {
        let out = self.say(conn, announce_with(FILM, &name(conn), json!({"want": want})));
        let names = out[0].1["candidates"].as_array().unwrap().iter();
        names.map(|one| one.as_str().unwrap()[8..].parse().unwrap()).collect()
    }

    pub fn pass(&mut self, secs: u64) {
        self.now += Duration::from_secs(secs);
        self.table.expire(self.now);
    }

    /// What comes out, as raw text.
    pub fn raw(&mut self, conn: u64, text: &[u8]) -> Vec<Outgoing> {
        let mut out = Vec::new();
        assert_eq!(self.table.handle(self.now, ConnId(conn), text, &mut out), Verdict::Stay);
        out
    }

    /// What comes out, with the connection each message is for.
    pub fn say(&mut self, conn: u64, message: Value) -> Vec<(u64, Value)> {
        let out = self.raw(conn, message.to_string().as_bytes());
        out.into_iter().map(|one| (one.to.0, serde_json::from_str(&one.text).unwrap())).collect()
    }

    /// Announces and returns the reply.
    pub fn join(&mut self, conn: u64, swarm: &str, peer: &str) -> Value {
        let mut out = self.say(conn, announce(swarm, peer));
        assert_eq!((out.len(), out[0].0), (1, conn));
        out.remove(0).1
    }

    pub fn counts(&self, swarm: &str) -> (usize, usize, u64) {
        let counts = self.table.counts(InfoHash::from_binary(swarm).unwrap());
        (counts.complete, counts.incomplete, counts.downloaded)
    }
}

/// A 20-character name.
pub fn name(number: u64) -> String {
    format!("-BC0001-{number:012}")
}

pub fn announce(swarm: &str, peer: &str) -> Value {
    json!({"action": "announce", "info_hash": swarm, "peer_id": peer})
}

/// The same with more fields.
pub fn announce_with(swarm: &str, peer: &str, more: Value) -> Value {
    let mut message = announce(swarm, peer);
    for (field, value) in more.as_object().unwrap() {
        message[field] = value.clone();
    }
    message
}

/// A session description in the form in which it is passed on, with these candidates; the number tells it from others.
pub fn sdp_with(number: u64, candidates: &[&str]) -> String {
    let candidates: String = candidates.iter().map(|one| format!("a=candidate:{one}\r\n")).collect();
    format!(
        "v=0\r\no=- {number} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
         m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n{candidates}\
         a=ice-ufrag:ufrg\r\na=ice-pwd:a/password+of/22/chars\r\na=fingerprint:sha-256 {}\r\n\
         a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n",
        ["AB"; 32].join(":")
    )
}

/// The same without candidates.
pub fn sdp(number: u64) -> String {
    sdp_with(number, &[])
}

pub fn offers(names: std::ops::Range<u64>) -> Value {
    let offer = |n| json!({"offer_id": name(n), "offer": {"type": "offer", "sdp": sdp(n)}});
    names.map(offer).collect()
}

pub fn answer(swarm: &str, from: &str, to: &str, offer: &str) -> Value {
    let description = json!({"type": "answer", "sdp": sdp(1)});
    announce_with(swarm, from, json!({"to_peer_id": to, "offer_id": offer, "answer": description}))
}

pub fn directed(swarm: &str, from: &str, to: &str, offer: &str) -> Value {
    let description = json!({"type": "offer", "sdp": sdp(2)});
    announce_with(swarm, from, json!({"to_peer_id": to, "offer_id": offer, "offer": description}))
}

/// The reason of the one error in `out`, which must be for `conn` and name the swarm.
pub fn failure(out: &[(u64, Value)], conn: u64, swarm: &str) -> String {
    assert_eq!(out.len(), 1, "{out:?}");
    assert_eq!(out[0].0, conn);
    assert_eq!(out[0].1["info_hash"], swarm, "{out:?}");
    assert!(out[0].1["action"] == "announce" || out[0].1["action"] == "scrape");
    out[0].1["failure reason"].as_str().expect("an error").to_owned()
}
