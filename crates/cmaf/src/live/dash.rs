//! The MPD of a live stream (ISO/IEC 23009-1, low latency), over the same names as [`super::hls`].
//!
//! A segment is listed from its first part on, with the duration that the grid of segments promises it; its parts are to
//! be had before it is complete (`availabilityTimeOffset`). Each restart of the encoder begins a `Period`.
//!
//! The invariant: a period starts where the first rendition's first segment of it did, whatever has left the window since.

use std::time::Duration;

use super::clock::iso;
use super::hls::Subtitles;
use super::listed::Era;
use super::{Listed, Window};
use crate::dash::{escape, open_representation, open_set, open_text, period, put, timeline};
use crate::segment::boundary_after;
use crate::{Kind, Track, duration_to_ticks};

/// Bits a second that captions are said to need: the schema asks for a number, and few have more letters.
const TEXT_RATE: u32 = 1000;

/// What the windows do not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Wall time of this MPD, since 1970-01-01 UTC.
    pub published: Duration,
    /// Where players get the time, as an ISO 8601 date (`urn:mpeg:dash:utc:http-iso:2014`): an absolute URL.
    pub utc_timing: Option<String>,
    /// How far behind the encoder players shall be.
    pub latency: Duration,
}

/// `manifest.mpd`: the windows of all renditions, video first, and the captions, whose texts are where [`super::hls`] has them. The first
/// window says when periods start and, by [`Window::set_clock`], when zero on the timeline was.
pub fn mpd(windows: &[&Window], captions: &[Subtitles], service: &Service) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let Some(first) = windows.first() else { return out };
    let targets = first.targets;
    let longest = Duration::from_secs(targets.target_duration_s.into());
    put(
        &mut out,
        format_args!(
            "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011,\
             urn:mpeg:dash:profile:cmaf:2019\" type=\"dynamic\" availabilityStartTime=\"{}\" publishTime=\"{}\" \
             minBufferTime=\"{}\" maxSegmentDuration=\"{}\" timeShiftBufferDepth=\"{}\" suggestedPresentationDelay=\"{}\"",
            iso(first.available.unwrap_or_default()),
            iso(service.published),
            period(targets.part),
            period(longest),
            period(first.length),
            period(service.latency),
        ),
    );
    // A stream that is over has a length and changes no more.
    if windows.iter().all(|w| w.ended) {
        let ends = windows.iter().filter_map(|w| w.segments.back());
        let end = ends.map(|s| s.start_time().saturating_add(s.play_time())).max().unwrap_or_default();
        put(&mut out, format_args!(" mediaPresentationDuration=\"{}\"", period(end)));
    } else {
        put(&mut out, format_args!(" minimumUpdatePeriod=\"{}\"", period(targets.part)));
    }
    let latency = service.latency.as_millis();
    put(
        &mut out,
        format_args!(
            ">\n  <ServiceDescription id=\"0\">\n    <Latency target=\"{latency}\" min=\"{}\" max=\"{}\"/>\n    \
             <PlaybackRate min=\"0.96\" max=\"1.04\"/>\n  </ServiceDescription>\n",
            latency / 2,
            latency * 2
        ),
    );
    for era in &first.eras {
        one_period(&mut out, windows, captions, era);
    }
    if let Some(url) = &service.utc_timing {
        let url = escape(url);
        put(
            &mut out,
            format_args!("  <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"{url}\"/>\n"),
        );
    }
    out.push_str("</MPD>\n");
    out
}

fn one_period(out: &mut String, windows: &[&Window], captions: &[Subtitles], era: &Era) {
    // The first one starts with the timeline, wherever its media begin.
    let start = if era.number == 0 { Duration::ZERO } else { era.start };
    put(out, format_args!("  <Period id=\"{}\" start=\"{}\">\n", era.number, period(start)));
    let mut set = 0;
    let here = |kind| {
        let tracks = windows.iter().filter_map(move |w| {
            let era = w.eras.iter().find(|e| e.number == era.number && e.track.kind == kind)?;
            w.segments.iter().any(|s| s.era == era.number).then_some((*w, &era.track))
        });
        tracks.collect::<Vec<(&Window, &Track)>>()
    };
    let videos = here(Kind::Video);
    if let Some((window, track)) = videos.first() {
        open_set(out, &mut set, track, &window.rendition.name);
        for (window, track) in &videos {
            representation(out, window, track, era.number, start);
        }
        out.push_str("    </AdaptationSet>\n");
    }
    for (window, track) in here(Kind::Audio) {
        open_set(out, &mut set, track, &window.rendition.name);
        representation(out, window, track, era.number, start);
        out.push_str("    </AdaptationSet>\n");
    }
    for (number, of) in captions.iter().enumerate() {
        texts(out, &mut set, (number, of), windows[0], (era, start));
    }
    out.push_str("  </Period>\n");
}

/// The captions with this number, by the segments of the first window. A text is there when its segment is whole; in a period that has none yet
/// the one that grows stands for it, because players look for captions when they first hear of a period.
fn texts(
    out: &mut String,
    set: &mut u32,
    (number, of): (usize, &Subtitles),
    window: &Window,
    (era, start): (&Era, Duration),
) {
    let all = || window.segments.iter().filter(|s| s.era == era.number);
    let Some(first) = all().next() else { return };
    let deaf = |what: &String| what.contains("describes-music-and-sound");
    let role = match &of.characteristics {
        _ if of.forced => "forced-subtitle",
        Some(what) if deaf(what) => "caption",
        _ => "subtitle",
    };
    open_text(out, set, &of.name, of.language.as_deref(), role);
    let (scale, query) = (u64::from(first.timescale), escape(&window.rendition.query));
    put(
        out,
        format_args!(
            "      <Representation id=\"t{number}\" bandwidth=\"{TEXT_RATE}\">\n        <SegmentTemplate timescale=\"{scale}\" \
             presentationTimeOffset=\"{}\" media=\"t{number}/$Number$.vtt{query}\" startNumber=\"{}\">\n          <SegmentTimeline>\n",
            duration_to_ticks(start, scale),
            first.sequence,
        ),
    );
    let listed = all().enumerate().take_while(|(at, s)| s.complete || *at == 0);
    timeline(out, listed.map(|(_, s)| span(s, &era.track, window.targets.segment)));
    out.push_str(
        "          </SegmentTimeline>\n        </SegmentTemplate>\n      </Representation>\n    </AdaptationSet>\n",
    );
}

fn representation(out: &mut String, window: &Window, track: &Track, era: u32, start: Duration) {
    let segments: Vec<&Listed> = window.segments.iter().filter(|s| s.era == era).collect();
    let Some(first) = segments.first() else { return };
    let (id, query) = (escape(&window.rendition.id), escape(&window.rendition.query));
    open_representation(out, &id, window.bandwidth(), track);
    let scale = u64::from(first.timescale);
    let early = window.targets.segment.saturating_sub(window.part_target());
    put(
        out,
        format_args!(
            "        <SegmentTemplate timescale=\"{scale}\" presentationTimeOffset=\"{}\" \
             availabilityTimeOffset=\"{}.{:03}\" availabilityTimeComplete=\"false\" initialization=\"{id}/init/{}.mp4{query}\" \
             media=\"{id}/$Number$.m4s{query}\" startNumber=\"{}\">\n          <SegmentTimeline>\n",
            duration_to_ticks(start, scale),
            early.as_secs(),
            early.subsec_millis(),
            first.init,
            first.sequence,
        ),
    );
    timeline(out, segments.iter().map(|s| span(s, track, window.targets.segment)));
    out.push_str("          </SegmentTimeline>\n        </SegmentTemplate>\n      </Representation>\n");
}

/// When a segment starts and how long it lasts, or will last, in ticks.
fn span(segment: &Listed, track: &Track, target: Duration) -> (u64, u64) {
    let promised = if segment.complete { 0 } else { promised(segment, track, target) };
    (segment.start, segment.duration.max(promised))
}

/// Ticks that a segment will last when the next one starts with the first frame on the grid.
fn promised(segment: &Listed, track: &Track, target: Duration) -> u64 {
    let start = i128::from(segment.start);
    let lasts = boundary_after(target, segment.timescale, start) - start;
    let lasts = u64::try_from(lasts).unwrap_or(0);
    // A frame is `num / den` ticks; that of AAC is 1024 samples, with spectral band replication 2048.
    let scale = u64::from(segment.timescale);
    let (num, den) = match (track.kind, track.frame_rate) {
        (Kind::Video, Some((rate, per))) => (scale * u64::from(per), u64::from(rate)),
        (Kind::Audio, _) if track.codec == "mp4a.40.2" => (scale * 1024, u64::from(track.sample_rate)),
        (Kind::Audio, _) => (scale * 2048, u64::from(track.sample_rate)),
        _ => (1, 1),
    };
    if num == 0 || den == 0 {
        return lasts;
    }
    let frames = (u128::from(lasts) * u128::from(den)).div_ceil(num.into());
    u64::try_from((frames * u128::from(num)).div_ceil(den.into())).unwrap_or(lasts)
}
