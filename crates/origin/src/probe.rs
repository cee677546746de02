//! What is in a source file, as ffprobe sees it. Its invariant: only the named local file is opened.
//!
//! Media containers can name other files and URLs (playlists, concat lists, references in MP4). So both ffmpeg programs
//! are given an absolute path behind `file:`, no protocol but `file`, and a list of containers that hold their media
//! themselves.

use crate::ladder::Picture;
use crate::tools::Tools;
use serde::Deserialize;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use thiserror::Error;
use tokio::process::Command;

/// Audio tracks taken from one film.
pub const MAX_AUDIO: usize = 8;
/// Subtitle tracks taken from one film.
pub const MAX_SUBTITLES: usize = 16;

/// How long ffprobe may think about a file.
const PROBE_TIME: Duration = Duration::from_secs(60);

/// Containers that hold their media themselves (ffmpeg's names of demuxers).
const CONTAINERS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,mxf,mxf_opatom,y4m,yuv4mpegpipe,nut,rm,dv,ivf,h264,hevc,mpegvideo,wtv,gxf";

/// Codecs of subtitles that are text; the others are pictures.
const TEXT_SUBTITLES: [&str; 8] = ["subrip", "webvtt", "ass", "ssa", "mov_text", "text", "srt", "microdvd"];

/// Why a film cannot be looked into.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// ffprobe did not start.
    #[error("cannot run {program}: {source}", program = .program.display())]
    Start {
        /// Its path.
        program: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// ffprobe says that this is no film.
    #[error("this is no film that ffmpeg can read: {0}. Does it play elsewhere? `ffprobe FILE` says more")]
    Unreadable(String),
    /// ffprobe took longer than a minute.
    #[error("ffprobe found no end in this file within {} s", PROBE_TIME.as_secs())]
    Slow,
    /// No moving picture in it.
    #[error("there is no video in this file, only {0}")]
    NoVideo(String),
}

/// What is in a source file.
#[derive(Clone, Debug, PartialEq)]
pub struct Film {
    /// Length of the longest track.
    pub duration: Duration,
    /// The moving picture.
    pub video: Video,
    /// Sound tracks in order, at most [`MAX_AUDIO`].
    pub audio: Vec<Audio>,
    /// Subtitles that are text, in order, at most [`MAX_SUBTITLES`].
    pub subtitles: Vec<Text>,
    /// Why tracks were passed over, in words for the publisher.
    pub notes: Vec<String>,
}

/// The moving picture of a film.
#[derive(Clone, Debug, PartialEq)]
pub struct Video {
    /// ffmpeg's number of the stream in the file.
    pub stream: u32,
    /// Size as displayed, and bitrate as H.264 would need it.
    pub picture: Picture,
    /// Frames per second; 0 where unknown.
    pub frame_rate: f64,
    /// Whether the picture is made of fields.
    pub interlaced: bool,
}

/// One sound track of a film.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    /// ffmpeg's number of the stream in the file.
    pub stream: u32,
    /// Language tag as the container has it.
    pub language: Option<String>,
    /// What the container calls it.
    pub title: Option<String>,
}

/// One subtitle track of a film.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// ffmpeg's number of the stream in the file.
    pub stream: u32,
    /// Language tag as the container has it.
    pub language: Option<String>,
    /// What the container calls it.
    pub title: Option<String>,
}

/// The arguments that name `film`, an absolute path, as the input of ffmpeg or ffprobe.
pub fn input_args(film: &Path) -> Vec<OsString> {
    let mut url = OsString::from("file:");
    url.push(film);
    ["-protocol_whitelist", "file", "-format_whitelist", CONTAINERS, "-i"]
        .into_iter()
        .map(OsString::from)
        .chain([url])
        .collect()
}

/// Looks into `film`, an absolute path.
pub async fn probe(tools: &Tools, film: &Path) -> Result<Film, ProbeError> {
    let mut command = Command::new(&tools.ffprobe);
    command
        .args(["-v", "error", "-hide_banner", "-print_format", "json", "-show_streams", "-show_format"])
        .args(input_args(film))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PROBE_TIME, command.output())
        .await
        .map_err(|_| ProbeError::Slow)?
        .map_err(|source| ProbeError::Start { program: tools.ffprobe.clone(), source })?;
    if !output.status.success() {
        return Err(ProbeError::Unreadable(last_words(&output.stderr, film)));
    }
    let report: Report = serde_json::from_slice(&output.stdout)
        .map_err(|e| ProbeError::Unreadable(format!("ffprobe's answer: {e}")))?;
    report.into_film()
}

/// The last lines a program said, without the path that the reader knows already.
pub(crate) fn last_words(stderr: &[u8], film: &Path) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let tail = lines[lines.len().saturating_sub(6)..].join("; ");
    let tail = tail.replace(&format!("file:{}: ", film.display()), "");
    // It may quote what stands in the file: nothing of that may steer a terminal.
    let tail: String = tail.chars().filter(|c| !c.is_control()).collect();
    if tail.is_empty() { "it gave no reason".to_owned() } else { tail.chars().take(1200).collect() }
}

#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    format: Format,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Format {
    duration: Option<String>,
    bit_rate: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Stream {
    index: u32,
    codec_type: Option<String>,
    codec_name: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    sample_aspect_ratio: Option<String>,
    avg_frame_rate: Option<String>,
    field_order: Option<String>,
    duration: Option<String>,
    bit_rate: Option<String>,
    disposition: Disposition,
    tags: Tags,
    side_data_list: Vec<SideData>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Disposition {
    attached_pic: u8,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tags {
    language: Option<String>,
    title: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SideData {
    rotation: Option<f64>,
}

impl Report {
    fn into_film(self) -> Result<Film, ProbeError> {
        let is = |s: &Stream, kind: &str| s.codec_type.as_deref() == Some(kind);
        let video =
            self.streams.iter().filter(|s| is(s, "video") && s.disposition.attached_pic == 0).find(|s| {
                s.codec_name.is_some() && s.width.unwrap_or(0) >= 16 && s.height.unwrap_or(0) >= 16
            });
        let Some(video) = video else {
            let kinds: Vec<&str> = self.streams.iter().filter_map(|s| s.codec_type.as_deref()).collect();
            return Err(ProbeError::NoVideo(if kinds.is_empty() {
                "nothing".into()
            } else {
                kinds.join(", ")
            }));
        };
        let mut notes = Vec::new();
        let mut audio: Vec<Audio> = Vec::new();
        let mut subtitles: Vec<Text> = Vec::new();
        for s in &self.streams {
            let codec = s.codec_name.as_deref().unwrap_or("an unknown codec");
            if is(s, "audio") && s.codec_name.is_some() && audio.len() < MAX_AUDIO {
                audio.push(Audio {
                    stream: s.index,
                    language: s.tags.language.clone(),
                    title: s.tags.title.clone(),
                });
            } else if is(s, "subtitle") && TEXT_SUBTITLES.contains(&codec) && subtitles.len() < MAX_SUBTITLES
            {
                subtitles.push(Text {
                    stream: s.index,
                    language: s.tags.language.clone(),
                    title: s.tags.title.clone(),
                });
            } else if is(s, "audio") || is(s, "subtitle") {
                let kind = s.codec_type.as_deref().unwrap_or_default();
                notes.push(format!("{kind} stream {} ({codec}) is left out", s.index));
            }
        }
        let longest = self.streams.iter().filter_map(|s| seconds(s.duration.as_deref())).max();
        let duration = seconds(self.format.duration.as_deref()).or(longest).unwrap_or_default();
        Ok(Film { duration, video: self.video(video), audio, subtitles, notes })
    }

    fn video(&self, s: &Stream) -> Video {
        let (mut width, mut height) = (s.width.unwrap_or(0).min(16_384), s.height.unwrap_or(0).min(16_384));
        if let Some((num, den)) = s.sample_aspect_ratio.as_deref().and_then(|t| ratio(t, ':'))
            && num > 0.0
            && (0.1..10.0).contains(&(num / den))
        {
            width = (f64::from(width) * num / den).round() as u32;
        }
        let turned =
            s.side_data_list.iter().filter_map(|d| d.rotation).any(|r| (r / 90.0).round() as i64 % 2 != 0);
        if turned {
            (width, height) = (height, width);
        }
        let bps =
            |text: &Option<String>| text.as_deref().and_then(|t| t.parse::<f64>().ok()).filter(|&b| b > 0.0);
        // Newer codecs do more with a bit; what counts is what H.264 needs for the same picture.
        let gain = match s.codec_name.as_deref() {
            Some("hevc" | "vp9") => 1.6,
            Some("av1") => 2.0,
            _ => 1.0,
        };
        let bitrate_bps = bps(&s.bit_rate).or(bps(&self.format.bit_rate)).map(|b| (b * gain) as u32);
        Video {
            stream: s.index,
            picture: Picture { width, height, bitrate_bps },
            frame_rate: s.avg_frame_rate.as_deref().and_then(|t| ratio(t, '/')).map_or(0.0, |(n, d)| n / d),
            interlaced: matches!(s.field_order.as_deref(), Some("tt" | "bb" | "tb" | "bt")),
        }
    }
}

fn seconds(text: Option<&str>) -> Option<Duration> {
    let seconds = text?.parse::<f64>().ok()?;
    Duration::try_from_secs_f64(seconds).ok().filter(|d| !d.is_zero())
}

fn ratio(text: &str, between: char) -> Option<(f64, f64)> {
    let (a, b) = text.split_once(between)?;
    let (a, b) = (a.parse().ok()?, b.parse().ok()?);
    (b > 0.0).then_some((a, b))
}
