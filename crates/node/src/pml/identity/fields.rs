//! The properties of a rendition as one line of text, joined by `-` in a fixed order.
//!
//! Its invariant: nothing depends on locale or platform, and numbers read as a browser prints them.

use super::codecs;
use super::{Family, Kind, Variant};

/// Family B. Variants have no language, channels or name here, audio renditions nothing else but their codecs; a variant
/// without a bitrate has nothing at all.
pub(super) fn normalised(variant: &Variant) -> String {
    let mut line = Line::default();
    match variant.kind {
        Kind::Main => {
            line.bitrate = variant.bitrate.unwrap_or(0);
            if line.bitrate > 0 {
                line.codecs = codecs::normalised(variant);
                line.width = number(variant.width);
                line.height = number(variant.height);
                line.frame_rate = rate(variant.frame_rate);
                line.video_range = trim(&text(&variant.video_range).to_uppercase()).to_owned();
            }
        }
        Kind::Secondary => {
            line.codecs = codecs::normalised(variant);
            line.language = match text(&variant.language) {
                "und" => String::new(),
                language => language.chars().take(2).collect::<String>().to_lowercase(),
            };
            line.channels = text(&variant.channels).split('/').next().unwrap_or_default().to_owned();
            line.name = trim(&text(&variant.name).to_lowercase()).to_owned();
        }
    }
    line.join()
}

/// Family C, with the bitrate that the caller decides on.
pub(super) fn as_written(variant: &Variant, bitrate: u64) -> String {
    let mut line = Line {
        bitrate,
        codecs: codecs::of_kind(Family::C, variant).join(","),
        language: text(&variant.language).to_owned(),
        name: text(&variant.name).to_owned(),
        ..Line::default()
    };
    match variant.kind {
        Kind::Main => {
            line.width = number(variant.width);
            line.height = number(variant.height);
            line.frame_rate = rate(variant.frame_rate);
            line.video_range = text(&variant.video_range).to_owned();
        }
        Kind::Secondary => line.channels = text(&variant.channels).to_owned(),
    }
    line.join()
}

#[derive(Default)]
struct Line {
    bitrate: u64,
    codecs: String,
    width: String,
    height: String,
    language: String,
    channels: String,
    name: String,
    frame_rate: String,
    video_range: String,
}

impl Line {
    fn join(&self) -> String {
        [
            &self.bitrate.to_string(),
            &self.codecs,
            &self.width,
            &self.height,
            &self.language,
            &self.channels,
            &self.name,
            &self.frame_rate,
            &self.video_range,
        ]
        .map(String::as_str)
        .join("-")
    }
}

fn text(field: &Option<String>) -> &str {
    field.as_deref().unwrap_or_default()
}

fn number(field: Option<u32>) -> String {
    field.map(|number| number.to_string()).unwrap_or_default()
}

/// The shortest digits that mean this number: browsers print the same between 1e-6 and 1e21.
fn rate(field: Option<f64>) -> String {
    field.filter(|rate| rate.is_finite()).map(|rate| rate.to_string()).unwrap_or_default()
}

/// Takes away what browsers count as space, which is not quite what Unicode does.
fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}')
}
