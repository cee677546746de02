//! A viewer, as far as a tracker sees one.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use crate::PATIENCE;

/// How long a reply is waited for before it is asked again.
const REPLY_WITHIN: Duration = Duration::from_secs(2);

pub struct Viewer {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    film: String,
    name: String,
}

fn name(number: u64) -> String {
    format!("-BC0001-{number:012}")
}

impl Viewer {
    /// A connection, on which nothing was said.
    pub async fn join(node: SocketAddr, film: u64, number: u64) -> Self {
        let url = format!("ws://{node}/");
        let (socket, _) = timeout(PATIENCE, connect_async(url)).await.expect("in time").expect("a socket");
        if let MaybeTlsStream::Plain(socket) = socket.get_ref() {
            socket.set_nodelay(true).expect("a socket");
        }
        Self { socket, film: format!("film{film:016}"), name: name(number) }
    }

    /// Says that it is there, and gives what is said to that, if something is.
    pub async fn announce(&mut self) -> Option<Value> {
        self.say(json!({"want": 20})).await;
        self.hear(|message| message["complete"].is_number() || message["failure reason"].is_string()).await
    }

    pub async fn announce_until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let reply = self.announce().await.filter(|reply| reply["interval"].is_number());
            if let Some(reply) = reply.filter(&wanted) {
                return reply;
            }
            assert!(begun.elapsed() < PATIENCE, "{} is not answered as it should be", self.name);
            sleep(Duration::from_millis(300)).await;
        }
    }

    /// How many are in the film.
    pub async fn scrape(&mut self) -> Option<u64> {
        let message = json!({"action": "scrape", "info_hash": self.film});
        self.socket.send(Message::text(message.to_string())).await.expect("it is open");
        let said = self.hear(|message| message["files"].is_object()).await?;
        let file = &said["files"][&self.film];
        Some(file["complete"].as_u64()? + file["incomplete"].as_u64()?)
    }

    async fn say(&mut self, more: Value) {
        let mut message = json!({"action": "announce", "info_hash": self.film, "peer_id": self.name});
        for (field, value) in more.as_object().expect("fields") {
            message[field] = value.clone();
        }
        self.socket.send(Message::text(message.to_string())).await.expect("it is open");
    }

    async fn hear(&mut self, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        let heard = timeout(REPLY_WITHIN, async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let message: Value = serde_json::from_str(&text).expect("JSON");
                        if wanted(&message) {
                            return message;
                        }
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => panic!("the connection ends: {other:?}"),
                }
            }
        });
        heard.await.ok()
    }

    async fn swap(&mut self, other: &mut Self) -> Option<Duration> {
        let begun = Instant::now();
        let id = name(begun.elapsed().as_nanos() as u64);
        self.say(json!({"to_peer_id": other.name, "offer_id": id, "offer": {"type": "offer", "sdp": sdp()}}))
            .await;
        let offer = other.hear(|message| message["offer"].is_object()).await?;
        let to = json!({"to_peer_id": offer["peer_id"], "offer_id": offer["offer_id"], "answer": {"type": "answer", "sdp": sdp()}});
        other.say(to).await;
        self.hear(|message| message["answer"].is_object()).await?;
        Some(begun.elapsed())
    }
}

/// Two newcomers meet, and how long it takes from the offer to its answer.
pub async fn meet(one: SocketAddr, other: SocketAddr, film: u64, number: u64) -> Duration {
    let mut other = Viewer::join(other, film, number + 1).await;
    other.announce_until(|_| true).await;
    let mut one = Viewer::join(one, film, number).await;
    one.announce_until(|reply| names(reply, number + 1)).await;
    one.swap(&mut other).await.expect("an answer")
}

/// The same in the middle of trouble: they try until they have met.
pub async fn meet_soon(one: SocketAddr, other: SocketAddr, film: u64, number: u64) {
    let mut other = Viewer::join(other, film, number + 1).await;
    let mut one = Viewer::join(one, film, number).await;
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let (said, heard) = tokio::join!(other.announce(), one.announce());
        if said.is_some()
            && heard.is_some_and(|reply| names(&reply, number + 1))
            && one.swap(&mut other).await.is_some()
        {
            return;
        }
        sleep(Duration::from_millis(300)).await;
    }
    panic!("two newcomers of film {film} do not meet");
}

fn names(reply: &Value, number: u64) -> bool {
    reply["candidates"].as_array().is_some_and(|named| named.contains(&name(number).into()))
}

fn sdp() -> String {
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
         c=IN IP4 0.0.0.0\r\na=ice-ufrag:ufrg\r\na=ice-pwd:a/password+of/22/chars\r\n\
         a=fingerprint:sha-256 {}\r\na=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n",
        ["AB"; 32].join(":")
    )
}
