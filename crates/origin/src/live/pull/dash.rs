//! MPDs as listings. The invariant: a rendition goes on from period to period, and its segments' keys and runs rise.

use super::hls::can_pass;
use super::listing::{List, Listing, Rendition, Resource, Segment, Wanted};
use super::source::Unusable;
use cmaf::Kind;
use cmaf::mpd::{Listed, Manifest, Period, Representation, Segments};
use reqwest::Url;
use std::time::{Duration, SystemTime};

/// The last segments of a list of numbers that are looked at.
const NUMBERS: u64 = 16;
const NANOS: u128 = 1_000_000_000;

/// The renditions of the last period that can be passed on: all pictures, then the best of each set of sounds.
pub(super) fn renditions(manifest: &Manifest) -> Result<Vec<Rendition>, Unusable> {
    if !manifest.dynamic {
        return Err(Unusable::Over);
    }
    let period = manifest.periods.last().ok_or(Unusable::Empty)?;
    let usable = |one: &&Representation| !one.protected && can_pass(&one.codecs);
    let all = || period.representations.iter();
    let mut taken: Vec<&Representation> = all().filter(usable).filter(|r| r.kind == Kind::Video).collect();
    for sound in all().filter(usable).filter(|r| r.kind == Kind::Audio) {
        match taken.iter_mut().find(|other| other.kind == Kind::Audio && other.set == sound.set) {
            Some(other) if other.bandwidth < sound.bandwidth => *other = sound,
            Some(_) => {}
            None => taken.push(sound),
        }
    }
    if taken.is_empty() {
        return Err(match all().next() {
            Some(one) if one.protected => Unusable::Encrypted,
            Some(one) => Unusable::Codecs(one.codecs.chars().take(100).collect()),
            None => Unusable::Empty,
        });
    }
    let rendition = |one: &Representation| {
        let wanted = if one.kind == Kind::Video { Wanted::Video } else { Wanted::Audio };
        let at = of_kind(period, one.kind).position(|other| other.id == one.id).unwrap_or(0);
        let list = List::Representation { kind: one.kind, id: one.id.clone(), at };
        Rendition { list, language: one.language.clone(), wanted }
    };
    Ok(taken.into_iter().map(rendition).collect())
}

fn of_kind(period: &Period, kind: Kind) -> impl Iterator<Item = &Representation> {
    period.representations.iter().filter(move |one| one.kind == kind)
}

/// What is on offer of a rendition: of the representation that is called `id` in each period, or else stands at its place.
pub(super) fn listing(
    manifest: &Manifest,
    (kind, id, at): (Kind, &str, usize),
    now: SystemTime,
) -> Result<Listing, Unusable> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut longest = manifest.longest.unwrap_or_default();
    let last = manifest.periods.len().saturating_sub(1);
    for (number, period) in manifest.periods.iter().enumerate() {
        let found = of_kind(period, kind).find(|one| one.id == id).or_else(|| of_kind(period, kind).nth(at));
        let Some(one) = found else { continue };
        let run = u64::try_from(period.start.as_millis()).unwrap_or(u64::MAX);
        let init = Resource { url: address(&one.init)?, range: None };
        if let Segments::Numbered { duration, .. } = &one.segments {
            longest = longest.max(time(*duration, one.timescale));
        }
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
                init: Some(init.clone()),
                run,
                gap: false,
                marks: Vec::new(),
                wall: None,
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
                since.as_nanos() * u128::from(one.timescale) / (NANOS * u128::from(*duration))
            } else {
                let lasts = manifest.lasts.unwrap_or_default().saturating_sub(period.start);
                let ticks = lasts.as_nanos() * u128::from(one.timescale) / NANOS;
                ticks.div_ceil(u128::from(*duration))
            };
            let whole = u64::try_from(whole).unwrap_or(u64::MAX);
            let listed = |nth: u64| Listed {
                number: first.saturating_add(nth),
                start: nth.saturating_mul(*duration).saturating_add(one.offset),
                duration: *duration,
            };
            (whole.saturating_sub(NUMBERS)..whole).map(listed).collect()
        }
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
    let nanos = u128::from(ticks) * NANOS / u128::from(timescale.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn address(text: &str) -> Result<Url, Unusable> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or(Unusable::Address)
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
            let listing = listing(&dynamic, (Kind::Video, "b", 1), at(now)).unwrap();
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
        let listing = listing(&manifest("dynamic", &both), (Kind::Video, "x", 0), at(0)).unwrap();
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
}
