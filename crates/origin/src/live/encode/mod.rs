//! The live encoder: one ffmpeg for one publication, fed with samples and giving a ladder.
//!
//! The invariant: it never outlives us. It reads its input from a pipe that ends when we do, and is killed when it is dropped.

mod args;
mod loopback;

use super::feed::{Feed, FeedSender, Figures, RenditionId};
use super::flv::TagWriter;
use super::timeline::Timeline;
use crate::package::{Settings, read_tail};
use crate::probe;
use crate::tools::Tools;
use args::Plan;
use cmaf::ingest::Event;
use cmaf::{Kind, Sample, Track};
use loopback::{Loopback, Numbered};
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// Added to all times within the encoder, for what it makes may begin before what it reads.
const BIAS: Duration = Duration::from_secs(10);

/// How long an encoder may take to give out its last samples.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Time over which speed is measured.
const SPEED_WINDOW: Duration = Duration::from_secs(4);

/// A running encoder.
#[derive(Debug)]
pub(super) struct Encoder {
    child: Child,
    stdin: Option<ChildStdin>,
    loopback: Loopback,
    forwarder: JoinHandle<()>,
    tail: JoinHandle<Vec<u8>>,
    progress: JoinHandle<()>,
    blocked_us: Arc<AtomicU64>,
    buffer: Vec<u8>,
}

/// What all encoders of a stream have in common.
#[derive(Clone, Debug)]
pub(super) struct Workshop {
    pub tools: Tools,
    pub settings: Settings,
    pub segment: Duration,
    pub stream: String,
}

impl Workshop {
    /// Renditions that an encoder of these tracks gives.
    pub fn renditions(&self, video: Option<&Track>, audio: Option<&Track>) -> Vec<RenditionId> {
        let plan = Plan::new(video, audio.is_some(), &self.settings);
        (0..plan.rungs.len())
            .map(RenditionId::video)
            .chain(plan.audio.then(|| RenditionId::audio(0)))
            .collect()
    }

    /// Starts an encoder whose first picture will be shown at `first_ms`.
    pub async fn start(
        &self,
        video: Option<&Track>,
        audio: Option<&Track>,
        first_ms: u64,
        feed: &FeedSender,
        timeline: &Timeline,
    ) -> io::Result<Encoder> {
        let plan = Plan::new(video, audio.is_some(), &self.settings);
        let (loopback, events) = Loopback::open(plan.renditions()).await?;
        let first = Duration::from_millis(first_ms);
        let arguments = args::arguments(&plan, &self.settings, self.segment, first, |n| loopback.url(n));
        let mut command = Command::new(&self.tools.ffmpeg);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        tracing::debug!(?command, "starting the live encoder");
        let mut child = command.spawn()?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(io::Error::other("the encoder has no pipes"));
        };
        let blocked_us = Arc::new(AtomicU64::new(0));
        let ids = self.renditions(video, audio);
        let frame_rate = video.and_then(|track| track.frame_rate);
        let mut buffer = Vec::new();
        TagWriter.begin(&mut buffer, video, audio).map_err(io::Error::other)?;
        Ok(Encoder {
            child,
            stdin: Some(stdin),
            loopback,
            forwarder: tokio::spawn(forward(events, ids, frame_rate, feed.clone(), timeline.clone())),
            tail: tokio::spawn(read_tail(stderr)),
            progress: tokio::spawn(watch(
                stdout,
                self.stream.clone(),
                Arc::clone(&feed.figures),
                Arc::clone(&blocked_us),
            )),
            blocked_us,
            buffer,
        })
    }
}

impl Encoder {
    /// Feeds one sample, to be decoded at `dts_ms` and shown `cts_ms` later; waits while the encoder is behind.
    pub async fn feed(&mut self, kind: Kind, dts_ms: u64, cts_ms: i32, sample: &Sample) -> io::Result<()> {
        // It wraps as FLV's do, and ffmpeg follows.
        let dts_ms = (dts_ms + BIAS.as_millis() as u64) as u32;
        TagWriter.sample(&mut self.buffer, kind, dts_ms, cts_ms, sample);
        let Some(stdin) = &mut self.stdin else { return Ok(()) };
        let begun = Instant::now();
        let written = stdin.write_all(&self.buffer).await;
        self.blocked_us.fetch_add(begun.elapsed().as_micros() as u64, Ordering::Relaxed);
        self.buffer.clear();
        written
    }

    /// Resolves when the encoder has ended by itself.
    pub async fn died(&mut self) {
        self.child.wait().await.ok(); // either way there is no encoder
    }

    /// Ends the encoder; what it still had to say has been said when this resolves. Gives its last words unless it ended well.
    pub async fn finish(mut self) -> Result<(), String> {
        if let Some(mut stdin) = self.stdin.take() {
            stdin.write_all(&self.buffer).await.ok(); // a dead encoder says why below
        }
        let status = timeout(LAST_WORDS, self.child.wait()).await;
        let complete = matches!(&status, Ok(Ok(status)) if status.success());
        if status.is_err() {
            self.child.start_kill().ok(); // it may have ended meanwhile
            self.child.wait().await.ok();
        }
        self.loopback.close(complete).await;
        (&mut self.forwarder).await.ok(); // it only panics with the whole program
        self.progress.abort();
        if complete {
            return Ok(());
        }
        let tail = (&mut self.tail).await.unwrap_or_default();
        Err(probe::last_words(&tail, Path::new("pipe:0")))
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        self.forwarder.abort();
        self.progress.abort();
        self.tail.abort();
    }
}

/// Passes on what the encoder makes, at the times of the broadcast.
async fn forward(
    mut events: mpsc::Receiver<Numbered>,
    ids: Vec<RenditionId>,
    frame_rate: Option<(u32, u32)>,
    feed: FeedSender,
    timeline: Timeline,
) {
    // Of each rendition its timescale, and the last time given out.
    let mut lines: Vec<(Option<u32>, Option<u64>)> = vec![(None, None); ids.len()];
    while let Some((number, event)) = events.recv().await {
        let (Some(id), Some((timescale, last))) = (ids.get(number), lines.get_mut(number)) else { continue };
        let event = match event {
            Event::Track(mut track) => {
                *timescale = Some(track.timescale);
                if track.kind == Kind::Video {
                    // The encoder's first fragment is one picture, which says nothing.
                    track.frame_rate = frame_rate;
                }
                Feed::Track(id.clone(), track)
            }
            Event::Sample(mut sample) => {
                let Some(timescale) = *timescale else { continue };
                let bias = BIAS.as_secs() * u64::from(timescale);
                // The encoder's first sound lies before its first picture, and may lie before zero.
                let Some(dts) = sample.dts.checked_sub(bias) else { continue };
                if last.is_some_and(|last| dts <= last) {
                    continue;
                }
                (*last, sample.dts) = (Some(dts), dts);
                timeline.reached(timescale, &sample);
                Feed::Sample(id.clone(), sample)
            }
        };
        if feed.send(event).await.is_err() {
            return; // whoever feeds the encoder notices too
        }
    }
}

/// Reads `-progress` lines: how fast the encoder is, and whether it falls behind.
async fn watch(
    stdout: impl AsyncRead + Unpin,
    stream: String,
    figures: Arc<Figures>,
    blocked_us: Arc<AtomicU64>,
) {
    let mut lines = BufReader::new(stdout).lines();
    let mut since: Option<(Instant, Duration)> = None;
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(("out_time_us", us)) = line.split_once('=') else { continue };
        let Ok(done) = us.trim().parse().map(Duration::from_micros) else { continue };
        let Some((begun, done_then)) = since else {
            since = Some((Instant::now(), done));
            blocked_us.store(0, Ordering::Relaxed);
            continue;
        };
        let wall = begun.elapsed();
        if wall < SPEED_WINDOW {
            continue;
        }
        let film = done.saturating_sub(done_then);
        figures.set_speed(film, wall);
        // A publisher that pauses makes it slow too, but does not wait for it.
        let blocked = Duration::from_micros(blocked_us.swap(0, Ordering::Relaxed));
        if film * 100 < wall * 97 && blocked * 4 > wall {
            let speed = film.as_secs_f64() / wall.as_secs_f64();
            tracing::warn!(%stream, speed, "the encoder is slower than the stream: use fewer rungs or a faster preset");
        }
        since = Some((Instant::now(), done));
    }
}
