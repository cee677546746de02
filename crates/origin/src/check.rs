//! Judging a package, on disk or on the web: does it keep the rules, and is it what was signed? Its invariant: nothing outside
//! the folder or the server that was named is asked for.

use crate::http::{Class, Name};
use crate::package::Card;
use cmaf::check::{Checker, Finding, Severity};
use manifest::{Index, Kind, MAX_INDEX_BYTES, PublicKey, digest};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use ureq::Agent;

pub use cmaf::check::printable;

/// Largest resource that is fetched.
const MAX_RESOURCE_BYTES: u64 = 128 << 20;
/// How long a request may take.
const REQUEST_TIME: Duration = Duration::from_secs(60);

/// Why there is nothing to judge.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CheckError {
    /// Neither a folder nor a web address.
    #[error("{0} is neither a folder with a package nor an http(s):// address of one")]
    NoTarget(String),
}

/// Where a package is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A folder.
    Folder(PathBuf),
    /// An address that ends in `/`.
    Url(String),
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// In the order found; those about the index come last.
    pub findings: Vec<Finding>,
    /// Media segments looked into.
    pub segments: usize,
    /// Bytes read.
    pub bytes: u64,
}

impl Report {
    /// Whether anything is against a rule, and not only worth a warning.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Error)
    }
}

impl Target {
    /// Reads a folder, or an address: of the package, of a file in it, or of its watch page.
    pub fn parse(text: &str) -> Result<Self, CheckError> {
        if text.starts_with("http://") || text.starts_with("https://") {
            let plain = text.split(['?', '#']).next().unwrap_or(text);
            if let Some((server, slug)) = plain.split_once("/watch/") {
                return Ok(Self::Url(format!("{server}/s/{}/", slug.trim_end_matches('/'))));
            }
            let in_path = plain.splitn(4, '/').nth(3).unwrap_or("");
            let last = in_path.rsplit('/').next().unwrap_or("");
            if last.contains('.') {
                return Ok(Self::Url(plain[..plain.len() - last.len()].to_owned()));
            }
            return Ok(Self::Url(format!("{}/", plain.trim_end_matches('/'))));
        }
        let path = Path::new(text);
        match path.metadata() {
            Ok(m) if m.is_dir() => Ok(Self::Folder(path.to_owned())),
            Ok(_) => path
                .parent()
                .map(|p| Self::Folder(p.to_owned()))
                .ok_or_else(|| CheckError::NoTarget(text.to_owned())),
            Err(_) => Err(CheckError::NoTarget(text.to_owned())),
        }
    }
}

/// Judges the package at `target`. With `key` its index and its subtitles must be signed by it. `progress` hears the name of each resource.
pub fn run(target: &Target, key: Option<&PublicKey>, progress: &mut dyn FnMut(&str)) -> Report {
    let source = Source::of(target);
    let mut findings = Vec::new();
    let index = match source.fetch("index.bci") {
        Ok(bytes) => open_index(&bytes, key, &mut findings),
        Err(reason) => {
            let severity = if key.is_some() { Severity::Error } else { Severity::Warning };
            let what = format!("cannot be read ({reason}); without it no viewer can help another");
            findings.push(Finding { severity, place: "index.bci".into(), what });
            None
        }
    };
    let mut seals = index.as_ref().map_or_else(Seals::default, |index| Seals::of(index, key));
    let mut bytes_read = 0u64;
    let fetch = |url: &str| {
        progress(url);
        let bytes = source.fetch(url)?;
        bytes_read += bytes.len() as u64;
        seals.compare(url, &bytes);
        Ok(bytes)
    };
    let mut checker = Checker::new(fetch);
    checker.hls("master.m3u8");
    checker.dash("manifest.mpd");
    let segments = checker.segments_checked();
    let mut all = checker.finish();
    // What the playlists do not name is looked at all the same.
    for name in seals.unseen() {
        match source.fetch(&name) {
            Ok(bytes) => {
                bytes_read += bytes.len() as u64;
                seals.compare(&name, &bytes);
                findings.push(error(&name, "is in the index but in no playlist"));
            }
            Err(reason) => {
                findings.push(error(&name, &format!("is in the index but cannot be read: {reason}")))
            }
        }
    }
    if let Some(index) = &index {
        match source.fetch("stream.json") {
            Ok(bytes) => compare_card(&bytes, index, &mut findings),
            Err(reason) => findings.push(error("stream.json", &format!("cannot be read: {reason}"))),
        }
    }
    all.append(&mut seals.findings);
    all.append(&mut findings);
    Report { findings: all, segments, bytes: bytes_read }
}

fn open_index(bytes: &[u8], key: Option<&PublicKey>, findings: &mut Vec<Finding>) -> Option<Index> {
    if bytes.len() > MAX_INDEX_BYTES {
        findings.push(error("index.bci", "is larger than any index"));
        return None;
    }
    Index::open(bytes, key)
        .inspect_err(|reason| findings.push(error("index.bci", &reason.to_string())))
        // Signed by somebody else: the contents can be compared all the same.
        .or_else(|_| Index::open(bytes, None))
        .ok()
}

fn compare_card(bytes: &[u8], index: &Index, findings: &mut Vec<Finding>) {
    let card: Card = match serde_json::from_slice(bytes) {
        Ok(card) => card,
        Err(reason) => {
            return findings.push(error("stream.json", &format!("is no card of a film: {reason}")));
        }
    };
    let kind = |kind| if kind == Kind::Video { "video" } else { "audio" };
    let in_card = card.renditions.iter().map(|r| (r.id.as_str(), r.kind.as_str()));
    if !in_card.eq(index.renditions.iter().map(|r| (r.id.as_str(), kind(r.kind)))) {
        findings.push(error("stream.json", "names other renditions than the index"));
    }
    let longest = index
        .renditions
        .iter()
        .map(|r| r.segments.iter().map(|s| u64::from(s.duration_ms)).sum::<u64>())
        .max();
    let longest_s = longest.unwrap_or(0) as f64 / 1000.0;
    if (card.duration_s - longest_s).abs() > 0.5 {
        let what = format!("says {} s, the index adds up to {longest_s} s", card.duration_s);
        findings.push(error("stream.json", &what));
    }
}

fn error(place: &str, what: &str) -> Finding {
    Finding { severity: Severity::Error, place: place.to_owned(), what: what.to_owned() }
}

/// What the index says of each file, and which of them came by.
#[derive(Default)]
struct Seals {
    expected: BTreeMap<String, (Option<u32>, manifest::Hash, bool)>,
    /// By whom subtitles have to be signed, and of which film.
    texts: Option<(PublicKey, [u8; 20])>,
    findings: Vec<Finding>,
}

impl Seals {
    fn of(index: &Index, key: Option<&PublicKey>) -> Self {
        let mut expected = BTreeMap::new();
        for rendition in &index.renditions {
            expected.insert(format!("{}/init.mp4", rendition.id), (None, rendition.init, false));
            for (i, segment) in rendition.segments.iter().enumerate() {
                expected.insert(
                    format!("{}/{}.m4s", rendition.id, i + 1),
                    (Some(segment.size), segment.root, false),
                );
            }
        }
        Self { expected, texts: key.map(|key| (*key, index.swarm_id())), findings: Vec::new() }
    }

    fn compare(&mut self, url: &str, bytes: &[u8]) {
        let plain = url.split(['?', '#']).next().unwrap_or(url);
        if let Some((key, swarm)) = self.texts.as_ref().filter(|_| plain.ends_with("/subs.vtt"))
            && let Err(reason) = manifest::text::open(bytes, swarm, plain, key)
        {
            let finding = error(plain, &reason.to_string());
            if !self.findings.contains(&finding) {
                self.findings.push(finding); // HLS and DASH name the same file
            }
        }
        let Some((size, root, seen)) = self.expected.get_mut(plain) else {
            let media = Name::parse(plain).is_some_and(|name| name.class() == Class::Media);
            if media && !self.expected.is_empty() {
                self.findings.push(error(plain, "is not in the index: no viewer can get it from another"));
            }
            return;
        };
        if std::mem::replace(seen, true) {
            return;
        }
        if size.is_some_and(|size| size as usize != bytes.len()) {
            let what = format!("has {} bytes, the index says {}", bytes.len(), size.unwrap_or_default());
            self.findings.push(error(plain, &what));
        } else if digest::root(bytes) != *root {
            self.findings.push(error(plain, "is not the bytes that the index was made of"));
        }
    }

    fn unseen(&self) -> Vec<String> {
        self.expected.iter().filter(|(_, (.., seen))| !seen).map(|(name, _)| name.clone()).collect()
    }
}

enum Source {
    Folder(PathBuf),
    Url(String, Box<Agent>),
}

impl Source {
    fn of(target: &Target) -> Self {
        match target {
            Target::Folder(path) => Self::Folder(path.clone()),
            Target::Url(base) => {
                // A redirect could lead anywhere, such as into the network that only we can reach.
                let config = Agent::config_builder()
                    .timeout_global(Some(REQUEST_TIME))
                    .max_redirects(0)
                    .max_redirects_will_error(false)
                    .http_status_as_error(false)
                    .build();
                Self::Url(base.clone(), Box::new(config.into()))
            }
        }
    }

    fn fetch(&self, name: &str) -> Result<Vec<u8>, String> {
        match self {
            Self::Folder(root) => {
                let relative = Path::new(name.split(['?', '#']).next().unwrap_or(name));
                let inside = relative.components().all(|part| matches!(part, Component::Normal(_)));
                if !inside || name.contains('\\') || name.contains("://") {
                    return Err("it lies outside the package and was not opened".into());
                }
                let mut bytes = Vec::new();
                let file = File::open(root.join(relative)).map_err(|e| e.to_string())?;
                file.take(MAX_RESOURCE_BYTES + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
                if bytes.len() as u64 > MAX_RESOURCE_BYTES {
                    Err("it is over 128 MiB".into())
                } else {
                    Ok(bytes)
                }
            }
            Self::Url(base, agent) => {
                if name.contains("://") || name.starts_with('/') {
                    return Err("it lies on another server or outside the package and was not fetched".into());
                }
                let response = agent.get(format!("{base}{name}")).call().map_err(|e| e.to_string())?;
                let status = response.status();
                if status.is_redirection() {
                    let to = response
                        .headers()
                        .get("location")
                        .and_then(|v| v.to_str().ok())
                        .unwrap_or("elsewhere");
                    return Err(format!("the server sends us to {to}; give that address instead"));
                }
                if !status.is_success() {
                    return Err(format!("the server answers {status}"));
                }
                let body = response.into_body().into_with_config().limit(MAX_RESOURCE_BYTES);
                body.read_to_vec().map_err(|e| e.to_string())
            }
        }
    }
}
