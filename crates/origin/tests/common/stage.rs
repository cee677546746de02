//! An origin that shows live streams, on real sockets, and viewers of them.

use super::live::{config, passthrough};
use cmaf::check::live::Watch;
use manifest::SegmentId;
use manifest::live::{Chain, Description, Entry};
use origin::http::{Limits, Origin, serve_with};
use origin::library::Library;
use origin::live::bucket::Bucket;
use origin::live::{Channel, ChannelConfig, Config, Live, Show, Stage, Targets};
use origin::slug::Slug;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// An origin, its doors open.
pub struct Theatre {
    pub address: SocketAddr,
    pub rtmp: SocketAddr,
    pub origin: Origin,
    pub data: PathBuf,
    pub shows: mpsc::UnboundedReceiver<Show>,
    pub temp: TempDir,
}

/// Segments of a second and parts of 200 ms: what comes has a keyframe every second.
pub fn short() -> ChannelConfig {
    let mut targets = Targets::new(Duration::from_secs(1), Duration::from_millis(200));
    targets.target_duration_s = 2;
    ChannelConfig { targets, window: Duration::from_secs(60), ..ChannelConfig::default() }
}

impl Theatre {
    pub async fn open(channel: ChannelConfig) -> Self {
        Self::with(channel, config(passthrough())).await
    }

    pub async fn with(channel: ChannelConfig, config: Config) -> Self {
        Self::with_bucket(channel, config, None).await
    }

    pub async fn with_bucket(channel: ChannelConfig, config: Config, bucket: Option<Bucket>) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let data = temp.path().join("data");
        let library = Arc::new(Library::open(&data).unwrap());
        let origin = Origin::new(super::secret().public(), 64 << 20, Default::default());
        let encoding = config.encoding.clone();
        let indexed: Vec<_> = config.pulls.iter().filter(|pull| pull.index_only).cloned().collect();
        let mut live = Live::open(config, origin::tools::Tools::find()).await.unwrap();
        let rtmp = live.rtmp_address().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let further = Some(live.put_router());
        let forever = std::future::pending();
        tokio::spawn(serve_with(listener, origin.clone(), further, Limits::default(), forever));
        let stage = Stage {
            origin: origin.clone(),
            key: super::secret(),
            config: channel,
            encoding,
            bucket,
            library,
        };
        let stage = Arc::new(stage);
        let (sender, shows) = mpsc::unbounded_channel();
        for pull in indexed {
            let stage = Arc::clone(&stage);
            tokio::spawn(async move { stage.index(pull, std::future::pending()).await });
        }
        tokio::spawn(async move {
            while let Some(broadcast) = live.next().await {
                let (stage, sender) = (Arc::clone(&stage), sender.clone());
                tokio::spawn(async move { sender.send(stage.show(broadcast).await) });
            }
        });
        Self { address, rtmp, origin, data, shows, temp }
    }

    /// Waits until a stream is on offer.
    pub async fn channel(&self, name: &str) -> Arc<Channel> {
        let slug = Slug::parse(name).unwrap();
        until("a stream on offer", || self.origin.channel(&slug)).await
    }

    /// Asks for what is no stream's.
    pub async fn get(&self, path: &str) -> Answer {
        Viewer { base: format!("http://{}/", self.address) }.get(path).await
    }

    pub fn viewer(&self, stream: &str) -> Viewer {
        Viewer { base: format!("http://{}/s/{stream}/", self.address) }
    }

    /// Files of streams that are live, and their bytes.
    pub fn on_disk(&self) -> (usize, u64) {
        let mut folders = vec![self.data.join("live")];
        let (mut files, mut bytes) = (0, 0);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.path().is_dir() {
                    true => folders.push(entry.path()),
                    false => {
                        files += 1;
                        bytes += entry.metadata().map_or(0, |m| m.len());
                    }
                }
            }
        }
        (files, bytes)
    }
}

/// Waits until there is something.
pub async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < super::live::HANG, "{what} does not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Somebody who asks over HTTP.
#[derive(Clone)]
pub struct Viewer {
    pub base: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

impl Viewer {
    pub async fn get(&self, path: &str) -> Answer {
        self.follow_redirects(path, 10).await
    }

    /// Asks, and goes nowhere else.
    pub async fn ask_only(&self, path: &str) -> Answer {
        self.follow_redirects(path, 0).await
    }

    async fn follow_redirects(&self, path: &str, at_most: u32) -> Answer {
        let url = format!("{}{path}", self.base);
        let ask = move || {
            let agent: ureq::Agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(at_most)
                .max_redirects_will_error(false)
                .timeout_global(Some(super::live::HANG))
                .build()
                .into();
            let mut response = agent.get(&url).call().unwrap();
            let headers = response.headers().iter();
            let headers = headers.map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect();
            let status = response.status().as_u16();
            let body = response.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
            Answer { status, headers, body }
        };
        tokio::task::spawn_blocking(ask).await.unwrap()
    }

    pub async fn ok(&self, path: &str) -> Answer {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
        answer
    }

    /// Reads the media playlists of a stream, answer after answer, to their end: each as soon as there is one part more, one after the
    /// other, so that what one says of another can be judged. Finds nothing wrong with them.
    pub async fn follow(&self, ids: [&'static str; 2]) -> BTreeMap<String, Vec<List>> {
        let mut answers: Vec<(String, String)> = Vec::new();
        let mut lists: BTreeMap<String, Vec<List>> = BTreeMap::new();
        let begun = std::time::Instant::now();
        while lists.len() < ids.len() || !lists.values().all(|lists| lists.last().is_some_and(|l| l.ended)) {
            assert!(begun.elapsed() < super::live::HANG, "it does not end");
            for id in ids {
                let last = lists.get(id).and_then(|lists| lists.last());
                let path = match last {
                    Some(last) => format!("{id}/media.m3u8?_HLS_msn={}&_HLS_part={}", last.msn, last.part),
                    None => format!("{id}/media.m3u8"),
                };
                let answer = self.get(&path).await;
                if answer.status == 503 {
                    continue; // nobody publishes
                }
                assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
                let text = answer.text();
                let list = List::of(&text);
                if let (Some(part), Some(before)) = (list.next, last.and_then(|last| last.next)) {
                    assert!(part > before, "an answer that has nothing new: {path}");
                }
                lists.entry(id.to_owned()).or_default().push(list);
                answers.push((format!("{id}/media.m3u8"), text));
            }
        }
        let mut watch = Watch::new();
        answers.iter().for_each(|(url, text)| watch.playlist(url, text));
        let findings = watch.finish();
        assert!(findings.is_empty(), "{findings:#?}");
        lists
    }
}

/// What a playlist says of its end.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// Position of the part that comes next.
    pub msn: u64,
    pub part: u64,
    /// Its number in the stream.
    pub next: Option<u32>,
    pub ended: bool,
    pub segments: Vec<String>,
    pub discontinuities: usize,
}

impl List {
    pub fn of(text: &str) -> Self {
        let mut list = Self::default();
        for line in text.lines() {
            if let Some(first) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
                list.msn = first.parse().unwrap();
            } else if line.starts_with("#EXT-X-PART:") {
                list.part += 1;
            } else if let Some(rest) = line.strip_prefix("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part/") {
                list.next = rest.split('.').next().and_then(|n| n.parse().ok());
            } else if line == "#EXT-X-ENDLIST" {
                list.ended = true;
            } else if line == "#EXT-X-DISCONTINUITY" {
                list.discontinuities += 1;
            } else if !line.starts_with('#') && !line.is_empty() {
                list.segments.push(line.to_owned());
                (list.msn, list.part) = (list.msn + 1, 0);
            }
        }
        list
    }
}

/// A viewer who believes nothing but signed heads.
pub struct Believer {
    pub description: Description,
    pub chain: Chain,
    pub entries: BTreeMap<SegmentId, Entry>,
    pub over: bool,
}

pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

impl Believer {
    pub async fn come(viewer: &Viewer) -> Self {
        let sealed = viewer.ok("live.bcs").await.body;
        let description = Description::open(&sealed, Some(&super::secret().public())).unwrap();
        let chain = Chain::new(description.publisher, description.stream(), description.piece_len);
        Self { description, chain, entries: BTreeMap::new(), over: false }
    }

    /// Asks for what follows; says which parts were born.
    pub async fn ask(&mut self, viewer: &Viewer) -> Vec<SegmentId> {
        let (epoch, number) = self.chain.position().unwrap_or_default();
        let answer = viewer.get(&format!("heads?epoch={epoch}&after={number}")).await;
        assert!(matches!(answer.status, 200 | 204), "{}", answer.status);
        assert_eq!(answer.headers["cache-control"], "no-cache");
        self.over = answer.status == 204;
        let mut rest = &answer.body[..];
        let mut born = Vec::new();
        while let Some((len, after)) = rest.split_first_chunk() {
            let (signed, after) = after.split_at(u32::from_le_bytes(*len) as usize);
            rest = after;
            if signed.starts_with(b"BCLD") {
                self.chain.accept_delegation(now_ms(), signed).unwrap();
                continue;
            }
            let accepted = self.chain.accept(now_ms(), signed).unwrap();
            for entry in accepted.head.entries {
                self.entries.insert(entry.segment, entry);
            }
            born.extend(accepted.born);
        }
        born
    }

    /// The name of a part.
    pub fn path(&self, part: SegmentId) -> String {
        let id = &self.description.renditions[usize::from(part.rendition)].id;
        format!("{id}/part/{}.m4s", part.sequence)
    }

    /// Whether these are the bytes that were announced.
    pub fn believes(&self, part: SegmentId, bytes: &[u8]) -> bool {
        let entry = &self.entries[&part];
        entry.size as usize == bytes.len()
            && manifest::digest::leaves(bytes, self.description.piece_len) == entry.leaves
    }
}
