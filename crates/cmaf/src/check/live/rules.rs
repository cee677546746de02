//! Rules about one answer of a live stream, and about the two forms of one answer.

use std::collections::BTreeMap;

use super::super::Severity;
use super::super::live_tags::{PartTag, seconds};
use super::super::playlist::{Complaint, Entry, Playlist};
use super::Watch;

/// How far a part may exceed the target, in seconds: the rounding of decimal numbers.
const ROUNDING_S: f64 = 0.000_002;
/// Least share of the part target that a part lasts (RFC 8216bis section 4.4.4.9).
const LEAST: f64 = 0.85;
/// How far the sum of its parts may be off a segment's duration before it is wrong, in seconds.
const SUM_S: f64 = 0.005;

impl Watch {
    /// Takes the whole playlist and the delta update of one moment, and nothing of them for later.
    pub fn delta(&mut self, url: &str, whole: &str, delta: &str) {
        let (whole, delta) = (self.parse(url, whole), self.parse(url, delta));
        let skipped = usize::try_from(delta.live.skipped.unwrap_or(0)).unwrap_or(usize::MAX);
        let rest = whole.entries.get(skipped..).unwrap_or(&[]);
        let same_entry = |(a, b): (&Entry, &Entry)| {
            a.uri == b.uri
                && a.duration_s == b.duration_s
                && a.range == b.range
                && a.discontinuity == b.discontinuity
        };
        let moved = whole.live.parts.iter().map(|p| (p.entry.checked_sub(skipped), &p.uri, p.duration_s));
        let kept = delta.live.parts.iter().map(|p| (Some(p.entry), &p.uri, p.duration_s));
        let moved = moved.filter(|(entry, ..)| entry.is_some());
        let dates = whole.live.dates.iter().filter_map(|(at, date)| Some((at.checked_sub(skipped)?, *date)));
        let same = rest.len() == delta.entries.len()
            && skipped <= whole.entries.len()
            && rest.iter().zip(&delta.entries).all(same_entry)
            && moved.eq(kept)
            && dates.eq(delta.live.dates.iter().copied())
            && (whole.first_sequence, whole.ended, whole.target_duration)
                == (delta.first_sequence, delta.ended, delta.target_duration)
            && whole.live.discontinuity_sequence == delta.live.discontinuity_sequence
            && whole.live.hint.as_ref().map(|(_, uri)| uri) == delta.live.hint.as_ref().map(|(_, uri)| uri);
        if !same {
            self.find(Severity::Error, url, 0, "the delta update does not lead to the whole playlist");
        }
        let boundary = whole.live.control.as_ref().and_then(|c| c.get("CAN-SKIP-UNTIL")?.parse::<f64>().ok());
        let kept: f64 = rest.iter().map(|e| e.duration_s).sum();
        match boundary {
            _ if skipped == 0 => {}
            None => self.find(Severity::Error, url, 0, "a delta update without CAN-SKIP-UNTIL"),
            Some(boundary) if kept < boundary => {
                self.find(Severity::Error, url, 0, format!("skips what is within {boundary} s of the end"));
            }
            Some(_) => {}
        }
    }

    /// Rules about one playlist by itself.
    pub(super) fn alone(&mut self, url: &str, list: &Playlist) {
        let target = list.target_duration.unwrap_or(u64::MAX) as f64;
        for entry in &list.entries {
            if entry.duration_s.round() > target {
                let what = format!(
                    "{} lasts {} s, more than the target duration of {target} s",
                    entry.uri, entry.duration_s
                );
                self.error(url, 0, what);
            }
        }
        let mut last = i64::MIN;
        for &(_, date) in &list.live.dates {
            if date < last {
                self.error(url, 0, format!("EXT-X-PROGRAM-DATE-TIME goes back by {} ms", last - date));
            }
            last = date;
        }
        let parts = &list.live.parts;
        match list.live.part_target {
            Some(part) => {
                self.part_durations(url, part, parts);
                self.control(url, list, part);
            }
            None if !parts.is_empty() => self.error(url, 0, "parts without EXT-X-PART-INF"),
            None => {}
        }
        // The first segment with parts may have lost some of them at the front.
        let first = parts.first().map(|p| p.entry);
        let mut sums: BTreeMap<usize, f64> = BTreeMap::new();
        for part in parts.iter().filter(|p| first != Some(p.entry)) {
            *sums.entry(part.entry).or_default() += part.duration_s;
        }
        for (at, sum) in sums {
            let Some(entry) = list.entries.get(at) else { continue };
            if (sum - entry.duration_s).abs() > SUM_S {
                let what = format!("{} lasts {} s, but its parts {sum:.6} s", entry.uri, entry.duration_s);
                self.error(url, 0, what);
            }
        }
    }

    fn part_durations(&mut self, url: &str, target: f64, parts: &[PartTag]) {
        for (at, part) in parts.iter().enumerate() {
            let PartTag { line, uri, duration_s, .. } = part;
            if *duration_s > target + ROUNDING_S {
                self.error(
                    url,
                    *line,
                    format!("{uri} lasts {duration_s} s, more than the part target {target} s"),
                );
            }
            let next = parts.get(at + 1).filter(|next| next.entry == part.entry);
            let short = *duration_s < target * LEAST - ROUNDING_S;
            if short && !part.gap && next.is_some_and(|next| !next.gap) {
                let severity = if part.independent { Severity::Warning } else { Severity::Error };
                let what =
                    format!("{uri} lasts {duration_s} s, less than 85 % of the part target {target} s");
                self.find(severity, url, *line, what);
            }
        }
    }

    /// `EXT-X-SERVER-CONTROL` beside parts of at most `part` seconds.
    fn control(&mut self, url: &str, list: &Playlist, part: f64) {
        let Some(control) = &list.live.control else {
            return self.error(url, 0, "EXT-X-PART-INF without EXT-X-SERVER-CONTROL");
        };
        let target = list.target_duration.unwrap_or(0) as f64;
        let mut complaints = Vec::new();
        for (name, needed, least, should) in [
            ("PART-HOLD-BACK", true, part * 2.0, part * 3.0),
            ("HOLD-BACK", false, target * 3.0, 0.0),
            ("CAN-SKIP-UNTIL", false, target * 6.0, 0.0),
        ] {
            if control.get(name).is_none() && !needed {
                continue;
            }
            let Some(said) = seconds(control, "EXT-X-SERVER-CONTROL", name, &mut complaints) else {
                continue;
            };
            if said < least - ROUNDING_S {
                self.error(url, control.line, format!("{name} is {said} s, but must be at least {least} s"));
            } else if said < should - ROUNDING_S {
                let what = format!("{name} is {said} s, but should be at least {should} s");
                self.find(Severity::Warning, url, control.line, what);
            }
        }
        for Complaint { line, what, .. } in complaints {
            self.error(url, line, what);
        }
    }
}
