//! Replays a trace recorded in a browser: `replay FILE` prints how many calls gave the same outputs as there.

use std::process::ExitCode;
use swarm::trace::{Replay, replay};

fn main() -> ExitCode {
    let Some(file) = std::env::args_os().nth(1) else {
        eprintln!("usage: replay FILE");
        return ExitCode::from(2);
    };
    let trace = match std::fs::read(&file) {
        Ok(trace) => trace,
        Err(why) => {
            eprintln!("{}: {why}", file.display());
            return ExitCode::from(2);
        }
    };
    match replay(&trace) {
        Replay::Same { calls } => println!("{calls}"),
        Replay::Differs { call } => {
            eprintln!("call {call} gives other outputs here than where it was recorded");
            return ExitCode::FAILURE;
        }
        Replay::Malformed => {
            eprintln!("{} is no trace", file.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
