//! One peer on a host: it links to everybody that the tracker names, and greets whom it is linked to, again and again.

use crate::plan::HOSTS;
use crate::server::Server;
use bytes::Bytes;
use netlab::Lab;
use node::links::{self, Links};
use node::tracker::{self, Trackers};
use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;
use swarm::{Link, PeerId};
use tokio::sync::oneshot;

/// What each says to each at a time.
pub const GREETING_BYTES: usize = 20_000;

/// How often it is said.
const GREETING_EVERY: Duration = Duration::from_secs(1);

/// What became of a peer.
pub enum What {
    /// A greeting of it came.
    Heard,
    /// The dial led to nothing.
    Failed,
}

/// A peer that runs; it stops with this.
pub struct Peer {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// Starts the peer of the host that has this place, which tells what became of whom.
    pub fn start(lab: &Lab, place: usize, server: &Server, tell: Sender<(usize, usize, What)>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let server = server.clone();
        let host = lab.host(HOSTS[place].name).expect("in the plan");
        let thread = host.run(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                tokio::select! {
                    () = run(place, &server, &tell) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { stop: Some(stop), thread: Some(thread.expect("a thread")) }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn id(place: usize) -> PeerId {
    let mut id = *b"-BC0001-000000000000";
    id[19] = place as u8;
    PeerId(id)
}

fn place(id: PeerId) -> usize {
    usize::from(id.0[19])
}

async fn run(own: usize, server: &Server, tell: &Sender<(usize, usize, What)>) {
    let turn = server.turn.iter().cloned().collect();
    let config = links::Config { stun: vec![server.stun], turn, ..links::Config::default() };
    let (links, mut events) = Links::open(config).await.expect("links");
    let swarm = *b"everybody on the lab";
    let config = tracker::Config::new(vec![server.tracker.clone()], swarm, id(own));
    let (trackers, mut words) = Trackers::join(config);
    trackers.announce(20);
    let mut names: BTreeMap<Link, usize> = BTreeMap::new();
    let greeting = Bytes::from(vec![own as u8; GREETING_BYTES]);
    let mut again = tokio::time::interval(GREETING_EVERY);
    loop {
        tokio::select! {
            _ = again.tick() => names.keys().for_each(|link| links.send(*link, greeting.clone())),
            Some(word) = words.recv() => match word {
                // Of two, the one who came later is told of the other.
                tracker::Event::Candidates(all) => all.into_iter().for_each(|peer| links.dial(peer)),
                tracker::Event::Offer { from, offer_id, sdp } => links.offer(from, offer_id, sdp),
                tracker::Event::Answer { from, offer_id, sdp } => links.answer(from, offer_id, sdp),
                tracker::Event::Undeliverable { offer_id } => links.undeliverable(offer_id),
                tracker::Event::Audience(_) | tracker::Event::Connected(_) | tracker::Event::MayUpload(_) => {}
            },
            Some(event) = events.recv() => match event {
                links::Event::Offer { to, offer_id, sdp } => trackers.offer(to, &offer_id, &sdp),
                links::Event::Answer { to, offer_id, sdp } => trackers.answer(to, &offer_id, &sdp),
                links::Event::Up { link, peer, .. } => {
                    names.insert(link, place(peer));
                    links.send(link, greeting.clone());
                }
                links::Event::Message(link, message) => {
                    let peer = names[&link];
                    assert!(message == vec![peer as u8; GREETING_BYTES]);
                    let _ = tell.send((own, peer, What::Heard));
                }
                links::Event::DialFailed(peer) => drop(tell.send((own, place(peer), What::Failed))),
                links::Event::Down(link) => drop(names.remove(&link)),
                links::Event::Room(..) => {}
            },
            else => return,
        }
    }
}
