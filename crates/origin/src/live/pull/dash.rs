//! MPDs as listings. The invariant: a rendition goes on from period to period, and its segments' keys and runs rise.

use super::hls::{MAX_SUBTITLES, can_pass};
use super::listing::{List, Listing, Rendition, Resource, Segment, Wanted};
use super::source::Unusable;
use crate::live::is_web;
use cmaf::duration_to_ticks;
use cmaf::live::hls::Subtitles;
use cmaf::mpd::{Content, Listed, Manifest, Period, Representation, Segments};
use cmaf::webvtt::TimestampMap;
use reqwest::Url;
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

/// The last segments of a list of numbers that are looked at.
const NUMBERS: u64 = 16;
/// How soon another period is looked for, where one file of captions is for a whole one.
const WHOLE: Duration = Duration::from_secs(20);
/// Ticks a second of the clock of MPEG-2.
const CLOCK: u128 = 90_000;
/// What those need who do not hear (RFC 8216 section 4.3.4.1), as a role of an MPD and as HLS says it.
const CAPTION: &str = "caption";
const FOR_THE_DEAF: &str =
    "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound";

/// The renditions of the last period that can be passed on: all pictures, then the best of each set of sounds.
pub(super) fn renditions(manifest: &Manifest) -> Result<Vec<Rendition>, Unusable> {
    if !manifest.dynamic {
        return Err(Unusable::Over);
    }
    let period = manifest.periods.last().ok_or(Unusable::Empty)?;
    let usable = |one: &&Representation| !one.protected && can_pass(&one.codecs);
    let mut taken: Vec<&Representation> = of(period, Content::Video).filter(usable).collect();
    for sound in of(period, Content::Audio).filter(usable) {
        match taken.iter_mut().find(|other| other.content == Content::Audio && other.set == sound.set) {
            Some(other) if other.bandwidth < sound.bandwidth => *other = sound,
            Some(_) => {}
            None => taken.push(sound),
        }
    }
    if taken.is_empty() {
        let media = period.representations.iter().find(|one| one.content != Content::Text);
        return Err(match media {
            Some(one) if one.protected => Unusable::Encrypted,
            Some(one) => Unusable::Codecs(one.codecs.chars().take(100).collect()),
            None => Unusable::Empty,
        });
    }
    let rendition = |one: &Representation| {
        let wanted = if one.content == Content::Video { Wanted::Video } else { Wanted::Audio };
        Rendition { list: list(period, one), language: one.language.clone(), wanted }
    };
    Ok(taken.into_iter().map(rendition).collect())
}

/// The captions of the last period that can be passed on, each with where it is listed, and what the others are that cannot.
pub(super) fn captions(manifest: &Manifest) -> (Vec<(Subtitles, List)>, BTreeSet<String>) {
    let (mut taken, mut left_out) = (Vec::new(), BTreeSet::new());
    let Some(period) = manifest.periods.last() else { return (taken, left_out) };
    let mut sets = BTreeSet::new();
    for one in of(period, Content::Text).filter(|one| sets.insert(one.set)).take(MAX_SUBTITLES) {
        if one.protected || !is_webvtt(one) {
            let encrypted = if one.protected { "encrypted " } else { "" };
            left_out.insert(format!("{encrypted}{} {}", one.mime, one.codecs).trim_end().to_owned());
            continue;
        }
        let has = |role: &str| one.roles.iter().any(|other| other == role);
        let of = Subtitles {
            name: one
                .label
                .clone()
                .or(one.language.clone())
                .unwrap_or_else(|| one.id.chars().take(40).collect()),
            language: one.language.clone(),
            uri: String::new(),
            default: false,
            forced: has("forced-subtitle") || has("forced_subtitle"),
            characteristics: has(CAPTION).then(|| FOR_THE_DEAF.to_owned()),
        };
        taken.push((of, list(period, one)));
    }
    (taken, left_out)
}

/// As text, or in MP4.
fn is_webvtt(one: &Representation) -> bool {
    if one.init.is_some() { one.codecs.starts_with("wvtt") } else { one.mime == "text/vtt" }
}

fn list(period: &Period, one: &Representation) -> List {
    let at = of(period, one.content).position(|other| other.id == one.id).unwrap_or(0);
    List::Representation { content: one.content, id: one.id.clone(), at }
}

fn of(period: &Period, content: Content) -> impl Iterator<Item = &Representation> {
    period.representations.iter().filter(move |one| one.content == content)
}

/// Which time of captions a time of the media is: that at which the period starts.
fn same_moment(period: &Period, captions: &Representation) -> TimestampMap {
    let media = period.representations.iter().find(|one| one.content != Content::Text);
    let ticks = media.map_or(0, |one| u128::from(one.offset) * CLOCK / u128::from(one.timescale));
    // The clock turns over after 33 bits.
    TimestampMap { mpegts: ticks as u64 % (1 << 33), local: time(captions.offset, captions.timescale) }
}

/// What is on offer of a rendition: of the representation that is called `id` in each period, or else stands at its place.
pub(super) fn listing(
    manifest: &Manifest,
    (content, id, at): (Content, &str, usize),
    now: SystemTime,
) -> Result<Listing, Unusable> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut longest = manifest.longest.unwrap_or_default();
    let last = manifest.periods.len().saturating_sub(1);
    for (number, period) in manifest.periods.iter().enumerate() {
        let found = of(period, content).find(|one| one.id == id).or_else(|| of(period, content).nth(at));
        let Some(one) = found else { continue };
        let run = u64::try_from(period.start.as_millis()).unwrap_or(u64::MAX);
        let init = one.init.as_deref().map(address).transpose()?.map(|url| Resource { url, range: None });
        let map = (content == Content::Text).then(|| same_moment(period, one));
        longest = longest.max(match &one.segments {
            Segments::Listed(_) => Duration::ZERO,
            Segments::Numbered { duration, .. } => time(*duration, one.timescale),
            Segments::Whole => WHOLE,
        });
        for listed in on_offer(manifest, period, one, (number == last, now)) {
            longest = longest.max(time(listed.duration, one.timescale));
            let key =
                time(listed.start.saturating_sub(one.offset), one.timescale).saturating_add(period.start);
            let key = u64::try_from(key.as_micros()).unwrap_or(u64::MAX);
            // What the next period has too belongs to that.
            segments.retain(|earlier| earlier.key < key || earlier.run == run);
            segments.push(Segment {
                key,
                media: Resource { url: address(&one.url(listed.number, listed.start))?, range: None },
                init: init.clone(),
                run,
                gap: false,
                marks: Vec::new(),
                wall: None,
                map,
            });
        }
    }
    let target = longest.clamp(Duration::from_secs(1), Duration::from_secs(60));
    // Whole seconds, as in playlists.
    let target = Duration::from_secs(target.as_secs() + u64::from(target.subsec_millis() >= 500));
    Ok(Listing { segments, ended: !manifest.dynamic, target })
}

/// The segments of a representation that can be had whole.
fn on_offer(
    manifest: &Manifest,
    period: &Period,
    one: &Representation,
    (is_last, now): (bool, SystemTime),
) -> Vec<Listed> {
    match &one.segments {
        Segments::Listed(listed) => {
            let mut listed = listed.clone();
            if one.grows && is_last && manifest.dynamic {
                listed.pop();
            }
            listed
        }
        Segments::Numbered { first, duration } => {
            let whole = if !is_last {
                // What was followed by another is not looked at again.
                0
            } else if manifest.dynamic {
                let from = wall(manifest.available_from.as_deref());
                let from = from.checked_add(period.start).unwrap_or(now);
                // Clocks are not the same everywhere.
                let margin = time(*duration, one.timescale) / 2;
                let since = now.duration_since(from).unwrap_or_default().saturating_sub(margin);
                duration_to_ticks(since, one.timescale) / *duration
            } else {
                let lasts = manifest.lasts.unwrap_or_default().saturating_sub(period.start);
                duration_to_ticks(lasts, one.timescale).div_ceil(*duration)
            };
            let listed = |nth: u64| Listed {
                number: first.saturating_add(nth),
                start: nth.saturating_mul(*duration).saturating_add(one.offset),
                duration: *duration,
            };
            (whole.saturating_sub(NUMBERS)..whole).map(listed).collect()
        }
        Segments::Whole => vec![Listed { number: 0, start: one.offset, duration: 0 }],
    }
}

/// 1970 where nothing is said, as for streams that are numbered since then.
fn wall(text: Option<&str>) -> SystemTime {
    let said = text.and_then(|text| text.parse::<jiff::Timestamp>().ok());
    // Before the year 10000.
    let ms = said.and_then(|at| u64::try_from(at.as_millisecond()).ok()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
}

fn time(ticks: u64, timescale: u64) -> Duration {
    let nanos = u128::from(ticks) * 1_000_000_000 / u128::from(timescale.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn address(text: &str) -> Result<Url, Unusable> {
    Url::parse(text).ok().filter(is_web).ok_or(Unusable::Address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(kind: &str, periods: &str) -> Manifest {
        let text =
            format!("<MPD type=\"{kind}\" availabilityStartTime=\"2026-01-01T00:00:00Z\">{periods}</MPD>");
        cmaf::mpd::read(&text, "https://h/live/m.mpd").unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        wall(Some("2026-01-01T00:00:00Z")) + Duration::from_secs(seconds)
    }

    #[test]
    fn numbers_come_with_time() {
        let period = |ids: [&str; 2], codecs: &str| {
            let one = |id: &str| {
                format!(
                    "<Representation id=\"{id}\" bandwidth=\"1\" codecs=\"{codecs}\"><SegmentTemplate duration=\"2\" startNumber=\"10\" \
                     initialization=\"{id}.mp4\" media=\"$RepresentationID$-$Number$\"/></Representation>"
                )
            };
            format!(
                "<Period start=\"PT4S\"><AdaptationSet mimeType=\"video/mp4\">{}{}</AdaptationSet></Period>",
                one(ids[0]),
                one(ids[1])
            )
        };
        let dynamic = manifest("dynamic", &period(["a", "b"], "avc1.64001f"));
        assert_eq!(renditions(&dynamic).unwrap().len(), 2);
        let urls = |now: u64| -> Vec<String> {
            let listing = listing(&dynamic, (Content::Video, "b", 1), at(now)).unwrap();
            assert_eq!(listing.target, Duration::from_secs(2));
            listing.segments.iter().map(|segment| segment.media.url.path().to_owned()).collect()
        };
        assert_eq!(urls(5), Vec::<String>::new());
        assert_eq!(urls(9), ["/live/b-10", "/live/b-11"]);
        assert_eq!(urls(4 + 2 * 1000).len(), NUMBERS as usize);
        let other = manifest("dynamic", &period(["a", "b"], "av01.0.04M.08"));
        assert_eq!(renditions(&other).unwrap_err(), Unusable::Codecs("av01.0.04M.08".into()));
        let film = manifest("static", &period(["a", "b"], "avc1.64001f"));
        assert_eq!(renditions(&film).unwrap_err(), Unusable::Over);
    }

    #[test]
    fn a_rendition_goes_on_in_the_next_period() {
        let period = |start: u32, id: &str, offset: u32, s: &str| {
            format!(
                "<Period start=\"PT{start}S\"><AdaptationSet mimeType=\"video/mp4\"><Representation id=\"{id}\">\
                 <SegmentTemplate timescale=\"10\" presentationTimeOffset=\"{offset}\" availabilityTimeComplete=\"false\" \
                 initialization=\"{id}.mp4\" media=\"{id}-$Time$\"><SegmentTimeline>{s}</SegmentTimeline></SegmentTemplate>\
                 </Representation></AdaptationSet></Period>"
            )
        };
        let both = period(0, "x", 0, "<S t=\"0\" d=\"20\" r=\"1\"/>")
            + &period(4, "y", 70, "<S t=\"70\" d=\"15\" r=\"2\"/>");
        let listing = listing(&manifest("dynamic", &both), (Content::Video, "x", 0), at(0)).unwrap();
        let told: Vec<_> = listing.segments.iter().map(|s| (s.key, s.run, s.media.url.path())).collect();
        assert_eq!(
            told,
            [
                (0, 0, "/live/x-0"),
                (2_000_000, 0, "/live/x-20"),
                (4_000_000, 4000, "/live/y-70"),
                (5_500_000, 4000, "/live/y-85"),
            ]
        );
    }

    #[test]
    fn captions_are_found_and_placed_by_the_beginning_of_their_period() {
        let period = |start: u32, offsets: [u32; 2]| {
            let set = |rest: &str, offset: u32, init: &str, id: &str| {
                format!(
                    "<AdaptationSet {rest}<Representation id=\"{id}\"><SegmentTemplate timescale=\"10\" duration=\"20\" \
                     presentationTimeOffset=\"{offset}\" {init} media=\"{id}-$Number$\"/></Representation></AdaptationSet>"
                )
            };
            let (mp4, init) = ("mimeType=\"application/mp4\" contentType=\"text\"", "initialization=\"i\"");
            let role =
                |role: &str| format!("<Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"{role}\"/>");
            [
                format!("<Period start=\"PT{start}S\">"),
                set(&format!("mimeType=\"text/vtt\" lang=\"fi\">{}", role(CAPTION)), offsets[1], "", "f"),
                set("mimeType=\"video/mp4\">", offsets[0], init, "v"),
                set(&format!("{mp4} codecs=\"wvtt\"><Label>English</Label>{}", role("forced-subtitle")), 0, init, "e"),
                set(&format!("{mp4} codecs=\"stpp.ttml.im1t\">"), 0, init, "s"),
                "<AdaptationSet mimeType=\"text/vtt\"><Representation id=\"w\"><BaseURL>w.vtt?k=1</BaseURL></Representation>\
                 </AdaptationSet></Period>"
                    .to_owned(),
            ]
            .concat()
        };
        let manifest = manifest("dynamic", &(period(0, [0, 0]) + &period(40, [900, 500])));
        assert_eq!(renditions(&manifest).unwrap().len(), 1);
        let (taken, left_out) = captions(&manifest);
        assert_eq!(left_out.into_iter().collect::<Vec<_>>(), ["application/mp4 stpp.ttml.im1t"]);
        let told: Vec<_> = taken
            .iter()
            .map(|(of, _)| {
                (of.name.as_str(), of.language.as_deref(), of.forced, of.characteristics.is_some())
            })
            .collect();
        let expected =
            [("fi", Some("fi"), false, true), ("English", None, true, false), ("w", None, false, false)];
        assert_eq!(told, expected);
        let segments = |nth: usize| {
            let List::Representation { content, id, at } = &taken[nth].1 else { panic!("of an MPD") };
            listing(&manifest, (*content, id, *at), self::at(46)).unwrap().segments
        };
        let finnish = segments(0);
        let last = finnish.last().unwrap();
        assert_eq!((last.key, last.run, last.media.url.as_str()), (42_000_000, 40_000, "https://h/live/f-2"));
        assert_eq!(last.map, Some(TimestampMap { mpegts: 90 * 90_000, local: Duration::from_secs(50) }));
        assert!(last.init.is_none() && segments(1)[0].init.is_some());
        let whole: Vec<_> = segments(2).iter().map(|s| (s.key, s.media.url.to_string())).collect();
        let url = "https://h/live/w.vtt?k=1".to_owned();
        assert_eq!(whole, [(0, url.clone()), (40_000_000, url)]);
    }
}
