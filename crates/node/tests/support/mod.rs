#![allow(dead_code)] // every test file uses a part of it
//! The tracker's own table behind a plain WebSocket server, and a server that says whatever it is told to.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use node::tracker::{Config, Event, Trackers};
use rendezvous::{ConnId, Locality, Outgoing, Stats, Table};
use swarm::PeerId;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};

/// Far more than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub const FILM: [u8; 20] = *b"film\x00\"\\\x80\xff-----------";

struct State {
    table: Table,
    outboxes: BTreeMap<ConnId, mpsc::UnboundedSender<String>>,
    last: u64,
    /// Where a connection is seen, by its number from 1 on.
    seen: fn(u64) -> Locality,
    start: Instant,
}

/// A tracker on a port of this machine. All its connections break when it is dropped.
pub struct Server {
    pub port: u16,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Port 0: any.
    pub async fn start(port: u16) -> Self {
        Self::with(port, rendezvous::Config::default(), |_| Locality::default()).await
    }

    /// The same with other settings, and with connections that are seen elsewhere.
    pub async fn with(port: u16, config: rendezvous::Config, seen: fn(u64) -> Locality) -> Self {
        let listener = listen(port).await;
        let port = listener.local_addr().unwrap().port();
        let table = Table::new(config, 7);
        let state = State { table, outboxes: BTreeMap::new(), last: 0, seen, start: Instant::now() };
        let state = Arc::new(Mutex::new(state));
        let task = tokio::spawn({
            let state = state.clone();
            async move {
                let mut connections = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    connections.spawn(serve(stream, state.clone()));
                }
            }
        });
        Self { port, state, task }
    }

    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/tracker", self.port)
    }

    pub fn stats(&self) -> Stats {
        self.state.lock().unwrap().table.stats()
    }

    /// Waits until the figures are as wanted.
    pub async fn until(&self, wanted: impl Fn(Stats) -> bool) {
        let met = timeout(PATIENCE, async {
            while !wanted(self.stats()) {
                sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(met.await.is_ok(), "still {:?}", self.stats());
    }

    /// Ends it, and waits until its port is free.
    pub async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(port: u16) -> TcpListener {
    timeout(PATIENCE, async {
        loop {
            match TcpListener::bind(("127.0.0.1", port)).await {
                Ok(listener) => return listener,
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    })
    .await
    .expect("the port becomes free")
}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) {
    let Ok(mut socket) = accept_async(stream).await else { return };
    let (outbox, mut waiting) = mpsc::unbounded_channel();
    let id = {
        let mut state = state.lock().unwrap();
        state.last += 1;
        let id = ConnId(state.last);
        let seen = (state.seen)(id.0);
        state.table.connect(id, seen).unwrap();
        state.outboxes.insert(id, outbox);
        id
    };
    let hold = Hold { id, state };
    loop {
        tokio::select! {
            received = socket.next() => match received {
                Some(Ok(Message::Text(text))) => hold.handle(text.as_bytes()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return,
            },
            Some(text) = waiting.recv() => {
                if socket.send(Message::text(text)).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Leaves the table however the connection ends.
struct Hold {
    id: ConnId,
    state: Arc<Mutex<State>>,
}

impl Hold {
    fn handle(&self, text: &[u8]) {
        let mut state = self.state.lock().unwrap();
        let mut out = Vec::new();
        let now = state.start.elapsed();
        let _ = state.table.handle(now, self.id, text, &mut out);
        for Outgoing { to, text, .. } in out {
            if let Some(outbox) = state.outboxes.get(&to) {
                let _ = outbox.send(text);
            }
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap();
        state.table.disconnect(self.id);
        state.outboxes.remove(&self.id);
    }
}

/// A server that is told what to say. Each connection is handed out when it is there.
pub struct Puppet {
    listener: TcpListener,
}

impl Puppet {
    pub async fn start() -> Self {
        Self { listener: listen(0).await }
    }

    pub fn url(&self) -> String {
        format!("ws://{}/", self.listener.local_addr().unwrap())
    }

    pub async fn connection(&self) -> WebSocketStream<TcpStream> {
        let (stream, _) = timeout(PATIENCE, self.listener.accept()).await.expect("a connection").unwrap();
        accept_async(stream).await.unwrap()
    }
}

/// The next message of a client, as JSON.
pub async fn hear(socket: &mut WebSocketStream<TcpStream>) -> serde_json::Value {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("a message in time") {
            Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("no text but {other:?}"),
        }
    }
}

/// A peer as its driver sees it.
pub struct Client {
    pub trackers: Trackers,
    pub events: mpsc::Receiver<Event>,
}

pub fn peer(number: u8) -> PeerId {
    PeerId([number; 20])
}

impl Client {
    pub fn join(number: u8, urls: &[String]) -> Self {
        let mut config = Config::new(urls.to_vec(), FILM, peer(number));
        config.first_backoff = Duration::from_millis(100);
        config.max_backoff = Duration::from_millis(500);
        let (trackers, events) = Trackers::join(config);
        Self { trackers, events }
    }

    /// The next event that is wanted; others are passed over.
    pub async fn hear<T>(&mut self, wanted: impl Fn(Event) -> Option<T>) -> T {
        let found = timeout(PATIENCE, async {
            loop {
                let event = self.events.recv().await.expect("the client lives");
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        });
        found.await.expect("the event in time")
    }

    pub async fn connected(&mut self, connected: bool) {
        self.hear(|event| (event == Event::Connected(connected)).then_some(())).await;
    }

    pub async fn candidates(&mut self) -> Vec<PeerId> {
        let named = |event| if let Event::Candidates(peers) = event { Some(peers) } else { None };
        self.hear(named).await
    }

    pub async fn offer(&mut self) -> (PeerId, String, String) {
        let offer = |event| match event {
            Event::Offer { from, offer_id, sdp } => Some((from, offer_id, sdp)),
            _ => None,
        };
        self.hear(offer).await
    }

    pub async fn answer(&mut self) -> (PeerId, String, String) {
        let answer = |event| match event {
            Event::Answer { from, offer_id, sdp } => Some((from, offer_id, sdp)),
            _ => None,
        };
        self.hear(answer).await
    }

    pub async fn undeliverable(&mut self) -> String {
        let gone = |event| if let Event::Undeliverable { offer_id } = event { Some(offer_id) } else { None };
        self.hear(gone).await
    }

    /// Everything that comes within a while.
    pub async fn all_within(&mut self, time: Duration) -> Vec<Event> {
        let mut events = Vec::new();
        let _ = timeout(time, async {
            while let Some(event) = self.events.recv().await {
                events.push(event);
            }
        })
        .await;
        events
    }
}
