//! The loopback door through which the encoder sends its tracks. Its invariant: a track is taken once, and only from
//! whoever knows the random path.
//!
//! ffmpeg PUTs each track as fragmented MP4 over HTTP, like any encoder of the DASH-IF live media ingest protocol. That
//! works the same on every system, needs no extra file descriptors, and slows the encoder down when the disk is slow.

use super::error::PackageError;
use super::writer::{Writer, Written};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::routing::put;
use bytes::Bytes;
use cmaf::ingest::{Event, FragmentReader};
use http_body_util::BodyExt;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

/// Chunks of a track that may wait for the disk.
const WAITING_CHUNKS: usize = 16;

/// How long a connection that the encoder made may take to be noticed.
const LATE: Duration = Duration::from_secs(10);

/// A track that the encoder is told to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Its folder, such as `v0`.
    pub id: String,
    /// What viewers see.
    pub name: String,
    /// Language tag, which the encoder does not pass on.
    pub language: Option<String>,
}

/// The open door. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Ingest {
    base: String,
    door: Arc<Door>,
    server: JoinHandle<()>,
    failed: Arc<Notify>,
    packers: Vec<(String, JoinHandle<Packed>)>,
}

#[derive(Debug)]
struct Door {
    token: String,
    tracks: Mutex<BTreeMap<String, mpsc::Sender<Chunk>>>,
}

/// What became of a track; one that ended properly without a sample is `None`.
pub(crate) type Packed = Result<Option<Written>, PackageError>;

#[derive(Debug)]
enum Chunk {
    Bytes(Bytes),
    End,
}

impl Ingest {
    /// Opens the door for `tracks`, whose folders are made in `root`.
    pub async fn open(root: PathBuf, tracks: &[Expected]) -> Result<Self, PackageError> {
        let io_error = |source| PackageError::Start { program: "the loopback ingest".into(), source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(io_error)?;
        let address = listener.local_addr().map_err(io_error)?;
        let token = random_token()?;
        let mut senders = BTreeMap::new();
        let mut packers = Vec::new();
        let failed = Arc::new(Notify::new());
        for track in tracks {
            let (sender, receiver) = mpsc::channel(WAITING_CHUNKS);
            senders.insert(track.id.clone(), sender);
            let (root, expected, failed) = (root.clone(), track.clone(), Arc::clone(&failed));
            let packer = tokio::task::spawn_blocking(move || {
                pack(root, expected, receiver).inspect_err(|_| failed.notify_one())
            });
            packers.push((track.id.clone(), packer));
        }
        let base = format!("http://{address}/{token}");
        let door = Arc::new(Door { token, tracks: Mutex::new(senders) });
        let router = Router::new().route("/{token}/{track}", put(receive)).with_state(Arc::clone(&door));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(%error, "the loopback ingest stopped");
            }
        });
        Ok(Self { base, door, server, failed, packers })
    }

    /// Where the encoder sends track `id`.
    pub fn url(&self, id: &str) -> String {
        format!("{}/{id}", self.base)
    }

    /// Resolves when the packing of a track failed, so that the encoder need not go on.
    pub async fn failed(&self) {
        self.failed.notified().await;
    }

    /// Call when the encoder has ended: what became of each track, in the order given to [`Ingest::open`]. `complete` says that it
    /// sent all it had.
    pub async fn finish(mut self, complete: bool) -> Vec<Packed> {
        // On a busy machine a short track may be sent whole before its connection is looked at.
        let until = Instant::now() + LATE;
        while complete && !self.door.lock().is_empty() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.door.lock().clear(); // tracks that never came
        let mut results = Vec::new();
        for (id, packer) in std::mem::take(&mut self.packers) {
            results.push(packer.await.unwrap_or_else(|panic| {
                Err(PackageError::Track { track: id, reason: format!("packing it failed: {panic}") })
            }));
        }
        results
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        self.server.abort();
        self.door.lock().clear();
    }
}

impl Door {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, mpsc::Sender<Chunk>>> {
        // Nothing that can panic is done under the lock.
        self.tracks.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

async fn receive(
    State(door): State<Arc<Door>>,
    UrlPath((token, track)): UrlPath<(String, String)>,
    body: Body,
) -> StatusCode {
    if token != door.token {
        return StatusCode::FORBIDDEN;
    }
    let Some(sender) = door.lock().remove(&track) else { return StatusCode::NOT_FOUND };
    // A task of its own: the encoder hangs up as soon as it has sent the last byte, and the server then drops this handler.
    tokio::spawn(pass_on(body, sender)).await.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

async fn pass_on(mut body: Body, sender: mpsc::Sender<Chunk>) -> StatusCode {
    while let Some(frame) = body.frame().await {
        // A connection that breaks drops the sender without an `End`, which tells the packer.
        let Ok(frame) = frame else { return StatusCode::BAD_REQUEST };
        let Ok(bytes) = frame.into_data() else { continue };
        if sender.send(Chunk::Bytes(bytes)).await.is_err() {
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
    }
    match sender.send(Chunk::End).await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Runs on a thread of its own: parsing, hashing and writing.
fn pack(root: PathBuf, expected: Expected, mut chunks: mpsc::Receiver<Chunk>) -> Packed {
    let refused = |reason: String| PackageError::Track { track: expected.id.clone(), reason };
    let mut reader = FragmentReader::new();
    let mut writer: Option<Writer> = None;
    loop {
        let events = match chunks.blocking_recv() {
            Some(Chunk::Bytes(bytes)) => reader.push(&bytes).map_err(|e| refused(e.to_string()))?,
            Some(Chunk::End) => break,
            None => return Err(PackageError::CutShort(expected.id)),
        };
        for event in events {
            match event {
                Event::Track(mut track) => {
                    track.language = expected.language.clone();
                    writer = Some(Writer::new(&root, &expected.id, &expected.name, track)?);
                }
                Event::Sample(sample) => {
                    writer
                        .as_mut()
                        .ok_or_else(|| refused("samples came before the header".into()))?
                        .push(sample)?;
                }
            }
        }
    }
    reader.finish().map_err(|e| refused(e.to_string()))?;
    writer.map_or(Ok(None), Writer::finish)
}

/// 128 random bits as hex.
pub(crate) fn random_token() -> Result<String, PackageError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(PackageError::Random)?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}
