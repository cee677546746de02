//! A stretch of network between two peers: each sees the other at an address of the relay.

use crate::hub::{Hub, Side, id};
use node::links::Config;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use swarm::Link;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};

/// What happens to a datagram.
pub enum Fate {
    Pass,
    Lose,
    /// Wait for others, then go all at once.
    Gather,
    /// Pass, and these before it as if they came from the same sender.
    After(Vec<Vec<u8>>),
}

/// Decides by whether it came from the first peer, and what it is.
pub type Judge = Box<dyn FnMut(bool, &[u8]) -> Fate + Send>;

/// Where the peers really are: first and second.
pub type Ends = Arc<Mutex<[Option<SocketAddr>; 2]>>;

const BURST: usize = 60;

/// A hub whose peers 1 (or `also_first`) and 2 meet through a relay. Tell it by `ends` where they are before they dial.
pub async fn hub(judge: Judge, also_first: u8) -> (Hub, Ends) {
    far_hub(judge, also_first, Duration::ZERO).await
}

/// The same with a way that takes so long.
pub async fn far_hub(judge: Judge, also_first: u8, delay: Duration) -> (Hub, Ends) {
    let near_first = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let near_second = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let second_seen_at = near_first.local_addr().expect("bound").port();
    let first_seen_at = near_second.local_addr().expect("bound").port();
    let ends = Ends::default();
    tokio::spawn(run(judge, near_first.into(), near_second.into(), ends.clone(), delay));
    let hub = Hub::mangling(Arc::new(move |from, sdp| {
        let is_first = from == id(1) || from == id(also_first);
        let port = if is_first { first_seen_at } else { second_seen_at };
        let moved = sdp.lines().map(|line| match line.starts_with("a=candidate:") {
            true => {
                let mut fields: Vec<String> = line.split(' ').map(str::to_owned).collect();
                fields[5] = port.to_string();
                fields.join(" ") + "\r\n"
            }
            false => line.to_owned() + "\r\n",
        });
        moved.collect()
    }));
    (hub, ends)
}

pub fn place(ends: &Ends, first: &Side, second: &Side) {
    *ends.lock().expect("no panic") = [Some(first.links.local_addr()), Some(second.links.local_addr())];
}

/// Two peers with a link through a relay, dialled by the first.
pub async fn related(config: impl Fn() -> Config, judge: Judge) -> ((Side, Link), (Side, Link)) {
    let (hub, ends) = hub(judge, 1).await;
    let (mut a, mut b) = (hub.join(1, config()).await, hub.join(2, config()).await);
    place(&ends, &a, &b);
    a.links.dial(b.id);
    let (at_a, ..) = a.up().await;
    let (at_b, ..) = b.up().await;
    ((a, at_a), (b, at_b))
}

async fn run(
    mut judge: Judge,
    near_first: Arc<UdpSocket>,
    near_second: Arc<UdpSocket>,
    ends: Ends,
    delay: Duration,
) {
    let lines = [line(near_second.clone(), delay), line(near_first.clone(), delay)];
    let (mut one, mut other) = (vec![0; 2048], vec![0; 2048]);
    let mut waiting: [Vec<Vec<u8>>; 2] = Default::default();
    loop {
        let received = timeout(Duration::from_millis(10), async {
            tokio::select! {
                Ok((length, _)) = near_first.recv_from(&mut one) => (true, length),
                Ok((length, _)) = near_second.recv_from(&mut other) => (false, length),
            }
        });
        let (is_first, mut out) = match received.await {
            Err(_) => {
                for (n, from_first) in [(0, true), (1, false)] {
                    let burst = std::mem::take(&mut waiting[n]);
                    send(from_first, burst, &lines, &ends);
                }
                continue;
            }
            Ok((is_first, length)) => {
                let datagram = if is_first { one[..length].to_vec() } else { other[..length].to_vec() };
                let out = match judge(is_first, &datagram) {
                    Fate::Pass => vec![datagram],
                    Fate::Lose => vec![],
                    Fate::After(mut before) => {
                        before.push(datagram);
                        before
                    }
                    Fate::Gather => {
                        waiting[usize::from(!is_first)].push(datagram);
                        vec![]
                    }
                };
                (is_first, out)
            }
        };
        let queue = &mut waiting[usize::from(!is_first)];
        if queue.len() >= BURST {
            out.append(queue);
        }
        send(is_first, out, &lines, &ends);
    }
}

/// A datagram on its way: when it is there, and where that is.
type Parcel = (Instant, SocketAddr, Vec<u8>);

/// One direction: what goes in comes out of the socket when it is time.
fn line(socket: Arc<UdpSocket>, delay: Duration) -> (Duration, mpsc::UnboundedSender<Parcel>) {
    let (into, mut out) = mpsc::unbounded_channel::<Parcel>();
    tokio::spawn(async move {
        while let Some((due, to, datagram)) = out.recv().await {
            if due > Instant::now() {
                sleep_until(due.into()).await;
            }
            let _ = socket.send_to(&datagram, to).await;
        }
    });
    (delay, into)
}

fn send(
    from_first: bool,
    datagrams: Vec<Vec<u8>>,
    lines: &[(Duration, mpsc::UnboundedSender<Parcel>); 2],
    ends: &Ends,
) {
    let [first, second] = *ends.lock().expect("no panic");
    let ((delay, line), to) = if from_first { (&lines[0], second) } else { (&lines[1], first) };
    for datagram in datagrams {
        if let Some(to) = to {
            let _ = line.send((Instant::now() + *delay, to, datagram));
        }
    }
}
