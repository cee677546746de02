//! Encoders that publish, and what they send.

use super::{Place, Running};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// An encoder; killed when this is dropped.
pub struct Encoder(Child);

impl Drop for Encoder {
    fn drop(&mut self) {
        self.0.kill().ok(); // it may have ended
        self.0.wait().ok();
    }
}

impl Encoder {
    pub fn start(film: &Path, server: &str, key: &str) -> Self {
        let child = Command::new("ffmpeg")
            .args("-hide_banner -loglevel error -nostdin -re -i".split(' '))
            .arg(film)
            .args("-c copy -f flv".split(' '))
            .arg(format!("{server}/{key}"))
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        Self(child.expect("ffmpeg is installed"))
    }

    /// Whether it was content.
    pub fn end(mut self) -> bool {
        self.0.wait().unwrap().success()
    }
}

/// What is printed for OBS.
pub fn printed(live: &mut Running, what: &str) -> String {
    let line = live.wait_for(what);
    line.trim_start().strip_prefix(what).unwrap().split_whitespace().next().unwrap().to_owned()
}

pub fn clip(place: &Place, seconds: u32) -> PathBuf {
    let path = place.path("film.flv");
    let status = Command::new("ffmpeg")
        .args("-hide_banner -loglevel error -nostdin -y -f lavfi -i".split(' '))
        .arg(format!("testsrc2=size=320x180:rate=25:duration={seconds}"))
        .args("-f lavfi -i".split(' '))
        .arg(format!("sine=frequency=440:duration={seconds}"))
        .args("-c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p -c:a aac -shortest".split(' '))
        .arg(&path)
        .status()
        .expect("ffmpeg is installed");
    assert!(status.success());
    path
}
