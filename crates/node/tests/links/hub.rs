//! What a tracker is for: it carries offers and answers between the peers of a test.

use bytes::Bytes;
use node::links::{Config, Event, Links};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use swarm::{Link, PeerId};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Longer than anything here takes.
pub const AGES: Duration = Duration::from_secs(60);

/// Changes a description on its way.
pub type Mangle = Arc<dyn Fn(PeerId, String) -> String + Send + Sync>;

#[derive(Clone, Default)]
pub struct Hub {
    peers: Arc<Mutex<BTreeMap<PeerId, Links>>>,
    mangle: Option<Mangle>,
}

/// One peer: its handle, and what it reports but for offers and answers.
pub struct Side {
    pub id: PeerId,
    pub links: Links,
    pub events: mpsc::UnboundedReceiver<Event>,
}

pub fn id(n: u8) -> PeerId {
    let mut id = *b"-BC0001-000000000000";
    id[19] = n;
    PeerId(id)
}

pub fn local() -> Config {
    Config { bind: "127.0.0.1:0".parse().expect("an address"), ..Config::default() }
}

impl Hub {
    pub fn mangling(mangle: Mangle) -> Self {
        Self { mangle: Some(mangle), ..Self::default() }
    }

    pub async fn join(&self, n: u8, config: Config) -> Side {
        let (links, mut events) = Links::open(config).await.expect("links");
        let (into, out) = mpsc::unbounded_channel();
        let me = id(n);
        self.peers.lock().expect("no panic").insert(me, links.clone());
        let hub = self.clone();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                match event {
                    Event::Offer { to, offer_id, sdp } => {
                        if let Some(peer) = hub.peer(&to) {
                            peer.offer(me, offer_id, hub.mangled(me, sdp));
                        }
                    }
                    Event::Answer { to, offer_id, sdp } => {
                        if let Some(peer) = hub.peer(&to) {
                            peer.answer(me, offer_id, hub.mangled(me, sdp));
                        }
                    }
                    other => drop(into.send(other)),
                }
            }
        });
        Side { id: me, links, events: out }
    }

    /// The tracker forgets a peer.
    pub fn leave(&self, side: &Side) {
        self.peers.lock().expect("no panic").remove(&side.id);
    }

    fn peer(&self, id: &PeerId) -> Option<Links> {
        self.peers.lock().expect("no panic").get(id).cloned()
    }

    fn mangled(&self, from: PeerId, sdp: String) -> String {
        match &self.mangle {
            Some(mangle) => mangle(from, sdp),
            None => sdp,
        }
    }
}

impl Side {
    pub async fn event(&mut self) -> Event {
        timeout(AGES, self.events.recv()).await.expect("in time").expect("an event")
    }

    /// The next event but for those about room.
    pub async fn next(&mut self) -> Event {
        loop {
            match self.event().await {
                Event::Room(..) => {}
                other => return other,
            }
        }
    }

    /// Waits for a link to open.
    pub async fn up(&mut self) -> (Link, PeerId, bool) {
        match self.next().await {
            Event::Up { link, peer, dialled, .. } => (link, peer, dialled),
            other => panic!("{other:?} instead of a link"),
        }
    }

    pub async fn message(&mut self) -> (Link, Bytes) {
        match self.next().await {
            Event::Message(link, message) => (link, message),
            other => panic!("{other:?} instead of a message"),
        }
    }

    /// Whether nothing but room is reported for so long.
    pub async fn is_silent(&mut self, span: Duration) -> bool {
        timeout(span, self.next()).await.is_err()
    }
}

/// Two peers with a link between them, dialled by the first.
pub async fn pair(hub: &Hub, configs: [Config; 2]) -> ((Side, Link), (Side, Link)) {
    let [first, second] = configs;
    let (mut a, mut b) = (hub.join(1, first).await, hub.join(2, second).await);
    a.links.dial(b.id);
    let (at_a, peer, dialled) = a.up().await;
    assert!(dialled && peer == b.id);
    let (at_b, peer, dialled) = b.up().await;
    assert!(!dialled && peer == a.id);
    ((a, at_a), (b, at_b))
}
