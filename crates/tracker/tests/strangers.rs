//! Newcomers: who comes too fast from one network is turned away unread, and nobody else notices.

mod support;

use std::time::Duration;

use support::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::{sleep, timeout},
};
use tracker::{
    Config, Rate, Tracker, Whereabouts,
    listener::{self, Limits},
    server::Server as Whole,
};

/// Three, and then nobody for as long as a test takes.
const THREE: Rate = Rate { burst: 3, every: Duration::from_secs(3600) };

/// Where it listens.
async fn start(newcomers: Rate, loopback_exempt: bool, whereabouts: Whereabouts) -> String {
    let server = Whole::new(Tracker::new(Config { whereabouts, ..Config::default() }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let limits = Limits { newcomers, loopback_exempt, ..Limits::default() };
    tokio::spawn(listener::serve(listener, server.router(), limits, server.door(), std::future::pending()));
    address
}

/// Asks for a WebSocket, from an address of this machine: the socket and the status, or `None` if it was reset.
async fn knock_for(address: &str, from: &str, client: &str) -> Option<(TcpStream, String)> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let asked = async {
        let mut socket = socket.connect(address.parse().unwrap()).await?;
        let request = format!(
            "GET /tracker HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{client}\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await?;
        let mut head = [0; 12];
        socket.read_exact(&mut head).await?;
        Ok::<_, std::io::Error>((socket, std::str::from_utf8(&head[9..]).unwrap().to_owned()))
    };
    timeout(PATIENCE, asked).await.expect("an answer in time").ok()
}

async fn knock(address: &str, from: &str) -> Option<(TcpStream, String)> {
    knock_for(address, from, "").await
}

/// How many it says that it has turned away.
async fn turned_away(address: &str) -> u64 {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let name = "braidcast_tracker_turned_away_total ";
    answer.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
}

#[tokio::test]
async fn who_comes_too_fast_is_reset_unread_and_others_are_let_in() {
    let address = start(THREE, false, Whereabouts::default()).await;
    let mut open = Vec::new();
    for host in 1..=3 {
        let (socket, status) = knock(&address, &format!("127.0.1.{host}")).await.expect("one of three");
        assert_eq!(status, "101");
        open.push(socket);
    }
    for host in 1..=40 {
        assert!(knock(&address, &format!("127.0.1.{host}")).await.is_none(), "{host}");
    }
    assert_eq!(knock(&address, "127.0.2.1").await.unwrap().1, "101", "another network has its own allowance");
    assert_eq!(turned_away(&address).await, 40);
    // Who was let in before is still there: a ping is answered.
    open[0].write_all(&[0x89, 0x80, 0, 0, 0, 0]).await.unwrap();
    let mut last = [0; 2];
    let ponged = async {
        while last != [0x8a, 0] {
            last = [last[1], open[0].read_u8().await.unwrap()];
        }
    };
    timeout(PATIENCE, ponged).await.expect("a pong");
}

#[tokio::test]
async fn a_flood_holds_nobody_up_and_all_of_it_is_answered_in_the_end() {
    let address = start(THREE, false, Whereabouts::default()).await;
    let flood: Vec<_> = (0..250)
        .map(|host| {
            let address = address.clone();
            tokio::spawn(async move { knock(&address, &format!("127.0.1.{}", host + 2)).await.is_some() })
        })
        .collect();
    assert_eq!(knock(&address, "127.0.2.1").await.unwrap().1, "101");
    let mut let_in = 0;
    for one in flood {
        let_in += usize::from(one.await.unwrap());
    }
    assert_eq!((let_in, turned_away(&address).await), (3, 247));
}

#[tokio::test]
async fn a_networks_allowance_comes_back() {
    let rate = Rate { burst: 1, every: Duration::from_millis(300) };
    let address = start(rate, false, Whereabouts::default()).await;
    let mut refused = 0;
    let let_in = async {
        for _ in 0..3 {
            while knock(&address, "127.0.1.1").await.is_none() {
                refused += 1;
                sleep(Duration::from_millis(10)).await;
            }
        }
    };
    timeout(PATIENCE, let_in).await.expect("they get in, one after another");
    assert_eq!(turned_away(&address).await, refused);
}

#[tokio::test]
async fn a_proxy_on_this_machine_may_bring_any_number() {
    let address = start(THREE, true, Whereabouts::default()).await;
    for _ in 0..10 {
        assert_eq!(knock(&address, "127.0.0.1").await.unwrap().1, "101");
    }
    assert_eq!(turned_away(&address).await, 0);
}

#[tokio::test]
async fn behind_a_trusted_proxy_clients_are_counted_by_their_own_networks() {
    let address = start(THREE, false, Whereabouts::behind(["127.0.0.1/32".parse().unwrap()])).await;
    let mut statuses = Vec::new();
    for host in 1..=5 {
        let client = format!("X-Forwarded-For: 203.0.113.{host}\r\n");
        statuses.push(knock_for(&address, "127.0.0.1", &client).await.unwrap().1);
    }
    assert_eq!(statuses, ["101", "101", "101", "503", "503"]);
    let other = knock_for(&address, "127.0.0.1", "X-Forwarded-For: 198.51.100.1\r\n").await.unwrap();
    assert_eq!((other.1.as_str(), turned_away(&address).await), ("101", 2));
}
