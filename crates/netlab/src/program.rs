//! The program's commands.

use clap::{Parser, Subcommand};
use netlab::{Lab, Plan};
use std::error::Error;
use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

/// A small network of network namespaces, for trying programs on a bad one.
#[derive(Parser)]
#[command(name = "netlab", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Builds the network, runs a program, and takes everything down when that ends.
    Run {
        /// What the network is, in TOML.
        plan: PathBuf,
        /// The host that the program runs on. Left out: none; it reaches hosts by `netlab on`.
        #[arg(long)]
        on: Option<String>,
        /// Where to write what was counted, in JSON.
        #[arg(long)]
        report: Option<PathBuf>,
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Within `netlab run`: runs a program on a host.
    On {
        /// The host.
        host: String,
        /// The program and its arguments.
        #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Says whether a file describes a network.
    Check {
        /// What the network is, in TOML.
        plan: PathBuf,
    },
}

pub fn main() -> ExitCode {
    match run(Arguments::parse().verb) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("netlab: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(verb: Verb) -> Result<ExitCode, Box<dyn Error>> {
    match verb {
        Verb::Run { plan, on, report, command } => {
            let plan = read(&plan)?;
            netlab::enclose()?;
            let lab = Lab::start(&plan)?;
            let mut program = program(&command);
            lab.name_hosts_to(&mut program)?;
            let mut child = match on {
                Some(host) => lab.host(&host)?.spawn(program),
                None => program.spawn(),
            }
            .map_err(|error| format!("{}: {error}", command[0]))?;
            let status = child.wait()?;
            if let Some(path) = report {
                fs::write(path, serde_json::to_string_pretty(&lab.report())?)?;
            }
            Ok(code(status))
        }
        Verb::On { host, command } => {
            netlab::enter(&host)?;
            let error = program(&command).exec();
            Err(format!("{}: {error}", command[0]).into())
        }
        Verb::Check { plan } => {
            read(&plan)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn read(path: &Path) -> Result<Plan, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Plan::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?)
}

fn program(command: &[String]) -> Command {
    let mut program = Command::new(&command[0]);
    program.args(&command[1..]);
    program
}

fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
