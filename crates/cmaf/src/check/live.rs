//! Judging a live stream by what it answers, one playlist after another: ours or another's.
//!
//! A [`Watch`] is given the media playlists of one stream in the order they came, each under its URL, and says what no
//! single one of them shows: names that change, hints that do not come true, numbers that go back.
//!
//! The invariant: what is remembered of a rendition is bounded by its last playlist; findings have a bound.

mod rules;

use std::collections::BTreeMap;

use super::live_tags::PartTag;
use super::playlist::{Complaint, Entry, Playlist};
use super::url::resolve;
use super::{Finding, MAX_FINDING, MAX_FINDINGS, MAX_RENDITIONS, Severity};

/// Watches the media playlists of one live stream.
///
/// ```
/// let mut watch = cmaf::check::live::Watch::new();
/// let list = |first: u32| format!(
///     "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n#EXTINF:2,\n{first}.ts\n#EXTINF:2,\n{}.ts\n",
///     first + 1
/// );
/// watch.playlist("v0/media.m3u8", &list(7));
/// watch.playlist("v0/media.m3u8", &list(8));
/// watch.playlist("v0/media.m3u8", &list(5));
/// let findings = watch.finish();
/// assert!(findings[0].what.contains("goes back"), "{findings:?}");
/// ```
#[derive(Debug, Default)]
pub struct Watch {
    seen: BTreeMap<String, Seen>,
    /// The furthest that reports said another playlist was, by its URL.
    reported: BTreeMap<String, (u64, u64)>,
    findings: Vec<Finding>,
    dropped: usize,
}

/// What the last playlist of a rendition said.
#[derive(Debug, Default)]
struct Seen {
    target: Option<u64>,
    first: u64,
    /// The number after the last whole segment's.
    next: u64,
    segments: BTreeMap<u64, Known>,
    parts: Vec<(u64, PartTag)>,
    hint: Option<String>,
    ended: bool,
}

#[derive(Debug, Clone)]
struct Known {
    entry: Entry,
    /// Its number counted in discontinuities, where that is known.
    era: Option<u64>,
    date: Option<i64>,
}

impl Watch {
    /// Nothing watched yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next answer of the media playlist at `url`, whole or as a delta update.
    pub fn playlist(&mut self, url: &str, text: &str) {
        if !self.seen.contains_key(url) && self.seen.len() >= MAX_RENDITIONS {
            return self.find(
                Severity::Error,
                url,
                0,
                format!("not looked at: more than {MAX_RENDITIONS} playlists"),
            );
        }
        let list = self.parse(url, text);
        let seen = self.seen.remove(url);
        self.alone(url, &list);
        let now = self.follow(url, &list, seen.as_ref());
        self.reports(url, &list, &now);
        self.seen.insert(url.to_owned(), now);
    }

    /// Everything found, in the order found.
    pub fn finish(mut self) -> Vec<Finding> {
        if self.dropped > 0 {
            let what = format!("{} more findings are not listed", self.dropped);
            self.findings.push(Finding { severity: Severity::Warning, place: String::new(), what });
        }
        self.findings
    }

    fn find(&mut self, severity: Severity, url: &str, line: usize, what: impl Into<String>) {
        if self.findings.len() >= MAX_FINDINGS {
            self.dropped += 1;
            return;
        }
        let place = if line == 0 { url.to_owned() } else { format!("{url}:{line}") };
        let place = place.chars().take(MAX_FINDING).collect();
        let what: String = what.into();
        self.findings.push(Finding { severity, place, what: what.chars().take(MAX_FINDING).collect() });
    }

    fn error(&mut self, url: &str, line: usize, what: impl Into<String>) {
        self.find(Severity::Error, url, line, what);
    }

    fn parse(&mut self, url: &str, text: &str) -> Playlist {
        let list = Playlist::parse(text);
        for Complaint { line, grave, what } in &list.complaints {
            self.find(if *grave { Severity::Error } else { Severity::Warning }, url, *line, what.clone());
        }
        if list.complaints.is_empty() && !list.is_media {
            self.error(url, 0, "is not a media playlist");
        }
        list
    }

    /// Rules about a playlist and the one before it; gives what is to be remembered.
    fn follow(&mut self, url: &str, list: &Playlist, before: Option<&Seen>) -> Seen {
        let skipped = list.live.skipped.unwrap_or(0);
        let base = list.first_sequence.saturating_add(skipped);
        let mut now = Seen {
            target: list.target_duration,
            first: list.first_sequence,
            next: base.saturating_add(list.entries.len() as u64),
            hint: list.live.hint.as_ref().map(|(_, uri)| uri.clone()),
            ended: list.ended,
            ..Seen::default()
        };
        let none = Seen::default();
        let old = before.unwrap_or(&none);
        if skipped > 0 {
            // At most what was remembered.
            now.segments.extend(old.segments.range(list.first_sequence..base).map(|(n, k)| (*n, k.clone())));
            if now.segments.len() as u64 != skipped {
                self.error(url, 0, format!("skips {skipped} segments that were not all listed before"));
            }
        }
        let mut era = if skipped == 0 {
            Some(list.live.discontinuity_sequence)
        } else {
            now.segments.last_key_value().and_then(|(n, k)| k.era.filter(|_| n.checked_add(1) == Some(base)))
        };
        let mut dates = list.live.dates.iter().peekable();
        for (at, entry) in list.entries.iter().enumerate() {
            let number = base.saturating_add(at as u64);
            if entry.discontinuity {
                era = era.map(|e| e.saturating_add(1));
            }
            // They come in the order of the entries.
            let mut date = None;
            while let Some((_, found)) = dates.next_if(|(place, _)| *place <= at) {
                date = Some(*found);
            }
            now.segments.insert(number, Known { entry: entry.clone(), era, date });
        }
        now.parts =
            list.live.parts.iter().map(|p| (base.saturating_add(p.entry as u64), p.clone())).collect();
        if before.is_some() {
            self.compare(url, old, &now);
        }
        now
    }

    fn compare(&mut self, url: &str, old: &Seen, now: &Seen) {
        if now.target != old.target {
            self.error(url, 0, "EXT-X-TARGETDURATION changed");
        }
        if now.first < old.first {
            self.error(url, 0, format!("the media sequence goes back from {} to {}", old.first, now.first));
        }
        if now.next < old.next {
            self.error(url, 0, format!("the last segment goes back from {} to {}", old.next, now.next));
        }
        if old.ended && (!now.ended || now.next != old.next) {
            self.error(url, 0, "went on after EXT-X-ENDLIST");
        }
        for (number, known) in &now.segments {
            let Some(was) = old.segments.get(number) else { continue };
            let (a, b) = (&was.entry, &known.entry);
            if (&a.uri, a.range, a.duration_s) != (&b.uri, b.range, b.duration_s) {
                let what = format!(
                    "segment {number} was {} of {} s, now {} of {} s",
                    a.uri, a.duration_s, b.uri, b.duration_s
                );
                self.error(url, 0, what);
            } else if a.discontinuity != b.discontinuity {
                self.error(url, 0, format!("segment {number} changed its EXT-X-DISCONTINUITY"));
            } else if let (Some(x), Some(y)) = (was.era, known.era)
                && x != y
            {
                self.error(url, 0, format!("segment {number} was after {x} discontinuities, now {y}"));
            } else if let (Some(x), Some(y)) = (&a.map, &b.map)
                && x != y
            {
                self.error(url, 0, format!("segment {number} changed its EXT-X-MAP"));
            } else if was.date.is_some() && known.date.is_some() && was.date != known.date {
                self.error(url, 0, format!("segment {number} changed its date"));
            }
        }
        self.compare_parts(url, old, now);
    }

    fn compare_parts(&mut self, url: &str, old: &Seen, now: &Seen) {
        let Some((last_number, last)) = old.parts.last() else { return };
        let was: BTreeMap<&str, &(u64, PartTag)> = old.parts.iter().map(|p| (p.1.uri.as_str(), p)).collect();
        for (number, part) in &now.parts {
            let Some((old_number, known)) = was.get(part.uri.as_str()) else { continue };
            if (old_number, known.duration_s, known.independent)
                != (number, part.duration_s, part.independent)
            {
                self.error(url, part.line, format!("{} is not what it was", part.uri));
            }
        }
        let Some(at) = now.parts.iter().position(|(number, p)| number == last_number && p.uri == last.uri)
        else {
            if now.parts.iter().any(|(number, _)| number <= last_number) {
                self.error(url, 0, format!("{} is gone, but not what was before it", last.uri));
            }
            return;
        };
        let (Some(hint), Some((_, next))) = (&old.hint, now.parts.get(at + 1)) else { return };
        // A part in a byte range is hinted at by its file.
        if next.uri.split('#').next() != Some(hint) {
            self.error(url, next.line, format!("the hint said {hint}, but {} came", next.uri));
        }
    }

    /// Rendition reports: what was said of others, and by others of this one.
    fn reports(&mut self, url: &str, list: &Playlist, now: &Seen) {
        let last = now.parts.last().map_or(0, |(number, _)| *number);
        let in_last = now.parts.iter().filter(|(number, _)| *number == last).count() as u64;
        let whole = now.next.saturating_sub(1);
        // Of a whole segment whose parts are not listed any more the last part is not known.
        let here = if last >= whole && in_last > 0 { (last, in_last - 1) } else { (whole, u64::MAX) };
        if let Some(&said) = self.reported.get(url)
            && said > here
            && !list.ended
        {
            let what =
                format!("another playlist said it was at {said:?} (segment, part), but it is at {here:?}");
            self.error(url, 0, what);
        }
        for report in list.live.reports.iter().take(MAX_RENDITIONS) {
            let Some(uri) = report.get("URI") else { continue };
            let of = resolve(url, uri);
            // What is left out is as in this playlist.
            let part = if here.1 == u64::MAX { 0 } else { here.1 };
            let at =
                (report.number("LAST-MSN").unwrap_or(here.0), report.number("LAST-PART").unwrap_or(part));
            let room = self.reported.len() < MAX_RENDITIONS;
            match self.reported.get_mut(&of) {
                Some(known) => *known = (*known).max(at),
                None if room => {
                    self.reported.insert(of, at);
                }
                None => {}
            }
        }
    }
}

/// Watches a stream whose answers are these bytes, split at NUL: an entry for fuzzers. Whatever they are, it returns.
pub fn fuzz(answers: &[u8]) {
    let mut watch = Watch::new();
    let texts: Vec<_> = answers.split(|&b| b == 0).take(64).map(String::from_utf8_lossy).collect();
    for (at, text) in texts.iter().enumerate() {
        let url = if at % 3 == 2 { "a0/media.m3u8" } else { "v0/media.m3u8" };
        watch.playlist(url, text);
    }
    if let [whole, delta, ..] = &texts[..] {
        watch.delta("v0/media.m3u8", whole, delta);
    }
    for finding in watch.finish() {
        assert!(!finding.what.is_empty());
    }
}
