//! Some nodes in virtual time, with a bus between them that can be cut, and clients of theirs.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use rendezvous::{
    ConnId, Denial, InfoHash, Lease, Locality, Question, TokenId, Verdict,
    cluster::{Cluster, Config, News, NodeId, Notice, Out, Parcel, To},
};
use serde_json::{Value, json};

pub const TICK: Duration = Duration::from_millis(250);

pub struct World {
    pub now: Duration,
    pub nodes: BTreeMap<u64, Cluster>,
    config: Config,
    bus: VecDeque<(u64, Parcel)>,
    /// From whom nothing comes to whom.
    pub cut: BTreeSet<(u64, u64)>,
    /// What clients have heard and nobody has looked at.
    heard: BTreeMap<(u64, u64), Vec<Value>>,
    pub carried: usize,
    /// Whom each node lets in, where not everybody may join.
    gates: Option<BTreeMap<u64, Gate>>,
}

/// Lets in by tokens that are any words, each once in a swarm, and to nothing that was taken down.
#[derive(Default)]
struct Gate {
    spent: BTreeSet<TokenId>,
    spent_elsewhere: BTreeSet<TokenId>,
    /// The number of the list, and the swarms on it.
    down: (u64, BTreeSet<InfoHash>),
}

pub const LIST: [u8; 32] = [7; 32];
/// A token admits for so long.
pub const LIFE: Duration = Duration::from_secs(300);

impl Gate {
    fn judge(&mut self, now: Duration, question: &Question) -> Result<Option<Lease>, Denial> {
        let denied =
            |code: &'static str| Denial { code, reason: code.to_owned(), challenge: None, retry: None };
        if self.down.1.contains(&question.info_hash) {
            return Err(denied("revoked"));
        }
        let token = question.token.as_ref().ok_or_else(|| denied("no-token"))?;
        let mut id = TokenId::default();
        let name = token.bytes().chain([b' ']).chain(question.info_hash.0.into_iter().rev());
        id.0.iter_mut().zip(name).for_each(|(place, byte)| *place = byte);
        if self.spent_elsewhere.contains(&id) || !self.spent.insert(id) {
            return Err(denied("spent"));
        }
        let end = now + LIFE;
        Ok(Some(Lease { end, until_unix_secs: end.as_secs(), token: id }))
    }
}

/// A list of what is taken down, as a document.
pub fn takedown(number: u64, swarms: &[&str]) -> Notice {
    Notice { topic: LIST, number, bytes: swarms.concat().into_bytes().into() }
}

impl World {
    /// Nodes 0 to `count` that know each other.
    pub fn new(count: u64) -> Self {
        Self::with(count, Config::default())
    }

    /// The same, and nobody joins without a token.
    pub fn asking(count: u64) -> Self {
        Self::build(count, Config::default(), Some(BTreeMap::new()))
    }

    pub fn with(count: u64, config: Config) -> Self {
        Self::build(count, config, None)
    }

    fn build(count: u64, config: Config, gates: Option<BTreeMap<u64, Gate>>) -> Self {
        let mut world = Self {
            gates,
            now: Duration::ZERO,
            nodes: BTreeMap::new(),
            config,
            bus: VecDeque::new(),
            cut: BTreeSet::new(),
            heard: BTreeMap::new(),
            carried: 0,
        };
        (0..count).for_each(|node| world.start(node));
        world.run(3.0);
        world
    }

    pub fn start(&mut self, node: u64) {
        let asks = self.gates.is_some();
        let table = rendezvous::Config { members_per_address: 100_000, asks, ..Default::default() };
        let config = Config { url: Some(format!("wss://node{node}")), ..self.config.clone() };
        let mut new = Cluster::new(table, config, node, NodeId(node));
        new.follow(LIST);
        self.nodes.insert(node, new);
        self.gates.as_mut().map(|gates| gates.insert(node, Gate::default()));
    }

    fn gate(&mut self, node: u64) -> &mut Gate {
        self.gates.as_mut().unwrap().get_mut(&node).unwrap()
    }

    /// Gives a node a list, as its operator does, or another node.
    pub fn take_down(&mut self, node: u64, list: Notice) {
        let swarms: BTreeSet<_> =
            list.bytes.chunks(20).map(|name| InfoHash(name.try_into().unwrap())).collect();
        if self.gate(node).down.0 >= list.number {
            return;
        }
        self.gate(node).down = (list.number, swarms.clone());
        let (mut out, now) = (Out::default(), self.now);
        let its = self.nodes.get_mut(&node).unwrap();
        let why = Denial { code: "revoked", reason: "copyright".to_owned(), challenge: None, retry: None };
        let there = its.swarms();
        there.intersection(&swarms).for_each(|&swarm| assert!(its.empty(now, swarm, &why, &mut out) > 0));
        its.publish(list);
        self.deliver(node, out);
    }

    /// As by kill -9: its clients are gone, and nobody says so.
    pub fn kill(&mut self, node: u64) {
        self.nodes.remove(&node);
        self.bus.retain(|(from, _)| *from != node);
    }

    pub fn part(&mut self, one: u64, other: u64) {
        self.cut.extend([(one, other), (other, one)]);
    }

    pub fn connect(&mut self, node: u64, conn: u64, address: &str) {
        let address: std::net::IpAddr = address.parse().unwrap();
        let node = self.nodes.get_mut(&node).unwrap();
        node.connect(ConnId(conn), Locality { address, asn: None }).unwrap();
    }

    pub fn disconnect(&mut self, node: u64, conn: u64) {
        let mut out = Out::default();
        self.nodes.get_mut(&node).unwrap().disconnect(ConnId(conn), &mut out);
        self.deliver(node, out);
    }

    pub fn say(&mut self, node: u64, conn: u64, message: &Value) {
        let mut out = Out::default();
        let now = self.now;
        let text = message.to_string();
        match self.nodes.get_mut(&node).unwrap().handle(now, ConnId(conn), text.as_bytes(), &mut out) {
            Verdict::Ask(question) => {
                let answer = self.gate(node).judge(now, &question);
                self.nodes.get_mut(&node).unwrap().answer(now, *question, answer, &mut out);
            }
            verdict => assert_eq!(verdict, Verdict::Stay),
        }
        self.deliver(node, out);
    }

    /// What a client has heard since the last time.
    pub fn heard(&mut self, node: u64, conn: u64) -> Vec<Value> {
        self.heard.remove(&(node, conn)).unwrap_or_default()
    }

    /// Connects to a node and joins a swarm there, under the name of that number.
    pub fn join(&mut self, node: u64, conn: u64, swarm: &str) -> Value {
        self.connect(node, conn, "127.0.0.1");
        self.say(node, conn, &announce(swarm, conn));
        self.settle();
        self.heard(node, conn).remove(0)
    }

    /// Carries what is on its way.
    pub fn settle(&mut self) {
        while let Some((from, Parcel { to, bytes })) = self.bus.pop_front() {
            self.carried += 1;
            let receivers: Vec<u64> = match to {
                To::All => self.nodes.keys().copied().collect(),
                To::Node(NodeId(node)) => vec![node],
            };
            for to in receivers {
                if self.cut.contains(&(from, to)) {
                    continue;
                }
                let mut out = Out::default();
                let now = self.now;
                if let Some(node) = self.nodes.get_mut(&to) {
                    node.receive(now, &bytes, &mut out);
                }
                self.deliver(to, out);
            }
        }
    }

    pub fn run(&mut self, secs: f64) {
        let until = self.now + Duration::from_secs_f64(secs);
        while self.now < until {
            self.now += TICK;
            for id in self.nodes.keys().copied().collect::<Vec<_>>() {
                let mut out = Out::default();
                let node = self.nodes.get_mut(&id).unwrap();
                node.expire(self.now);
                node.tick(self.now, &mut out);
                self.deliver(id, out);
            }
            self.settle();
        }
    }

    fn deliver(&mut self, node: u64, out: Out) {
        for news in out.news {
            match news {
                News::Notice(list) => self.take_down(node, list),
                News::Used { token, by, .. } if self.gate(node).spent.contains(&token) => {
                    let (mut out, now) = (Out::default(), self.now);
                    self.nodes.get_mut(&node).unwrap().end_twice_used(now, token, by, &mut out);
                    self.deliver(node, out);
                }
                News::Used { token, .. } => drop(self.gate(node).spent_elsewhere.insert(token)),
            }
        }
        self.bus.extend(out.parcels.into_iter().map(|parcel| (node, parcel)));
        for text in out.texts {
            let message = serde_json::from_str(&text.text).unwrap();
            self.heard.entry((node, text.to.0)).or_default().push(message);
        }
    }

    /// Members of a swarm at each node that has some.
    pub fn members(&self, swarm: &str) -> BTreeMap<u64, usize> {
        let info_hash = InfoHash::from_binary(swarm).unwrap();
        let counts = self.nodes.iter().map(|(&id, node)| (id, node.counts(info_hash)));
        counts.map(|(id, counts)| (id, counts.complete + counts.incomplete)).filter(|one| one.1 > 0).collect()
    }

    pub fn all_members(&self) -> usize {
        self.nodes.values().map(|node| node.stats().members).sum()
    }

    /// Who has a swarm that has one member at least.
    pub fn owner(&self, swarm: &str) -> u64 {
        let members = self.members(swarm);
        assert_eq!(members.len(), 1, "{members:?}");
        *members.keys().next().unwrap()
    }

    /// A swarm of which this node is the owner.
    pub fn swarm_of(&mut self, node: u64) -> String {
        for number in 0.. {
            let (swarm, conn) = (swarm(1_000_000 + number), 1_000_000 + number);
            self.join(node, conn, &swarm);
            let owner = self.owner(&swarm);
            self.disconnect(node, conn);
            self.settle();
            if owner == node {
                return swarm;
            }
        }
        unreachable!()
    }
}

pub fn swarm(number: u64) -> String {
    format!("film{number:016}")
}

pub fn name(number: u64) -> String {
    format!("-BC0001-{number:012}")
}

pub fn announce(swarm: &str, peer: u64) -> Value {
    json!({"action": "announce", "info_hash": swarm, "peer_id": name(peer), "want": 5})
}

fn sdp(number: u64) -> String {
    format!(
        "v=0\r\no=- {number} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
         m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
         a=ice-ufrag:ufrg\r\na=ice-pwd:a/password+of/22/chars\r\na=fingerprint:sha-256 {}\r\n\
         a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n",
        ["AB"; 32].join(":")
    )
}

pub fn offers(number: u64) -> Value {
    json!([{"offer_id": name(number), "offer": {"type": "offer", "sdp": sdp(number)}}])
}

pub fn signal(swarm: &str, from: u64, to: &Value, offer: &Value, kind: &str) -> Value {
    json!({"action": "announce", "info_hash": swarm, "peer_id": name(from), "to_peer_id": to, "offer_id": offer,
        kind: {"type": kind, "sdp": sdp(from)}})
}
