//! `braidcast check`.

use crate::Wrong;
use crate::args::Check;
use crate::progress::Screen;
use crate::say;
use anyhow::{Context, Result};
use manifest::PublicKey;
use origin::check::{self, Target};
use std::process::ExitCode;

pub fn run(args: Check, screen: &Screen) -> Result<ExitCode> {
    let target = Target::parse(&args.target).map_err(Wrong::wrap)?;
    let key = args.key.as_deref().map(PublicKey::parse).transpose().context("--key").map_err(Wrong::wrap)?;
    let spinner = screen.spinner();
    let found = check::run(&target, key.as_ref(), &mut |name| {
        tracing::debug!(name, "fetching");
        spinner.set_message(check::printable(name));
    });
    spinner.finish_and_clear();
    for finding in &found.findings {
        say!("{finding}");
    }
    let mib = found.bytes as f64 / f64::from(1 << 20);
    let count = found.findings.len();
    say!(
        "{} segments, {mib:.1} MiB read: {}",
        found.segments,
        if count == 0 { "nothing wrong".to_owned() } else { format!("{count} findings") }
    );
    Ok(if found.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
