//! One tracker: from one attempt to the next, and what is said while it lasts.
//!
//! The invariant: it waits for nothing without a limit, but for the tracker's next word, and that for no longer than
//! [`SILENT_AFTER`].

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{SinkExt, StreamExt};
use rendezvous::OfferId;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{
        self, Message as Frame, client::IntoClientRequest, handshake::client::Request,
        protocol::WebSocketConfig,
    },
};

use crate::tracker::{
    Config, MAX_TRACKERS,
    message::{Farewell, Identity, Kind, MAX_MESSAGE_BYTES, Message, Signal},
    permit::Permit,
    schedule::Schedule,
};

/// Orders that wait to be written.
const ORDERS: usize = 64;
const CONNECT_WITHIN: Duration = Duration::from_secs(20);
const WRITE_WITHIN: Duration = Duration::from_secs(10);
const PING_EVERY: Duration = Duration::from_secs(30);
/// Nothing for this long, not even an answer to a ping, and the tracker is given up.
const SILENT_AFTER: Duration = Duration::from_secs(75);
/// Sent elsewhere once, it stays for so long, unless it is let go.
const DETOUR_EVERY: Duration = Duration::from_secs(60);
/// Less than what [`super::Trackers::leave`] waits.
const FAREWELL_WITHIN: Duration = Duration::from_millis(800);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What a tracker is to be told.
#[derive(Debug)]
pub(super) enum Order {
    Announce(u32),
    Signal(Signal),
}

/// What happened on the line of a tracker.
#[derive(Debug)]
pub(super) enum Report {
    Up,
    Down,
    Said(Message),
    /// An offer that was ordered did not go out.
    Unsent(OfferId),
}

/// Where a tracker is and how to get there.
pub(super) struct Address {
    request: Request,
    connector: Connector,
}

impl Address {
    /// Those of `urls` that can be read, each once.
    pub(super) fn read_all(urls: &[String]) -> Vec<Self> {
        let mut seen = BTreeSet::new();
        let mut tls = None;
        let mut addresses = Vec::new();
        for url in urls.iter().filter(|url| seen.insert(url.as_str())) {
            if addresses.len() == MAX_TRACKERS {
                tracing::warn!("more than {MAX_TRACKERS} trackers: the rest is left out");
                break;
            }
            let request = match url.as_str().into_client_request() {
                Ok(request) if request.uri().host().is_some() => request,
                _ => {
                    tracing::warn!(url, "not the address of a tracker: it must begin with wss:// or ws://");
                    continue;
                }
            };
            let connector = match request.uri().scheme_str() {
                Some("ws") => Ok(Connector::Plain),
                Some("wss") => tls.get_or_insert_with(tls_connector).clone(),
                _ => {
                    tracing::warn!(url, "not the address of a tracker: it must begin with wss:// or ws://");
                    continue;
                }
            };
            match connector {
                Ok(connector) => addresses.push(Self { request, connector }),
                Err(error) => {
                    tracing::warn!(url, %error, "no TLS: install the system's certificates (ca-certificates)");
                }
            }
        }
        addresses
    }
}

/// The system's own idea of whom to trust, and the cryptography that the rest of the crate uses. Both are named, because
/// the library's default panics when a program has two kinds of cryptography in it.
fn tls_connector() -> Result<Connector, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    Ok(Connector::Rustls(Arc::new(config)))
}

pub(super) struct Connection {
    index: usize,
    address: Address,
    identity: Identity,
    first_backoff: Duration,
    max_backoff: Duration,
    schedule: Schedule,
    permit: Permit,
    is_classic: bool,
    /// Where the next attempt goes instead of to its own address, because the tracker said so.
    detour: Option<Address>,
    detoured: Option<Instant>,
    /// When the tracker that let us go wants to be tried again.
    retry: Option<Duration>,
    orders: mpsc::Receiver<Order>,
    reports: mpsc::Sender<(usize, Report)>,
    leaving: watch::Receiver<bool>,
    socket: Option<Socket>,
}

/// Why a conversation ends.
enum End {
    /// The tracker is gone, or misbehaves.
    Lost,
    /// The tracker sends us to another one of its cluster.
    Elsewhere,
    /// Nobody wants it any more.
    Unwanted,
}

impl Connection {
    pub(super) fn new(
        index: usize,
        address: Address,
        config: &Config,
        reports: mpsc::Sender<(usize, Report)>,
        leaving: watch::Receiver<bool>,
    ) -> (Self, mpsc::Sender<Order>) {
        let (given, orders) = mpsc::channel(ORDERS);
        let connection = Self {
            index,
            address,
            identity: Identity::new(&config.info_hash, config.peer_id).with(config.role, config.upload_kbps),
            first_backoff: config.first_backoff,
            max_backoff: config.max_backoff,
            schedule: Schedule::new(Instant::now()),
            permit: Permit::new(config.pass.clone(), config.info_hash, config.peer_id.0),
            is_classic: false,
            detour: None,
            detoured: None,
            retry: None,
            orders,
            reports,
            leaving,
            socket: None,
        };
        (connection, given)
    }

    /// Until nobody wants it any more; then it says goodbye.
    pub(super) async fn run(mut self) {
        let mut leaving = self.leaving.clone();
        tokio::select! {
            () = self.live() => {}
            // Also when everybody who could say so is gone.
            _ = leaving.wait_for(|&leaving| leaving) => {}
        }
        self.say_goodbye().await;
    }

    async fn say_goodbye(&mut self) {
        let Some(mut socket) = self.socket.take() else { return };
        let farewell = async {
            if self.schedule.is_started() {
                socket.send(Frame::text(self.identity.stopped())).await?;
            }
            socket.close(None).await?;
            while socket.next().await.is_some_and(|received| received.is_ok()) {}
            Ok::<(), tungstenite::Error>(())
        };
        let _ = timeout(FAREWELL_WITHIN, farewell).await;
    }

    /// Its address may have a secret in it: this is what logs name.
    fn host(&self) -> &str {
        self.address.request.uri().host().unwrap_or_default()
    }

    async fn live(&mut self) {
        let mut is_up = false;
        loop {
            let detour = self.detour.take();
            let Address { request, connector } = detour.as_ref().unwrap_or(&self.address);
            let connecting = timeout(CONNECT_WITHIN, connect(request.clone(), connector.clone()));
            match self.meanwhile(connecting).await {
                None => return,
                Some(Ok(Ok(socket))) => {
                    self.socket = Some(socket);
                    self.schedule.handle_open(self.permit.handle_open(Instant::now()));
                    tracing::info!(event = "tracker_up", tracker = self.host(), "connected");
                    self.report(Report::Up).await;
                    is_up = true;
                    match self.converse().await {
                        End::Unwanted => return,
                        End::Elsewhere => {
                            tracing::info!(event = "tracker_moves", tracker = self.host(), "sends us on");
                            self.say_goodbye().await;
                            continue;
                        }
                        End::Lost => {}
                    }
                    self.socket = None;
                    tracing::info!(event = "tracker_down", tracker = self.host(), "lost; it is tried again");
                }
                Some(Ok(Err(error))) => self.note(&error),
                Some(Err(_)) => {
                    tracing::info!(event = "tracker_unreachable", tracker = self.host(), "does not answer");
                }
            }
            if std::mem::take(&mut is_up) {
                self.report(Report::Down).await;
            }
            let chance = getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX));
            let wait = self.schedule.back_off(self.first_backoff, self.max_backoff, chance);
            let wait = wait + self.retry.take().unwrap_or_default();
            if self.meanwhile(sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    /// Whether we go where the tracker sends us: never from a safe line to one that anybody reads.
    fn take_detour(&mut self, url: &str) -> bool {
        let scheme = self.address.request.uri().scheme_str();
        let read = Address::read_all(&[url.to_owned()]).pop();
        self.detour = read.filter(|read| {
            read.request.uri() != self.address.request.uri()
                && (scheme == Some("ws") || read.request.uri().scheme_str() == Some("wss"))
        });
        if self.detour.is_some() {
            self.detoured = Some(Instant::now());
        }
        self.detour.is_some()
    }

    /// Waits for something else while there is no connection; `None` when nobody wants it any more.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Some(done),
                order = self.orders.recv() => match order? {
                    Order::Announce(want) => self.schedule.ask(want),
                    Order::Signal(signal) => self.report_unsent(&signal).await,
                }
            }
        }
    }

    async fn converse(&mut self) -> End {
        let mut ticks = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            let Some(socket) = &mut self.socket else { return End::Lost };
            let due = self.schedule.due().filter(|_| !self.permit.holds_back());
            tokio::select! {
                received = socket.next() => {
                    heard = Instant::now();
                    match received {
                        Some(Ok(Frame::Text(text))) => {
                            if self.handle(&text).await {
                                return End::Elsewhere;
                            }
                        }
                        Some(Ok(Frame::Close(frame))) => {
                            let reason = frame.map(|frame| frame.reason.to_string()).unwrap_or_default();
                            let Farewell { retry, go_to } = Farewell::read(&reason);
                            self.retry = retry;
                            if let Some(url) = go_to {
                                self.take_detour(&url);
                            }
                            return End::Lost;
                        }
                        None => return End::Lost,
                        Some(Ok(_)) => {}
                        Some(Err(error)) => {
                            self.note(&error);
                            return End::Lost;
                        }
                    }
                }
                order = self.orders.recv() => match order {
                    Some(Order::Announce(want)) => self.schedule.ask(want),
                    Some(Order::Signal(signal)) => {
                        if !self.write(Frame::text(self.identity.signal(&signal))).await {
                            self.report_unsent(&signal).await;
                            return End::Lost;
                        }
                    }
                    None => return End::Unwanted,
                },
                () = sleep_until(due.unwrap_or(heard)), if due.is_some() => {
                    let announce = self.schedule.take(Instant::now());
                    let ticket = self.permit.take();
                    let text = self.identity.announce(announce.is_first, announce.want, ticket);
                    if !self.write(Frame::text(text)).await {
                        return End::Lost;
                    }
                }
                () = self.permit.ready() => self.schedule.ask_again(),
                _ = ticks.tick() => {
                    if heard.elapsed() >= SILENT_AFTER || !self.write(Frame::Ping(Default::default())).await {
                        return End::Lost;
                    }
                }
            }
        }
    }

    /// Whether that is all that is to be heard from here.
    async fn handle(&mut self, text: &str) -> bool {
        let Some(message) = self.identity.read(text) else { return false };
        match &message {
            // Those who are named are named again there.
            Message::Reply { go_to: Some(url), .. }
                if self.detoured.is_none_or(|at| at.elapsed() > DETOUR_EVERY) && self.take_detour(url) =>
            {
                return true;
            }
            Message::Reply { interval, candidates, until_unix_secs, .. } => {
                self.schedule.handle_reply(*interval);
                self.permit.handle_reply(Instant::now(), until_unix_secs.map(left));
                self.note_classic(candidates.is_none() && self.schedule.has_asked());
            }
            Message::Challenge(challenge) => self.permit.handle_challenge(Instant::now(), *challenge),
            Message::Refused { offer_id: None, reason, denied } => {
                self.schedule.handle_refusal();
                if let Some((code, challenge)) = denied {
                    self.permit.handle_denied(Instant::now(), code, *challenge);
                }
                tracing::warn!(
                    event = "tracker_refuses",
                    tracker = self.host(),
                    reason,
                    "the tracker refuses us"
                );
            }
            Message::Refused { .. } | Message::Signal(_) => {}
        }
        self.report(Report::Said(message)).await;
        false
    }

    /// Whether the tracker hands out offers instead of naming candidates. Such a tracker is only listened to: offers for it
    /// would have to go out with the announces.
    fn note_classic(&mut self, is_classic: bool) {
        if is_classic && !self.is_classic {
            tracing::info!(tracker = self.host(), "names no peers: only those who offer are met");
        }
        self.is_classic = is_classic;
    }

    /// At the level of what happens again and again while a tracker is away.
    fn note(&self, error: &tungstenite::Error) {
        tracing::info!(event = "tracker_unreachable", tracker = self.host(), "no connection");
        tracing::debug!(tracker = %self.address.request.uri(), %error, "no connection");
    }

    /// `false`: it did not go out, and nothing more will.
    async fn write(&mut self, frame: Frame) -> bool {
        let Some(socket) = &mut self.socket else { return false };
        matches!(timeout(WRITE_WITHIN, socket.send(frame)).await, Ok(Ok(())))
    }

    async fn report(&self, report: Report) {
        // Nobody there to hear it: the end is near.
        let _ = self.reports.send((self.index, report)).await;
    }

    async fn report_unsent(&self, signal: &Signal) {
        if signal.kind == Kind::Offer {
            self.report(Report::Unsent(signal.offer_id)).await;
        }
    }
}

/// How long it is until then.
fn left(until_unix_secs: u64) -> Duration {
    let until = UNIX_EPOCH + Duration::from_secs(until_unix_secs.min(u64::from(u32::MAX)));
    until.duration_since(SystemTime::now()).unwrap_or_default()
}

async fn connect(request: Request, connector: Connector) -> Result<Socket, tungstenite::Error> {
    let config = WebSocketConfig::default()
        .read_buffer_size(8 * 1024)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    Ok(connect_async_tls_with_config(request, Some(config), true, Some(connector)).await?.0)
}
