//! HLS playlists as listings (RFC 8216). The invariant: whatever a playlist says has a bound, and every address in it is one that can be
//! judged before it is asked.

use super::listing::{List, Listing, Rendition, Resource, Segment, Wanted};
use super::source::Unusable;
use crate::live::is_web;
use cmaf::live::MARKS;
use cmaf::live::hls::Subtitles;
use m3u8_rs::{
    AlternativeMedia, AlternativeMediaType, ByteRange, KeyMethod, MasterPlaylist, MediaPlaylist, Playlist,
    VariantStream,
};
use reqwest::Url;
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::{Duration, SystemTime};

/// Segments of a playlist that are looked at: the last ones.
const MAX_SEGMENTS: usize = 4096;

/// Subtitles that are looked at.
pub(super) const MAX_SUBTITLES: usize = 64;
/// Characters of what they are called.
const MAX_NAME: usize = 200;

/// A playlist of either kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// The renditions that can be passed on: pictures from the playlist's first variant on, then sound; and subtitles.
    Multivariant(Vec<Rendition>, Vec<Subtitles>),
    Media(Listing),
}

/// Reads what was found at `base`.
pub(super) fn read(text: &[u8], base: &Url) -> Result<Read, Unusable> {
    match m3u8_rs::parse_playlist_res(text).map_err(|_| Unusable::NoPlaylist)? {
        Playlist::MasterPlaylist(master) => {
            Ok(Read::Multivariant(renditions(&master, base)?, subtitles(&master, base)?))
        }
        Playlist::MediaPlaylist(media) => Ok(Read::Media(listing(&media, base, marks(text))?)),
    }
}

fn listing(list: &MediaPlaylist, base: &Url, mut marks: Vec<Vec<String>>) -> Result<Listing, Unusable> {
    if list.i_frames_only {
        return Err(Unusable::Pictures);
    }
    let target = Duration::from_secs(list.target_duration.clamp(1, 60));
    let first = list.segments.len().saturating_sub(MAX_SEGMENTS);
    let mut segments = Vec::new();
    let mut init: Option<Resource> = None;
    let mut encrypted = false;
    let mut run = list.discontinuity_sequence;
    let mut next: Option<(Url, u64)> = None;
    for (at, segment) in list.segments.iter().enumerate() {
        // A key holds for what follows it, and so does a map.
        if let Some(key) = &segment.key {
            encrypted = key.method != KeyMethod::None;
        }
        // The reader takes METHOD=NONE without more for a tag that it does not know.
        for tag in segment.unknown_tags.iter().filter(|tag| tag.tag == "X-KEY") {
            encrypted =
                !tag.rest.as_ref().is_some_and(|rest| rest.split(',').any(|one| one == "METHOD=NONE"));
        }
        if let Some(map) = &segment.map {
            let range = map.byte_range.as_ref().map(|range| bytes(range, 0));
            init = Some(Resource { url: resolve(base, &map.uri)?, range });
        }
        run = run.saturating_add(segment.discontinuity.into());
        let url = resolve(base, &segment.uri)?;
        let range = segment.byte_range.as_ref().map(|range| {
            let follows = next.as_ref().filter(|(of, _)| *of == url).map_or(0, |(_, end)| *end);
            bytes(range, follows)
        });
        next = range.as_ref().map(|range| (url.clone(), range.end));
        if at < first {
            continue;
        }
        if encrypted {
            return Err(Unusable::Encrypted);
        }
        segments.push(Segment {
            key: list.media_sequence.saturating_add(at as u64),
            media: Resource { url, range },
            init: init.clone(),
            run,
            gap: segment.unknown_tags.iter().any(|tag| tag.tag == "X-GAP"),
            marks: marks.get_mut(at).map(std::mem::take).unwrap_or_default(),
            wall: segment.program_date_time.and_then(|at| {
                let since_1970 = Duration::from_millis(u64::try_from(at.timestamp_millis()).ok()?);
                SystemTime::UNIX_EPOCH.checked_add(since_1970)
            }),
            map: None,
        });
    }
    Ok(Listing { segments, ended: list.end_list, target })
}

/// The lines of each segment that say what it is of: the reader keeps less of them.
fn marks(text: &[u8]) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    for line in String::from_utf8_lossy(text).lines().map(str::trim) {
        if MARKS.iter().any(|mark| line.starts_with(mark)) {
            if let Some(last) = all.last_mut() {
                last.push(line.to_owned());
            }
        } else if !line.is_empty() && !line.starts_with('#') {
            all.push(Vec::new());
        }
    }
    all
}

/// `length[@offset]`; without an offset it follows the range before it.
fn bytes(range: &ByteRange, follows: u64) -> Range<u64> {
    let start = range.offset.unwrap_or(follows);
    start..start.saturating_add(range.length)
}

fn renditions(master: &MasterPlaylist, base: &Url) -> Result<Vec<Rendition>, Unusable> {
    let mut listed = BTreeSet::new();
    let mut pictures = Vec::new();
    let mut groups = Vec::new();
    let variants: Vec<&VariantStream> = master.variants.iter().filter(|v| !v.is_i_frame).collect();
    // Sound by itself, for players that have no time for pictures.
    let is_sound = |v: &VariantStream| v.resolution.is_none() && v.codecs.as_deref().is_some_and(are_sounds);
    let has_pictures = variants.iter().any(|variant| !is_sound(variant));
    let usable = |variant: &&&VariantStream| {
        variant.codecs.as_deref().is_none_or(can_pass) && !(has_pictures && is_sound(variant))
    };
    for variant in variants.iter().filter(usable) {
        let url = resolve(base, &variant.uri)?;
        if listed.insert(url.clone()) {
            pictures.push((url, *variant));
        }
        if let Some(group) = &variant.audio
            && !groups.contains(group)
        {
            groups.push(group.clone());
        }
    }
    if pictures.is_empty() && !variants.is_empty() {
        let codecs = variants.iter().find_map(|variant| variant.codecs.clone()).unwrap_or_default();
        return Err(Unusable::Codecs(codecs.chars().take(100).collect()));
    }
    // Of each voice the one that the best variant has.
    let best = pictures.iter().filter(|(_, v)| v.audio.is_some()).max_by_key(|(_, v)| v.bandwidth);
    if let Some(group) = best.and_then(|(_, variant)| variant.audio.clone()) {
        groups.retain(|other| *other != group);
        groups.insert(0, group);
    }
    let mut sounds: Vec<(Url, &AlternativeMedia)> = Vec::new();
    for group in &groups {
        for sound in master.alternatives.iter().filter(|m| m.group_id == *group) {
            let Some(uri) = sound.uri.as_ref().filter(|_| sound.media_type == AlternativeMediaType::Audio)
            else {
                continue;
            };
            let url = resolve(base, uri)?;
            let same = |(_, other): &(Url, &AlternativeMedia)| {
                other.name == sound.name && other.language == sound.language
            };
            if !sounds.iter().any(same) && listed.insert(url.clone()) {
                sounds.push((url, sound));
            }
        }
    }
    // The one that is heard when nobody chooses comes first.
    sounds.sort_by_key(|(_, sound)| !sound.default);
    // Sound within the pictures' segments is the same in each variant.
    let mut rest = if sounds.is_empty() { Wanted::All } else { Wanted::Video };
    let mut renditions = Vec::new();
    for (url, _) in pictures {
        renditions.push(Rendition { list: List::Playlist(url), language: None, wanted: rest });
        rest = Wanted::Video;
    }
    for (url, sound) in sounds {
        let language = sound.language.clone();
        renditions.push(Rendition { list: List::Playlist(url), language, wanted: Wanted::Audio });
    }
    Ok(renditions)
}

/// The first of each name and language.
fn subtitles(master: &MasterPlaylist, base: &Url) -> Result<Vec<Subtitles>, Unusable> {
    let mut all: Vec<Subtitles> = Vec::new();
    for one in master.alternatives.iter().filter(|one| one.media_type == AlternativeMediaType::Subtitles) {
        let Some(uri) = &one.uri else { continue };
        let is_known = all.iter().any(|other| {
            other.name == short(&one.name) && other.language.as_deref() == one.language.as_deref()
        });
        if all.len() >= MAX_SUBTITLES || is_known {
            continue;
        }
        all.push(Subtitles {
            name: short(&one.name),
            language: one.language.as_deref().map(short),
            uri: resolve(base, uri)?.to_string(),
            default: one.default,
            forced: one.forced,
            characteristics: one.characteristics.as_deref().map(short),
        });
    }
    Ok(all)
}

fn short(text: &str) -> String {
    text.chars().take(MAX_NAME).collect()
}

fn are_sounds(codecs: &str) -> bool {
    let sounds = ["mp4a", "ac-3", "ec-3", "opus", "Opus", "fLaC"];
    codecs.split(',').all(|codec| sounds.iter().any(|sound| codec.trim().starts_with(sound)))
}

/// Whether one of these codecs (RFC 6381) can be passed on, and none of its pictures cannot.
pub(super) fn can_pass(codecs: &str) -> bool {
    let mut codecs = codecs.split(',').map(str::trim);
    let other_pictures = ["hvc1", "hev1", "dvh1", "dvhe", "av01", "vp09", "vp08"];
    !codecs.any(|codec| other_pictures.iter().any(|other| codec.starts_with(other)))
}

fn resolve(base: &Url, uri: &str) -> Result<Url, Unusable> {
    if uri.contains("{$") {
        return Err(Unusable::Variables);
    }
    base.join(uri).ok().filter(is_web).ok_or(Unusable::Address)
}

#[cfg(test)]
mod tests;
