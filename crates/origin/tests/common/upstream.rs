//! Somebody else's live stream: a folder on a web server that counts, and what is written into it.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use cmaf::demux::Demuxer;
use cmaf::{Kind, Sample, Segmenter, Track, init_segment};
use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// A web server over a folder.
pub struct Upstream {
    pub address: SocketAddr,
    site: Site,
    _folder: TempDir,
    /// Of its own, so that its connections die with it.
    server: Option<Runtime>,
}

#[derive(Clone)]
struct Site {
    folder: PathBuf,
    served: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Upstream {
    pub fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = Site { folder: folder.path().to_owned(), served: Arc::default() };
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (address, server) = serve(any, site.clone());
        Self { address, site, _folder: folder, server: Some(server) }
    }

    pub fn url(&self, file: &str) -> String {
        format!("http://{}/{file}", self.address)
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.site.folder.join(file)
    }

    /// Puts a file in place, whole at once.
    pub fn write(&self, file: &str, bytes: &[u8]) {
        let path = self.path(file);
        let temporary = path.with_extension("writing");
        std::fs::write(&temporary, bytes).unwrap();
        std::fs::rename(temporary, path).unwrap();
    }

    /// The server dies, and its connections with it.
    pub fn die(&mut self) {
        self.server.take().unwrap().shutdown_background();
    }

    /// It is back at its address.
    pub fn come_back(&mut self) {
        self.server = Some(serve(self.address, self.site.clone()).1);
    }

    /// How often each file whose name ends so was given out, whole or in part.
    pub fn served(&self, ending: &str) -> BTreeMap<String, usize> {
        let served = self.site.served.lock().unwrap();
        served.iter().filter(|(name, _)| name.ends_with(ending)).map(|(n, c)| (n.clone(), *c)).collect()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown_background();
        }
    }
}

fn serve(address: SocketAddr, site: Site) -> (SocketAddr, Runtime) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = std::net::TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(answer).with_state(site);
    runtime.spawn(async move { axum::serve(TcpListener::from_std(listener).unwrap(), router).await });
    (address, runtime)
}

async fn answer(State(site): State<Site>, request: Request) -> Response<Body> {
    let name = request.uri().path().trim_start_matches('/').to_owned();
    let Ok(bytes) = std::fs::read(site.folder.join(&name)) else {
        return Response::builder().status(StatusCode::NOT_FOUND).body(Body::empty()).unwrap();
    };
    let range = request.headers().get(header::RANGE).map(|range| range.to_str().unwrap().to_owned());
    let key = range.as_ref().map_or(name.clone(), |range| format!("{range} {name}"));
    *site.served.lock().unwrap().entry(key).or_default() += 1;
    let answer = Response::builder();
    match range {
        None => answer.body(Body::from(bytes)),
        Some(range) => {
            let (from, to) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
            let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
            answer.status(StatusCode::PARTIAL_CONTENT).body(Body::from(bytes[from..=to].to_vec()))
        }
    }
    .unwrap()
}

/// One track of a film, cut into segments of a second.
pub struct Reel {
    pub track: Track,
    pub init: Vec<u8>,
    pub segments: Vec<Vec<u8>>,
    pub samples: Vec<Sample>,
}

impl Reel {
    pub fn of(film: &Path, kind: Kind) -> Self {
        let mut demuxer = Demuxer::open(File::open(film).unwrap()).unwrap();
        let at = demuxer.tracks().iter().position(|track| track.kind == kind).unwrap();
        let track = demuxer.tracks()[at].clone();
        let mut segmenter = Segmenter::new(&track, Duration::from_secs(1));
        let (mut segments, mut samples) = (Vec::new(), Vec::new());
        while let Some(sample) = demuxer.next_sample(at).unwrap() {
            samples.push(sample.clone());
            segments.extend(segmenter.push(sample).unwrap().map(|segment| segment.bytes));
        }
        segments.extend(segmenter.finish().map(|segment| segment.bytes));
        Self { init: init_segment(&track), track, segments, samples }
    }
}

/// A media playlist that grows; its files are `NAME-...`.
pub struct Growing {
    name: &'static str,
    entries: Vec<String>,
    map: String,
    ended: bool,
}

impl Growing {
    pub fn new(name: &'static str) -> Self {
        Self { name, entries: Vec::new(), map: String::new(), ended: false }
    }

    /// The next segment of `reel`, with `tags` before it.
    pub fn push(&mut self, upstream: &Upstream, reel: (&str, &Reel), segment: usize, tags: &str) {
        let (name, reel) = reel;
        let file = |rest: &str| format!("{}-{name}-{rest}", self.name);
        let (init, media) = (file("init.mp4"), file(&format!("{segment}.m4s")));
        upstream.write(&init, &reel.init);
        upstream.write(&media, &reel.segments[segment]);
        let map = if self.map == init { String::new() } else { format!("#EXT-X-MAP:URI=\"{init}\"\n") };
        self.map = init;
        self.entries.push(format!("{tags}{map}#EXTINF:1.0,\n{media}\n"));
        self.show(upstream);
    }

    /// Nothing follows.
    pub fn end(&mut self, upstream: &Upstream) {
        self.ended = true;
        self.show(upstream);
    }

    fn show(&self, upstream: &Upstream) {
        let head = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n";
        let end = if self.ended { "#EXT-X-ENDLIST\n" } else { "" };
        let text = format!("{head}#EXT-X-MEDIA-SEQUENCE:0\n{}{end}", self.entries.concat());
        upstream.write(&format!("{}.m3u8", self.name), text.as_bytes());
    }
}
