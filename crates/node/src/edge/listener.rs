//! Takes connections of players in, within limits. Its invariant: a connection that sends no request, or does not take its
//! answer, ends by itself, and there are never more than are allowed.

use axum::Router;
use axum::body::Body;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutWriter;
use tower::ServiceExt;

/// Open connections.
const CONNECTIONS: usize = 2048;
/// Within this time a request's headers must have come, from the moment the connection is free for one.
const HEADERS_WITHIN: Duration = Duration::from_secs(15);
/// Headers of a request, at most.
const HEADERS_MAX_BYTES: usize = 64 << 10;
/// How long a write may stand still.
const WRITE_WITHIN: Duration = Duration::from_secs(30);

/// Serves until it is aborted, and all connections with it.
pub(super) async fn serve(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
                let is_about_one = [ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted]
                    .contains(&error.kind());
                if !is_about_one {
                    // Usually out of file descriptors: wait for some to come free.
                    tracing::warn!(%error, "cannot take a connection in");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                continue;
            }
        };
        let router = router.clone();
        connections.spawn(async move {
            let _held = permit;
            connection(socket, router).await;
        });
    }
}

async fn connection(socket: TcpStream, router: Router) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let mut socket = TimeoutWriter::new(socket);
    socket.set_timeout(Some(WRITE_WITHIN));
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        router.clone().oneshot(request.map(Body::new))
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(HEADERS_MAX_BYTES)
        .serve_connection(TokioIo::new(Box::pin(socket)), service);
    if let Err(error) = pin!(served).await {
        tracing::debug!(%error, "a connection has ended");
    }
}
