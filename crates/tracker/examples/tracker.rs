//! A tracker on its own: prints its URL, serves until it is interrupted.
//!
//!     cargo run -p braidcast-tracker --example tracker -- [ADDRESS:PORT]

use anyhow::Context;
use axum::serve::ListenerExt;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracker::{Config, Tracker};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let tracker = Tracker::new(Config::default());
    let app = axum::Router::new().nest_service("/tracker", tracker.router());
    let listener =
        TcpListener::bind(&address).await.with_context(|| format!("cannot listen on {address}"))?;
    println!("ws://{}/tracker", listener.local_addr()?);
    let listener = listener.tap_io(|socket| {
        // Without it an offer may wait for 40 ms behind the one before.
        let _ = socket.set_nodelay(true);
    });
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        served = async { axum::serve(listener, app).await } => served?,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracker.shutdown().await;
    Ok(())
}
