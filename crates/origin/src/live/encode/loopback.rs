//! The loopback door through which the live encoder sends its renditions. Its invariant: a rendition is taken once, and only from whoever
//! knows the random path.
//!
//! It is to the encoder of live streams what `package::ingest` is to that of films, but for where the samples go: on at once,
//! and nothing is written.

use crate::package::random_token;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::routing::put;
use cmaf::ingest::{Event, FragmentReader};
use http_body_util::BodyExt;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Events that may wait; beyond, the encoder waits.
const WAITING: usize = 64;

/// Bytes of one fragment: one picture, or one frame of sound.
const MAX_FRAGMENT: u64 = 16 << 20;

/// How long a connection that the encoder made may take to be noticed.
const LATE: Duration = Duration::from_secs(5);

/// An event of the rendition of this number.
pub(super) type Numbered = (usize, Event);

/// The open door. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Loopback {
    base: String,
    door: Arc<Door>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Door {
    token: String,
    /// One for each rendition that has not come yet.
    slots: Mutex<Vec<Option<mpsc::Sender<Numbered>>>>,
}

impl Loopback {
    /// Opens the door for `renditions` of them; their events come out of the receiver, which ends when all have ended.
    pub async fn open(renditions: usize) -> io::Result<(Self, mpsc::Receiver<Numbered>)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let token = random_token().map_err(io::Error::other)?;
        let base = format!("http://{}/{token}", listener.local_addr()?);
        let (events, outlet) = mpsc::channel(WAITING);
        let slots = Mutex::new(vec![Some(events); renditions]);
        let door = Arc::new(Door { token, slots });
        let router = Router::new().route("/{token}/{rendition}", put(receive)).with_state(Arc::clone(&door));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(%error, "the loopback ingest stopped");
            }
        });
        Ok((Self { base, door, server }, outlet))
    }

    /// Where the encoder sends rendition `number`.
    pub fn url(&self, number: usize) -> String {
        format!("{}/{number}", self.base)
    }

    /// Call when the encoder has ended: renditions that never came will not. `complete` says that it sent all it had.
    pub async fn close(&self, complete: bool) {
        // On a busy machine a short rendition may be sent whole before its connection is looked at.
        let until = Instant::now() + LATE;
        while complete && self.door.lock().iter().any(Option::is_some) && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.door.lock().clear();
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.server.abort();
        self.door.lock().clear();
    }
}

impl Door {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Option<mpsc::Sender<Numbered>>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(
    State(door): State<Arc<Door>>,
    UrlPath((token, number)): UrlPath<(String, usize)>,
    body: Body,
) -> StatusCode {
    if token != door.token {
        return StatusCode::FORBIDDEN;
    }
    let slot = door.lock().get_mut(number).and_then(Option::take);
    let Some(events) = slot else { return StatusCode::NOT_FOUND };
    // A task of its own: the encoder hangs up as soon as it has sent the last byte, and the server then drops this handler.
    tokio::spawn(pass_on(body, number, events)).await.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

async fn pass_on(mut body: Body, number: usize, events: mpsc::Sender<Numbered>) -> StatusCode {
    let mut reader = FragmentReader::with_max_fragment(MAX_FRAGMENT);
    while let Some(frame) = body.frame().await {
        // The encoder's own end says whether that was wanted.
        let Ok(frame) = frame else { return StatusCode::BAD_REQUEST };
        let Ok(bytes) = frame.into_data() else { continue };
        let found = match reader.push(&bytes) {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "the encoder's stream cannot be read");
                return StatusCode::BAD_REQUEST;
            }
        };
        for event in found {
            if events.send((number, event)).await.is_err() {
                return StatusCode::INTERNAL_SERVER_ERROR;
            }
        }
    }
    StatusCode::OK
}
