//! SRT: a door for each stream that has a port of its own, kept by ffmpeg, which speaks the protocol for us. The stream's key is the
//! passphrase.
//!
//! The invariant: what a caller sends is encrypted with the key, or ffmpeg takes nothing of it. ffmpeg tells no stream id on, so a
//! port is a stream; and it tells no clean end from a cut, so every end may be bridged.

use super::desk::Seat;
use super::flv::{FileReader, TagReader};
use crate::package::read_tail;
use crate::probe;
use crate::tools::Tools;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{ChildStdout, Command};
use tokio::time::{Instant, sleep};

/// ffmpeg waits so long for a caller, and is started again. It bounds too how long one that nobody could stop outlives us.
const LISTEN: Duration = Duration::from_secs(30);

/// Pause before another ffmpeg: the shortest, and after one that would not start.
const PAUSE: Duration = Duration::from_millis(100);
const LONG_PAUSE: Duration = Duration::from_secs(5);

/// Bytes read at once.
const READ: usize = 64 << 10;

/// Takes callers in at `address` one after the other, until dropped.
pub(super) async fn serve(address: SocketAddr, key: String, latency: Duration, seat: Seat, tools: Tools) {
    loop {
        let begun = Instant::now();
        let mut command = Command::new(&tools.ffmpeg);
        command
            .args(arguments(address, &key, latency))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let Ok(mut child) = command.spawn() else {
            tracing::warn!(program = %tools.ffmpeg.display(), "ffmpeg, which listens for SRT, does not start");
            sleep(LONG_PAUSE).await;
            continue;
        };
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else { return };
        let (came, tail) = tokio::join!(caller(stdout, &seat), read_tail(stderr));
        child.start_kill().ok(); // it has closed its output: there is nothing it could still do
        child.wait().await.ok();
        if came {
            tracing::info!(stream = %seat.stream(), "the SRT caller is gone");
        }
        // One that waited in vain says so; one that ended at once has something to say.
        if !came && begun.elapsed() < LISTEN / 2 {
            let words = probe::last_words(&tail, Path::new("pipe:1"));
            tracing::warn!(stream = %seat.stream(), %address, words = %words.replace(&key, "..."), "SRT");
            sleep(LONG_PAUSE).await;
        }
        sleep(PAUSE).await;
    }
}

fn arguments(address: SocketAddr, key: &str, latency: Duration) -> Vec<String> {
    let url = format!(
        "srt://{address}?mode=listener&passphrase={key}&pbkeylen=16&latency={}&listen_timeout={}",
        latency.as_micros(),
        LISTEN.as_micros()
    );
    let words = "-hide_banner -nostdin -loglevel error -protocol_whitelist srt -format_whitelist mpegts -analyzeduration 1000000 -probesize 2000000 -fpsprobesize 0 -f mpegts -i";
    let output = "-map 0:v:0? -map 0:a:0? -c copy -map_metadata -1 -flvflags no_duration_filesize -flush_packets 1 -f flv \
                  -protocol_whitelist pipe pipe:1";
    let split = |words: &'static str| words.split_whitespace().map(str::to_owned);
    split(words).chain([url]).chain(split(output)).collect()
}

/// Passes on what one caller sends; says whether there was any.
async fn caller(mut stdout: ChildStdout, seat: &Seat) -> bool {
    let (mut file, mut tags) = (FileReader::default(), TagReader::default());
    let mut publisher = None;
    let mut chunk = vec![0; READ];
    while let Ok(n @ 1..) = stdout.read(&mut chunk).await {
        let Ok(found) = file.push(&chunk[..n]) else { return true };
        for tag in found {
            let media = match tags.tag(tag) {
                Ok(media) => media,
                Err(why) => {
                    tracing::warn!(stream = %seat.stream(), %why, "the SRT caller is cut off");
                    return true;
                }
            };
            let publisher = match &mut publisher {
                Some(publisher) => publisher,
                None => match seat.open("SRT", 2).await {
                    Ok(opened) => {
                        tracing::info!(stream = %seat.stream(), "publishing over SRT");
                        publisher.insert(opened)
                    }
                    Err(_) => return true,
                },
            };
            for media in media {
                if publisher.send(media).await.is_err() {
                    return true;
                }
            }
        }
    }
    if let (Some(publisher), Some(last)) = (&mut publisher, tags.flush()) {
        publisher.send(last).await.ok(); // it is cut off either way
    }
    publisher.is_some()
}
