//! What makes a film pleasant beside its tracks: poster, preview pictures, subtitles. All made by ffmpeg, all optional:
//! a failure here becomes a note, never an error.

use super::encode::read_tail;
use crate::ladder::Rung;
use crate::language;
use crate::probe::{self, Film};
use crate::tools::Tools;
use cmaf::{Subtitle, Thumbnails};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Most preview pictures in the sprite.
const MAX_THUMBS: u64 = 200;
const THUMB_COLUMNS: u32 = 10;
const THUMB_HEIGHT: u32 = 90;
const POSTER_HEIGHT: u32 = 720;

/// Longest time that one of these may take.
const TIME: Duration = Duration::from_secs(1800);

/// What could be made.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    pub poster: bool,
    pub thumbnails: Option<Thumbnails>,
    pub subtitles: Vec<Subtitle>,
    pub notes: Vec<String>,
}

/// Makes what can be made of `film` (from `source`, an absolute path) in `root`.
pub(crate) async fn make(tools: &Tools, source: &Path, film: &Film, root: &Path) -> Extras {
    let mut extras = Extras::default();
    match poster(tools, source, film, root).await {
        Ok(()) => extras.poster = true,
        Err(reason) => extras.notes.push(format!("no poster: {reason}")),
    }
    match thumbnails(tools, source, film, root).await {
        Ok(sprite) => extras.thumbnails = Some(sprite),
        Err(reason) => extras.notes.push(format!("no preview pictures: {reason}")),
    }
    if !film.subtitles.is_empty() {
        match subtitles(tools, source, film, root).await {
            Ok((subtitles, notes)) => {
                extras.subtitles = subtitles;
                extras.notes.extend(notes);
            }
            Err(reason) => extras.notes.push(format!("no subtitles: {reason}")),
        }
    }
    extras
}

async fn poster(tools: &Tools, source: &Path, film: &Film, root: &Path) -> Result<(), String> {
    let (width, height) = film.video.picture.scaled(Rung { height: POSTER_HEIGHT, bitrate_bps: 0 });
    // A little into the film, for films begin in the dark.
    let mut args = strings(&["-ss", &format!("{:.3}", film.duration.as_secs_f64() / 10.0)]);
    args.extend(probe::input_args(source));
    args.extend(strings(&[
        "-map",
        &format!("0:{}", film.video.stream),
        "-vf",
        &format!("thumbnail=n=25,scale={width}:{height},setsar=1,format=yuvj420p"),
        "-frames:v",
        "1",
        "-q:v",
        "4",
        "-map_metadata",
        "-1",
        "-f",
        "mjpeg",
    ]));
    run(tools, source, args, &[root.join("poster.jpg")]).await
}

async fn thumbnails(tools: &Tools, source: &Path, film: &Film, root: &Path) -> Result<Thumbnails, String> {
    let length_s = film.duration.as_secs_f64().ceil().max(1.0) as u64;
    let interval_s = length_s.div_ceil(MAX_THUMBS).max(2);
    let count = length_s.div_ceil(interval_s);
    let columns = THUMB_COLUMNS.min(count as u32);
    let rows = (count as u32).div_ceil(columns);
    let (width, height) = film.video.picture.scaled(Rung { height: THUMB_HEIGHT, bitrate_bps: 0 });
    // Keyframes are enough, and the last is repeated until the sheet is full.
    let mut args = strings(&["-skip_frame", "nokey"]);
    args.extend(probe::input_args(source));
    args.extend(strings(&[
        "-map",
        &format!("0:{}", film.video.stream),
        "-vf",
        &format!(
            "tpad=stop=-1:stop_mode=clone,fps=1/{interval_s}:start_time=0:round=up,scale={width}:{height},setsar=1,\
             tile={columns}x{rows},format=yuvj420p"
        ),
        "-frames:v",
        "1",
        "-q:v",
        "5",
        "-map_metadata",
        "-1",
        "-f",
        "mjpeg",
    ]));
    let sprite = root.join("thumbs.jpg");
    run(tools, source, args, std::slice::from_ref(&sprite)).await?;
    let mut vtt = "WEBVTT\n".to_owned();
    for i in 0..count {
        let (from, to) = (i * interval_s, ((i + 1) * interval_s).min(length_s));
        let (x, y) = (i as u32 % columns * width, i as u32 / columns * height);
        let (from, to) = (clock(from), clock(to));
        // Writing to a String cannot fail.
        let _ = write!(vtt, "\n{from} --> {to}\nthumbs.jpg#xywh={x},{y},{width},{height}\n");
    }
    fs::write(root.join("thumbs.vtt"), vtt).map_err(|e| e.to_string())?;
    Ok(Thumbnails {
        uri: "thumbs.jpg".into(),
        columns,
        rows,
        width: width * columns,
        height: height * rows,
        interval: Duration::from_secs(interval_s),
        bytes: fs::metadata(&sprite).map_err(|e| e.to_string())?.len(),
    })
}

async fn subtitles(
    tools: &Tools,
    source: &Path,
    film: &Film,
    root: &Path,
) -> Result<(Vec<Subtitle>, Vec<String>), String> {
    let mut args = probe::input_args(source);
    let mut outputs = Vec::new();
    for (i, text) in film.subtitles.iter().enumerate() {
        let output = root.join(format!("subs-{i}.vtt"));
        args.extend(strings(&["-map", &format!("0:{}", text.stream), "-c:s", "webvtt", "-f", "webvtt"]));
        if i + 1 < film.subtitles.len() {
            args.push(file_url(&output));
        }
        outputs.push(output);
    }
    run(tools, source, args, &outputs).await?;
    let (mut subtitles, mut notes) = (Vec::new(), Vec::new());
    for (text, output) in film.subtitles.iter().zip(&outputs) {
        let vtt = fs::read(output).map_err(|e| e.to_string())?;
        if !vtt.windows(3).any(|w| w == b"-->") {
            fs::remove_file(output).map_err(|e| e.to_string())?;
            notes.push(format!("subtitle stream {} is empty and left out", text.stream));
            continue;
        }
        let i = subtitles.len();
        let dir = root.join(format!("t{i}"));
        fs::create_dir_all(&dir)
            .and_then(|()| fs::rename(output, dir.join("subs.vtt")))
            .map_err(|e| e.to_string())?;
        subtitles.push(Subtitle {
            id: format!("t{i}"),
            language: language::tag(text.language.as_deref()),
            name: language::track_name(text.title.as_deref(), text.language.as_deref(), "Subtitles", i),
            uri: format!("t{i}/subs.vtt"),
            duration: film.duration,
            bytes: vtt.len() as u64,
        });
    }
    language::make_distinct(subtitles.iter_mut().map(|s: &mut Subtitle| &mut s.name));
    Ok((subtitles, notes))
}

/// Runs ffmpeg; `args` lack the last of `outputs`, all of which must be there and not empty afterwards.
async fn run(
    tools: &Tools,
    source: &Path,
    args: Vec<OsString>,
    outputs: &[std::path::PathBuf],
) -> Result<(), String> {
    let mut command = Command::new(&tools.ffmpeg);
    command
        .args(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-y"])
        .args(args)
        .args(outputs.last().map(|path| file_url(path)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|e| e.to_string())?;
    let stderr = child.stderr.take().expect("stderr was asked for");
    let work = async { tokio::join!(child.wait(), read_tail(stderr)) };
    let (status, tail) = tokio::time::timeout(TIME, work).await.map_err(|_| "it took too long".to_owned())?;
    if !status.map_err(|e| e.to_string())?.success() {
        return Err(probe::last_words(&tail, source));
    }
    let made = |path: &std::path::PathBuf| path.metadata().is_ok_and(|m| m.len() > 0);
    if outputs.iter().all(made) { Ok(()) } else { Err("ffmpeg made nothing of it".to_owned()) }
}

fn file_url(path: &Path) -> OsString {
    let mut url = OsString::from("file:");
    url.push(path);
    url
}

fn strings(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// Whole seconds as WebVTT writes them.
fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}.000", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
