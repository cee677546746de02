//! Replays a recorded trace: `cargo run --package braidcast-swarm --example replay -- FILE`.

use std::process::ExitCode;
use swarm::trace::{Replay, replay};

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: replay FILE, with a trace that a player exported");
        return ExitCode::from(2);
    };
    match std::fs::read(&path).map(|bytes| replay(&bytes)) {
        Ok(Replay::Same { calls }) => {
            println!("same outputs in all {calls} calls");
            ExitCode::SUCCESS
        }
        Ok(Replay::Differs { call }) => {
            eprintln!("other outputs in call {call}");
            ExitCode::FAILURE
        }
        Ok(Replay::Malformed) => {
            eprintln!("{path} is no trace");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{path}: {error}");
            ExitCode::FAILURE
        }
    }
}
