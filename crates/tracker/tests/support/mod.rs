//! A tracker on a port of this machine, and clients of it.
#![allow(dead_code, reason = "every test file uses its own part")]

pub mod http;
pub mod tokens;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, protocol::CloseFrame},
};
use tracker::{Config, Stats, Tracker};

pub const FILM: &str = "film----------------";

/// Far more than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Server {
    pub tracker: Tracker,
    /// Host and port.
    pub address: String,
    pub serving: Option<tokio::task::AbortHandle>,
}

impl Server {
    pub async fn start(config: Config) -> Self {
        Self::serve(Tracker::new(config)).await
    }

    pub async fn serve(tracker: Tracker) -> Self {
        let app = axum::Router::new().nest_service("/tracker", tracker.router());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = tokio::spawn(async move { axum::serve(listener, app).await }).abort_handle();
        Self { tracker, address, serving: Some(serving) }
    }

    /// It is gone, for the other nodes of its cluster too, as soon as its clients are.
    pub fn end(self) {
        self.serving.iter().for_each(tokio::task::AbortHandle::abort);
    }

    pub fn url(&self) -> String {
        format!("ws://{}/tracker", self.address)
    }

    pub async fn client(&self) -> Client {
        Client(connect_async(self.url()).await.expect("the tracker takes a connection").0)
    }

    /// Waits until the figures are as wanted.
    pub async fn until(&self, wanted: impl Fn(Stats) -> bool) {
        let met = timeout(PATIENCE, async {
            while !wanted(self.tracker.stats()) {
                sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(met.await.is_ok(), "still {:?}", self.tracker.stats());
    }
}

pub struct Client(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    pub async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next JSON message.
    pub async fn hear(&mut self) -> Value {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("a message in time") {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("no text but {other:?}"),
            }
        }
    }

    pub async fn ask(&mut self, message: Value) -> Value {
        self.say(message).await;
        self.hear().await
    }

    /// Reads on until the server closes, and returns its reason.
    pub async fn closed(&mut self) -> CloseFrame {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("a close in time") {
                Some(Ok(Message::Close(Some(frame)))) => return frame,
                Some(Ok(_)) => {}
                other => panic!("no close but {other:?}"),
            }
        }
    }
}

/// A 20-character name.
pub fn name(number: u64) -> String {
    format!("-BC0001-{number:012}")
}

pub fn announce(peer: &str) -> Value {
    json!({"action": "announce", "info_hash": FILM, "peer_id": peer})
}

pub fn announce_with(peer: &str, more: Value) -> Value {
    let mut message = announce(peer);
    for (field, value) in more.as_object().unwrap() {
        message[field] = value.clone();
    }
    message
}

/// A session description in the form in which it is passed on. The number tells it from others.
pub fn sdp(number: u64) -> String {
    described(
        number,
        "ufrg",
        "a/password+of/22/chars",
        &format!("a=fingerprint:sha-256 {}\r\n", ["AB"; 32].join(":")),
    )
}

/// One of 2.4 KB: as long as they come.
pub fn long_sdp() -> String {
    let prints =
        ["AA", "BB", "CC", "DD"].map(|byte| format!("a=fingerprint:sha-512 {}\r\n", [byte; 64].join(":")));
    let candidates: String =
        (0..8).map(|n| format!("a=candidate:1 1 udp 1 127.0.0.1 {} typ host\r\n", 5000 + n)).collect();
    described(1, &"u".repeat(256), &"p".repeat(256), &prints.concat())
        .replace("a=ice-ufrag", &format!("{candidates}a=ice-ufrag"))
}

fn described(number: u64, ufrag: &str, password: &str, prints: &str) -> String {
    format!(
        "v=0\r\no=- {number} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
         m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
         a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\n{prints}a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n"
    )
}
