//! A tracker on its own: prints its URL, serves until it is interrupted.
//!
//!     cargo run -p braidcast-tracker --example tracker -- [ADDRESS:PORT] [--unlimited]
//!
//! `--unlimited` takes as many messages as come from one connection, for measuring.

use std::time::Duration;

use anyhow::Context;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracker::{
    Config, Rate, Tracker,
    listener::{self, Door, Limits},
    server::Server,
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (flags, mut addresses): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let address = addresses.pop().unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let mut config = Config::default();
    for flag in flags {
        anyhow::ensure!(flag == "--unlimited", "there is no {flag}");
        let all = Rate { burst: u32::MAX, every: Duration::from_nanos(1) };
        (config.table.messages, config.table.announces, config.table.directed) = (all, all, all);
    }
    // As `braidcast tracker` has them.
    let limits = Limits {
        connections: config.table.connections + 512,
        header_time: Duration::from_secs(5),
        header_bytes: 8 << 10,
        ..Limits::default()
    };
    let tracker = Tracker::new(config);
    let router = Server::new(tracker.clone()).router();
    let listener =
        TcpListener::bind(&address).await.with_context(|| format!("cannot listen on {address}"))?;
    println!("ws://{}/tracker", listener.local_addr()?);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    listener::serve(listener, router, limits, Door::default(), stop).await;
    tracker.shutdown().await;
    Ok(())
}
