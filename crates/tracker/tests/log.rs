//! What stands in the log: everything at the level of debugging, and in none of it a client's address.

mod support;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use support::*;
use tokio::{io::AsyncWriteExt, net::TcpListener};
use tokio_tungstenite::{connect_async, tungstenite::client::IntoClientRequest};
use tracker::{
    Config, Masked, Tracker, Whereabouts,
    listener::{self, Door, Limits},
    server::Server as Whole,
};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A client of whom the proxy says that it comes `from` there.
async fn client(address: &str, from: &str) -> Result<Client, String> {
    let mut request = format!("ws://{address}/").into_client_request().unwrap();
    request.headers_mut().insert("x-forwarded-for", from.parse().unwrap());
    connect_async(request).await.map(|(socket, _)| Client(socket)).map_err(|error| error.to_string())
}

#[tokio::test]
async fn no_address_of_a_client_is_in_a_log_of_everything() {
    let lines = Lines::default();
    let writer = lines.clone();
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_ansi(false);
    log.with_writer(move || writer.clone()).init();

    let whereabouts = Whereabouts::behind(["127.0.0.1/32".parse().unwrap()]);
    let tracker = Tracker::new(Config { whereabouts, ..Config::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let limits = Limits { sockets_per_neighbourhood: 1, ..Limits::default() };
    let door = Door { whereabouts: tracker.whereabouts().clone(), ..Door::default() };
    let router = Whole::new(tracker.clone()).router();
    tokio::spawn(listener::serve(listener, router, limits, door, std::future::pending()));

    // One is served, one is over its network's share, one is sent away, one is no WebSocket and one no HTTP.
    let addresses = ["203.0.113.77", "203.0.113.78", "2001:db8:9:8::77", "198.51.100.23"];
    let mut ann = client(&address, addresses[0]).await.unwrap();
    ann.ask(announce(&name(1))).await;
    assert!(client(&address, addresses[1]).await.err().unwrap().contains("503"));
    tracker.turn_away(true);
    assert!(client(&address, addresses[2]).await.err().unwrap().contains("503"));
    let mut socket = tokio::net::TcpStream::connect(&address).await.unwrap();
    let request =
        format!("GET / HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {}\r\n\r\nnothing\r\n\r\n", addresses[3]);
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut answer).await.unwrap();
    ann.say(serde_json::json!("x".repeat(70_000))).await;
    assert_eq!(u16::from(ann.closed().await.code), 1009);
    tracker.shutdown().await;

    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    for wanted in ["sent away", "as many WebSockets as it may", "connection ends"] {
        assert!(log.contains(wanted), "{wanted} in {log}");
    }
    for address in addresses {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(address)).collect();
        assert!(lines.is_empty(), "{address} in {lines:?}");
    }
    let masked = Masked(addresses[2].parse().unwrap()).to_string();
    assert!(log.contains(&masked), "{masked} in {log}");
}
