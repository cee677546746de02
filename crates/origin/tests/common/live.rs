//! Publishers, and what comes of what they publish.

use cmaf::{Kind, Sample, Segmenter, Track, init_segment};
use origin::live::{Beginning, Broadcast, Config, Feed, Live, StreamConfig, StreamKey};
use origin::package::Settings;
use origin::tools::Tools;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Nothing here takes so long unless it hangs.
pub const HANG: Duration = Duration::from_secs(90);

pub const KEYS: [(&str, &str); 2] = [("one", "first-key-of-all"), ("two", "second-key-of-all")];

/// A configuration of two streams on any RTMP port.
pub fn config(encoding: Settings) -> Config {
    let stream = |(name, key): (&str, &str)| StreamConfig {
        name: name.to_owned(),
        key: StreamKey::new(key).unwrap(),
        srt: None,
    };
    Config {
        streams: KEYS.map(stream).to_vec(),
        rtmp: Some("127.0.0.1:0".parse().unwrap()),
        encoding,
        bridge: Duration::from_secs(20),
        ..Config::default()
    }
}

pub fn passthrough() -> Settings {
    Settings { transcode: false, ..Settings::default() }
}

pub async fn open(config: Config) -> Live {
    Live::open(config, Tools::find()).await.unwrap()
}

/// The next broadcast.
pub async fn next(live: &mut Live) -> Broadcast {
    tokio::time::timeout(HANG, live.next()).await.expect("somebody publishes").unwrap()
}

/// All that came of one broadcast: a line of runs for each rendition, one for each time that it began.
#[derive(Debug, Default)]
pub struct Recording {
    pub stream: String,
    pub beginnings: Vec<Beginning>,
    pub runs: BTreeMap<String, Vec<(Track, Vec<Sample>)>>,
    pub restarts: usize,
    pub ended: bool,
}

impl Recording {
    /// Takes events until the broadcast ends.
    pub async fn of(broadcast: Broadcast) -> Self {
        Self::until(broadcast, |_| false).await.0
    }

    /// Takes events until `enough` or the end.
    pub async fn until(mut broadcast: Broadcast, enough: impl Fn(&Self) -> bool) -> (Self, Broadcast) {
        let mut recording = Self { stream: broadcast.stream.clone(), ..Self::default() };
        while !recording.ended && !enough(&recording) {
            recording.take(&mut broadcast).await;
        }
        (recording, broadcast)
    }

    /// Takes what is left of a broadcast.
    pub async fn go_on(&mut self, broadcast: &mut Broadcast) {
        while !self.ended {
            self.take(broadcast).await;
        }
    }

    pub async fn take(&mut self, broadcast: &mut Broadcast) {
        let event = tokio::time::timeout(HANG, broadcast.feed.recv()).await.expect("the stream goes on");
        match event.expect("an end is announced") {
            Feed::Begin(beginning) => self.beginnings.push(beginning),
            Feed::Track(id, track) => {
                self.runs.entry(id.to_string()).or_default().push((track, Vec::new()));
            }
            Feed::Sample(id, sample) => {
                let run = self.runs.get_mut(id.as_str()).and_then(|runs| runs.last_mut());
                run.expect("the track comes first").1.push(sample);
            }
            Feed::Mark(..) | Feed::Text(..) => {}
            Feed::Restart => self.restarts += 1,
            Feed::End => self.ended = true,
        }
    }

    /// What holds of every broadcast.
    pub fn check(&self) {
        assert_eq!(self.beginnings.len(), self.restarts + 1);
        assert!(self.beginnings.windows(2).all(|two| two[0].zero == two[1].zero));
        for (id, runs) in &self.runs {
            let times: Vec<u128> = runs
                .iter()
                .flat_map(|(track, samples)| samples.iter().map(|s| track.duration(s.dts).as_nanos()))
                .collect();
            assert!(times.windows(2).all(|two| two[0] < two[1]), "times of {id} rise");
            assert!(runs.iter().all(|(track, _)| track.priming == 0));
        }
    }

    pub fn run(&self, id: &str, number: usize) -> &(Track, Vec<Sample>) {
        &self.runs[id][number]
    }

    /// Writes one run as a file that any player opens.
    pub fn write(&self, id: &str, number: usize, dir: &Path) -> PathBuf {
        let (track, samples) = self.run(id, number);
        let mut bytes = init_segment(track);
        let mut segmenter = Segmenter::new(track, Duration::from_secs(2));
        for sample in samples {
            bytes.extend(segmenter.push(sample.clone()).unwrap().into_iter().flat_map(|s| s.bytes));
        }
        bytes.extend(segmenter.finish().into_iter().flat_map(|s| s.bytes));
        let path = dir.join(format!("{id}-{number}.mp4"));
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// Hashes of the decoded frames of a kind.
pub fn hashes(film: &Path, kind: Kind) -> Vec<String> {
    let map = if kind == Kind::Video { "0:v:0" } else { "0:a:0" };
    let output = Command::new("ffmpeg")
        .args("-hide_banner -loglevel error -nostdin -i".split(' '))
        .arg(film)
        .args(["-map", map, "-fps_mode", "passthrough", "-f", "framemd5", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let frames = text.lines().filter(|line| !line.starts_with('#'));
    frames.map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect()
}

/// A film of `seconds`, as an encoder such as OBS would send it.
pub fn film(temp: &TempDir, seconds: u32, name: &str) -> PathBuf {
    let args = format!(
        "-f lavfi -i testsrc2=size=640x360:rate=30:duration={seconds} -f lavfi -i sine=frequency=440:duration={seconds} \
         -c:v libx264 -preset ultrafast -bf 2 -g 30 -pix_fmt yuv420p -c:a aac -ar 48000 -ac 2 -shortest"
    );
    super::clip(temp.path(), &args, name)
}

/// A publisher that is ended with the test.
#[derive(Debug)]
pub struct Publisher(pub Child);

impl Drop for Publisher {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Publisher {
    /// ffmpeg with the words of `args`.
    pub fn start(args: &str) -> Self {
        let child = Command::new("ffmpeg")
            .args("-hide_banner -loglevel error -nostdin".split(' '))
            .args(args.split_whitespace())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        Self(child.expect("ffmpeg is installed"))
    }

    /// `film` at its own pace to an RTMP address.
    pub fn rtmp(film: &Path, address: SocketAddr, key: &str) -> Self {
        Self::start(&format!("-re -i {} -c copy -f flv rtmp://{address}/live/{key}", film.display()))
    }

    /// Waits for its end: whether it was content, and what it said.
    pub async fn end(mut self) -> (bool, String) {
        let work = tokio::task::spawn_blocking(move || {
            let mut stderr = self.0.stderr.take().unwrap();
            let mut text = String::new();
            std::io::Read::read_to_string(&mut stderr, &mut text).unwrap();
            (self.0.wait().unwrap().success(), text)
        });
        tokio::time::timeout(HANG, work).await.expect("ffmpeg ends").unwrap()
    }
}

/// A way to `to` that can be cut.
pub async fn proxy(to: SocketAddr) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut from, _) = listener.accept().await.unwrap();
        let mut to = TcpStream::connect(to).await.unwrap();
        copy_bidirectional(&mut from, &mut to).await.ok();
    });
    (address, task)
}

/// Sends `bytes` to `address`, and reads until the other side hangs up; gives how many bytes came.
pub async fn poke(address: SocketAddr, bytes: &[u8]) -> usize {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(bytes).await.ok();
    let mut answer = Vec::new();
    let read = socket.read_to_end(&mut answer);
    tokio::time::timeout(HANG, read).await.expect("it hangs up").ok();
    answer.len()
}
