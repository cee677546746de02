//! Opus to AAC, by an ffmpeg of its own, so that a WebRTC publisher's sound is like any other's from here on.
//!
//! The invariant: it never outlives us: it reads a pipe that ends when we do.

use super::matroska;
use crate::live::flv::{FileReader, Tag};
use crate::tools::Tools;
use std::io;
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Packets that may wait for ffmpeg, of 20 ms each; later ones are lost, as on the way here.
const WAITING: usize = 256;

/// Added to times within ffmpeg: its first frame begins before what it was given.
const BIAS_MS: u64 = 1000;

/// A running encoder of sound.
#[derive(Debug)]
pub(super) struct Sound {
    packets: mpsc::Sender<(u64, Vec<u8>)>,
    tags: mpsc::Receiver<Tag>,
    tasks: [JoinHandle<()>; 2],
    _child: Child,
}

impl Sound {
    pub fn start(tools: &Tools) -> io::Result<Self> {
        let input = "-hide_banner -nostdin -loglevel error -protocol_whitelist pipe -format_whitelist matroska,webm \
                     -copyts -probesize 32 -analyzeduration 0 -f matroska -i pipe:0";
        let output = "-map 0:a:0 -af aresample=async=1000 -c:a aac -ar 48000 -ac 2 -b:a 128k -map_metadata -1 \
                      -flush_packets 1 -flvflags no_duration_filesize -f flv -protocol_whitelist pipe pipe:1";
        let mut child = Command::new(&tools.ffmpeg)
            .args(input.split_whitespace().chain(output.split_whitespace()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("ffmpeg has no pipes"));
        };
        let (packets, waiting) = mpsc::channel(WAITING);
        let (made, tags) = mpsc::channel(WAITING);
        let tasks = [tokio::spawn(write(stdin, waiting)), tokio::spawn(read(stdout, made))];
        Ok(Self { packets, tags, tasks, _child: child })
    }

    /// Gives one packet of Opus to it.
    pub fn push(&self, at_ms: u64, opus: &[u8]) {
        // As said above: it is lost if ffmpeg is that far behind, or gone.
        self.packets.try_send((at_ms + BIAS_MS, opus.to_vec())).ok();
    }

    /// What it made; `None` when it is gone.
    pub async fn next(&mut self) -> Option<Tag> {
        self.tags.recv().await
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn write(mut stdin: ChildStdin, mut packets: mpsc::Receiver<(u64, Vec<u8>)>) {
    if stdin.write_all(&matroska::head()).await.is_err() {
        return;
    }
    while let Some((at_ms, opus)) = packets.recv().await {
        if stdin.write_all(&matroska::packet(at_ms, &opus)).await.is_err() {
            return; // whoever reads it notices too
        }
    }
}

async fn read(mut stdout: ChildStdout, tags: mpsc::Sender<Tag>) {
    let mut file = FileReader::default();
    let mut chunk = vec![0; 8 << 10];
    while let Ok(n @ 1..) = stdout.read(&mut chunk).await {
        let Ok(found) = file.push(&chunk[..n]) else { return };
        for tag in found {
            let Tag::Audio { timestamp_ms, body } = tag else { continue };
            let timestamp_ms = timestamp_ms.wrapping_sub(BIAS_MS as u32);
            if tags.send(Tag::Audio { timestamp_ms, body }).await.is_err() {
                return;
            }
        }
    }
}
