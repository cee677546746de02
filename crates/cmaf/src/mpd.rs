//! Reading the MPD of somebody else's live stream (ISO/IEC 23009-1): which representations there are, and which segments of each.
//!
//! Meant for what live encoders write: `SegmentTemplate`, with a `SegmentTimeline` or with `$Number$` and a duration; captions may be one
//! file too. It lacks `SegmentList`, `SegmentBase`, `xlink` and clocks: who knows the time says which numbers there are.
//!
//! The invariant: whatever a document says, reading it takes time by its length and memory by the bounds here.

use std::collections::VecDeque;
use std::time::Duration;

use crate::check::mpd::{fill, seconds};
use crate::check::url::resolve;
use crate::check::xml::Element;

/// Representations of one document.
const MAX_REPRESENTATIONS: usize = 256;
/// Segments of a representation that are kept: the last ones.
const MAX_SEGMENTS: usize = 256;
/// Bytes of a URL or template.
const MAX_URL: usize = 4 << 10;
/// Characters of a name, a language or a list of codecs, and roles of one set.
const MAX_NAME: usize = 200;
const MAX_ROLES: usize = 8;

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
    /// Pictures, sound and captions; all else is left out.
    pub representations: Vec<Representation>,
}

/// What a representation is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Captions or subtitles.
    Text,
}

/// A representation of pictures, sound or captions.
#[derive(Debug, Clone, PartialEq)]
pub struct Representation {
    /// Its name.
    pub id: String,
    /// Which `AdaptationSet` of the period it is in, counted from 0.
    pub set: usize,
    /// What it is of.
    pub content: Content,
    /// Its media type, such as `text/vtt`; empty where it says nothing.
    pub mime: String,
    /// RFC 6381 codec strings; empty where it says nothing.
    pub codecs: String,
    /// Bits per second.
    pub bandwidth: u64,
    /// BCP 47 language.
    pub language: Option<String>,
    /// What it is called (`Label`).
    pub label: Option<String>,
    /// What it is for, in words of `urn:mpeg:dash:role:2011`.
    pub roles: Vec<String>,
    /// Whether it is encrypted.
    pub protected: bool,
    /// Whether the last segment listed may still be growing.
    pub grows: bool,
    /// URL of its init segment; captions may have none.
    pub init: Option<String>,
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
    /// There is one file for the whole period, at any [`Representation::url`].
    Whole,
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
        match self.segments {
            Segments::Whole => self.base.clone(),
            _ => {
                resolve(&self.base, &fill(&self.media, &self.id, &self.bandwidth.to_string(), number, start))
            }
        }
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

/// Reads a representation with what it inherits from; `None` for what is neither pictures nor sound, nor captions that can be read.
fn representation(
    chain: [&Element; 3],
    number: usize,
    base: String,
) -> Result<Option<Representation>, Error> {
    let [one, set, _] = chain;
    let inherited = |name: &str| one.get(name).or_else(|| set.get(name)).unwrap_or_default();
    let Some(content) = content(inherited("mimeType"), inherited("contentType"), inherited("codecs")) else {
        return Ok(None);
    };
    match described(chain, content, number, base) {
        // Nothing but the captions themselves suffers by them.
        Err(_) if content == Content::Text => Ok(None),
        read => read.map(Some),
    }
}

fn content(mime: &str, content_type: &str, codecs: &str) -> Option<Content> {
    let of = |text: &str| match text.split('/').next() {
        Some("video") => Some(Content::Video),
        Some("audio") => Some(Content::Audio),
        Some("text") => Some(Content::Text),
        _ => None,
    };
    let is_text = mime == "application/ttml+xml" || ["wvtt", "stpp"].iter().any(|c| codecs.starts_with(c));
    of(mime).or_else(|| of(content_type)).or(is_text.then_some(Content::Text))
}

fn described(
    chain: [&Element; 3],
    content: Content,
    number: usize,
    base: String,
) -> Result<Representation, Error> {
    let [one, set, _] = chain;
    let inherited = |name: &str| one.get(name).or_else(|| set.get(name)).map_or_else(String::new, short);
    // Attributes and the timeline are inherited one by one.
    let templates: Vec<&Element> = chain.iter().filter_map(|e| e.child("SegmentTemplate")).collect();
    let attribute = |name: &str| templates.iter().find_map(|t| t.get(name));
    let whole = |name: &str| attribute(name).and_then(|text| text.parse::<u64>().ok());
    let is_file = content == Content::Text && templates.is_empty() && one.child("BaseURL").is_some();
    let (init, media) = match (attribute("initialization"), attribute("media")) {
        (None, None) if is_file => (None, ""),
        (Some(init), Some(media)) => (Some(init), media),
        (None, Some(media)) if content == Content::Text => (None, media),
        _ => {
            return Err(Error::Unsupported(
                "only MPDs with a SegmentTemplate for all segments are supported",
            ));
        }
    };
    let id = one.get("id").unwrap_or_default().to_owned();
    if [init.unwrap_or_default(), media, &base, &id].iter().any(|text| text.len() > MAX_URL) {
        return Err(Error::Unsupported("a URL or template is too long"));
    }
    let timescale = whole("timescale").unwrap_or(1);
    if timescale == 0 {
        return Err(Error::Unsupported("a timescale of zero"));
    }
    let first = whole("startNumber").unwrap_or(1);
    let segments = match templates.iter().find_map(|t| t.child("SegmentTimeline")) {
        _ if is_file => Segments::Whole,
        Some(timeline) => Segments::Listed(listed(timeline, first)?),
        None => {
            let duration = whole("duration").filter(|&ticks| ticks > 0);
            let duration =
                duration.ok_or(Error::Unsupported("segments with neither timeline nor duration"))?;
            Segments::Numbered { first, duration }
        }
    };
    let bandwidth = one.number("bandwidth").unwrap_or(0);
    let roles = set.all("Role").filter(|role| role.get("schemeIdUri") == Some("urn:mpeg:dash:role:2011"));
    Ok(Representation {
        set: number,
        content,
        mime: inherited("mimeType"),
        codecs: inherited("codecs"),
        bandwidth,
        language: set.get("lang").map(short),
        label: [one, set].iter().find_map(|e| e.child("Label")).map(|label| short(&label.text)),
        roles: roles.filter_map(|role| role.get("value")).take(MAX_ROLES).map(short).collect(),
        protected: [one, set].iter().any(|e| e.child("ContentProtection").is_some()),
        grows: attribute("availabilityTimeComplete") == Some("false"),
        init: init.map(|init| resolve(&base, &fill(init, &id, &bandwidth.to_string(), 0, 0))),
        timescale,
        offset: whole("presentationTimeOffset").unwrap_or(0),
        segments,
        base,
        media: media.to_owned(),
        id,
    })
}

fn short(text: &str) -> String {
    text.chars().take(MAX_NAME).collect()
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
mod tests;
