//! Load for a WebTorrent tracker, ours or another, from one thread that costs a fraction of what any tracker does: what
//! the field's clients do, with every offer and answer accounted for, and what attackers do. `bench/tracker.mjs` runs it.
//!
//!     cargo run --release -p braidcast-tracker --example load -- ws://127.0.0.1:8000/ --pid PID
//!
//! Clients join their swarms and announce with offers; whoever gets an offer answers it. The report is one JSON object on
//! stdout. It ends with an error if not all could connect and join; what is lost is in the report.

mod attack;
mod audience;
mod frame;
mod histogram;
mod junk;
mod ledger;
mod message;
mod sdp;
mod socket;
mod watch;

use std::{
    net::Ipv4Addr,
    time::{Duration, SystemTime},
};

use clap::Parser;
use serde_json::{Value, json};

use crate::{
    audience::{Audience, Crowd, Pace, Traffic},
    socket::Target,
    watch::Process,
};

/// Load for a WebTorrent tracker.
#[derive(Parser)]
struct Args {
    /// Where the tracker is: ws://ADDRESS:PORT/PATH.
    url: String,
    /// The tracker's process: its processor time and memory are looked at.
    #[arg(long)]
    pid: Option<u32>,
    /// Clients. An attack takes its own number: 1 for a flood.
    #[arg(long, default_value_t = 1000)]
    connections: usize,
    /// Clients in one swarm.
    #[arg(long, default_value_t = 100)]
    swarm: usize,
    /// Offers of an announce.
    #[arg(long, default_value_t = 5)]
    offers: u64,
    /// Length of an offer's or answer's description, about, in bytes.
    #[arg(long, default_value_t = 1200)]
    sdp_bytes: usize,
    /// Announces under way at a time, unless there is a rate.
    #[arg(long, default_value_t = 64)]
    under_way: usize,
    /// Announces a second, whatever the tracker does; messages a second of an attack.
    #[arg(long)]
    rate: Option<f64>,
    /// How long the load is measured.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How long it runs before that.
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Into so many samples of equal length the load is cut, each with its memory and times.
    #[arg(long, default_value_t = 1)]
    samples: u32,
    /// After so many seconds what has not come is lost.
    #[arg(long, default_value_t = 10.0)]
    patience: f64,
    /// The /24 of this machine that connections come from.
    #[arg(long, default_value = "127.0.0.0")]
    network: Ipv4Addr,
    /// Attacks instead.
    #[arg(long)]
    attack: Option<attack::Kind>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let target = Target::new(&args.url, args.network)?;
    let report = match args.attack {
        Some(kind) => {
            attack::run(kind, &target, args.connections, args.rate.unwrap_or(1000.0), args.seconds)?
        }
        None => load(&args, &target)?,
    };
    println!("{report}");
    Ok(())
}

fn load(args: &Args, target: &Target) -> anyhow::Result<Value> {
    let swarms = (args.connections / args.swarm).max(1);
    anyhow::ensure!(
        args.connections / swarms > args.offers as usize,
        "a swarm needs more clients than an announce has offers, or some go nowhere"
    );
    let seconds = Duration::from_secs_f64;
    let pace = match args.rate {
        Some(rate) => Pace::Open(seconds(1.0 / rate)),
        None => Pace::Closed(args.under_way),
    };
    let (server, me) = (args.pid.map(Process), Process(std::process::id()));
    let rss = || server.map(Process::rss_kib);
    let mut rss_kib = vec![("base", rss())];
    let Args { connections, offers, sdp_bytes, .. } = *args;
    let mut audience = Audience::new(Crowd { connections, swarms, offers, sdp_bytes })?;

    audience.connect(target)?;
    rss_kib.push(("connected", rss()));
    audience.join()?;
    rss_kib.push(("joined", rss()));
    let patience = seconds(args.patience);
    audience.load(pace, audience.now() + seconds(args.warm_up), patience)?;

    audience.ledger.reset();
    audience.traffic = Traffic::default();
    let began_ms = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as u64);
    let (start, cpu, own_cpu) = (audience.now(), server.map(Process::cpu), me.cpu());
    let mut samples = Vec::new();
    let mut cpu_used = None;
    for sample in 1..=args.samples {
        let (before, server_before) = (audience.ledger.counts.done, server.map(Process::cpu));
        audience.load(pace, start + seconds(args.seconds) * sample / args.samples, patience)?;
        let done = audience.ledger.counts.done - before;
        let cpu_us = server
            .zip(server_before)
            .map(|(server, before)| micros(server.cpu() - before) / done.max(1) as f64);
        cpu_used = server.zip(cpu).map(|(server, before)| server.cpu() - before);
        samples.push((audience.now() - start, done, cpu_us, rss(), audience.ledger.take_times()));
    }
    let (end, own_used) = (audience.now(), me.cpu() - own_cpu);
    let (done, traffic) = (audience.ledger.counts.done, audience.traffic);
    audience.drain(patience)?;
    rss_kib.push(("after", rss()));

    let took = (end - start).as_secs_f64();
    let mut report = json!({
        "connections": connections,
        "swarms": swarms,
        "began_ms": began_ms,
        "seconds": took,
        "announces": done,
        "announces_per_second": done as f64 / took,
        "messages": { "sent": traffic.sent, "heard": traffic.heard },
        "bytes": { "sent": traffic.sent_bytes, "heard": traffic.heard_bytes },
        "closed": audience.closed,
        "strange": audience.strange,
        "generator_cpu": own_used.as_secs_f64() / took,
        "samples": samples.iter().map(|(at, done, cpu_us, rss_kib, (relay, round_trip))| json!({
            "at": at.as_secs_f64(), "announces": done, "cpu_us": cpu_us, "rss_kib": rss_kib,
            "relay_us": relay.json(), "round_trip_us": round_trip.json(),
        })).collect::<Vec<_>>(),
    });
    if let (Value::Object(report), Value::Object(ledger)) = (&mut report, audience.ledger.json()) {
        report.extend(ledger);
    }
    if let Some(used) = cpu_used {
        let base = rss_kib[0].1.unwrap_or(0);
        let each = |kib: u64| kib.saturating_sub(base) as f64 / connections as f64;
        let peer: Vec<(&str, Option<f64>)> =
            rss_kib[1..].iter().map(|&(when, kib)| (when, kib.map(each))).collect();
        report["server"] = json!({
            "cpu": used.as_secs_f64() / took,
            "cpu_us": micros(used) / done.max(1) as f64,
            "rss_kib": rss_kib.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            "kib_per_peer": peer.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        });
    }
    Ok(report)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
