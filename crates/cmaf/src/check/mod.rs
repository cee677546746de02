//! The rules behind `braidcast check`: is this package what players may expect?
//!
//! A [`Checker`] asks for resources by URL through a closure and judges what it gets: playlists and MPD, init
//! segments, every media segment, and whether they agree with one another. It does no I/O itself, so the same
//! rules run over a folder, a server and in tests. Foreign packages are judged by the same rules; where a codec is
//! one this crate cannot read, its string is not compared.
//!
//! The invariant: whatever the resources hold, checking ends with findings. The numbers of findings and of
//! resources asked for have bounds, and reaching one is a finding itself.

mod hls;
pub mod live;
mod live_tags;
mod media;
pub(crate) mod mpd;
mod playlist;
pub(crate) mod url;
pub(crate) mod xml;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use media::{Facts, Init};

/// Findings kept; what comes after is only counted.
const MAX_FINDINGS: usize = 1000;
/// Resources asked for, and segments looked up, even where the same one is named again.
const MAX_RESOURCES: usize = 1 << 20;
/// Renditions of each kind in one manifest.
const MAX_RENDITIONS: usize = 256;
/// Characters of one finding.
const MAX_FINDING: usize = 600;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Legal, but not what it should be.
    Warning,
    /// Against a specification, or against what the package says of itself.
    Error,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The resource, and the line in it where there is one: `v0/media.m3u8:7`.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity}: {}: {}", printable(&self.place), printable(&self.what))
    }
}

/// `text` from a stranger as a terminal may show it: what moves the cursor, changes colours or turns the direction of
/// writing becomes a replacement character.
pub fn printable(text: &str) -> String {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() || turns(c) { '\u{fffd}' } else { c }).collect()
}

/// Checks a package as this crate writes it: `master.m3u8` and `manifest.mpd` and all they name.
///
/// `fetch` gets each URL as the manifests say it, relative to the package.
pub fn package(fetch: impl FnMut(&str) -> Result<Vec<u8>, String>) -> Vec<Finding> {
    let mut checker = Checker::new(fetch);
    checker.hls("master.m3u8");
    checker.dash("manifest.mpd");
    checker.finish()
}

/// Judges manifests and what they name.
pub struct Checker<F> {
    fetch: F,
    findings: Vec<Finding>,
    dropped: usize,
    asked: usize,
    inits: BTreeMap<String, Option<Init>>,
    segments: BTreeMap<String, Option<Facts>>,
    /// HLS renditions by the URL of their init segment, for the MPD to be compared with.
    tracks: BTreeMap<String, Arc<hls::Listed>>,
    /// The resource fetched last: byte ranges of one file come in a row.
    last: Option<(String, Vec<u8>)>,
}

impl<F: FnMut(&str) -> Result<Vec<u8>, String>> Checker<F> {
    /// A checker that gets resources with `fetch`: the bytes behind a URL, or why there are none.
    ///
    /// URLs are resolved against that of the manifest they stand in. Where that is relative, they stay relative.
    pub fn new(fetch: F) -> Self {
        Self {
            fetch,
            findings: Vec::new(),
            dropped: 0,
            asked: 0,
            inits: BTreeMap::new(),
            segments: BTreeMap::new(),
            tracks: BTreeMap::new(),
            last: None,
        }
    }

    /// Everything found, in the order found.
    pub fn finish(mut self) -> Vec<Finding> {
        if self.dropped > 0 {
            let what = format!("{} more findings are not listed", self.dropped);
            self.findings.push(Finding { severity: Severity::Warning, place: String::new(), what });
        }
        self.findings
    }

    /// How many segments were looked into so far.
    pub fn segments_checked(&self) -> usize {
        self.segments.len()
    }

    fn find(&mut self, severity: Severity, place: &str, what: impl Into<String>) {
        // Warnings leave room for errors.
        let room = if severity == Severity::Error { MAX_FINDINGS } else { MAX_FINDINGS / 2 };
        if self.findings.len() < room {
            let what: String = what.into();
            let what = what.chars().take(MAX_FINDING).collect();
            let place = place.chars().take(MAX_FINDING).collect();
            self.findings.push(Finding { severity, place, what });
        } else {
            self.dropped += 1;
        }
    }

    fn error(&mut self, place: &str, what: impl Into<String>) {
        self.find(Severity::Error, place, what);
    }

    fn warn(&mut self, place: &str, what: impl Into<String>) {
        self.find(Severity::Warning, place, what);
    }

    /// The bytes behind a URL, or the part of them in `range` (first byte and length). A failure is a finding.
    fn bytes(&mut self, url: &str, range: Option<(u64, u64)>) -> Option<Vec<u8>> {
        if self.last.as_ref().is_none_or(|(last, _)| last != url) {
            if self.asked >= MAX_RESOURCES {
                self.error(url, format!("not looked at: more than {MAX_RESOURCES} resources"));
                return None;
            }
            self.asked += 1;
            match (self.fetch)(url) {
                Ok(bytes) => self.last = Some((url.to_owned(), bytes)),
                Err(error) => {
                    self.error(url, format!("cannot be read: {error}"));
                    return None;
                }
            }
        }
        let bytes = self.last.as_ref().map(|(_, bytes)| bytes)?;
        let Some((start, len)) = range else { return Some(bytes.clone()) };
        let part = usize::try_from(start)
            .ok()
            .zip(usize::try_from(len).ok())
            .and_then(|(start, len)| bytes.get(start..start.checked_add(len)?).map(<[u8]>::to_vec));
        if part.is_none() {
            let size = bytes.len();
            self.error(url, format!("byte range {len}@{start} lies outside its {size} bytes"));
        }
        part
    }

    fn text(&mut self, url: &str) -> Option<String> {
        let bytes = self.bytes(url, None)?;
        let text = String::from_utf8(bytes).ok();
        if text.is_none() {
            self.error(url, "is not UTF-8 text");
        }
        text
    }

    /// The init segment behind a URL, judged the first time.
    fn init(&mut self, url: &str, range: Option<(u64, u64)>) -> Option<Init> {
        let key = keyed(url, range);
        if let Some(known) = self.inits.get(&key) {
            return known.clone();
        }
        let init = self.bytes(url, range).and_then(|bytes| {
            let mut mistakes = Vec::new();
            let init = Init::read(&bytes, &mut |what| mistakes.push(what));
            for what in mistakes {
                self.error(url, what);
            }
            init.map_err(|error| self.error(url, error)).ok()
        });
        self.inits.insert(key, init.clone());
        init
    }

    /// The media segment behind a URL, judged the first time.
    fn segment(&mut self, url: &str, range: Option<(u64, u64)>, init: &Init) -> Option<Facts> {
        self.asked += 1;
        if self.asked > MAX_RESOURCES {
            self.error(url, format!("not looked at: more than {MAX_RESOURCES} resources"));
            return None;
        }
        let key = keyed(url, range);
        if let Some(known) = self.segments.get(&key) {
            return *known;
        }
        let facts = self.bytes(url, range).and_then(|bytes| {
            let mut mistakes = Vec::new();
            let facts = media::segment(&bytes, init, &mut |what| mistakes.push(what));
            for what in mistakes {
                self.error(url, what);
            }
            facts
        });
        self.segments.insert(key, facts);
        facts
    }
}

fn keyed(url: &str, range: Option<(u64, u64)>) -> String {
    match range {
        Some((start, len)) => format!("{url}#{len}@{start}"),
        None => url.to_owned(),
    }
}

/// Checks `resource` as if every URL gave it: an entry for fuzzers. Whatever the bytes are, it returns.
pub fn fuzz(resource: &[u8]) {
    let mut asked = 0;
    // A playlist can name itself for every segment: a few are enough.
    let mut checker = Checker::new(|_: &str| {
        asked += 1;
        if asked > 64 { Err("enough".to_owned()) } else { Ok(resource.to_vec()) }
    });
    checker.hls("a.m3u8");
    checker.dash("a.mpd");
    checker.init("a.mp4", None);
    checker.finish();
    let mut ignore = |_: String| ();
    if let Ok(init) = Init::read(resource, &mut ignore) {
        media::segment(resource, &init, &mut ignore);
        // Either verdict is right.
        let _ = media::iframe(resource, &init);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_cannot_write_over_the_terminal() {
        let finding = Finding {
            severity: Severity::Error,
            place: "v0/\u{1b}[2Jmedia.m3u8".to_owned(),
            what: "line\r\nbreaks \u{202e}and \u{9b}more \u{7}".to_owned(),
        };
        let shown = finding.to_string();
        assert!(!shown.contains(|c: char| c.is_control() || c == '\u{202e}'), "{shown:?}");
        assert!(shown.contains("media.m3u8: line"));
    }
}
