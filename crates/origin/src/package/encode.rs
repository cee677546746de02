//! The ladder: one ffmpeg process decodes the film once and encodes every track. Its invariant: every rung has a
//! keyframe at each multiple of the segment time, so that rungs can be switched at any segment.

use super::error::PackageError;
use super::ingest::{Expected, Ingest};
use super::writer::{SEGMENT_TIME, Written};
use super::{Settings, Step};
use crate::ladder::Ladder;
use crate::language;
use crate::probe::{self, Film};
use crate::tools::{Arguments, Tools, scaled};
use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::Command;

/// What is kept of the encoder's complaints.
const STDERR_TAIL: usize = 8 << 10;

/// Fragments from the encoder end at least this often, so that a track arrives steadily.
const FRAGMENT_TIME: Duration = Duration::from_secs(1);

/// Rates above are halved: no viewer's screen shows them.
const MAX_FRAME_RATE: f64 = 61.0;

/// Encodes `film` (from `source`, an absolute path) into folders of `root`.
pub(crate) async fn encode(
    tools: &Tools,
    source: &Path,
    film: &Film,
    settings: &Settings,
    root: &Path,
    report: &(dyn Fn(Step) + Send + Sync),
) -> Result<(Vec<Written>, Vec<String>), PackageError> {
    let ladder = settings.ladder_for(&film.video.picture);
    let tracks = expected_tracks(film, &ladder);
    let ingest = Ingest::open(root.to_owned(), &tracks).await?;
    let mut command = Command::new(&tools.ffmpeg);
    command
        .args(arguments(source, film, &ladder, settings, &ingest))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    tracing::debug!(?command, "starting the encoder");
    let mut child =
        command.spawn().map_err(|source| PackageError::Start { program: tools.ffmpeg.clone(), source })?;
    let stdout = child.stdout.take().expect("stdout was asked for");
    let stderr = child.stderr.take().expect("stderr was asked for");
    let work = async {
        let (status, (), tail) =
            tokio::join!(child.wait(), follow(stdout, film.duration, report), read_tail(stderr));
        (status, tail)
    };
    let ended = tokio::select! {
        ended = work => Some(ended),
        () = ingest.failed() => None,
    };
    if ended.is_none() {
        child.start_kill().ok(); // it may have ended by itself meanwhile
        child.wait().await.ok();
    }
    let (mut written, mut notes, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    let complete = ended.as_ref().is_some_and(|(status, _)| status.as_ref().is_ok_and(|s| s.success()));
    for (result, track) in ingest.finish(complete).await.into_iter().zip(&tracks) {
        match result {
            Ok(Some(track)) => written.push(track),
            Ok(None) if complete && track.id.starts_with('a') => {
                notes.push(format!("sound track {} is empty and left out", track.name));
            }
            Ok(None) => errors.push(PackageError::CutShort(track.id.clone())),
            Err(error) => errors.push(error),
        }
    }
    // A track cut short says only that the encoder stopped; the encoder's own words, or another track's, say why.
    errors.sort_by_key(|e| matches!(e, PackageError::CutShort(_)));
    match errors.into_iter().next() {
        Some(error) if !matches!(error, PackageError::CutShort(_)) => Err(error),
        first => {
            if let Some((status, tail)) = ended {
                let status =
                    status.map_err(|source| PackageError::Start { program: tools.ffmpeg.clone(), source })?;
                if !status.success() {
                    let tail = probe::last_words(&tail, source);
                    return Err(PackageError::Encoder {
                        path: source.to_owned(),
                        status: status.to_string(),
                        tail,
                    });
                }
            }
            first.map_or(Ok((written, notes)), Err)
        }
    }
}

fn expected_tracks(film: &Film, ladder: &Ladder) -> Vec<Expected> {
    let videos = ladder.rungs().iter().enumerate().map(|(i, rung)| Expected {
        id: format!("v{i}"),
        name: format!("{}p", rung.height),
        language: None,
    });
    let audios = film.audio.iter().enumerate().map(|(i, audio)| Expected {
        id: format!("a{i}"),
        name: language::track_name(audio.title.as_deref(), audio.language.as_deref(), "Audio", i),
        language: language::tag(audio.language.as_deref()),
    });
    let mut tracks: Vec<Expected> = videos.chain(audios).collect();
    language::make_distinct(tracks.iter_mut().map(|t| &mut t.name));
    tracks
}

fn arguments(
    source: &Path,
    film: &Film,
    ladder: &Ladder,
    settings: &Settings,
    ingest: &Ingest,
) -> Vec<OsString> {
    let mut args = Arguments::default();
    args.words("-hide_banner -nostdin -loglevel warning -nostats -progress pipe:1 -stats_period 0.5");
    args.0.extend(probe::input_args(source));
    args.words("-filter_complex");
    args.word(filters(film, ladder));
    for (i, rung) in ladder.rungs().iter().enumerate() {
        args.words("-map");
        args.word(format!("[v{i}]"));
        args.words("-c:v libx264 -profile:v high -pix_fmt yuv420p -preset");
        args.word(settings.preset.clone());
        args.words("-b:v");
        args.word(rung.bitrate_bps.to_string());
        args.words("-maxrate");
        args.word((u64::from(rung.bitrate_bps) * 5 / 4).to_string());
        args.words("-bufsize");
        args.word((u64::from(rung.bitrate_bps) * 2).to_string());
        args.words("-force_key_frames");
        args.word(format!("expr:gte(t,n_forced*{})", SEGMENT_TIME.as_secs()));
        args.words("-sc_threshold 0 -g 100000 -flags +cgop");
        output(&mut args, ingest, &format!("v{i}"));
    }
    for (i, audio) in film.audio.iter().enumerate() {
        args.words("-map");
        args.word(format!("0:{}", audio.stream));
        // Gaps become silence, and the track starts with the picture.
        args.words("-af aresample=async=1000:first_pts=0 -c:a aac -ar 48000 -ac 2 -b:a");
        args.word(settings.audio_bitrate_bps.to_string());
        output(&mut args, ingest, &format!("a{i}"));
    }
    args.0
}

fn filters(film: &Film, ladder: &Ladder) -> String {
    let mut chain = format!("[0:{}]", film.video.stream);
    if film.video.interlaced {
        chain += "yadif=deint=interlaced,";
    }
    if film.video.frame_rate > MAX_FRAME_RATE {
        chain += &format!("fps={},", film.video.frame_rate / 2.0);
    }
    let sizes: Vec<_> = ladder.rungs().iter().map(|rung| film.video.picture.scaled(*rung)).collect();
    scaled(&chain, &sizes)
}

fn output(args: &mut Arguments, ingest: &Ingest, id: &str) {
    // With the edit list, which +cmaf leaves out: it alone says how much of the encoder's first sound is none.
    args.words("-map_metadata -1 -map_chapters -1 -f mp4 -use_editlist 1 -movflags");
    args.words("+cmaf+frag_keyframe+empty_moov+default_base_moof+skip_sidx+skip_trailer+delay_moov");
    args.words("-frag_duration");
    args.word(FRAGMENT_TIME.as_micros().to_string());
    args.words("-protocol_whitelist http,tcp -method PUT");
    args.word(ingest.url(id));
}

/// Reads `-progress` lines and reports how far the encoder is.
async fn follow(stdout: impl AsyncRead + Unpin, length: Duration, report: &(dyn Fn(Step) + Send + Sync)) {
    let mut lines = BufReader::new(stdout).lines();
    let (mut done, mut speed) = (Duration::ZERO, None);
    while let Ok(Some(line)) = lines.next_line().await {
        match line.split_once('=') {
            Some(("out_time_us", us)) => done = us.trim().parse().map_or(done, Duration::from_micros),
            Some(("speed", x)) => speed = x.trim().trim_end_matches('x').parse().ok(),
            Some(("progress", _)) => report(Step::Encoding { done: done.min(length), length, speed }),
            _ => {}
        }
    }
}

/// Reads all that a program says and keeps the end of it.
pub(crate) async fn read_tail(mut stderr: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut tail = Vec::new();
    let mut chunk = [0; 1024];
    while let Ok(n @ 1..) = stderr.read(&mut chunk).await {
        tail.extend_from_slice(&chunk[..n]);
        if tail.len() > 2 * STDERR_TAIL {
            tail.drain(..tail.len() - STDERR_TAIL);
        }
    }
    tail
}
