//! Sockets that mean no good: each gets a clear refusal, and the others notice nothing.

mod support;

use std::time::Duration;

use futures_util::SinkExt;
use serde_json::json;
use support::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::sleep,
};
use tokio_tungstenite::{
    MaybeTlsStream, client_async,
    tungstenite::{
        Message,
        protocol::frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};
use tracker::{Config, Rate};

async fn still_serves(server: &Server) {
    let mut client = server.client().await;
    assert_eq!(client.ask(announce(&name(99))).await["action"], "announce");
}

#[tokio::test]
async fn broken_json_is_answered_and_the_connection_goes_on() {
    let server = Server::start(Config::default()).await;
    let mut client = server.client().await;
    for text in ["", "{", "null", "{\"action\":\"announce\"}", "\u{0}"] {
        client.0.send(Message::text(text)).await.unwrap();
        let reply = client.hear().await;
        assert_eq!(reply["action"], "announce");
        assert!(reply["failure reason"].is_string());
    }
    client.0.send(Message::binary(vec![0xff, 0xfe])).await.unwrap();
    assert_eq!(client.hear().await["failure reason"], "message is not UTF-8");
    assert_eq!(client.ask(announce(&name(1))).await["incomplete"], 1);
}

#[tokio::test]
async fn the_longest_message_passes_and_a_longer_one_ends_the_connection_with_the_reason() {
    let server = Server::start(Config::default()).await;
    let mut client = server.client().await;
    let padded = |len: usize| {
        let empty = announce_with(&name(1), json!({"pad": ""})).to_string().len();
        announce_with(&name(1), json!({"pad": "x".repeat(len - empty)}))
    };
    assert_eq!(client.ask(padded(65536)).await["incomplete"], 1);
    client.say(padded(65537)).await;
    let frame = client.closed().await;
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1009, "message too long"));
    server.until(|stats| stats.members == 0).await;
    still_serves(&server).await;
}

#[tokio::test]
async fn a_long_message_in_small_frames_is_no_way_round() {
    let server = Server::start(Config::default()).await;
    let mut client = server.client().await;
    let piece = vec![b' '; 5000];
    for n in 0..14 {
        let opcode = if n == 0 { Data::Text } else { Data::Continue };
        let frame = Frame::message(piece.clone(), OpCode::Data(opcode), false);
        if client.0.send(Message::Frame(frame)).await.is_err() {
            break;
        }
    }
    assert_eq!(u16::from(client.closed().await.code), 1009);
    still_serves(&server).await;
}

#[tokio::test]
async fn a_message_in_more_frames_than_may_be_ends_the_connection() {
    let server = Server::start(Config::default()).await;
    let mut client = server.client().await;
    for n in 0..17 {
        let opcode = if n == 0 { Data::Text } else { Data::Continue };
        let frame = Frame::message(&b" "[..], OpCode::Data(opcode), false);
        client.0.send(Message::Frame(frame)).await.unwrap();
    }
    let frame = client.closed().await;
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1008, "message in too many frames"));
    still_serves(&server).await;
}

#[tokio::test]
async fn a_long_request_for_a_websocket_is_refused() {
    let server = Server::start(Config::default()).await;
    for (len, status) in [(7000, "101"), (8200, "431")] {
        let mut socket = TcpStream::connect(&server.address).await.unwrap();
        let request = format!(
            "GET /tracker HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nX-Long: {}\r\n\r\n",
            "x".repeat(len)
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut head = [0; 12];
        socket.read_exact(&mut head).await.unwrap();
        assert_eq!(std::str::from_utf8(&head[9..]).unwrap(), status);
    }
}

#[tokio::test]
async fn when_memory_is_short_newcomers_are_sent_away_and_who_holds_much_gives_way() {
    let server = Server::start(Config { memory_bytes: 40_000, ..Config::default() }).await;
    let (mut linked, mut first, mut second) =
        (server.client().await, server.client().await, server.client().await);
    linked.ask(announce(&name(1))).await;
    // Long messages that do not end.
    let part = |len| Message::Frame(Frame::message(vec![b' '; len], OpCode::Data(Data::Text), false));
    first.0.send(part(36_000)).await.unwrap();
    let refused = tokio::time::timeout(PATIENCE, async {
        loop {
            match tokio_tungstenite::connect_async(server.url()).await {
                Ok(_) => sleep(Duration::from_millis(5)).await,
                Err(error) => break error.to_string(),
            }
        }
    });
    assert!(refused.await.unwrap().contains("503"));
    second.0.send(part(30_000)).await.unwrap();
    let frame = second.closed().await;
    assert_eq!(u16::from(frame.code), 1013, "{frame:?}");
    assert_eq!(linked.ask(announce(&name(1))).await["incomplete"], 1, "who is linked is served");
    drop((first, second));
    server.until(|stats| stats.connections == 1).await;
    still_serves(&server).await;
}

/// A WebSocket after its handshake, as plain TCP.
async fn raw(server: &Server) -> TcpStream {
    let mut socket = TcpStream::connect(&server.address).await.unwrap();
    let request = "GET /tracker HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
        Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    while !reply.ends_with(b"\r\n\r\n") {
        reply.push(socket.read_u8().await.unwrap());
    }
    let reply = String::from_utf8(reply).unwrap().to_lowercase();
    assert!(reply.starts_with("http/1.1 101 "), "{reply}");
    assert!(!reply.contains("deflate"), "compression was offered and must not be taken");
    socket
}

/// The close code the server sends next.
async fn close_code(mut socket: TcpStream) -> u16 {
    let mut head = [0; 4];
    tokio::time::timeout(PATIENCE, socket.read_exact(&mut head)).await.unwrap().unwrap();
    assert_eq!(head[0], 0x88, "a close frame");
    u16::from_be_bytes([head[2], head[3]])
}

#[tokio::test]
async fn frames_that_claim_to_be_giants_cost_nothing() {
    let server = Server::start(Config::default()).await;
    for claimed in [65537, 1 << 32, (1 << 63) - 1, u64::MAX] {
        let mut socket = raw(&server).await;
        let mut frame = vec![0x81, 0xff];
        frame.extend(claimed.to_be_bytes());
        frame.extend([0; 4]);
        socket.write_all(&frame).await.unwrap();
        assert!([1009, 1002].contains(&close_code(socket).await));
    }
    still_serves(&server).await;
}

#[tokio::test]
async fn bytes_that_are_no_frames_end_the_connection() {
    let server = Server::start(Config::default()).await;
    // Unmasked; a reserved opcode; compressed without having agreed to it; text that is not UTF-8.
    let frames: [&[u8]; 4] =
        [b"\x81\x01a", b"\x83\x80\0\0\0\0", b"\xc1\x80\0\0\0\0", b"\x81\x82\0\0\0\0\xff\xfe"];
    for frame in frames {
        let mut socket = raw(&server).await;
        socket.write_all(frame).await.unwrap();
        assert!([1002, 1007].contains(&close_code(socket).await), "{frame:?}");
    }
    still_serves(&server).await;
}

#[tokio::test]
async fn a_flood_of_messages_or_pings_is_cut_off() {
    let mut config = Config::default();
    config.table.messages = Rate { burst: 20, every: Duration::from_secs(60) };
    let server = Server::start(config).await;
    for message in [Message::text("{}"), Message::Ping(Default::default())] {
        let mut client = server.client().await;
        for _ in 0..21 {
            client.0.feed(message.clone()).await.unwrap();
        }
        client.0.flush().await.unwrap();
        assert_eq!(u16::from(client.closed().await.code), 1008);
    }
    still_serves(&server).await;
}

#[tokio::test]
async fn a_connection_that_takes_its_time_to_close_keeps_its_place_among_the_connections() {
    let mut config = Config { close_within: PATIENCE, ..Config::default() };
    config.table.messages = Rate { burst: 1, every: Duration::from_secs(60) };
    config.table.connections = 1;
    let server = Server::start(config).await;
    let mut client = server.client().await;
    for _ in 0..2 {
        client.say(json!({})).await;
    }
    // It is out of the table, and its socket is still there.
    server.until(|stats| stats.connections == 0).await;
    let error = tokio_tungstenite::connect_async(server.url()).await.unwrap_err().to_string();
    assert!(error.contains("503"), "{error}");
    drop(client);
    let admitted = tokio::time::timeout(PATIENCE, async {
        while tokio_tungstenite::connect_async(server.url()).await.is_err() {}
    });
    admitted.await.expect("the place is free again");
}

/// A member that reads nothing, and one that sends it offers.
async fn slow_and_eager(server: &Server) -> (Client, Client) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let socket = socket.connect(server.address.parse().unwrap()).await.unwrap();
    let (slow, _) = client_async(server.url(), MaybeTlsStream::Plain(socket)).await.unwrap();
    let mut slow = Client(slow);
    slow.ask(announce(&name(1))).await;
    let mut eager = server.client().await;
    eager.ask(announce(&name(2))).await;
    (slow, eager)
}

/// A long directed offer of the eager one.
fn offer(number: u64) -> serde_json::Value {
    let description = json!({"type": "offer", "sdp": long_sdp()});
    announce_with(&name(2), json!({"to_peer_id": name(1), "offer_id": name(number), "offer": description}))
}

fn unlimited(mut config: Config) -> Config {
    config.table.messages = Rate { burst: 1_000_000, every: Duration::from_nanos(1) };
    config.table.announces = config.table.messages;
    config.table.directed = config.table.messages;
    config
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_dropped_and_the_others_are_served() {
    let times = Duration::from_millis(300);
    let config = Config { close_within: times, write_within: times, ..Config::default() };
    let server = Server::start(unlimited(config)).await;
    let (_slow, mut eager) = slow_and_eager(&server).await;
    // Far more than the system's own buffers take.
    for n in 0..8000 {
        eager.say(offer(n)).await;
        if n % 500 == 0 {
            sleep(times / 4).await;
        }
        if server.tracker.stats().members == 1 {
            break;
        }
    }
    server.until(|stats| stats.connections == 1).await;
    // What was refused since then waits before the reply.
    eager.say(announce_with(&name(2), json!({"event": "completed"}))).await;
    while eager.hear().await["complete"] != 1 {}
}

#[tokio::test]
async fn a_flood_of_offers_does_not_throw_out_the_one_it_is_for() {
    let config = Config { write_within: PATIENCE, ..Config::default() };
    let server = Server::start(unlimited(config)).await;
    let (mut slow, mut eager) = slow_and_eager(&server).await;
    for n in 0..4000 {
        eager.say(offer(n)).await;
    }
    let told = eager.hear().await;
    assert_eq!((&told["to_peer_id"], &told["info_hash"]), (&json!(name(1)), &json!(FILM)));
    assert!(told["failure reason"].as_str().unwrap().contains("too much waiting"), "{told}");
    // The victim reads again, and is still there.
    slow.say(announce_with(&name(1), json!({"event": "completed"}))).await;
    while slow.hear().await["complete"] != 1 {}
}
