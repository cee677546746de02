//! Clients over real sockets: they meet, talk, and go.

mod support;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        protocol::frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};
use tracker::Config;

#[tokio::test]
async fn two_clients_swap_an_offer_and_an_answer() {
    let server = Server::start(Config::default()).await;
    let (mut ann, mut bob) = (server.client().await, server.client().await);
    assert_eq!(bob.ask(announce(&name(2))).await["incomplete"], 1);
    let offers = json!([{"offer_id": name(7), "offer": {"type": "offer", "sdp": sdp(1)}}]);
    let reply = ann.ask(announce_with(&name(1), json!({"numwant": 1, "offers": offers}))).await;
    assert_eq!(reply["incomplete"], 2);
    let offer = bob.hear().await;
    assert_eq!(offer["offer"], json!({"type": "offer", "sdp": sdp(1)}));
    let to = json!({
        "to_peer_id": offer["peer_id"], "offer_id": offer["offer_id"],
        "answer": {"type": "answer", "sdp": sdp(2)},
    });
    bob.say(announce_with(&name(2), to)).await;
    let answer = ann.hear().await;
    assert_eq!(answer["peer_id"], name(2));
    assert_eq!(answer["offer_id"], name(7));
    assert_eq!(answer["answer"]["sdp"], sdp(2));
    let stats = server.tracker.stats();
    assert_eq!((stats.connections, stats.members, stats.swarms), (2, 2, 1));
    assert_eq!((stats.offers, stats.answers), (1, 1));
}

#[tokio::test]
async fn a_directed_offer_goes_to_the_candidate_that_was_named() {
    let server = Server::start(Config::default()).await;
    let (mut ann, mut bob) = (server.client().await, server.client().await);
    bob.ask(announce(&name(2))).await;
    let reply = ann.ask(announce_with(&name(1), json!({"want": 5}))).await;
    assert_eq!(reply["candidates"], json!([name(2)]));
    let offer = json!({
        "to_peer_id": name(2), "offer_id": name(7), "offer": {"type": "offer", "sdp": sdp(1)},
    });
    ann.say(announce_with(&name(1), offer)).await;
    assert_eq!(bob.hear().await["offer_id"], name(7));
}

#[tokio::test]
async fn binary_frames_and_frames_in_pieces_are_messages_too() {
    let server = Server::start(Config::default()).await;
    let mut client = server.client().await;
    let text = announce(&name(1)).to_string();
    client.0.send(Message::binary(text.clone().into_bytes())).await.unwrap();
    assert_eq!(client.hear().await["incomplete"], 1);
    let (head, tail) = text.split_at(30);
    for (piece, opcode, last) in [(head, Data::Text, false), (tail, Data::Continue, true)] {
        let frame = Frame::message(piece.to_owned(), OpCode::Data(opcode), last);
        client.0.send(Message::Frame(frame)).await.unwrap();
    }
    assert_eq!(client.hear().await["incomplete"], 1);
}

#[tokio::test]
async fn a_ping_and_a_close_are_answered() {
    let server = Server::start(Config::default()).await;
    let mut client = server.client().await;
    client.0.send(Message::Ping("here?".into())).await.unwrap();
    assert_eq!(client.0.next().await.unwrap().unwrap(), Message::Pong("here?".into()));
    client.0.send(Message::Close(None)).await.unwrap();
    // The library gives the answer out, and after it the end of the stream: nothing was reset.
    assert_eq!(client.0.next().await.unwrap().unwrap(), Message::Close(None));
    assert!(client.0.next().await.is_none());
}

#[tokio::test]
async fn messages_that_come_together_are_answered_in_their_order() {
    let server = Server::start(Config::default()).await;
    let mut client = server.client().await;
    let swarms = 30;
    for swarm in 0..swarms {
        let mut message = announce_with(&name(1), json!({"pad": "x".repeat(3000)}));
        message["info_hash"] = json!(name(swarm));
        client.0.feed(Message::text(message.to_string())).await.unwrap();
    }
    client.0.flush().await.unwrap();
    for swarm in 0..swarms {
        assert_eq!(client.hear().await["info_hash"], json!(name(swarm)));
    }
}

#[tokio::test]
async fn the_path_and_the_query_below_the_tracker_are_free() {
    let server = Server::start(Config::default()).await;
    for rest in ["", "/", "?token=x", "/announce", "/a/b/c?d"] {
        let url = format!("{}{rest}", server.url());
        let mut client = Client(connect_async(&url).await.expect(&url).0);
        assert_eq!(client.ask(announce(&name(1))).await["incomplete"], 1);
        client.ask(announce_with(&name(1), json!({"event": "stopped"}))).await;
    }
}

#[tokio::test]
async fn a_closed_socket_is_out_of_its_swarms_at_once_however_it_closed() {
    let server = Server::start(Config::default()).await;
    let (mut polite, mut rude) = (server.client().await, server.client().await);
    polite.ask(announce(&name(1))).await;
    rude.ask(announce(&name(2))).await;
    polite.0.close(None).await.unwrap();
    server.until(|stats| stats.members == 1).await;
    drop(rude);
    server.until(|stats| (stats.connections, stats.members, stats.swarms) == (0, 0, 0)).await;
}

#[tokio::test]
async fn who_comes_without_a_websocket_is_told_what_this_is() {
    let server = Server::start(Config::default()).await;
    let mut socket = tokio::net::TcpStream::connect(&server.address).await.unwrap();
    socket.write_all(b"GET /tracker HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 426 "), "{text}");
    assert!(text.contains("tracker for WebTorrent"));
}

#[tokio::test]
async fn a_full_tracker_says_so_before_the_upgrade() {
    let mut config = Config::default();
    config.table.connections = 1;
    let server = Server::start(config).await;
    let first = server.client().await;
    let error = connect_async(server.url()).await.unwrap_err().to_string();
    assert!(error.contains("503"), "{error}");
    drop(first);
    server.until(|stats| stats.connections == 0).await;
    server.client().await.ask(announce(&name(1))).await;
}

#[tokio::test]
async fn a_shutdown_closes_every_connection_and_lets_nobody_in() {
    let server = Server::start(Config::default()).await;
    let mut clients = Vec::new();
    for n in 0..5 {
        let mut client = server.client().await;
        client.ask(announce(&name(n))).await;
        clients.push(client);
    }
    let waiting = tokio::spawn(async move {
        for client in &mut clients {
            assert_eq!(u16::from(client.closed().await.code), 1001);
        }
    });
    server.tracker.shutdown().await;
    let stats = server.tracker.stats();
    assert_eq!((stats.connections, stats.members), (0, 0));
    waiting.await.unwrap();
    assert!(connect_async(server.url()).await.is_err());
}

#[tokio::test]
async fn a_client_that_answers_pings_stays_and_a_silent_one_goes() {
    let config = Config {
        ping_every: Duration::from_millis(50),
        silent_after: Duration::from_millis(400),
        close_within: Duration::from_millis(50),
        ..Config::default()
    };
    let server = Server::start(config).await;
    let (mut awake, mut asleep) = (server.client().await, server.client().await);
    asleep.ask(announce(&name(2))).await;
    assert_eq!(awake.ask(announce(&name(1))).await["incomplete"], 2);
    // Who reads also answers pings: the library does it by itself.
    let reader = tokio::spawn(async move { awake.hear().await });
    server.until(|stats| stats.connections == 1).await;
    assert_eq!(server.tracker.stats().members, 1);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(server.tracker.stats().connections, 1);
    reader.abort();
    drop(asleep);
}

#[tokio::test]
async fn a_client_that_only_answers_pings_is_let_go_in_the_end() {
    let mut config = Config { ping_every: Duration::from_millis(50), ..Config::default() };
    config.table.interval = Duration::from_millis(100);
    config.table.slack = Duration::from_millis(100);
    let server = Server::start(config).await;
    let mut client = server.client().await;
    client.ask(announce(&name(1))).await;
    let frame = client.closed().await;
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1001, "no announce for too long"));
    server.until(|stats| stats.connections == 0).await;
}

#[tokio::test]
async fn where_a_client_is_is_said_by_the_server_and_else_by_the_socket() {
    // A server that knows clients behind its proxy by a header, as this test pretends.
    let tracker = tracker::Tracker::new(Config::default());
    let told = async |mut request: axum::extract::Request, next: axum::middleware::Next| {
        let address = request.headers().get("x-from").and_then(|value| value.to_str().ok());
        if let Some(address) = address.and_then(|address| address.parse::<std::net::IpAddr>().ok()) {
            request.extensions_mut().insert(tracker::Locality::from(address));
        }
        next.run(request).await
    };
    let app =
        axum::Router::new().nest_service("/tracker", tracker.router()).layer(axum::middleware::from_fn(told));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server { address: listener.local_addr().unwrap().to_string(), tracker, serving: None };
    let service = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });

    let client = async |from: &str| {
        let mut request = server.url().into_client_request().unwrap();
        if !from.is_empty() {
            request.headers_mut().insert("x-from", from.parse().unwrap());
        }
        Client(connect_async(request).await.unwrap().0)
    };
    let mut bob = client("198.51.100.7").await;
    bob.ask(announce(&name(2))).await;
    let candidates = ["203.0.113.5", "198.18.0.9", "127.0.0.1"]
        .map(|address| format!("a=candidate:1 1 udp 1 {address} 5000 typ host\r\n"))
        .concat();
    let sdp = sdp(1).replace("a=ice-ufrag", &format!("{candidates}a=ice-ufrag"));
    for (n, (from, passed)) in [("203.0.113.5", 1), ("", 2)].into_iter().enumerate() {
        let mut ann = client(from).await;
        let offer = json!({"type": "offer", "sdp": sdp});
        let offers = json!([{"offer_id": name(7), "offer": offer}]);
        ann.ask(announce_with(&name(10 + n as u64), json!({"offers": offers}))).await;
        let sdp = bob.hear().await["offer"]["sdp"].as_str().unwrap().to_owned();
        assert_eq!(sdp.matches("a=candidate:").count(), passed, "{sdp}");
        ann.0.close(None).await.unwrap();
        server.until(|stats| stats.members == 1).await;
    }
}
