//! The listener: takes connections in, within limits, and gives them to a router. Its invariant: a connection that sends
//! no request, or does not take its answer, ends by itself.

use crate::Masked;
use crate::patience::{GRACE, Patient};
use crate::tls::Tls;
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
use std::{
    any::Any,
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::Semaphore,
    time::timeout,
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
            loopback_exempt: true,
            header_time: Duration::from_secs(15),
            header_bytes: 64 << 10,
            write_grace: GRACE,
        }
    }
}

/// Less than this is not possible.
const LEAST_HEADER_BYTES: usize = 8 << 10;

/// What a server does with those who come, beside serving them.
#[derive(Clone, Default)]
pub struct Door {
    /// Ends TLS, where it is not a proxy that does.
    pub tls: Option<Tls>,
    /// Called for each connection; what it gives is kept for as long as that is open.
    pub counted: Option<Arc<dyn Fn() -> Box<dyn Any + Send> + Send + Sync>>,
    /// Which proxies are believed about whom they stand for.
    pub whereabouts: Whereabouts,
}

/// Serves `router` on `listener` until `stop` resolves. Connections that are open then stay until they end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    door: Door,
    stop: impl Future<Output = ()>,
) {
    let room = Arc::new(Semaphore::new(limits.connections));
    let neighbourhoods = Neighbourhoods::new(limits.per_neighbourhood, limits.loopback_exempt);
    let sockets = Neighbourhoods::new(limits.sockets_per_neighbourhood, limits.loopback_exempt);
    let mut stop = std::pin::pin!(stop);
    loop {
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await.expect("the semaphore is never closed");
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            () = &mut stop => break,
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
        let place = if door.whereabouts.is_proxy(address.ip()) {
            Place(None)
        } else if let Some(place) = neighbourhoods.enter(address.ip()) {
            place
        } else {
            tracing::debug!(from = %Masked(address.ip()), "its network has as many connections as it may");
            continue;
        };
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let counted = door.counted.as_ref().map(|counted| counted());
        let (router, tls) = (router.clone(), door.tls.clone());
        let from = From { address, sockets: Arc::clone(&sockets), whereabouts: door.whereabouts.clone() };
        tokio::spawn(async move {
            let masked = Masked(address.ip());
            let _held = (permit, place, counted);
            let socket = Patient::new(socket, limits.write_grace);
            match tls {
                None => connection(socket, router, from, limits).await,
                Some(tls) => match timeout(limits.header_time, tls.accept(socket)).await {
                    Ok(Ok(Some(socket))) => connection(socket, router, from, limits).await,
                    Ok(Ok(None)) => tracing::debug!("an ACME server looked"),
                    Ok(Err(error)) => tracing::debug!(%error, %masked, "no TLS"),
                    Err(_) => tracing::debug!(%masked, "no TLS in time"),
                },
            }
        });
    }
}

/// Where a request comes from, for [`hold_place`].
#[derive(Clone, Debug)]
struct From {
    address: SocketAddr,
    sockets: Arc<Neighbourhoods>,
    whereabouts: Whereabouts,
}

/// Gives a request that becomes a WebSocket a place in its neighbourhood, which it keeps until the socket closes: the
/// connection's own place ends with the upgrade. And tells the tracker where it comes from.
pub async fn hold_place(mut request: Request<Body>, next: Next) -> Response<Body> {
    if let Some(From { address, sockets, whereabouts }) = request.extensions().get() {
        let locality = match whereabouts.of(address.ip(), request.headers()) {
            Ok(locality) => locality,
            Err(contradiction) => return contradiction.into_response(),
        };
        let Some(place) = sockets.enter(locality.address) else {
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

/// How many connections come from where.
#[derive(Debug)]
struct Neighbourhoods {
    most: usize,
    loopback_exempt: bool,
    open: Mutex<BTreeMap<IpAddr, usize>>,
}

impl Neighbourhoods {
    fn new(most: usize, loopback_exempt: bool) -> Arc<Self> {
        Arc::new(Self { most, loopback_exempt, open: Mutex::default() })
    }

    fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        if address.is_loopback() && self.loopback_exempt {
            return Some(Place(None));
        }
        let prefix = match address {
            IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & !0xff).into(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (!0 << 80)).into(),
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(prefix).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place(Some((Arc::clone(self), prefix))))
    }
}

/// A connection's place in its neighbourhood.
#[derive(Debug)]
struct Place(Option<(Arc<Neighbourhoods>, IpAddr)>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((neighbourhoods, prefix)) = &self.0 {
            let mut open = neighbourhoods.open.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = open.get_mut(prefix) {
                *count -= 1;
                if *count == 0 {
                    open.remove(prefix);
                }
            }
        }
    }
}
