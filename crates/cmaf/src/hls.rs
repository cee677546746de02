//! HLS playlists (RFC 8216, protocol version 7) of a finished [`Presentation`].
//!
//! The invariant: every number is measured from the segments. The text is the same for the same presentation.

use std::fmt::Write as _;

use crate::presentation::{decimal, seconds};
use crate::{Presentation, Rendition, Subtitle, Track};

/// `master.m3u8`: one variant for each video rendition, all with the same audio and subtitle groups. Without
/// video, one variant for each audio rendition.
pub fn master(presentation: &Presentation) -> String {
    let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    let audios: Vec<&Rendition> = presentation.audios().collect();
    let videos: Vec<&Rendition> = presentation.videos().collect();

    let names = unique(audios.iter().map(|a| a.name.as_str()));
    if !videos.is_empty() {
        for (at, (audio, name)) in audios.iter().zip(&names).enumerate() {
            media_tag(&mut out, "AUDIO", "audio", name, audio.track.language.as_deref(), at == 0);
            line(&mut out, format_args!(",CHANNELS=\"{}\"", audio.track.channels));
            line(&mut out, format_args!(",URI=\"{}/media.m3u8\"\n", audio.id));
        }
    }
    let names = unique(presentation.subtitles.iter().map(|s| s.name.as_str()));
    for (subtitle, name) in presentation.subtitles.iter().zip(&names) {
        media_tag(&mut out, "SUBTITLES", "subs", name, subtitle.language.as_deref(), false);
        line(&mut out, format_args!(",FORCED=NO,URI=\"{}/media.m3u8\"\n", subtitle.id));
    }

    if videos.is_empty() {
        for audio in &audios {
            variant(&mut out, presentation, audio, &[]);
        }
        return out;
    }
    for video in &videos {
        variant(&mut out, presentation, video, &audios);
    }
    for video in videos.iter().filter(|v| iframe_ranges(v).next().is_some()) {
        let (peak, average) = iframe_bandwidth(video);
        line(
            &mut out,
            format_args!(
                "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{}\",{},\
                 URI=\"{}/iframes.m3u8\"\n",
                video.track.codec,
                resolution(&video.track),
                video.id
            ),
        );
    }
    out
}

/// `media.m3u8` of a rendition of `presentation`; its URIs are relative to the rendition's folder.
pub fn media(presentation: &Presentation, rendition: &Rendition) -> String {
    let query = presentation.query();
    let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:7\n");
    line(&mut out, format_args!("#EXT-X-TARGETDURATION:{}\n", rendition.target_duration_s()));
    out.push_str("#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    line(&mut out, format_args!("#EXT-X-MAP:URI=\"init.mp4{query}\"\n"));
    for (at, segment) in rendition.segments.iter().enumerate() {
        let extinf = seconds(segment.duration, rendition.track.timescale);
        line(&mut out, format_args!("#EXTINF:{extinf},\n{}.m4s{query}\n", at + 1));
    }
    out.push_str("#EXT-X-ENDLIST\n");
    out
}

/// `iframes.m3u8` of a video rendition of `presentation`: a byte range for each picture that stands alone, for fast seeking.
pub fn iframes(presentation: &Presentation, rendition: &Rendition) -> String {
    let query = presentation.query();
    let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:7\n");
    let longest = iframe_ranges(rendition).map(|i| i.ticks).max().unwrap_or(0);
    let scale = u64::from(rendition.track.timescale.max(1));
    let target = (longest.saturating_add(scale / 2) / scale).max(1);
    line(&mut out, format_args!("#EXT-X-TARGETDURATION:{target}\n"));
    out.push_str("#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-I-FRAMES-ONLY\n");
    line(&mut out, format_args!("#EXT-X-MAP:URI=\"init.mp4{query}\"\n"));
    for iframe in iframe_ranges(rendition) {
        let extinf = seconds(iframe.ticks, rendition.track.timescale);
        line(
            &mut out,
            format_args!(
                "#EXTINF:{extinf},\n#EXT-X-BYTERANGE:{}@{}\n{}.m4s{query}\n",
                iframe.len, iframe.offset, iframe.sequence
            ),
        );
    }
    out.push_str("#EXT-X-ENDLIST\n");
    out
}

/// `media.m3u8` of a subtitle: one segment, the WebVTT file in the same folder.
pub fn subtitle(subtitle: &Subtitle) -> String {
    let file = subtitle.uri.rsplit('/').next().unwrap_or(&subtitle.uri);
    let target = (subtitle.duration.as_millis() + 500) / 1000;
    format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n\
         #EXTINF:{},\n{file}\n#EXT-X-ENDLIST\n",
        target.max(1),
        decimal(subtitle.duration)
    )
}

pub(crate) fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a String cannot fail");
}

/// The start of an `EXT-X-MEDIA` tag, up to DEFAULT and AUTOSELECT.
pub(crate) fn media_tag(
    out: &mut String,
    kind: &str,
    group: &str,
    name: &str,
    language: Option<&str>,
    default: bool,
) {
    line(out, format_args!("#EXT-X-MEDIA:TYPE={kind},GROUP-ID=\"{group}\",NAME=\"{}\"", quotable(name)));
    if let Some(language) = language {
        line(out, format_args!(",LANGUAGE=\"{}\"", quotable(language)));
    }
    line(out, format_args!(",DEFAULT={},AUTOSELECT=YES", if default { "YES" } else { "NO" }));
}

/// One `EXT-X-STREAM-INF`; the rates are of the video and the heaviest audio together.
fn variant(out: &mut String, presentation: &Presentation, main: &Rendition, audios: &[&Rendition]) {
    let heaviest = |rate: fn(&Rendition) -> u64| audios.iter().map(|a| rate(a)).max().unwrap_or(0);
    let peak = main.peak_bandwidth().saturating_add(heaviest(Rendition::peak_bandwidth));
    let average = main.average_bandwidth().saturating_add(heaviest(Rendition::average_bandwidth));
    let codecs = codecs([main].iter().chain(audios).map(|r| &r.track));
    line(
        out,
        format_args!("#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{codecs}\""),
    );
    video_attributes(out, &main.track);
    if !audios.is_empty() {
        out.push_str(",AUDIO=\"audio\"");
    }
    if !presentation.subtitles.is_empty() {
        out.push_str(",SUBTITLES=\"subs\"");
    }
    line(out, format_args!("\n{}/media.m3u8\n", main.id));
}

/// `CODECS` of a variant: that of each of its tracks once.
pub(crate) fn codecs<'a>(tracks: impl Iterator<Item = &'a Track>) -> String {
    let mut codecs: Vec<&str> = Vec::new();
    for track in tracks {
        if !codecs.contains(&track.codec.as_str()) {
            codecs.push(&track.codec);
        }
    }
    codecs.join(",")
}

/// `RESOLUTION` and `FRAME-RATE`, each with a comma before it, as far as they are known.
pub(crate) fn video_attributes(out: &mut String, track: &Track) {
    if track.width > 0 {
        line(out, format_args!(",{}", resolution(track)));
    }
    if let Some((num, den)) = track.frame_rate {
        let thousandths = (u64::from(num) * 1000 + u64::from(den) / 2) / u64::from(den.max(1));
        line(out, format_args!(",FRAME-RATE={}.{:03}", thousandths / 1000, thousandths % 1000));
    }
}

fn resolution(track: &Track) -> String {
    match track.rotation {
        90 | 270 => format!("RESOLUTION={}x{}", track.height, track.width),
        _ => format!("RESOLUTION={}x{}", track.width, track.height),
    }
}

/// An entry of the I-frame playlist.
struct IframeRange {
    sequence: usize,
    offset: u64,
    len: u64,
    /// Until the next one, or the end.
    ticks: u64,
}

fn iframe_ranges(video: &Rendition) -> impl Iterator<Item = IframeRange> {
    let all =
        video.segments.iter().enumerate().flat_map(|(at, s)| s.iframes.iter().map(move |i| (at + 1, i)));
    let end = video.segments.last().map_or(0, |s| s.start.saturating_add(s.duration));
    let nexts = all.clone().skip(1).map(|(_, i)| i.start).chain([end]);
    all.zip(nexts).map(|((sequence, iframe), next)| IframeRange {
        sequence,
        offset: iframe.offset,
        len: iframe.len,
        ticks: next.saturating_sub(iframe.start),
    })
}

/// Peak and average rate of the I-frame playlist.
fn iframe_bandwidth(video: &Rendition) -> (u64, u64) {
    let scale = video.track.timescale;
    let rate = |bytes: u64, ticks: u64| {
        let bits = u128::from(bytes) * 8 * u128::from(scale);
        u64::try_from(bits.div_ceil(u128::from(ticks.max(1)))).unwrap_or(u64::MAX)
    };
    let (mut peak, mut bytes, mut ticks) = (0, 0u64, 0u64);
    for iframe in iframe_ranges(video) {
        // The very last may be a frame that hardly lasts.
        if iframe.ticks >= u64::from(scale / 4) {
            peak = peak.max(rate(iframe.len, iframe.ticks));
        }
        bytes = bytes.saturating_add(iframe.len);
        ticks = ticks.saturating_add(iframe.ticks);
    }
    let average = rate(bytes, ticks);
    (peak.max(average), average)
}

/// Names in a group must differ: repeated ones get a number.
pub(crate) fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for name in names {
        let mut candidate = name.to_owned();
        let mut number = 2;
        while out.contains(&candidate) {
            candidate = format!("{name} {number}");
            number += 1;
        }
        out.push(candidate);
    }
    out
}

/// A quoted string cannot hold quotes, line feeds or carriage returns.
pub(crate) fn quotable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '"' {
                '\''
            } else if c.is_control() {
                ' '
            } else {
                c
            }
        })
        .collect()
}
