//! How ffmpeg is told to encode a live stream. The invariant: every rung has a keyframe at each multiple of the segment time, counted from the
//! broadcast's zero, however often the encoder was started meanwhile.

use crate::ladder::{Ladder, Picture};
use crate::package::Settings;
use crate::tools::{Arguments, scaled};
use cmaf::Track;
use std::ffi::OsString;
use std::time::Duration;

/// Ticks per second of the pictures that come out.
pub(super) const VIDEO_SCALE: u32 = 90_000;

/// What is encoded of a publication.
#[derive(Debug)]
pub(super) struct Plan {
    /// The rungs, and the size of each; none without pictures.
    pub rungs: Vec<(u32, (u32, u32))>,
    pub audio: bool,
}

impl Plan {
    pub fn new(video: Option<&Track>, audio: bool, settings: &Settings) -> Self {
        let rungs = video.map(|track| {
            // What the publisher spends says nothing: it is paid for by its own uplink.
            let picture =
                Picture { width: track.width.into(), height: track.height.into(), bitrate_bps: None };
            let ladder: Ladder = settings.ladder_for(&picture);
            ladder.rungs().iter().map(|rung| (rung.bitrate_bps, picture.scaled(*rung))).collect()
        });
        Self { rungs: rungs.unwrap_or_default(), audio }
    }

    pub fn renditions(&self) -> usize {
        self.rungs.len() + usize::from(self.audio)
    }
}

/// Arguments for an encoder that reads FLV from its standard input. The first picture is shown at `first`, and rendition number
/// `n` goes to `url(n)`.
pub(super) fn arguments(
    plan: &Plan,
    settings: &Settings,
    segment: Duration,
    first: Duration,
    url: impl Fn(usize) -> String,
) -> Vec<OsString> {
    let mut args = Arguments::default();
    args.words("-hide_banner -nostdin -loglevel warning -nostats -progress pipe:1 -stats_period 0.5");
    // Times are ours, and are kept. Enough is looked at beforehand to find both tracks, and no more.
    args.words("-protocol_whitelist pipe -format_whitelist flv -copyts -fpsprobesize 0");
    args.words("-analyzeduration 1000000 -probesize 1000000 -f flv -i pipe:0");
    if !plan.rungs.is_empty() {
        args.words("-filter_complex");
        let sizes: Vec<_> = plan.rungs.iter().map(|&(_, size)| size).collect();
        args.word(scaled("[0:v:0]", &sizes));
    }
    for (n, (bitrate_bps, _)) in plan.rungs.iter().enumerate() {
        args.words("-map");
        args.word(format!("[v{n}]"));
        args.words("-c:v libx264 -profile:v high -pix_fmt yuv420p -tune zerolatency -bf 0 -preset");
        args.word(settings.preset.clone());
        args.words("-b:v");
        args.word(bitrate_bps.to_string());
        args.words("-maxrate");
        args.word((u64::from(*bitrate_bps) * 11 / 10).to_string());
        args.words("-bufsize");
        args.word(bitrate_bps.to_string());
        args.words("-force_key_frames");
        args.word(keyframes(segment, first));
        args.words("-sc_threshold 0 -g 100000 -flags +cgop -fps_mode passthrough -enc_time_base");
        args.word(format!("1:{VIDEO_SCALE}"));
        args.words("-video_track_timescale");
        args.word(VIDEO_SCALE.to_string());
        output(&mut args, url(n));
    }
    if plan.audio {
        // Gaps become silence.
        args.words("-map 0:a:0 -af aresample=async=1000 -c:a aac -ar 48000 -ac 2 -b:a");
        args.word(settings.audio_bitrate_bps.to_string());
        output(&mut args, url(plan.rungs.len()));
    }
    args.0
}

/// True for the first picture at or after each multiple of the segment time. ffmpeg counts `t` from the first picture; a
/// microsecond is allowed for its arithmetic.
fn keyframes(segment: Duration, first: Duration) -> String {
    let number =
        |t: &str| format!("floor(({t}+{:.6})/{:.6})", first.as_secs_f64() + 1e-6, segment.as_secs_f64());
    format!("expr:if(isnan(prev_forced_t),1,gt({},{}))", number("t"), number("prev_forced_t"))
}

fn output(args: &mut Arguments, url: String) {
    // Every frame goes out at once, with the time it has: not counted from the encoder's start.
    args.words("-map_metadata -1 -map_chapters -1 -flush_packets 1 -f mp4 -movflags");
    args.words(
        "+cmaf+frag_every_frame+frag_discont+empty_moov+default_base_moof+skip_sidx+skip_trailer+delay_moov",
    );
    args.words("-protocol_whitelist http,tcp -method PUT");
    args.word(url);
}
