//! The origin on a listener.

use super::Origin;
use axum::Router;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tracker::listener::{self, Door, Limits};

/// Serves `origin` on `listener` until `stop` resolves; then says goodbye to the tracker's members.
pub async fn serve(listener: TcpListener, origin: Origin, limits: Limits, stop: impl Future<Output = ()>) {
    serve_with(listener, origin, None, limits, stop).await;
}

/// The same with further routes, such as those by which live streams come in.
pub async fn serve_with(
    listener: TcpListener,
    origin: Origin,
    further: Option<Router>,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let router = further.unwrap_or_default().merge(origin.router());
    let counting = origin.clone();
    let door = Door {
        counted: Some(Arc::new(move || Box::new(counting.metrics().connected()))),
        whereabouts: origin.tracker().whereabouts().clone(),
        turned_away: origin.metrics().turned_away.clone(),
        ..Door::default()
    };
    listener::serve(listener, router, limits, door, stop).await;
    let goodbye = tokio::time::timeout(Duration::from_secs(2), origin.tracker().shutdown());
    if goodbye.await.is_err() {
        tracing::debug!("some members of the tracker did not say goodbye");
    }
}
