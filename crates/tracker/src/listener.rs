//! The listener: takes connections in, within limits, and gives them to a router. Its invariant: a connection that sends
//! no request, or does not take its answer, ends by itself; one that is turned away has cost no more than its accept: the runtime
//! has never heard of it, and where many come like that it costs nothing.

use crate::Masked;
use crate::floods::Floods;
use crate::neighbourhoods::{Neighbourhoods, Newcomers, Place};
use crate::patience::{GRACE, Patient};
use crate::tls::Tls;
use crate::turns::Turns;
use crate::whereabouts::Whereabouts;
use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode, header},
    middleware::Next,
    response::IntoResponse,
};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::metrics::counter::Counter;
use rendezvous::Rate;
use socket2::SockRef;
use std::{any::Any, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, unix::AsyncFd},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::yield_now,
    time::{Instant, timeout},
};
use tower::ServiceExt;

/// Limits of the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections; WebSockets of the tracker count with the tracker, not here.
    pub connections: usize,
    /// Open connections from one neighbourhood: an IPv4 /24 or an IPv6 /48. Those of proxies that are believed may be any number.
    pub per_neighbourhood: usize,
    /// WebSockets of the tracker from one neighbourhood, beside the connections. Behind proxies that are believed it is the clients'.
    pub sockets_per_neighbourhood: usize,
    /// New connections from one neighbourhood. Beyond it they are reset unread; of proxies that are believed none is, and the WebSockets
    /// behind them are counted by their clients, and refused.
    pub newcomers: Rate,
    /// Whether loopback is no neighbourhood, for a proxy may be there.
    pub loopback_exempt: bool,
    /// Within this time a request's headers must have come, from the moment the connection is free for one.
    pub header_time: Duration,
    /// Longest head of a request, in bytes: 8 KiB at least.
    pub header_bytes: usize,
    /// How long a write may stand still.
    pub write_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8192,
            per_neighbourhood: 256,
            sockets_per_neighbourhood: 1024,
            newcomers: Rate::per_second(1000),
            loopback_exempt: true,
            header_time: Duration::from_secs(15),
            header_bytes: 64 << 10,
            write_grace: GRACE,
        }
    }
}

/// Less than this is not possible.
const LEAST_HEADER_BYTES: usize = 8 << 10;
/// So many connections are taken in or turned away, then it is the others' turn.
const TURN: u32 = 4;

/// What a server does with those who come, beside serving them.
#[derive(Clone, Default)]
pub struct Door {
    /// Ends TLS, where it is not a proxy that does.
    pub tls: Option<Tls>,
    /// Called for each connection; what it gives is kept for as long as that is open.
    pub counted: Option<Arc<dyn Fn() -> Box<dyn Any + Send> + Send + Sync>>,
    /// Which proxies are believed about whom they stand for.
    pub whereabouts: Whereabouts,
    /// Whether those who have just come take turns, as is good where many come at once and want little, not where media are fetched.
    pub turns: bool,
    /// Counts who is turned away because too many come from his network, or too fast.
    pub turned_away: Counter,
}

/// Serves `router` on `listener` until `stop` resolves. Connections that are open then stay until they end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    door: Door,
    stop: impl Future<Output = ()>,
) {
    let listener = match watch(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "cannot wait for connections"),
    };
    let room = Arc::new(Semaphore::new(limits.connections));
    let neighbourhoods = Neighbourhoods::new(limits.per_neighbourhood, limits.loopback_exempt);
    let sockets = Neighbourhoods::new(limits.sockets_per_neighbourhood, limits.loopback_exempt);
    let newcomers = Newcomers::new(limits.newcomers, limits.loopback_exempt);
    let turns = Arc::new(Turns::default());
    let mut floods = Floods::new();
    let mut turn = 0;
    let mut stop = std::pin::pin!(stop);
    loop {
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await.expect("the semaphore is never closed");
            (permit, listener.async_io(Interest::READABLE, |listener| listener.accept()).await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            () = &mut stop => break,
            now = floods.period() => {
                floods.look(now, listener.get_ref());
                continue;
            }
        };
        let (socket, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if is_about_one_connection(&error) {
                    continue;
                }
                // Usually out of file descriptors: wait for some to come free.
                tracing::warn!(%error, "cannot take a connection in");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        turn = (turn + 1) % TURN;
        if turn == 0 {
            yield_now().await;
        }
        let place = if door.whereabouts.is_proxy(address.ip()) {
            Place::NOWHERE
        } else if !newcomers.take(address.ip()) {
            turn_away(socket, &door, address, "connections come too fast from its network");
            floods.count(Instant::now(), address.ip(), listener.get_ref());
            continue;
        } else if let Some(place) = neighbourhoods.enter(address.ip()) {
            place
        } else {
            turn_away(socket, &door, address, "its network has as many connections as it may");
            floods.count(Instant::now(), address.ip(), listener.get_ref());
            continue;
        };
        let socket = match admit(socket) {
            Ok(socket) => socket,
            Err(error) => {
                tracing::warn!(%error, "cannot wait for a connection");
                continue;
            }
        };
        let counted = door.counted.as_ref().map(|counted| counted());
        let (router, tls) = (router.clone(), door.tls.clone());
        let from = From {
            address,
            sockets: Arc::clone(&sockets),
            newcomers: Arc::clone(&newcomers),
            whereabouts: door.whereabouts.clone(),
            turned_away: door.turned_away.clone(),
        };
        let serving = async move {
            let masked = Masked(address.ip());
            let _held = (permit, place, counted);
            let socket = Patient::new(socket, limits.write_grace);
            match tls {
                None => connection(socket, router, from, limits).await,
                // Of their own: without TLS a connection has no room for it.
                Some(tls) => match timeout(limits.header_time, Box::pin(tls.accept(socket))).await {
                    Ok(Ok(Some(socket))) => Box::pin(connection(socket, router, from, limits)).await,
                    Ok(Ok(None)) => tracing::debug!("an ACME server looked"),
                    Ok(Err(error)) => tracing::debug!(%error, %masked, "no TLS"),
                    Err(_) => tracing::debug!(%masked, "no TLS in time"),
                },
            }
        };
        match door.turns {
            true => tokio::spawn(turns.newcomer().at(serving)),
            false => tokio::spawn(serving),
        };
    }
}

/// The runtime tells when there are connections to accept; they are not the runtime's.
#[expect(
    deprecated,
    reason = "sound for a listener, whose descriptor stays the same; what is to follow it is unsafe"
)]
fn watch(listener: TcpListener) -> io::Result<AsyncFd<std::net::TcpListener>> {
    AsyncFd::with_interest(listener.into_std()?, Interest::READABLE)
}

/// Makes an accepted socket one of the runtime's.
fn admit(socket: std::net::TcpStream) -> io::Result<TcpStream> {
    // Of a time when there was one; it has done its part, and would be kept for as long as the socket.
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(&socket).detach_filter();
    socket.set_nonblocking(true)?;
    socket.set_nodelay(true)?;
    TcpStream::from_std(socket)
}

/// Ends a connection before anything is read or kept of it.
fn turn_away(socket: std::net::TcpStream, door: &Door, from: SocketAddr, why: &str) {
    door.turned_away.inc();
    tracing::debug!(from = %Masked(from.ip()), "{why}");
    // A reset: who goes on knocking leaves nothing behind in the system either.
    if let Err(error) = SockRef::from(&socket).set_linger(Some(Duration::ZERO)) {
        tracing::debug!(%error, "no SO_LINGER");
    }
}

/// Where a request comes from, for [`hold_place`].
#[derive(Clone, Debug)]
struct From {
    address: SocketAddr,
    sockets: Arc<Neighbourhoods>,
    newcomers: Arc<Newcomers>,
    whereabouts: Whereabouts,
    turned_away: Counter,
}

/// Gives a request that becomes a WebSocket a place in its neighbourhood, which it keeps until the socket closes: the
/// connection's own place ends with the upgrade. And tells the tracker where it comes from.
pub async fn hold_place(mut request: Request<Body>, next: Next) -> Response<Body> {
    if let Some(From { address, sockets, newcomers, whereabouts, turned_away }) = request.extensions().get() {
        let locality = match whereabouts.of(address.ip(), request.headers()) {
            Ok(locality) => locality,
            Err(contradiction) => return contradiction.into_response(),
        };
        // Who comes by a proxy is not seen before.
        let is_in_time = !whereabouts.is_proxy(address.ip()) || newcomers.take(locality.address);
        let Some(place) = sockets.enter(locality.address).filter(|_| is_in_time) else {
            turned_away.inc();
            tracing::debug!(from = %Masked(locality.address), "its network has as many WebSockets as it may");
            let text = "Too many connections come from your network.\n";
            return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "60")], text).into_response();
        };
        request.extensions_mut().insert(crate::Hold::new(place));
        request.extensions_mut().insert(locality);
    }
    next.run(request).await
}

async fn connection(
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    from: From,
    limits: Limits,
) {
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(from.clone());
        router.clone().oneshot(request.map(Body::new))
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(limits.header_bytes.max(LEAST_HEADER_BYTES))
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended");
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
