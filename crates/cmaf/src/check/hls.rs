//! Rules about HLS playlists and the segments they list.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::media::{self, Facts, Init};
use super::playlist::{Attributes, Complaint, Playlist};
use super::url::resolve;
use super::{Checker, MAX_RENDITIONS, Severity, keyed};
use crate::Kind;
use crate::presentation::peak_bandwidth;

/// How far a listed duration may be off the segment's own before it is worth a word, in seconds.
const SLOPPY_S: f64 = 0.005;
/// How far before it is wrong.
const WRONG_S: f64 = 0.1;
/// How far apart segments of two renditions may start, in seconds.
const ALIGNED_S: f64 = 0.001;

/// A rendition as its playlist and its segments show it.
#[derive(Debug, Clone, Default)]
pub(super) struct Listed {
    /// URL of the playlist.
    pub(super) url: String,
    pub(super) init: Option<Init>,
    /// URL, listed duration in seconds, and where the segment really starts in seconds.
    pub(super) segments: Vec<(String, f64, Option<f64>)>,
    /// Where segments end that a discontinuity follows, in seconds: the next one's start says nothing of them.
    cut_short: BTreeMap<usize, f64>,
    /// Measured bits per second.
    peak: u64,
    average: u64,
    subtitles: bool,
}

impl<F: FnMut(&str) -> Result<Vec<u8>, String>> Checker<F> {
    /// Checks the playlist at `url`, master or media, and all it names.
    pub fn hls(&mut self, url: &str) {
        let Some(mut list) = self.playlist(url) else { return };
        if list.is_media {
            self.media(url, &list);
            return;
        }
        let most = list.variants.len().max(list.media.len()).max(list.iframe_variants.len());
        if most > MAX_RENDITIONS {
            self.error(url, format!("more than {MAX_RENDITIONS} renditions; the rest was not looked at"));
        }
        list.variants.truncate(MAX_RENDITIONS);
        list.media.truncate(MAX_RENDITIONS);
        list.iframe_variants.truncate(MAX_RENDITIONS);
        let mut alternatives: Vec<(&Attributes, Arc<Listed>)> = Vec::new();
        for attributes in &list.media {
            if let Some(uri) = attributes.get("URI")
                && let Some(listed) = self.media_at(&resolve(url, uri))
            {
                alternatives.push((attributes, listed));
            }
        }
        let mut videos: Vec<Arc<Listed>> = Vec::new();
        for variant in &list.variants {
            let place = format!("{url}:{}", variant.attributes.line);
            for (kind, group) in ["AUDIO", "SUBTITLES", "VIDEO"].map(|k| (k, variant.attributes.get(k))) {
                let known =
                    list.media.iter().any(|m| m.get("TYPE") == Some(kind) && m.get("GROUP-ID") == group);
                if group.is_some() && !known {
                    self.error(&place, format!("{kind} names a group that does not exist"));
                }
            }
            let Some(listed) = self.media_at(&resolve(url, &variant.uri)) else { continue };
            let sound: Vec<&Listed> = alternatives
                .iter()
                .filter(|(a, _)| {
                    a.get("TYPE") == Some("AUDIO") && a.get("GROUP-ID") == variant.attributes.get("AUDIO")
                })
                .map(|(_, listed)| &**listed)
                .collect();
            self.variant(&place, &variant.attributes, &listed, &sound);
            if listed.init.as_ref().is_some_and(|i| i.kind == Some(Kind::Video)) {
                videos.push(listed);
            }
        }
        self.groups(url, &list.media);
        if let Some((first, others)) = videos.split_first() {
            for other in others {
                self.aligned(first, other);
            }
        }
        for attributes in &list.iframe_variants {
            if let Some(uri) = attributes.get("URI") {
                let url = resolve(url, uri);
                match self.playlist(&url) {
                    Some(list) if list.iframes_only => self.iframes(&url, &list),
                    Some(_) => self.error(&url, "EXT-X-I-FRAMES-ONLY is missing"),
                    None => {}
                }
            }
        }
    }

    fn playlist(&mut self, url: &str) -> Option<Playlist> {
        let text = self.text(url)?;
        let list = Playlist::parse(&text);
        for Complaint { line, grave, what } in &list.complaints {
            let place = if *line == 0 { url.to_owned() } else { format!("{url}:{line}") };
            self.find(if *grave { Severity::Error } else { Severity::Warning }, &place, what.clone());
        }
        Some(list)
    }

    fn media_at(&mut self, url: &str) -> Option<Arc<Listed>> {
        if let Some(known) = self.tracks.values().find(|l| l.url == url) {
            return Some(Arc::clone(known));
        }
        let list = self.playlist(url)?;
        if !list.is_media {
            self.error(url, "is not a media playlist");
            return None;
        }
        Some(self.media(url, &list))
    }

    /// Checks a media playlist and its segments.
    fn media(&mut self, url: &str, list: &Playlist) -> Arc<Listed> {
        let mut listed = Listed { url: url.to_owned(), ..Listed::default() };
        if !list.ended {
            self.warn(url, "EXT-X-ENDLIST is missing: players take this for a live stream");
        }
        if list.encrypted {
            self.warn(url, "encrypted: the segments were not looked into");
        }
        if list.entries.is_empty() {
            self.error(url, "no segments");
        }
        let target = list.target_duration.unwrap_or(u64::MAX);
        let mut last: Option<(String, Facts)> = None;
        let mut last_scale = 1.0;
        let mut sizes = Vec::new();
        for entry in &list.entries {
            let segment_url = resolve(url, &entry.uri);
            if entry.duration_s.round() > target as f64 {
                let what =
                    format!("lasts {} s, more than the target duration of {target} s", entry.duration_s);
                self.error(&segment_url, what);
            }
            let plain = entry.uri.split(['?', '#']).next().unwrap_or("");
            if plain.ends_with(".vtt") || plain.ends_with(".webvtt") {
                listed.subtitles = true;
                self.webvtt(&segment_url);
                listed.segments.push((segment_url, entry.duration_s, None));
                continue;
            }
            let Some((map, range)) = entry.map.as_deref() else {
                self.error(&segment_url, "no EXT-X-MAP says which init segment it needs");
                continue;
            };
            let map_url = resolve(url, map);
            let init = if list.encrypted { None } else { self.init(&map_url, *range) };
            let facts = init.as_ref().and_then(|i| self.segment(&segment_url, entry.range, i));
            let mut start = None;
            if let (Some(init), Some(facts)) = (&init, facts) {
                let scale = f64::from(init.timescale);
                start = Some(facts.shown as f64 / scale);
                let before = last.take();
                if entry.discontinuity
                    && let Some((_, before)) = &before
                    && let Some(place) = listed.segments.len().checked_sub(1)
                {
                    listed.cut_short.insert(place, before.shown_end as f64 / last_scale);
                }
                last_scale = scale;
                if let Some((last_url, before)) = before
                    && !entry.discontinuity
                    && facts.dts != before.dts_end
                {
                    let off = i128::from(facts.dts) - i128::from(before.dts_end);
                    let what = format!("decode time jumps by {off} ticks of 1/{}", init.timescale);
                    self.error(&segment_url, format!("{what} after {last_url}"));
                }
                if !facts.starts_with_sync {
                    self.error(&segment_url, "does not start with a keyframe");
                }
                sizes.push((facts.bytes, (entry.duration_s * 1e6) as u64));
                last = Some((segment_url.clone(), facts));
            }
            if listed.init.is_none() {
                listed.init = init;
            }
            listed.segments.push((segment_url, entry.duration_s, start));
        }
        self.durations(&listed, last.map(|(_, facts)| facts.shown_end as f64 / last_scale));
        let total: (u64, u64) =
            sizes.iter().fold((0, 0), |t, s| (t.0.saturating_add(s.0), t.1.saturating_add(s.1)));
        // Live lists change; a target beyond an hour is no target.
        listed.peak = peak_bandwidth(sizes.iter().copied(), 1_000_000, target.min(3600));
        listed.average = (u128::from(total.0) * 8_000_000 / u128::from(total.1.max(1))) as u64;
        let listed = Arc::new(listed);
        if let Some(map) = list.entries.first().and_then(|e| e.map.as_deref()) {
            self.tracks.insert(keyed(&resolve(url, &map.0), map.1), Arc::clone(&listed));
        }
        listed
    }

    /// Compares listed durations with those of the segments, the last of which ends at `end` seconds.
    fn durations(&mut self, listed: &Listed, end: Option<f64>) {
        let starts = listed.segments.iter().map(|(_, _, start)| *start);
        let ends = starts.skip(1).chain([end]);
        let ends = ends.enumerate().map(|(at, end)| listed.cut_short.get(&at).copied().or(end));
        let mut mistakes = Vec::new();
        for ((url, duration, start), end) in listed.segments.iter().zip(ends) {
            let (Some(start), Some(end)) = (start, end) else { continue };
            // What comes before zero is decoder delay and not shown.
            let real = end - start.max(0.0);
            let off = (real - duration).abs();
            if off > SLOPPY_S {
                mistakes.push((
                    off > WRONG_S,
                    url.clone(),
                    format!("listed as {duration} s, but lasts {real:.3} s"),
                ));
            }
        }
        for (wrong, url, what) in mistakes {
            self.find(if wrong { Severity::Error } else { Severity::Warning }, &url, what);
        }
    }

    /// Checks what a master playlist says of a variant.
    fn variant(&mut self, place: &str, attributes: &Attributes, listed: &Listed, sound: &[&Listed]) {
        let heaviest = |rate: fn(&Listed) -> u64| sound.iter().map(|l| rate(l)).max().unwrap_or(0);
        let measured = [
            ("BANDWIDTH", listed.peak.saturating_add(heaviest(|l| l.peak))),
            ("AVERAGE-BANDWIDTH", listed.average.saturating_add(heaviest(|l| l.average))),
        ];
        for (name, measured) in measured {
            let Some(said) = attributes.number(name) else { continue };
            if measured == 0 {
                continue;
            }
            let (said, measured) = (said as f64, measured as f64);
            if said < measured * 0.9 {
                self.error(place, format!("{name} says {said}, but {measured} was measured"));
            } else if said > measured * 1.5 {
                self.warn(place, format!("{name} says {said}, but only {measured} was measured"));
            }
        }
        if let Some(codecs) = attributes.get("CODECS") {
            let said: Vec<&str> = codecs.split(',').map(str::trim).collect();
            for init in [listed].iter().chain(sound).filter_map(|l| l.init.as_ref()) {
                let listed = said.iter().any(|s| s.eq_ignore_ascii_case(&init.codec));
                if init.track.is_some() && !listed {
                    self.error(place, format!("CODECS says {codecs}, but the init segment {}", init.codec));
                }
            }
        }
        let track = listed.init.as_ref().and_then(|i| i.track.as_ref());
        if let (Some(track), Some(said)) = (track, attributes.get("RESOLUTION")) {
            let (w, h) = (track.width, track.height);
            if track.kind == Kind::Video && said != format!("{w}x{h}") && said != format!("{h}x{w}") {
                self.warn(place, format!("RESOLUTION says {said}, but the pictures are {w}x{h}"));
            }
        }
    }

    /// Rules about groups of alternatives.
    fn groups(&mut self, url: &str, media: &[Attributes]) {
        for (at, one) in media.iter().enumerate() {
            let same_group = |other: &&Attributes| {
                other.get("TYPE") == one.get("TYPE") && other.get("GROUP-ID") == one.get("GROUP-ID")
            };
            let before: Vec<&Attributes> = media[..at].iter().filter(same_group).collect();
            let place = format!("{url}:{}", one.line);
            if before.iter().any(|b| b.get("NAME") == one.get("NAME")) {
                self.error(&place, "NAME is used twice in the group");
            }
            if one.get("DEFAULT") == Some("YES") && before.iter().any(|b| b.get("DEFAULT") == Some("YES")) {
                self.error(&place, "a second DEFAULT in the group");
            }
        }
    }

    /// Segments of two video renditions must start together, or players stumble at a switch.
    fn aligned(&mut self, first: &Listed, other: &Listed) {
        if first.segments.len() != other.segments.len() {
            let (a, b) = (first.segments.len(), other.segments.len());
            self.error(&other.url, format!("lists {b} segments, but {} {a}", first.url));
        }
        for ((_, _, a), (url, _, b)) in first.segments.iter().zip(&other.segments) {
            if let (Some(a), Some(b)) = (a, b)
                && (a - b).abs() > ALIGNED_S
            {
                self.error(
                    url,
                    format!("starts at {b:.3} s, but the same segment of {} at {a:.3} s", first.url),
                );
                return;
            }
        }
    }

    fn iframes(&mut self, url: &str, list: &Playlist) {
        for entry in &list.entries {
            let segment_url = resolve(url, &entry.uri);
            let Some((map, map_range)) = entry.map.as_deref() else {
                self.error(url, "EXT-X-MAP is missing");
                return;
            };
            if list.target_duration.is_some_and(|target| entry.duration_s.round() > target as f64) {
                self.error(
                    url,
                    format!("an I-frame lasts {} s, more than the target duration", entry.duration_s),
                );
            }
            let Some(init) = self.init(&resolve(url, map), *map_range) else { return };
            let Some(bytes) = self.bytes(&segment_url, entry.range) else { continue };
            if let Err(what) = media::iframe(&bytes, &init) {
                let range = entry.range.map_or(String::new(), |(start, len)| format!("{len}@{start} of "));
                self.error(url, format!("{range}{}: {what}", entry.uri));
            }
        }
    }

    /// A WebVTT file must say so in its first line.
    pub(super) fn webvtt(&mut self, url: &str) {
        if self.webvtt_segment(url) == Some(false) {
            self.warn(url, "holds no subtitles");
        }
    }

    /// One of many, in which nothing may be said; gives whether something is.
    pub(super) fn webvtt_segment(&mut self, url: &str) -> Option<bool> {
        let text = self.text(url)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let header = text.strip_prefix("WEBVTT");
        if header.is_none_or(|rest| !rest.is_empty() && !rest.starts_with([' ', '\t', '\n', '\r'])) {
            self.error(url, "does not start with WEBVTT");
            return None;
        }
        Some(text.contains("-->"))
    }
}
