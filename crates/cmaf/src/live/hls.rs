//! HLS playlists of a live stream (RFC 8216bis, low latency), relative to the folder that they are in. What they name is read by
//! [`Name`](super::Name). Addresses of media end with the rendition's query.
//!
//! The invariant: a playlist says nothing that a later one takes back. Parts are named by their number in the stream, so
//! the name of the next one is known however segments are cut.

use std::time::Duration;

use super::clock::iso;
use super::{Listed, Window};
use crate::Kind;
use crate::hls::{codecs, line, media_tag, quotable, unique, video_attributes};
use crate::presentation::{decimal, seconds};

/// How a media playlist is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// With parts, hints and reports.
    LowLatency,
    /// The same, but old segments are only counted (`_HLS_skip=YES`). Where nothing may be skipped it is the whole.
    Delta,
    /// Whole segments only, for players and caches that want no more.
    Plain,
}

/// Subtitles or captions, as texts beside the media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subtitles {
    /// Name shown to viewers.
    pub name: String,
    /// BCP 47 language (RFC 5646).
    pub language: Option<String>,
    /// Address of their media playlist; may be relative to the multivariant playlist.
    pub uri: String,
    /// Whether they are shown unless a viewer chooses otherwise.
    pub default: bool,
    /// Whether they have only what every viewer needs.
    pub forced: bool,
    /// Media characteristics (RFC 8216 section 4.3.4.1), such as `public.accessibility.describes-music-and-sound`.
    pub characteristics: Option<String>,
}

/// The multivariant playlist: one variant for each video rendition, all with the same groups of audio and subtitles. Without video,
/// one variant for each audio rendition.
pub fn multivariant(windows: &[&Window], subtitles: &[Subtitles]) -> String {
    let of = |kind| windows.iter().copied().filter(move |w: &&Window| w.track().kind == kind);
    let (videos, audios): (Vec<&Window>, Vec<&Window>) =
        (of(Kind::Video).collect(), of(Kind::Audio).collect());
    let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    let (variants, group) = if videos.is_empty() { (&audios, &[][..]) } else { (&videos, &audios[..]) };
    let names = unique(group.iter().map(|a| a.rendition.name.as_str()));
    for (at, (audio, name)) in group.iter().zip(&names).enumerate() {
        media_tag(&mut out, "AUDIO", "audio", name, audio.track().language.as_deref(), at == 0);
        let (channels, id) = (audio.track().channels, &audio.rendition.id);
        line(&mut out, format_args!(",CHANNELS=\"{channels}\",URI=\"{id}/media.m3u8\"\n"));
    }
    let names = unique(subtitles.iter().map(|one| one.name.as_str()));
    for (one, name) in subtitles.iter().zip(&names) {
        media_tag(&mut out, "SUBTITLES", "subtitles", name, one.language.as_deref(), one.default);
        if one.forced {
            out.push_str(",FORCED=YES");
        }
        if let Some(what) = &one.characteristics {
            line(&mut out, format_args!(",CHARACTERISTICS=\"{}\"", quotable(what)));
        }
        line(&mut out, format_args!(",URI=\"{}\"\n", quotable(&one.uri)));
    }
    let heaviest = group.iter().map(|a| a.bandwidth()).max().unwrap_or(0);
    for variant in variants {
        let rate = variant.bandwidth().saturating_add(heaviest);
        // Also of what was before a restart, while it is listed.
        let tracks = [variant].into_iter().chain(group).flat_map(|w| w.tracks());
        let codecs = codecs(tracks);
        line(&mut out, format_args!("#EXT-X-STREAM-INF:BANDWIDTH={rate},CODECS=\"{codecs}\""));
        video_attributes(&mut out, variant.track());
        if !group.is_empty() {
            out.push_str(",AUDIO=\"audio\"");
        }
        if !subtitles.is_empty() {
            out.push_str(",SUBTITLES=\"subtitles\"");
        }
        line(&mut out, format_args!("\n{}/media.m3u8\n", variant.rendition.id));
    }
    out
}

/// The media playlist of a rendition, `others` being the other renditions of the stream, as they are at this moment.
pub fn media(window: &Window, others: &[&Window], form: Form) -> String {
    let target = u64::from(window.targets.target_duration_s);
    let mut out = String::from("#EXTM3U\n");
    let version = if form == Form::Plain { 7 } else { 9 };
    line(&mut out, format_args!("#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{target}\n"));
    if form != Form::Plain {
        let part = up(window.part_target());
        line(
            &mut out,
            format_args!(
                "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={},HOLD-BACK={}.0,CAN-SKIP-UNTIL={}.0\n\
                 #EXT-X-PART-INF:PART-TARGET={}\n",
                decimal(part * 3),
                target * 3,
                target * 6,
                decimal(part)
            ),
        );
    }
    numbers(&mut out, window);
    out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    let skipped = if form == Form::Delta { skippable(window) } else { 0 };
    if skipped > 0 {
        line(&mut out, format_args!("#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}\n"));
        // Date ranges are of the playlist, not of the segments that are skipped.
        let marks = window.segments.iter().take(skipped).flat_map(|s| &s.marks);
        for mark in marks.filter(|m| m.starts_with("#EXT-X-DATERANGE")) {
            line(&mut out, format_args!("{mark}\n"));
        }
    }
    let mut init = 0;
    for segment in window.segments.iter().skip(skipped) {
        if form != Form::Plain || segment.complete {
            put(&mut out, segment, form, init, &window.rendition.query);
            init = segment.init;
        }
    }
    let (next, query) = (window.next_part(), &window.rendition.query);
    if let (Some(next), true) = (next, form != Form::Plain) {
        line(&mut out, format_args!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part/{next}.m4s{query}\"\n"));
        for other in others.iter().filter(|o| o.rendition.id != window.rendition.id) {
            let Some(at) = other.position() else { continue };
            line(
                &mut out,
                format_args!(
                    "#EXT-X-RENDITION-REPORT:URI=\"../{}/media.m3u8\",LAST-MSN={},LAST-PART={}\n",
                    other.rendition.id, at.segment, at.part
                ),
            );
        }
    }
    if window.ended {
        out.push_str("#EXT-X-ENDLIST\n");
    }
    out
}

/// The media playlist of captions: of each whole segment of `window`, the first rendition's, one text. So discontinuities and times are those of the
/// media. It cannot be waited for: Shaka reads all its playlists at once, and would hear of new parts only with each text.
pub fn captions(window: &Window) -> String {
    let target = window.targets.target_duration_s;
    let mut out = String::from("#EXTM3U\n");
    line(&mut out, format_args!("#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n"));
    numbers(&mut out, window);
    for segment in window.segments.iter().filter(|segment| segment.complete) {
        if segment.discontinuity {
            out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if let Some(wall) = segment.wall {
            line(&mut out, format_args!("#EXT-X-PROGRAM-DATE-TIME:{}\n", iso(wall)));
        }
        let lasts = seconds(segment.duration, segment.timescale);
        let (sequence, query) = (segment.sequence, &window.rendition.query);
        line(&mut out, format_args!("#EXTINF:{lasts},\n{sequence}.vtt{query}\n"));
    }
    if window.ended {
        out.push_str("#EXT-X-ENDLIST\n");
    }
    out
}

/// From where segments and discontinuities are counted.
fn numbers(out: &mut String, window: &Window) {
    line(out, format_args!("#EXT-X-MEDIA-SEQUENCE:{}\n", window.first_sequence()));
    if window.discontinuity_sequence > 0 {
        line(out, format_args!("#EXT-X-DISCONTINUITY-SEQUENCE:{}\n", window.discontinuity_sequence));
    }
}

fn put(out: &mut String, segment: &Listed, form: Form, init: u32, query: &str) {
    if segment.discontinuity {
        out.push_str("#EXT-X-DISCONTINUITY\n");
    }
    if segment.init != init {
        line(out, format_args!("#EXT-X-MAP:URI=\"init/{}.mp4{query}\"\n", segment.init));
    }
    if let Some(wall) = segment.wall {
        line(out, format_args!("#EXT-X-PROGRAM-DATE-TIME:{}\n", iso(wall)));
    }
    for mark in &segment.marks {
        line(out, format_args!("{mark}\n"));
    }
    if form != Form::Plain {
        for part in &segment.parts {
            let lasts = seconds(part.duration, segment.timescale);
            line(out, format_args!("#EXT-X-PART:DURATION={lasts},URI=\"part/{}.m4s{query}\"", part.sequence));
            out.push_str(if part.independent { ",INDEPENDENT=YES\n" } else { "\n" });
        }
    }
    if segment.complete {
        let lasts = seconds(segment.duration, segment.timescale);
        line(out, format_args!("#EXTINF:{lasts},\n{}.m4s{query}\n", segment.sequence));
    }
}

/// How many segments at the front end further than the skip boundary from the last whole segment's end.
fn skippable(window: &Window) -> usize {
    let boundary = Duration::from_secs(window.targets.target_duration_s.into()) * 6;
    let whole = window.segments.iter().rev().skip_while(|s| !s.complete);
    let mut behind = Duration::ZERO;
    let near = whole.take_while(|segment| {
        let near = behind <= boundary;
        behind = behind.saturating_add(segment.play_time());
        near
    });
    let near = near.count();
    window.segments.iter().filter(|s| s.complete).count() - near
}

/// Rounded up to the microsecond: nothing listed is longer by rounding.
fn up(duration: Duration) -> Duration {
    Duration::from_micros(u64::try_from(duration.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::up;
    use std::time::Duration;

    #[test]
    fn a_target_is_never_rounded_below_a_part() {
        assert_eq!(up(Duration::from_nanos(166_833_333)).as_micros(), 166_834);
        assert_eq!(up(Duration::from_millis(200)).as_micros(), 200_000);
    }
}
