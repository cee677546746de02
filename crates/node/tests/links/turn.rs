//! Peers that meet at a TURN server, a real one.

use crate::coturn::{Coturn, hidden};
use crate::hub::{Hub, Side, local, pair};
use crate::over_webrtc::paths::stream;
use node::links::{Config, Event, Links, TurnServer};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;

/// The candidates of every description that goes over this hub.
fn listening() -> (Hub, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let all = seen.clone();
    let hub = Hub::mangling(Arc::new(move |_, sdp: String| {
        let candidates = sdp.lines().filter(|line| line.starts_with("a=candidate:")).map(str::to_owned);
        all.lock().expect("no panic").extend(candidates);
        sdp
    }));
    (hub, seen)
}

/// What is logged while this lives, by this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_writer(move || log.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic")).into_owned()
    }
}

async fn relayed(side: &Side) {
    let since = Instant::now();
    while side.links.relayed() != 1 {
        assert!(since.elapsed() < crate::hub::AGES, "it is not known that the link is relayed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_hide_meet_at_the_relay() {
    let coturn = Coturn::start();
    let (hub, candidates) = listening();
    let configs = [hidden(vec![coturn.server()]), hidden(vec![coturn.server()])];
    let (mut a, mut b) = pair(&hub, configs).await;
    let begun = Instant::now();
    stream(&mut a, &mut b, 100, 60_000).await;
    println!("by the relay: {:.1} MB/s", 6.0 / begun.elapsed().as_secs_f64());
    stream(&mut b, &mut a, 20, 60_000).await;
    relayed(&a.0).await;
    relayed(&b.0).await;
    let candidates = candidates.lock().expect("no panic").clone();
    assert_eq!(candidates.len(), 2, "{candidates:?}");
    for side in [&a.0, &b.0] {
        let own = side.links.local_addr().port().to_string();
        let tells = |line: &String| line.split(' ').any(|word| word == own);
        assert!(!candidates.iter().any(tells), "{candidates:?}");
    }
    assert!(
        candidates.iter().all(|line| line.contains(" typ relay raddr 0.0.0.0 rport 0")),
        "{candidates:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_hides_is_reached_by_one_that_does_not() {
    let coturn = Coturn::start();
    let (mut a, mut b) = pair(&Hub::default(), [local(), hidden(vec![coturn.server()])]).await;
    stream(&mut a, &mut b, 10, 60_000).await;
    relayed(&b.0).await;
    assert_eq!(a.0.links.relayed(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_straight_way_is_taken_where_there_is_one() {
    let coturn = Coturn::start();
    let (hub, candidates) = listening();
    let with = || Config { turn: vec![coturn.server()], ..local() };
    let (mut a, mut b) = pair(&hub, [with(), with()]).await;
    let relays =
        candidates.lock().expect("no panic").iter().filter(|line| line.contains("typ relay")).count();
    assert_eq!(relays, 2);
    stream(&mut a, &mut b, 10, 60_000).await;
    // Longer than it takes until it is counted.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    stream(&mut b, &mut a, 10, 60_000).await;
    assert_eq!((a.0.links.relayed(), b.0.links.relayed()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_said_once_and_costs_only_the_relay() {
    let coturn = Coturn::start();
    let wrong = coturn.server_with("another");
    assert!(!format!("{wrong:?}").contains("another"));
    let log = Log::default();
    let guard = log.start();
    let (hub, candidates) = listening();
    let configs = [Config { turn: vec![wrong], ..local() }, local()];
    let (mut a, mut b) = pair(&hub, configs).await;
    drop(guard);
    stream(&mut a, &mut b, 3, 60_000).await;
    assert!(!candidates.lock().expect("no panic").iter().any(|line| line.contains("typ relay")));
    let text = log.text();
    assert_eq!(text.matches("(401)").count(), 1, "{text}");
    assert!(text.contains("the user name or the password") && !text.contains("another"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_beyond_the_quota_goes_without() {
    let coturn = Coturn::start_with(&["--user-quota", "1"]);
    let log = Log::default();
    let _guard = log.start();
    let (hub, candidates) = listening();
    let with = || Config { turn: vec![coturn.server()], ..local() };
    let (mut a, mut b) = pair(&hub, [with(), with()]).await;
    stream(&mut a, &mut b, 3, 60_000).await;
    let relays =
        candidates.lock().expect("no panic").iter().filter(|line| line.contains("typ relay")).count();
    assert_eq!(relays, 1);
    assert_eq!(log.text().matches("(486)").count(), 1, "{}", log.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_gives_the_address_back() {
    let coturn = Coturn::start();
    let Between { address, said, .. } = between(coturn.address).await;
    let server = TurnServer { address, ..coturn.server() };
    let (links, mut events) = Links::open(hidden(vec![server])).await.expect("links");
    links.dial(crate::hub::id(9));
    let Some(Event::Offer { sdp, .. }) = events.recv().await else { panic!("no offer") };
    assert!(sdp.contains("typ relay"), "{sdp}");
    drop(links);
    while events.recv().await.is_some() {}
    // A refresh of the allocation, for no time at all.
    let is_farewell =
        |said: &Vec<u8>| said.starts_with(&[0, 4]) && said[20..].starts_with(&[0, 0x0D, 0, 4, 0, 0, 0, 0]);
    let since = Instant::now();
    while !said.lock().expect("no panic").iter().any(is_farewell) {
        assert!(since.elapsed() < crate::hub::AGES, "it left without a word");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_server_that_answers_is_used() {
    let coturn = Coturn::start();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let dead =
        TurnServer { address: silent.local_addr().expect("bound"), user: "x".into(), password: "y".into() };
    let both = || hidden(vec![dead.clone(), coturn.server()]);
    let (mut a, mut b) = pair(&Hub::default(), [both(), both()]).await;
    stream(&mut a, &mut b, 3, 60_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_forgot_everything_is_asked_again() {
    let mut coturn = Coturn::start();
    let configs = [hidden(vec![coturn.server()]), hidden(vec![coturn.server()])];
    let ((mut a, at_a), (mut b, at_b)) = pair(&Hub::default(), configs).await;
    let begun = Instant::now();
    coturn.restart();
    assert_eq!(a.next().await, Event::Down(at_a));
    assert_eq!(b.next().await, Event::Down(at_b));
    println!("noticed after {:.1} s", begun.elapsed().as_secs_f64());
    let up = loop {
        a.links.dial(b.id);
        match a.next().await {
            Event::Up { link, .. } => break link,
            Event::DialFailed(_) => tokio::time::sleep(Duration::from_millis(500)).await,
            other => panic!("{other:?}"),
        }
    };
    println!("another link after {:.1} s", begun.elapsed().as_secs_f64());
    let (at_b, ..) = b.up().await;
    stream(&mut (a, up), &mut (b, at_b), 3, 60_000).await;
}

/// What stands between a peer and its server.
struct Between {
    address: SocketAddr,
    said: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Whether what the server relays is given again with changes, too.
    alters: Arc<AtomicBool>,
}

/// Stands between a peer and its server, keeps what the peer says, and adds to what the server says.
async fn between(server: SocketAddr) -> Between {
    let near = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let far = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let address = near.local_addr().expect("bound");
    let said = Arc::new(Mutex::new(Vec::new()));
    let alters = Arc::new(AtomicBool::new(false));
    let between = Between { address, said: said.clone(), alters: alters.clone() };
    let heard = said;
    tokio::spawn(async move {
        let (mut one, mut other) = (vec![0; 2048], vec![0; 2048]);
        let (mut client, mut n, mut is_known) = (None, 0_usize, false);
        loop {
            tokio::select! {
                Ok((length, from)) = near.recv_from(&mut one) => {
                    client = Some(from);
                    heard.lock().expect("no panic").push(one[..length].to_vec());
                    let _ = far.send_to(&one[..length], server).await;
                }
                Ok((length, _)) = far.recv_from(&mut other) => {
                    let Some(client) = client else { continue };
                    let truth = &other[..length];
                    // Until they know each other, nothing that the server says is signed.
                    if is_known {
                        n += 1;
                        let kind = if alters.load(Ordering::Relaxed) { n } else { n % 4 + 2 };
                        let _ = near.send_to(&lie(kind, n, truth), client).await;
                    }
                    let _ = near.send_to(truth, client).await;
                    // The answer to the allocation.
                    is_known |= truth.starts_with(&[1, 3]);
                }
            }
        }
    });
    between
}

fn lie(kind: usize, n: usize, truth: &[u8]) -> Vec<u8> {
    let mut damaged = truth.to_vec();
    let at = n * 13 % truth.len();
    match kind % 6 {
        // Cut short, or another number, length, name or content.
        0 => damaged.truncate(at),
        1 => damaged[at] ^= 0x55,
        // A success and a refusal that nobody asked for.
        2 => damaged = [&[1, 4, 0, 0, 0x21, 0x12, 0xA4, 0x42][..], &[n as u8; 12]].concat(),
        3 => {
            damaged =
                [&[1, 0x14, 0, 8, 0x21, 0x12, 0xA4, 0x42][..], &[9; 12], &[0, 9, 0, 4, 0, 0, 4, 37]].concat()
        }
        // A datagram of nobody, by number and by name.
        4 => damaged = vec![0x4F, 0xFF, 0, 3, 22, 254, 253],
        _ => {
            let peer = [0, 0x12, 0, 8, 0, 1, 0x21 ^ 0x12, 0x12 ^ 0x34, 0x21 ^ 192, 0x12, 0xA4 ^ 2, 0x42 ^ 7];
            let head = [0, 0x17, 0, 20, 0x21, 0x12, 0xA4, 0x42];
            damaged = [&head[..], &[9; 12], &peer, &[0, 0x13, 0, 3, 22, 254, 253, 0]].concat();
        }
    }
    damaged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lies_in_the_name_of_the_server_do_no_harm() {
    let coturn = Coturn::start();
    let (mut configs, mut alterers) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let Between { address, alters, .. } = between(coturn.address).await;
        configs.push(hidden(vec![TurnServer { address, ..coturn.server() }]));
        alterers.push(alters);
    }
    let [first, second] = <[Config; 2]>::try_from(configs).expect("two");
    let (mut a, mut b) = pair(&Hub::default(), [first, second]).await;
    // Whoever relays the peers' own handshake can end it by changing a byte. From here on a key protects what they say.
    alterers.iter().for_each(|alters| alters.store(true, Ordering::Relaxed));
    let stranger = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    for n in 5..500 {
        let to = if n % 2 == 0 { a.0.links.local_addr() } else { b.0.links.local_addr() };
        let _ = stranger.send_to(&lie(n, n, &[0x40, 0, 0, 4, 22, 254, 253, 0]), to).await;
    }
    stream(&mut a, &mut b, 20, 16_000).await;
    stream(&mut b, &mut a, 20, 16_000).await;
}
