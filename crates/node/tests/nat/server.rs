//! What is on the open net: a tracker, and a STUN server.

use crate::plan::SERVER;
use netlab::Lab;
use node::links::TurnServer;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::mpsc;

/// Where it is.
#[derive(Clone)]
pub struct Server {
    pub tracker: String,
    pub stun: SocketAddr,
    pub turn: Option<TurnServer>,
}

/// Starts both on the host "server". They run until the process ends.
pub fn start(lab: &Lab) -> Server {
    let (tell, told) = mpsc::channel();
    let host = lab.host("server").expect("in the plan");
    host.run(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind((SERVER, 0)).await.expect("a socket");
            tell.send(listener.local_addr().expect("bound")).expect("awaited");
            let mut config = tracker::Config::default();
            config.table.relays = vec![IpAddr::from(SERVER).into()];
            let tracker = tracker::Tracker::new(config);
            let app = axum::Router::new().nest_service("/tracker", tracker.router());
            // Descriptions name no address but the one that the tracker sees.
            let app = app.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, app).await.expect("it serves");
        });
    })
    .expect("a thread");
    let stun = host.run(|| UdpSocket::bind((SERVER, 3478)).expect("a socket")).expect("a thread");
    let stun = stun.join().expect("no panic");
    let address = stun.local_addr().expect("bound");
    std::thread::spawn(move || answer(&stun));
    let tracker = told.recv().expect("it was bound");
    Server { tracker: format!("ws://{tracker}/tracker"), stun: address, turn: None }
}

/// Answers binding requests (RFC 8489) with where they came from.
fn answer(socket: &UdpSocket) {
    let mut request = [0; 548];
    while let Ok((length, from)) = socket.recv_from(&mut request) {
        let SocketAddr::V4(from) = from else { continue };
        let [0, 1, _, _, cookie @ ..] = &request[..length.max(4)] else { continue };
        let Some((cookie, transaction)) = cookie.get(..16).map(|id| id.split_at(4)) else { continue };
        let mut answer = vec![1, 1, 0, 12];
        answer.extend([cookie, transaction].concat());
        // XOR-MAPPED-ADDRESS, of IPv4.
        answer.extend([0, 0x20, 0, 8, 0, 1]);
        let plain = [&from.port().to_be_bytes()[..], &from.ip().octets()[..]];
        for part in plain {
            answer.extend(part.iter().zip(cookie).map(|(byte, mask)| byte ^ mask));
        }
        let _ = socket.send_to(&answer, SocketAddr::V4(from));
    }
}
