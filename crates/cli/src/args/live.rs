//! What `braidcast live` can be told.

use super::{Secret, Serving};
use clap::Args;
use std::path::PathBuf;

const AFTER_LIVE: &str = "\
Examples:
  braidcast live                                    RTMP on port 1935; a key is made and printed
  braidcast live --key stage=4nPz-long-key --key foyer=Tq3x-long-key
                                                    two streams, each with its own key
  braidcast live --passthrough --record             no encoding: what the encoder sends goes out; a film is made of it
  braidcast live --pull https://example.org/live/master.m3u8
                                                    somebody else's live stream, as it is; no doors for encoders
  braidcast live --pull https://example.org/live/master.m3u8 --index-only
                                                    the same, and its media stays where it is: next to no traffic here
  braidcast live --ladder 360:750k,720:2.5M --part 200ms --dvr 30m
  braidcast live --ingest srt://0.0.0.0:9000 --ingest http
                                                    SRT, and CMAF by HTTP PUT to /ingest/STREAM/TRACK; no RTMP
  braidcast live --ingest whip://0.0.0.0:8189       WebRTC, from browsers and OBS: POST to /whip/STREAM

In OBS: Settings, Stream, service Custom, and the server and stream key that are printed at the start. A keyframe every 2 s.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_LIVE)]
pub struct Live {
    /// Where encoders come in; several may be given: rtmp://ADDRESS:PORT/live, srt://ADDRESS:PORT/STREAM (without STREAM the first
    /// one), http for CMAF on the port of --listen, or whip://ADDRESS:PORT for WebRTC: offers come to /whip/STREAM on the port of
    /// --listen, media to that UDP port, 8189 if none is said [default: rtmp://0.0.0.0:1935/live].
    #[arg(long, value_name = "rtmp://|srt://|whip://|http", env = "BRAIDCAST_INGEST", value_delimiter = ',')]
    pub ingest: Vec<String>,
    /// Where WebRTC publishers reach the UDP port of whip://, if not at this machine's own addresses: ADDRESS or ADDRESS:PORT; several
    /// may be given.
    #[arg(long, value_name = "ADDRESS", env = "BRAIDCAST_WHIP_EXTERNAL", value_delimiter = ',')]
    pub whip_external: Vec<String>,
    /// A stream and what its publisher must know, 8 to 128 letters, digits, - or _; several may be given. Without STREAM= it is called
    /// live. Better set in the environment, where other users of this machine do not see it [default: live, with a key that is made and
    /// printed].
    #[arg(
        long,
        value_name = "[STREAM=]KEY",
        env = "BRAIDCAST_STREAM_KEY",
        value_delimiter = ',',
        hide_env_values = true,
        allow_hyphen_values = true
    )]
    pub key: Vec<Secret>,
    /// A live stream from elsewhere, which goes out as it comes: HLS or DASH with H.264 and AAC; several may be given.
    /// Without NAME= it is called after its host and path. With it there are doors for encoders only where --ingest or --key says so.
    #[arg(
        long,
        value_name = "[NAME=]URL",
        env = "BRAIDCAST_PULL",
        value_delimiter = ' ',
        hide_env_values = true
    )]
    pub pull: Vec<Secret>,
    /// Let --pull ask this machine and private networks too, wherever a playlist or redirect leads.
    #[arg(long, env = "BRAIDCAST_PULL_PRIVATE", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub pull_private: Option<bool>,
    /// Leave the media of what is pulled where it is, and serve only its signed index and the tracker: viewers get segments from each
    /// other, or from where they were published. Its segments must be fragmented MP4, each with an address of its own, which pages may
    /// read (CORS).
    #[arg(long, env = "BRAIDCAST_INDEX_ONLY", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub index_only: Option<bool>,
    /// Folder for the publisher's key, recordings and what viewers go back to [default: ./braidcast-data].
    #[arg(long, value_name = "DIR", env = "BRAIDCAST_DATA")]
    pub data: Option<PathBuf>,
    /// Qualities as HEIGHT:BITRATE,... [default: up to four that suit the stream].
    #[arg(long, value_name = "LADDER", env = "BRAIDCAST_LADDER")]
    pub ladder: Option<String>,
    /// Send what the encoder sends (H.264 and AAC) instead of encoding a ladder: it needs no ffmpeg and next to no processor.
    #[arg(long, env = "BRAIDCAST_PASSTHROUGH", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub passthrough: Option<bool>,
    /// Speed of the encoder: ultrafast ... veryslow [default: veryfast].
    #[arg(long, value_name = "PRESET", env = "BRAIDCAST_PRESET")]
    pub preset: Option<String>,
    /// Bitrate of the sound [default: 128k].
    #[arg(long, value_name = "BITRATE", env = "BRAIDCAST_AUDIO_BITRATE")]
    pub audio_bitrate: Option<String>,
    /// Length of segments, 1s to 6s [default: 2s].
    #[arg(long, value_name = "TIME", env = "BRAIDCAST_SEGMENT")]
    pub segment: Option<String>,
    /// Length of the parts that viewers get as they are born, 200ms to 500ms: viewers are some three of them behind [default: 400ms].
    #[arg(long, value_name = "TIME", env = "BRAIDCAST_PART")]
    pub part: Option<String>,
    /// How far viewers may go back; what is older than 5 minutes is on disk [default: 2h].
    #[arg(long, value_name = "TIME", env = "BRAIDCAST_DVR")]
    pub dvr: Option<String>,
    /// Make a film of each stream when it ends.
    #[arg(long, env = "BRAIDCAST_RECORD", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub record: Option<bool>,
    /// An S3-compatible bucket, or a folder of one, that viewers get media from instead of this machine: s3://BUCKET/FOLDER. Where it
    /// is and who may write there is read from AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    #[arg(long, value_name = "s3://BUCKET[/FOLDER]", env = "BRAIDCAST_BUCKET")]
    pub bucket: Option<String>,
    /// Where viewers reach what is in the bucket: a CDN's address, or the bucket's own.
    #[arg(long, value_name = "URL", env = "BRAIDCAST_BUCKET_URL")]
    pub bucket_url: Option<String>,
    /// How long a stream waits for a publisher that was cut off [default: 30s].
    #[arg(long, value_name = "TIME", env = "BRAIDCAST_BRIDGE")]
    pub bridge: Option<String>,
    /// The publisher's secret key, which signs what viewers check [default: publisher.key in the data folder, made on first use].
    #[arg(long, value_name = "FILE", env = "BRAIDCAST_KEY")]
    pub publisher_key: Option<PathBuf>,
    #[command(flatten)]
    pub serving: Serving,
}
