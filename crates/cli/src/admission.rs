//! Who may join the tracker: what flags and config say of it, and the files and addresses that are looked at again. Its invariant: what
//! cannot be read changes nothing, and at the start it ends the program: nobody is let in because a file is missing.

use crate::args::{Admission as Args, Mode};
use crate::config::{File, OneOrMany};
use crate::stop::Hangup;
use access::revocations::{ListError, MAX_LIST_BYTES};
use access::{Authority, KeySet, MAX_KEY_SET_BYTES, Policy, Streams, SwarmId};
use anyhow::{Context, Result, bail};
use manifest::PublicKey;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, future};
use tracker::{Admission, Config, InfoHash, Tracker, hook, jwks};

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Longest list of streams, in bytes: as many names as there may be.
const MAX_ALLOW_BYTES: usize = access::MAX_STREAMS * (access::MAX_NAME_LEN + 2);

/// What is looked at again while the tracker runs.
pub struct Sources {
    files: Vec<Watched>,
    keys: Option<(jwks::Source, Duration)>,
}

struct Watched {
    path: PathBuf,
    kind: Kind,
    stamp: Option<Stamp>,
}

#[derive(Clone, Copy)]
enum Kind {
    Allow,
    Keys,
    Revocations,
}

/// By what a file that was changed is known.
type Stamp = (SystemTime, u64);

/// Sets what flags and `file` say.
pub async fn set(config: &mut Config, args: &Args, file: &File) -> Result<Sources> {
    let mut sources = Sources { files: Vec::new(), keys: None };
    let allow = args.allow.as_ref().or(file.allow.as_ref());
    let keys = args.token_keys.as_ref().or(file.token_keys.as_ref());
    let hook = args.hook.as_ref().or(file.hook.as_ref());
    let mode = args.admission.or(file.admission).unwrap_or(Mode::Open);
    let policy = match mode {
        Mode::Open | Mode::Hook => Policy::Open,
        Mode::List => {
            let path =
                allow.context("--admission list needs --allow FILE, with the streams that are welcome")?;
            sources.watch(path, Kind::Allow);
            Policy::Listed(read_allow(path)?)
        }
        Mode::Tokens => {
            let place = keys.context("--admission tokens needs --token-keys, the keys that sign them")?;
            Policy::Tokens(sources.first_keys(place).await?)
        }
    };
    for (flag, given, needed) in [
        ("allow", allow.is_some(), Mode::List),
        ("token-keys", keys.is_some(), Mode::Tokens),
        ("hook", hook.is_some(), Mode::Hook),
    ] {
        if given && mode != needed {
            bail!("--{flag} counts with --admission {needed:?} alone");
        }
    }
    let hook = match (mode, hook) {
        (Mode::Hook, Some(url)) => {
            let url = url.parse().with_context(|| format!("--hook {url}"))?;
            let open = args.hook_open.or(file.hook_open).unwrap_or(false);
            Some(hook::Config { allows_without_answer: open, ..hook::Config::new(url) })
        }
        (Mode::Hook, None) => bail!("--admission hook needs --hook URL, the server that is asked"),
        _ => None,
    };
    let authorities = OneOrMany::under(args.revocation_key.clone(), file.revocation_key.as_ref());
    let revocations = OneOrMany::under(args.revocations.clone(), file.revocations.as_ref());
    if authorities.is_empty() && !revocations.is_empty() {
        bail!("--revocations needs --revocation-key, the public key of whoever signs the list");
    }
    let authorities = authorities.iter().map(|key| {
        let key = PublicKey::parse(key).with_context(|| format!("--revocation-key {key}"))?;
        Ok(Authority::new(key, None))
    });
    let authorities = authorities.collect::<Result<Vec<_>>>()?;
    let limits = access::Config::default();
    if authorities.len() > limits.authorities {
        bail!("at most {} keys may take streams down", limits.authorities);
    }
    revocations.iter().for_each(|path| sources.watch(path, Kind::Revocations));
    if mode != Mode::Open || !authorities.is_empty() {
        config.admission = Some(Admission { gate: limits, policy, authorities, hook });
    }
    Ok(sources)
}

/// Tells a tracker that serves no streams itself what they are called.
pub fn name(tracker: &Tracker, file: &File) -> Result<()> {
    for (name, swarms) in &file.streams {
        for swarm in swarms.list() {
            let id = SwarmId::parse(&swarm);
            let id = id
                .with_context(|| format!("streams: {swarm} of {name} is no swarm: 40 digits, 0-9 and a-f"))?;
            tracker.set_name(InfoHash(id.0), Some(name)).with_context(|| format!("streams: {name}"))?;
        }
    }
    Ok(())
}

impl Sources {
    fn watch(&mut self, path: &Path, kind: Kind) {
        self.files.push(Watched { path: path.to_owned(), kind, stamp: stamp(path) });
    }

    /// The keys to begin with.
    async fn first_keys(&mut self, place: &str) -> Result<KeySet> {
        if !place.starts_with("https://") && !place.starts_with("http://") {
            self.watch(Path::new(place), Kind::Keys);
            return read_keys(Path::new(place));
        }
        let source = jwks::Source::new(place.parse().with_context(|| format!("--token-keys {place}"))?)?;
        let (keys, fresh) = source.fetch().await.with_context(|| format!("--token-keys {place}"))?;
        self.keys = Some((source, fresh));
        Ok(keys)
    }

    /// Gives the tracker the takedowns that there are, before anybody comes.
    pub fn begin(&self, tracker: &Tracker) -> Result<()> {
        for file in self.files.iter().filter(|file| matches!(file.kind, Kind::Revocations)) {
            file.give(tracker)?;
        }
        Ok(())
    }

    /// Looks at all of it again and again.
    pub async fn follow(mut self, tracker: Tracker) {
        let keys = self.keys.take();
        let keys = async {
            match &keys {
                Some((source, fresh)) => source.follow(&tracker, *fresh).await,
                None => future::pending().await,
            }
        };
        tokio::join!(keys, follow_files(self.files, &tracker));
    }
}

async fn follow_files(mut files: Vec<Watched>, tracker: &Tracker) {
    if files.is_empty() {
        return;
    }
    let mut hangup = Hangup::new();
    loop {
        let all = tokio::select! {
            () = hangup.told() => true,
            () = tokio::time::sleep(LOOK_EVERY) => false,
        };
        for file in &mut files {
            let stamp = stamp(&file.path);
            if !all && stamp == file.stamp {
                continue;
            }
            match file.give(tracker) {
                Ok(()) => file.stamp = stamp,
                // Half a file may be there yet: it is tried again, and told of once.
                Err(why) if file.stamp != stamp => {
                    tracing::error!(why = format!("{why:#}"), "what was in force stays so");
                    file.stamp = stamp;
                }
                Err(_) => {}
            }
        }
    }
}

impl Watched {
    /// Reads the file, and lets the tracker go by it.
    fn give(&self, tracker: &Tracker) -> Result<()> {
        match self.kind {
            Kind::Allow => tracker.set_policy(Policy::Listed(read_allow(&self.path)?)),
            Kind::Keys => tracker.set_policy(Policy::Tokens(read_keys(&self.path)?)),
            Kind::Revocations => {
                let list = read(&self.path, MAX_LIST_BYTES)?;
                tracker
                    .revoke(&list)
                    .map(drop)
                    .map_err(|why| match why {
                        ListError::OtherKey => {
                            anyhow::Error::new(why).context("--revocation-key names another key")
                        }
                        why => why.into(),
                    })
                    .with_context(|| self.path.display().to_string())?;
            }
        }
        Ok(())
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let about = fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}

/// The file, unless it is longer than it can be.
fn read(path: &Path, most: usize) -> Result<Vec<u8>> {
    let context = || format!("cannot read {}", path.display());
    let mut bytes = Vec::new();
    let file = fs::File::open(path).with_context(context)?;
    file.take(most as u64 + 1).read_to_end(&mut bytes).with_context(context)?;
    if bytes.len() > most {
        bail!("{} is longer than {most} bytes", path.display());
    }
    Ok(bytes)
}

fn read_text(path: &Path, most: usize) -> Result<String> {
    String::from_utf8(read(path, most)?).with_context(|| format!("{} is no text", path.display()))
}

/// A stream in each line; what follows # is for people.
fn read_allow(path: &Path) -> Result<Streams> {
    let text = read_text(path, MAX_ALLOW_BYTES)?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    Streams::parse(lines.filter(|line| !line.is_empty())).with_context(|| path.display().to_string())
}

/// A JWK Set, or one key as it is printed by `braidcast keys`.
fn read_keys(path: &Path) -> Result<KeySet> {
    let text = read_text(path, MAX_KEY_SET_BYTES)?;
    match PublicKey::parse(text.trim()) {
        Ok(key) => Ok(KeySet::single(key)),
        Err(_) => KeySet::parse(&text).with_context(|| path.display().to_string()),
    }
}
