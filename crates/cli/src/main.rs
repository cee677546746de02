//! The command `braidcast`: one verb a job. It reads arguments, config file and environment, and leaves the work to the
//! libraries. Its invariant: whatever ends it, ctrl-C included, no unfinished package and no encoder is left behind.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong arguments or unreadable input, 130 stopped by ctrl-C, 143 stopped by SIGTERM; of two signals the
//! last one counts.

mod admin;
mod admission;
mod args;
mod check;
mod config;
mod edge;
mod films;
mod keys;
mod links;
mod live;
mod meeting;
mod operator;
mod package;
mod progress;
mod reach;
mod reload;
mod say;
mod seed;
mod serve;
mod simulate;
mod stop;
mod takedown;
mod token;
mod tracker;
mod uplink;
mod watch;

use anyhow::{Context, Result};
use args::{Cli, LogFormat, Verb};
use clap::{CommandFactory, Parser};
use origin::package::PackageError;
use progress::Screen;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// What attackers, or a crowd, made it take goes back to the system when they are gone.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let screen = Screen::new();
    match run(cli, &screen) {
        Ok(code) => code,
        Err(error) => {
            screen.line(&format!("error: {error:#}"));
            ExitCode::from(exit_code(&error))
        }
    }
}

fn run(cli: Cli, screen: &Screen) -> Result<ExitCode> {
    let file = config::File::read(cli.config.as_deref()).map_err(Wrong::wrap)?;
    let level = cli.log.as_ref().or(file.log.as_ref()).map_or("warn", String::as_str);
    let format = cli.log_format.or(file.log_format).unwrap_or(LogFormat::Text);
    start_log(level, format, screen).map_err(Wrong::wrap)?;
    match cli.verb {
        Verb::Serve(args) => runtime()?.block_on(serve::run(args, &file, screen)),
        Verb::Live(args) => runtime()?.block_on(live::run(args, &file, screen)),
        Verb::Package(args) => runtime()?.block_on(package::run(args, &file, screen)),
        Verb::Watch(args) => runtime()?.block_on(watch::run(args, &file, screen)),
        Verb::Seed(args) => runtime()?.block_on(seed::run(args, &file, screen)),
        Verb::Edge(args) => runtime()?.block_on(edge::run(args, &file, screen)),
        Verb::Tracker(args) => runtime()?.block_on(tracker::run(args, &file, screen)),
        Verb::Token(args) => token::run(&args),
        Verb::Revoke(args) => takedown::run(&args, screen),
        Verb::Keys(verb) => keys::run(verb, &file, screen),
        Verb::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "braidcast", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Verb::Man { dir } => {
            std::fs::create_dir_all(&dir)
                .and_then(|()| clap_mangen::generate_to(Cli::command(), &dir))
                .with_context(|| format!("cannot write man pages into {}", dir.display()))
                .map_err(Wrong::wrap)?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Check(args) => check::run(args, screen),
        Verb::Sim(args) => simulate::run(args, screen),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")
}

fn start_log(level: &str, format: LogFormat, screen: &Screen) -> Result<()> {
    let filter =
        EnvFilter::try_new(level).with_context(|| format!("--log {level} is no level and no filter"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(screen.clone());
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

/// Marks what is the caller's to mend: arguments, config, input files.
#[derive(Debug)]
pub struct Wrong(anyhow::Error);

impl Wrong {
    /// For `map_err`.
    pub fn wrap(error: impl Into<anyhow::Error>) -> anyhow::Error {
        anyhow::Error::new(Self(error.into()))
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for Wrong {}

fn exit_code(error: &anyhow::Error) -> u8 {
    let input = error.downcast_ref().is_some_and(PackageError::is_input);
    if input || error.is::<Wrong>() { 2 } else { 1 }
}
