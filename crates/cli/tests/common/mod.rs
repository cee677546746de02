//! The program as people run it, and clips for it.
#![allow(dead_code)] // every test file uses a part of it

pub mod encoder;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A folder to run in, with an environment that holds no settings.
pub struct Place {
    pub temp: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { temp: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    /// A clip of `seconds`, 320x180 with a tone.
    pub fn clip(&self, name: &str, seconds: u32) -> PathBuf {
        let path = self.path(name);
        let status = Command::new("ffmpeg")
            .args("-hide_banner -loglevel error -nostdin -y -f lavfi -i".split(' '))
            .arg(format!("testsrc2=size=320x180:rate=25:duration={seconds}"))
            .args("-f lavfi -i".split(' '))
            .arg(format!("sine=frequency=440:duration={seconds}"))
            .args("-c:v libx264 -preset ultrafast -g 50 -pix_fmt yuv420p -c:a aac -shortest".split(' '))
            .arg(format!("file:{}", path.display()))
            .status()
            .expect("ffmpeg is installed");
        assert!(status.success());
        path
    }

    pub fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_braidcast"));
        command.current_dir(self.temp.path()).env("HOME", self.temp.path()).args(args.split_whitespace());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BRAIDCAST_") || name == "XDG_CONFIG_HOME" {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs to the end.
    pub fn run(&self, args: &str) -> Output {
        self.command(args).output().unwrap()
    }

    /// Starts and goes on.
    pub fn start(&self, args: &str) -> Running {
        Running::new(self.command(args))
    }

    pub fn streams(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path("braidcast-data/streams")) else { return Vec::new() };
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// A program that runs; killed when this is dropped.
pub struct Running {
    pub child: Child,
    lines: Receiver<String>,
    pub heard: Vec<String>,
}

impl Running {
    pub fn new(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let out: ChildStdout = child.stdout.take().unwrap();
        let err: ChildStderr = child.stderr.take().unwrap();
        let streams: [Box<dyn Read + Send>; 2] = [Box::new(out), Box::new(err)];
        for stream in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        Self { child, lines, heard: Vec::new() }
    }

    /// Waits for a line that holds `text`, among those heard before too.
    pub fn wait_for(&mut self, text: &str) -> String {
        if let Some(line) = self.heard.iter().find(|l| l.contains(text)) {
            return line.clone();
        }
        let until = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.heard.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no line with {text:?} in {:#?}", self.heard),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended without {text:?}: {:#?}", self.heard),
            }
        }
    }

    /// The address under which it serves, without the slash at the end.
    pub fn base(&mut self) -> String {
        let line = self.wait_for("catalogue");
        line.split_whitespace().last().unwrap().trim_end_matches('/').to_owned()
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    pub fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it does not end: {:#?}", self.heard);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok(); // it may have ended
        self.child.wait().ok();
    }
}

/// Status and body.
pub fn get(url: &str) -> (u16, Vec<u8>) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut response = agent.get(url).call().unwrap();
    (response.status().as_u16(), response.body_mut().read_to_vec().unwrap())
}

/// How many encoders work on `film`. Command lines in `/proc` tell.
pub fn encoders_of(film: &Path) -> usize {
    let wanted = format!("file:{}", std::fs::canonicalize(film).unwrap().display());
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.unwrap().path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).contains(&wanted))
        .count()
}

/// Waits until `true`.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "{what} does not come true");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
