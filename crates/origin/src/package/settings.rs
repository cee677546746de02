//! How films are made into packages.

use crate::ladder::{Ladder, Picture};

/// The encoder's presets, fastest first.
pub const PRESETS: [&str; 9] =
    ["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"];

/// The preset when nobody says otherwise.
pub const DEFAULT_PRESET: &str = "veryfast";

/// Bits per second of sound when nobody says otherwise.
pub const DEFAULT_AUDIO_BITRATE_BPS: u32 = 128_000;

/// How films are made into packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether to encode a ladder, where ffmpeg is there.
    pub transcode: bool,
    /// The rungs; `None` for the usual ones for each film.
    pub ladder: Option<Ladder>,
    /// One of [`PRESETS`].
    pub preset: String,
    /// Bits per second of each sound track.
    pub audio_bitrate_bps: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            transcode: true,
            ladder: None,
            preset: DEFAULT_PRESET.to_owned(),
            audio_bitrate_bps: DEFAULT_AUDIO_BITRATE_BPS,
        }
    }
}

impl Settings {
    /// The rungs for a film of this `picture`.
    pub fn ladder_for(&self, picture: &Picture) -> Ladder {
        match &self.ladder {
            Some(ladder) => ladder.limited_to(picture),
            None => Ladder::for_source(picture),
        }
    }

    /// Two settings with the same fingerprint make the same package of the same film.
    pub fn fingerprint(&self) -> String {
        if !self.transcode {
            return "as it is".to_owned();
        }
        let ladder = self.ladder.as_ref().map_or_else(|| "usual".to_owned(), Ladder::to_string);
        format!("ladder {ladder}, preset {}, audio {}", self.preset, self.audio_bitrate_bps)
    }
}
