//! Reading the MPD of somebody else's live stream (ISO/IEC 23009-1): which representations there are, and which segments of each.
//!
//! Meant for what live encoders write: `SegmentTemplate`, with a `SegmentTimeline` or with `$Number$` and a duration. It lacks
//! `SegmentList`, `SegmentBase`, `xlink` and clocks: who knows the time says which numbers there are.
//!
//! The invariant: whatever a document says, reading it takes time by its length and memory by the bounds here.

use std::collections::VecDeque;
use std::time::Duration;

use crate::Kind;
use crate::check::mpd::{fill, seconds};
use crate::check::url::resolve;
use crate::check::xml::Element;

/// Representations of one document.
const MAX_REPRESENTATIONS: usize = 256;
/// Segments of a representation that are kept: the last ones.
const MAX_SEGMENTS: usize = 256;
/// Bytes of a URL or template.
const MAX_URL: usize = 4 << 10;

/// Why a document is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no MPD.
    #[error("this is no MPD: {0}")]
    NotMpd(String),
    /// It says what it may not, or what is not supported.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// An MPD.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Whether it will change.
    pub dynamic: bool,
    /// `availabilityStartTime` as it is written.
    pub available_from: Option<String>,
    /// How long it lasts, where that is known.
    pub lasts: Option<Duration>,
    /// The longest that a segment may last, where it says so.
    pub longest: Option<Duration>,
    /// In order.
    pub periods: Vec<Period>,
}

/// A period.
#[derive(Debug, Clone, PartialEq)]
pub struct Period {
    /// When it starts in the presentation.
    pub start: Duration,
    /// Pictures and sound; all else is left out.
    pub representations: Vec<Representation>,
}

/// A representation of pictures or sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Representation {
    /// Its name.
    pub id: String,
    /// Which `AdaptationSet` of the period it is in, counted from 0.
    pub set: usize,
    /// Video or audio.
    pub kind: Kind,
    /// RFC 6381 codec strings; empty where it says nothing.
    pub codecs: String,
    /// Bits per second.
    pub bandwidth: u64,
    /// BCP 47 language.
    pub language: Option<String>,
    /// Whether it is encrypted.
    pub protected: bool,
    /// Whether the last segment listed may still be growing.
    pub grows: bool,
    /// URL of its init segment.
    pub init: String,
    /// Ticks per second of all that follows; never 0.
    pub timescale: u64,
    /// Which time on the clock of the media is the start of the period.
    pub offset: u64,
    /// Its segments.
    pub segments: Segments,
    base: String,
    media: String,
}

/// How segments are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segments {
    /// They are listed, oldest first; the last ones, where there are many.
    Listed(Vec<Listed>),
    /// They have numbers from `first` on, and each lasts so many ticks, never 0.
    Numbered {
        /// The number of the first one in the period.
        first: u64,
        /// Ticks.
        duration: u64,
    },
}

/// A segment that is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Its number.
    pub number: u64,
    /// When it starts on the clock of the media, in ticks.
    pub start: u64,
    /// Ticks.
    pub duration: u64,
}

impl Representation {
    /// URL of the segment with this number, or that starts at this time.
    pub fn url(&self, number: u64, start: u64) -> String {
        resolve(&self.base, &fill(&self.media, &self.id, &self.bandwidth.to_string(), number, start))
    }
}

/// Reads the document that was found at `url`.
pub fn read(document: &str, url: &str) -> Result<Manifest, Error> {
    let mpd = Element::parse(document).map_err(Error::NotMpd)?;
    if mpd.name != "MPD" {
        return Err(Error::NotMpd(format!(
            "the root is '{}'",
            mpd.name.chars().take(40).collect::<String>()
        )));
    }
    let base = based(url, &mpd);
    let mut manifest = Manifest {
        dynamic: mpd.get("type") == Some("dynamic"),
        available_from: mpd.get("availabilityStartTime").map(str::to_owned),
        lasts: mpd.get("mediaPresentationDuration").and_then(duration),
        longest: mpd.get("maxSegmentDuration").and_then(duration),
        periods: Vec::new(),
    };
    let mut count = 0;
    let mut next = Duration::ZERO;
    for period in mpd.all("Period") {
        let base = based(&base, period);
        let start = period.get("start").and_then(duration).unwrap_or(next);
        next = start.saturating_add(period.get("duration").and_then(duration).unwrap_or_default());
        let mut representations = Vec::new();
        for (number, set) in period.all("AdaptationSet").enumerate() {
            // Of single pictures, or of something that nobody here knows.
            if set.child("EssentialProperty").is_some() {
                continue;
            }
            let base = based(&base, set);
            for one in set.all("Representation") {
                count += 1;
                if count > MAX_REPRESENTATIONS {
                    return Err(Error::Unsupported("too many representations"));
                }
                representations.extend(representation([one, set, period], number, based(&base, one))?);
            }
        }
        manifest.periods.push(Period { start, representations });
    }
    Ok(manifest)
}

/// Reads a representation with what it inherits from; `None` for what is neither pictures nor sound.
fn representation(
    chain: [&Element; 3],
    number: usize,
    base: String,
) -> Result<Option<Representation>, Error> {
    let [one, set, _] = chain;
    let inherited = |name: &str| one.get(name).or_else(|| set.get(name));
    let mime = inherited("mimeType").or_else(|| inherited("contentType")).unwrap_or_default();
    let kind = match mime.split('/').next() {
        Some("video") => Kind::Video,
        Some("audio") => Kind::Audio,
        _ => return Ok(None),
    };
    // Attributes and the timeline are inherited one by one.
    let templates: Vec<&Element> = chain.iter().filter_map(|e| e.child("SegmentTemplate")).collect();
    let attribute = |name: &str| templates.iter().find_map(|t| t.get(name));
    let whole = |name: &str| attribute(name).and_then(|text| text.parse::<u64>().ok());
    let (Some(init), Some(media)) = (attribute("initialization"), attribute("media")) else {
        return Err(Error::Unsupported("only MPDs with a SegmentTemplate for all segments are supported"));
    };
    let id = one.get("id").unwrap_or_default().to_owned();
    if [init, media, &base, &id].iter().any(|text| text.len() > MAX_URL) {
        return Err(Error::Unsupported("a URL or template is too long"));
    }
    let timescale = whole("timescale").unwrap_or(1);
    if timescale == 0 {
        return Err(Error::Unsupported("a timescale of zero"));
    }
    let first = whole("startNumber").unwrap_or(1);
    let segments = match templates.iter().find_map(|t| t.child("SegmentTimeline")) {
        Some(timeline) => Segments::Listed(listed(timeline, first)?),
        None => {
            let duration = whole("duration").filter(|&ticks| ticks > 0);
            let duration =
                duration.ok_or(Error::Unsupported("segments with neither timeline nor duration"))?;
            Segments::Numbered { first, duration }
        }
    };
    let bandwidth = one.number("bandwidth").unwrap_or(0);
    Ok(Some(Representation {
        set: number,
        kind,
        codecs: inherited("codecs").unwrap_or_default().to_owned(),
        bandwidth,
        language: set.get("lang").map(str::to_owned),
        protected: [one, set].iter().any(|e| e.child("ContentProtection").is_some()),
        grows: attribute("availabilityTimeComplete") == Some("false"),
        init: resolve(&base, &fill(init, &id, &bandwidth.to_string(), 0, 0)),
        timescale,
        offset: whole("presentationTimeOffset").unwrap_or(0),
        segments,
        base,
        media: media.to_owned(),
        id,
    }))
}

/// The last segments of a timeline.
fn listed(timeline: &Element, first: u64) -> Result<Vec<Listed>, Error> {
    let overflow = Error::Unsupported("a SegmentTimeline that overflows");
    let mut kept = VecDeque::with_capacity(MAX_SEGMENTS);
    let (mut number, mut next) = (first, 0u64);
    for s in timeline.all("S") {
        let duration = s.number("d").filter(|&d| d > 0);
        let duration =
            duration.ok_or(Error::Unsupported("a segment without duration in a SegmentTimeline"))?;
        next = match s.get("t") {
            Some(start) => start.parse().map_err(|_| overflow.clone())?,
            None => next,
        };
        let repeats = match s.get("r") {
            Some(r) => r.parse::<u64>().map_err(|_| {
                Error::Unsupported("a segment that is repeated without end in a SegmentTimeline")
            })?,
            None => 0,
        };
        // Those that will not be kept are only counted.
        let skipped = (repeats.saturating_add(1)).saturating_sub(MAX_SEGMENTS as u64);
        let ticks = skipped.checked_mul(duration).ok_or(overflow.clone())?;
        next = next.checked_add(ticks).ok_or(overflow.clone())?;
        number = number.checked_add(skipped).ok_or(overflow.clone())?;
        for _ in skipped..=repeats {
            if kept.len() == MAX_SEGMENTS {
                kept.pop_front();
            }
            kept.push_back(Listed { number, start: next, duration });
            next = next.checked_add(duration).ok_or(overflow.clone())?;
            number = number.checked_add(1).ok_or(overflow.clone())?;
        }
    }
    Ok(kept.into())
}

/// The URL that relative ones in `element` are resolved against.
fn based(base: &str, element: &Element) -> String {
    match element.child("BaseURL") {
        Some(own) if own.text.len() <= MAX_URL => resolve(base, &own.text),
        _ => base.to_owned(),
    }
}

fn duration(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds(text)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(inner: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"dynamic\" \
             availabilityStartTime=\"2026-01-01T00:00:00Z\" maxSegmentDuration=\"PT2.5S\">{inner}</MPD>"
        )
    }

    #[test]
    fn timelines_and_numbers_are_read_with_what_they_inherit() {
        let text = document(
            "<Period start=\"PT10S\"><BaseURL>media/</BaseURL>\
             <AdaptationSet mimeType=\"video/mp4\" codecs=\"avc1.64001f\"><SegmentTemplate timescale=\"1000\" startNumber=\"5\" \
             presentationTimeOffset=\"7\" initialization=\"$RepresentationID$-init.mp4\" media=\"$RepresentationID$/$Time$.m4s\">\
             <SegmentTimeline><S t=\"100\" d=\"2000\" r=\"1\"/><S d=\"1500\"/></SegmentTimeline></SegmentTemplate>\
             <Representation id=\"v0\" bandwidth=\"100\"/><Representation id=\"v1\" bandwidth=\"200\"><ContentProtection/>\
             </Representation></AdaptationSet>\
             <AdaptationSet contentType=\"audio\" lang=\"fi\"><Representation id=\"a\" bandwidth=\"9\"><BaseURL>https://cdn/x/</BaseURL>\
             <SegmentTemplate duration=\"2\" initialization=\"i.mp4\" media=\"$Number%03d$.m4s\"/></Representation></AdaptationSet>\
             <AdaptationSet mimeType=\"video/mp4\"><EssentialProperty schemeIdUri=\"trick\"/><Representation id=\"t\"/></AdaptationSet>\
             <AdaptationSet mimeType=\"text/vtt\"><Representation id=\"s\"/></AdaptationSet></Period>",
        );
        let manifest = read(&text, "https://h/live/manifest.mpd?token=1").unwrap();
        assert!(manifest.dynamic);
        assert_eq!(manifest.longest, Some(Duration::from_millis(2500)));
        let [period] = &manifest.periods[..] else { panic!("one period") };
        assert_eq!(period.start, Duration::from_secs(10));
        let [v0, v1, a] = &period.representations[..] else { panic!("three representations") };
        let segment = |number, start, duration| Listed { number, start, duration };
        let all = vec![segment(5, 100, 2000), segment(6, 2100, 2000), segment(7, 4100, 1500)];
        assert_eq!(v0.segments, Segments::Listed(all));
        assert_eq!((v0.timescale, v0.offset, v0.protected, v1.protected), (1000, 7, false, true));
        assert_eq!(v0.init, "https://h/live/media/v0-init.mp4");
        assert_eq!(v1.url(6, 2100), "https://h/live/media/v1/2100.m4s");
        assert_eq!(a.segments, Segments::Numbered { first: 1, duration: 2 });
        assert_eq!((a.kind, a.language.as_deref()), (Kind::Audio, Some("fi")));
        assert_eq!(a.url(7, 0), "https://cdn/x/007.m4s");
    }

    #[test]
    fn many_segments_cost_little_and_nonsense_is_named() {
        let timeline = |s: &str| {
            let template = "initialization=\"i\" media=\"$Number$\"";
            let text = format!(
                "<Period><AdaptationSet mimeType=\"video/mp4\"><Representation id=\"v\"><SegmentTemplate {template}>\
                 <SegmentTimeline>{s}</SegmentTimeline></SegmentTemplate></Representation></AdaptationSet></Period>"
            );
            let manifest = read(&document(&text), "https://h/m.mpd")?;
            match &manifest.periods[0].representations[0].segments {
                Segments::Listed(segments) => Ok(segments.clone()),
                Segments::Numbered { .. } => panic!("a timeline"),
            }
        };
        let many = timeline("<S t=\"0\" d=\"2\" r=\"999999999999\"/><S d=\"2\"/>").unwrap();
        assert_eq!(many.len(), MAX_SEGMENTS);
        assert_eq!(
            many[MAX_SEGMENTS - 1],
            Listed { number: 1_000_000_000_001, start: 2_000_000_000_000, duration: 2 }
        );
        assert_eq!(timeline("").unwrap(), []);
        for s in [
            "<S d=\"0\"/>",
            "<S d=\"1\" r=\"-1\"/>",
            "<S t=\"18446744073709551615\" d=\"2\"/>",
            "<S t=\"0\" d=\"9\" r=\"18446744073709551615\"/>",
        ] {
            assert!(matches!(timeline(s), Err(Error::Unsupported(_))), "{s}");
        }
        for text in ["", "<html/>", "<MPD>", "<!DOCTYPE x><MPD/>"] {
            assert!(matches!(read(text, "https://h/m.mpd"), Err(Error::NotMpd(_))), "{text}");
        }
        let text = document(
            "<Period><AdaptationSet mimeType=\"video/mp4\"><Representation id=\"v\"/></AdaptationSet></Period>",
        );
        assert!(matches!(read(&text, "https://h/m.mpd"), Err(Error::Unsupported(_))));
    }
}
