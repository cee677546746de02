//! The DASH manifest (ISO/IEC 23009-1) of a finished [`Presentation`], over the same segments as HLS.
//!
//! The invariant: what is written validates against MPEG's schema, and its times are those of the segments to the
//! tick.

use std::fmt::Write as _;
use std::time::Duration;

use crate::presentation::decimal;
use crate::{Kind, Presentation, Rendition, Subtitle, Thumbnails, Track};

/// `manifest.mpd`: a static presentation of one period.
pub fn mpd(presentation: &Presentation) -> String {
    let longest = presentation.renditions.iter().map(Rendition::target_duration_s).max().unwrap_or(1);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    put(
        &mut out,
        format_args!(
            "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011,\
             urn:mpeg:dash:profile:cmaf:2019\" type=\"static\" mediaPresentationDuration=\"{}\" \
             maxSegmentDuration=\"{}\" minBufferTime=\"{}\">\n  <Period id=\"0\" start=\"PT0S\">\n",
            period(presentation.play_time()),
            period(Duration::from_secs(longest + 1)),
            period(Duration::from_secs(longest)),
        ),
    );
    let mut set = 0;
    let query = presentation.query();
    let videos: Vec<&Rendition> = presentation.videos().collect();
    if !videos.is_empty() {
        adaptation_set(&mut out, &mut set, &videos, &query);
    }
    for audio in presentation.audios() {
        adaptation_set(&mut out, &mut set, &[audio], &query);
    }
    for subtitle in &presentation.subtitles {
        text(&mut out, &mut set, subtitle);
    }
    if let Some(thumbnails) = &presentation.thumbnails {
        images(&mut out, &mut set, thumbnails, presentation.play_time());
    }
    out.push_str("  </Period>\n</MPD>\n");
    out
}

pub(crate) fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a String cannot fail");
}

/// A set of renditions of one kind that a player may switch between.
fn adaptation_set(out: &mut String, set: &mut u32, renditions: &[&Rendition], query: &str) {
    let Some(first) = renditions.first() else { return };
    open_set(out, set, &first.track, &first.name);
    for rendition in renditions {
        representation(out, rendition, query);
    }
    out.push_str("    </AdaptationSet>\n");
}

/// The start of an `AdaptationSet` whose first track is this.
pub(crate) fn open_set(out: &mut String, set: &mut u32, track: &Track, name: &str) {
    let kind = match track.kind {
        Kind::Video => "video",
        Kind::Audio => "audio",
    };
    put(
        out,
        format_args!(
            "    <AdaptationSet id=\"{set}\" contentType=\"{kind}\" mimeType=\"{kind}/mp4\" segmentAlignment=\"true\" \
             startWithSAP=\"1\""
        ),
    );
    *set += 1;
    if let Some(language) = &track.language {
        put(out, format_args!(" lang=\"{}\"", escape(language)));
    }
    out.push_str(">\n");
    if track.kind == Kind::Audio {
        put(out, format_args!("      <Label>{}</Label>\n", escape(name)));
    }
    out.push_str("      <Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"main\"/>\n");
}

/// The start of a `Representation`; `id` is escaped.
pub(crate) fn open_representation(out: &mut String, id: &str, bandwidth: u64, track: &Track) {
    let codecs = escape(&track.codec);
    put(out, format_args!("      <Representation id=\"{id}\" bandwidth=\"{bandwidth}\" codecs=\"{codecs}\""));
    match track.kind {
        Kind::Video => {
            put(out, format_args!(" width=\"{}\" height=\"{}\"", track.width, track.height));
            match track.frame_rate {
                Some((num, 1)) => put(out, format_args!(" frameRate=\"{num}\"")),
                Some((num, den)) => put(out, format_args!(" frameRate=\"{num}/{den}\"")),
                None => {}
            }
            out.push_str(">\n");
        }
        Kind::Audio => {
            put(out, format_args!(" audioSamplingRate=\"{}\">\n", track.sample_rate));
            put(
                out,
                format_args!(
                    "        <AudioChannelConfiguration \
                     schemeIdUri=\"urn:mpeg:dash:23003:3:audio_channel_configuration:2011\" value=\"{}\"/>\n",
                    // The scheme counts layouts; up to six the number is that of the channels.
                    if track.channels == 8 { 7 } else { track.channels }
                ),
            );
        }
    }
}

fn representation(out: &mut String, rendition: &Rendition, query: &str) {
    let track = &rendition.track;
    let id = escape(&rendition.id);
    open_representation(out, &id, rendition.peak_bandwidth().max(1), track);
    put(
        out,
        format_args!(
            "        <SegmentTemplate timescale=\"{}\" initialization=\"{id}/init.mp4{query}\" \
             media=\"{id}/$Number$.m4s{query}\" startNumber=\"1\">\n          <SegmentTimeline>\n",
            track.timescale
        ),
    );
    timeline(out, rendition.segments.iter().map(|s| (s.start, s.duration)));
    out.push_str("          </SegmentTimeline>\n        </SegmentTemplate>\n      </Representation>\n");
}

/// The entries of a `SegmentTimeline`, from starts and durations in ticks.
pub(crate) fn timeline(out: &mut String, segments: impl Iterator<Item = (u64, u64)>) {
    let mut segments = segments.peekable();
    let mut expected = None;
    while let Some((start, duration)) = segments.next() {
        out.push_str("            <S");
        if expected != Some(start) {
            put(out, format_args!(" t=\"{start}\""));
        }
        let mut end = start.saturating_add(duration);
        let mut repeats = 0;
        while let Some((_, next)) = segments.next_if(|&(s, d)| s == end && d == duration) {
            end = end.saturating_add(next);
            repeats += 1;
        }
        expected = Some(end);
        put(out, format_args!(" d=\"{duration}\""));
        if repeats > 0 {
            put(out, format_args!(" r=\"{repeats}\""));
        }
        out.push_str("/>\n");
    }
}

fn text(out: &mut String, set: &mut u32, subtitle: &Subtitle) {
    open_text(out, set, &subtitle.name, subtitle.language.as_deref(), "subtitle");
    put(
        out,
        format_args!(
            "      <Representation id=\"{}\" bandwidth=\"{}\">\n        <BaseURL>{}</BaseURL>\n      </Representation>\n    \
             </AdaptationSet>\n",
            escape(&subtitle.id),
            rate(subtitle.bytes, subtitle.duration),
            escape(&subtitle.uri)
        ),
    );
}

/// The start of an `AdaptationSet` of WebVTT; `role` is one of `urn:mpeg:dash:role:2011`.
pub(crate) fn open_text(out: &mut String, set: &mut u32, name: &str, language: Option<&str>, role: &str) {
    put(out, format_args!("    <AdaptationSet id=\"{set}\" contentType=\"text\" mimeType=\"text/vtt\""));
    *set += 1;
    if let Some(language) = language {
        put(out, format_args!(" lang=\"{}\"", escape(language)));
    }
    put(
        out,
        format_args!(
            ">\n      <Label>{}</Label>\n      <Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"{role}\"/>\n",
            escape(name)
        ),
    );
}

fn images(out: &mut String, set: &mut u32, thumbnails: &Thumbnails, play_time: Duration) {
    // One sprite is one segment that lasts as long as all its pictures.
    let pictures = thumbnails.columns.saturating_mul(thumbnails.rows).max(1);
    let duration = thumbnails.interval.saturating_mul(pictures).max(Duration::from_millis(1));
    put(
        out,
        format_args!(
            "    <AdaptationSet id=\"{set}\" contentType=\"image\" mimeType=\"image/jpeg\">\n      \
             <SegmentTemplate timescale=\"1000\" duration=\"{}\" media=\"{}\" startNumber=\"1\"/>\n      \
             <Representation id=\"thumbs\" bandwidth=\"{}\" width=\"{}\" height=\"{}\">\n        \
             <EssentialProperty schemeIdUri=\"http://dashif.org/guidelines/thumbnail_tile\" value=\"{}x{}\"/>\n      \
             </Representation>\n    </AdaptationSet>\n",
            duration.as_millis(),
            escape(&thumbnails.uri).replace('$', "$$"),
            rate(thumbnails.bytes, play_time),
            thumbnails.width,
            thumbnails.height,
            thumbnails.columns,
            thumbnails.rows
        ),
    );
    *set += 1;
}

/// Bits per second, at least 1: the schema wants a number, and 0 would be a lie.
fn rate(bytes: u64, over: Duration) -> u128 {
    (u128::from(bytes) * 8000).div_ceil(over.as_millis().max(1)).max(1)
}

/// An `xs:duration` of seconds.
pub(crate) fn period(duration: Duration) -> String {
    let text = decimal(duration);
    format!("PT{}S", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Text for an attribute or an element; characters XML cannot hold become spaces.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push(' '),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
