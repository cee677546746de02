//! Which codecs of a `CODECS` list are a rendition's own.
//!
//! Players know codecs by their first letters, and not all the same ones: what a family does not know has no part in its
//! names. The invariant: the tables say what the family's releases know, not what can be played.

use super::{Family, Kind, Variant};

/// Family B reads the list as hls.js does: by the four letters of the sample entry, case kept.
const VIDEO: &[&str] = &[
    "av01", "avc1", "avc2", "avc3", "avc4", "avcp", "dav1", "drac", "dva1", "dvav", "dvh1", "dvhe", "encv",
    "hev1", "hvc1", "mjp2", "mp4v", "mvc1", "mvc2", "mvc3", "mvc4", "resv", "rv60", "s263", "svc1", "svc2",
    "vc-1", "vp08", "vp09",
];
const AUDIO: &[&str] = &[
    "FLAC", "Opus", "a3ds", "ac-3", "ac-4", "alac", "alaw", "dra1", "dts+", "dts-", "dtsc", "dtse", "dtsh",
    "ec-3", "enca", "fLaC", "flac", "g719", "g726", "m4ae", "mha1", "mha2", "mhm1", "mhm2", "mlpa", "mp4a",
    "opus", "samr", "sawb", "sawp", "sevc", "sqcp", "ssmv", "twos", "ulaw",
];

/// Family C brings its own reader: by how they begin, in any case.
const VIDEO_C: &[&str] = &[
    "av1", "av01", "avc1", "avc2", "avc3", "avc4", "avc01", "avc02", "avc03", "avc04", "hev1", "hvc1",
    "mp4v", "theora", "vp8", "vp9", "vp08", "vp09",
];
const AUDIO_C: &[&str] =
    &["aac", "ac-3", "ac-4", "alac", "ec-3", "flac", "mp3", "mp4a", "opus", "speex", "vorbis"];

/// The codecs of the rendition's own kind, in the order written.
pub(super) fn of_kind(family: Family, variant: &Variant) -> Vec<&str> {
    let list = variant.codecs.as_deref().unwrap_or_default();
    if family == Family::C {
        let known = if variant.kind == Kind::Main { VIDEO_C } else { AUDIO_C };
        let begins = |codec: &str| {
            let codec = codec.to_ascii_lowercase();
            known.iter().any(|letters| codec.starts_with(letters))
        };
        return list.split(',').map(str::trim).filter(|codec| begins(codec)).collect();
    }
    let known = if variant.kind == Kind::Main { VIDEO } else { AUDIO };
    list.split([',', ' '])
        .filter(|codec| codec.get(..4).is_some_and(|letters| known.contains(&letters)))
        .map(|codec| codec.split('/').next().unwrap_or_default())
        .collect()
}

/// Lower case, sorted, `avc1.66.30` rewritten as `avc1.42001e`.
pub(super) fn normalised(variant: &Variant) -> String {
    let own = of_kind(Family::B, variant);
    let mut codecs: Vec<String> = own.iter().map(|codec| hexadecimal(codec.to_lowercase())).collect();
    codecs.sort();
    codecs.join(",")
}

/// An older way to write a profile and a level: in decimal, without the constraints between them.
fn hexadecimal(codec: String) -> String {
    let parts: Vec<&str> = codec.split('.').collect();
    let [name @ ("avc1" | "avc"), profile, level] = parts[..] else { return codec };
    match (plain(profile), plain(level)) {
        (Some(profile), Some(level)) => format!("{name}.{profile:02x}00{level:02x}"),
        _ => codec,
    }
}

/// A number written without leading zeros or a sign.
fn plain(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|number| number.to_string() == text)
}
