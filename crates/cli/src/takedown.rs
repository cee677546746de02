//! `braidcast revoke`: makes and changes the signed list of streams that were taken down. Its invariant: the list is replaced in one rename,
//! with a number that no list before had.

use crate::args::{Revoke as Args, Why};
use crate::progress::Screen;
use crate::token::now;
use crate::{Wrong, say};
use access::revocations::{Entry, Reason, Target};
use access::{Revocations, SwarmId, is_name};
use anyhow::{Context, Result, bail};
use manifest::PublicKey;
use origin::key;
use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

pub fn run(args: &Args, screen: &Screen) -> Result<ExitCode> {
    let secret = key::read(&args.key)?;
    let mut list = open(&args.list, &secret.public()).map_err(Wrong::wrap)?;
    let targets: Vec<_> =
        args.streams.iter().map(|text| target(text)).collect::<Result<_>>().map_err(Wrong::wrap)?;
    if !targets.is_empty() {
        let now = now()?;
        for target in targets {
            if args.restore {
                list.entries.remove(&target);
            } else {
                list.entries.entry(target).or_insert(Entry { reason: args.reason.into(), at: now });
            }
        }
        (list.number, list.at) = (list.number + 1, now);
        replace(&args.list, &list.seal(&secret)?)?;
        screen.line(&format!(
            "{} is list {}; trackers know it by {}",
            args.list.display(),
            list.number,
            secret.public()
        ));
    }
    for (target, entry) in &list.entries {
        match target {
            Target::Swarm(swarm) => say!("{swarm}  {}", entry.reason),
            Target::Name(name) => say!("{name}  {}", entry.reason),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The list that there is, or an empty one.
fn open(path: &Path, by: &PublicKey) -> Result<Revocations> {
    match fs::read(path) {
        Ok(bytes) => Revocations::open(&bytes, by).with_context(|| path.display().to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Revocations::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn target(text: &str) -> Result<Target> {
    match SwarmId::parse(text) {
        Some(swarm) => Ok(Target::Swarm(swarm)),
        None if is_name(text) => Ok(Target::Name(text.to_owned())),
        None => bail!("{text} is no stream's name and no swarm's 40 digits"),
    }
}

fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, bytes)
        .and_then(|()| fs::rename(&new, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

impl From<Why> for Reason {
    fn from(why: Why) -> Self {
        match why {
            Why::Unsaid => Self::UNSAID,
            Why::Withdrawn => Self::WITHDRAWN,
            Why::Copyright => Self::COPYRIGHT,
            Why::Order => Self::ORDER,
            Why::Privacy => Self::PRIVACY,
            Why::Abuse => Self::ABUSE,
        }
    }
}
