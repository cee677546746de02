//! A tracker on its own: prints its URL, serves until it is interrupted.
//!
//!     cargo run -p braidcast-tracker --example tracker -- [ADDRESS:PORT] [--unlimited] [--among-strangers]
//!
//! `--unlimited` takes as many messages as come from one connection, for measuring; `--among-strangers` gives this machine's own networks
//! (127.0.0.0/24, 127.0.1.0/24 and so on) the limits of any other.

use std::time::Duration;

use anyhow::Context;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracker::{
    Config, Rate, Tracker,
    listener::{self, Limits},
    server::Server,
};

/// As `braidcast` has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (flags, mut addresses): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let address = addresses.pop().unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let mut config = Config::default();
    let mut loopback_exempt = true;
    for flag in flags {
        match flag.as_str() {
            "--unlimited" => {
                let all = Rate { burst: u32::MAX, every: Duration::from_nanos(1) };
                (config.table.messages, config.table.announces, config.table.directed) = (all, all, all);
            }
            "--among-strangers" => loopback_exempt = false,
            _ => anyhow::bail!("there is no {flag}"),
        }
    }
    // As `braidcast tracker` has them.
    let limits = Limits {
        connections: config.table.connections + 512,
        loopback_exempt,
        header_time: Duration::from_secs(5),
        header_bytes: 8 << 10,
        ..Limits::default()
    };
    let tracker = Tracker::new(config);
    let server = Server::new(tracker.clone());
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
    // A task among the connections', that the system has no thread to favour.
    tokio::spawn(listener::serve(listener, server.router(), limits, server.door(), stop)).await?;
    tracker.shutdown().await;
    Ok(())
}
