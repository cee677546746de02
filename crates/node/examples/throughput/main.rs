//! What a link brings on a bad line, beside what its WebRTC stack alone brings on the same line: str0m with one socket, the
//! same buffer and nothing around it. Fails if the link brings less than nine tenths of that.
//!
//!     cargo run --release -p braidcast-node --example throughput -- [SECONDS [ROUNDS]]
//!
//! The line has 40 ms there and back, and 1 % is lost each way; or nothing is lost, and it has a rate. Each measurement has a
//! lab of its own, and both of a round lose by the same chance.

mod bare;
mod link;

use netlab::{Access, Lab, Plan, Rate};
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

/// Bytes under way, as links have them by default.
const SEND_BUFFER: usize = 128 * 1024;
/// What is sent: messages as long as a piece.
const MESSAGE_BYTES: usize = 32 * 1024;
/// The least part of the bare stack's throughput that a link has to bring.
const BOUND: f64 = 0.9;

fn main() -> ExitCode {
    if let Err(error) = netlab::enclose() {
        eprintln!("throughput: {error}");
        return ExitCode::FAILURE;
    }
    let mut arguments = std::env::args().skip(1).map_while(|argument| argument.parse().ok());
    let time = Duration::from_secs(arguments.next().unwrap_or(10));
    let rounds = arguments.next().unwrap_or(5).max(1);
    let delay = Duration::from_millis(10);
    let lossy = Access { delay, loss: 0.005, ..Access::default() };
    let narrow = Access { delay, up: Some(Rate::mbit(10)), ..Access::default() };
    let lines = [("40 ms, 1 % lost", lossy), ("40 ms, 10 Mbit/s", narrow)];
    let mut is_good = true;
    for (name, line) in lines {
        let (mut bare, mut link) = (Vec::new(), Vec::new());
        for seed in 0..rounds {
            bare.push(measure(&line, seed, |lab| bare::run(lab, time)));
            link.push(measure(&line, seed, |lab| link::run(lab, time)));
        }
        let (bare, link) = (median(bare), median(link));
        is_good &= link >= BOUND * bare;
        println!("{name}: bare {bare:.2} Mbit/s, link {link:.2} Mbit/s, {:.2} of it", link / bare);
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Mbit/s between two hosts on lines like this.
fn measure(line: &Access, seed: u64, run: impl FnOnce(&Lab) -> f64) -> f64 {
    let address = |host| Ipv4Addr::new(198, 18, 0, host);
    let plan = Plan::new().seed(seed).host("sender", address(1), line.clone()).host(
        "receiver",
        address(2),
        line.clone(),
    );
    let lab = Lab::start(&plan).expect("a lab");
    let rate = run(&lab);
    eprintln!("  {rate:.2} Mbit/s, latest delivery {:?}", lab.report().latest());
    rate
}

/// Mbit/s of so many bytes in such a time.
fn rate(bytes: usize, time: Duration) -> f64 {
    bytes as f64 * 8.0 / 1e6 / time.as_secs_f64()
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
