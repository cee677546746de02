//! CMAF over HTTP: the door for encoders that PUT or POST each track as fragmented MP4, as those of the DASH-IF live media ingest
//! protocol do. `PUT /ingest/STREAM/TRACK`, with the stream's key as bearer token or as password.
//!
//! The invariant: nothing of a body is read before the key was right, and then no more than one fragment is held.

use super::desk::{Desk, Over, Publisher};
use super::flv::Media;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cmaf::ingest::{Event, FragmentReader};
use http_body_util::BodyExt;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

/// Tracks of one publication.
const MAX_TRACKS: usize = 9;
/// Characters of a track's name.
const MAX_NAME: usize = 32;
/// How long a wrong key is thought about.
const WRONG_KEY: Duration = Duration::from_millis(500);
/// How long after the last track ended another may begin.
const LINGER: Duration = Duration::from_secs(1);

/// Limits of the CMAF door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutLimits {
    /// A body that brings nothing for so long is cut off.
    pub idle_time: Duration,
    /// Bytes of one fragment.
    pub max_fragment: u64,
}

impl Default for PutLimits {
    fn default() -> Self {
        Self { idle_time: Duration::from_secs(20), max_fragment: 32 << 20 }
    }
}

#[derive(Clone, Debug)]
struct Door {
    desk: Desk,
    limits: PutLimits,
    /// The publication of each stream that tracks may still join.
    groups: Arc<BTreeMap<String, Mutex<Option<Group>>>>,
}

/// A publication and its tracks.
#[derive(Debug)]
struct Group {
    publisher: Publisher,
    /// Names of all that came, in the order of their numbers.
    tracks: Vec<String>,
    open: usize,
    number: u64,
}

#[derive(Debug, Error)]
enum Refused {
    #[error("the stream key is wrong or missing")]
    Key,
    #[error("a track's name has 1 to {MAX_NAME} letters, digits, '-' or '_'")]
    Name,
    #[error("too many tracks")]
    Tracks,
    #[error("a newer publication took over")]
    Over(#[from] Over),
    #[error("nothing came for too long")]
    Idle,
    #[error("the connection broke")]
    Broken,
    #[error("{0}")]
    Media(#[from] cmaf::ingest::Error),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Key => StatusCode::UNAUTHORIZED,
            Self::Name => StatusCode::NOT_FOUND,
            Self::Tracks | Self::Broken => StatusCode::BAD_REQUEST,
            Self::Over(_) => StatusCode::CONFLICT,
            Self::Idle => StatusCode::REQUEST_TIMEOUT,
            Self::Media(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        };
        let mut response = (status, format!("{self}\n")).into_response();
        if status == StatusCode::UNAUTHORIZED {
            // Encoders that hold a name and a password send them when they are asked.
            let ask = HeaderValue::from_static("Basic realm=\"ingest\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, ask);
        }
        response
    }
}

/// The door's routes, to be served wherever encoders reach them.
pub(super) fn router(desk: Desk, limits: PutLimits) -> Router {
    let groups = desk.names().map(|name| (name.to_owned(), Mutex::default())).collect();
    let door = Door { desk, limits, groups: Arc::new(groups) };
    Router::new().route("/ingest/{stream}/{track}", put(receive).post(receive)).with_state(door)
}

async fn receive(
    State(door): State<Door>,
    Path((stream, track)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Refused> {
    let key = bearer(&headers);
    let known = key.as_ref().is_some_and(|key| door.desk.admit_to(&stream, key).is_some());
    if !known {
        if key.is_some() {
            tracing::warn!("a PUT with a wrong stream key");
            sleep(WRONG_KEY).await;
        }
        return Err(Refused::Key);
    }
    let plain = track.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !plain || track.is_empty() || track.len() > MAX_NAME {
        return Err(Refused::Name);
    }
    // A task of its own: encoders hang up as soon as they have sent the last byte, and the server then drops this handler.
    let task = tokio::spawn(async move { door.track(&stream, track, body).await });
    task.await.unwrap_or(Err(Refused::Broken)).map(|()| StatusCode::OK)
}

/// The key that a request shows.
pub(super) fn bearer(headers: &HeaderMap) -> Option<String> {
    key(headers.get(header::AUTHORIZATION)?.to_str().ok()?)
}

/// The key in an `Authorization` field: `Bearer KEY`, or the password of `Basic`.
fn key(value: &str) -> Option<String> {
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    let decoded =
        scheme.eq_ignore_ascii_case("basic").then(|| BASE64_STANDARD.decode(rest.trim()).ok())??;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(_, password)| password.to_owned())
}

impl Door {
    async fn track(&self, stream: &str, track: String, body: Body) -> Result<(), Refused> {
        let (group, number, mut publisher) = self.join(stream, track.clone()).await?;
        tracing::info!(%stream, %track, "publishing over HTTP");
        let ended = self.pass_on(body, number, &mut publisher).await;
        if let Err(why) = &ended {
            tracing::warn!(%stream, %track, %why, "a track was cut off");
            publisher.cut().await;
        }
        self.leave(stream, group, ended.is_ok()).await;
        ended
    }

    /// Joins the stream's publication; begins a new one where there is none, or where this track has come already.
    async fn join(&self, stream: &str, track: String) -> Result<(u64, u8, Publisher), Refused> {
        let mut current = self.groups.get(stream).ok_or(Refused::Key)?.lock().await;
        let mut number = 0;
        if let Some(group) = current.as_mut() {
            number = group.number + 1;
            if !group.tracks.contains(&track) && !group.publisher.is_over() {
                if group.tracks.len() >= MAX_TRACKS {
                    return Err(Refused::Tracks);
                }
                group.tracks.push(track);
                group.open += 1;
                // At most MAX_TRACKS.
                return Ok((group.number, group.tracks.len() as u8 - 1, group.publisher.clone()));
            }
        }
        let seat = self.desk.seat(stream).ok_or(Refused::Key)?;
        let publisher = seat.open("HTTP", MAX_TRACKS).await?;
        *current = Some(Group { publisher: publisher.clone(), tracks: vec![track], open: 1, number });
        Ok((number, 0, publisher))
    }

    async fn pass_on(&self, mut body: Body, number: u8, publisher: &mut Publisher) -> Result<(), Refused> {
        let mut reader = FragmentReader::with_max_fragment(self.limits.max_fragment);
        loop {
            let frame = tokio::select! {
                frame = timeout(self.limits.idle_time, body.frame()) => frame.map_err(|_| Refused::Idle)?,
                () = publisher.replaced() => return Err(Over.into()),
            };
            let Some(frame) = frame else { break };
            let Ok(bytes) = frame.map_err(|_| Refused::Broken)?.into_data() else { continue };
            for event in reader.push(&bytes)? {
                let media = match event {
                    Event::Track(track) => Media::Track(number, track),
                    Event::Sample(sample) => Media::Sample(number, sample),
                };
                publisher.send(media).await?;
            }
        }
        Ok(reader.finish()?)
    }

    /// Ends the publication when its last track has ended well and no other comes.
    async fn leave(&self, stream: &str, number: u64, well: bool) {
        let Some(current) = self.groups.get(stream) else { return };
        {
            let mut current = current.lock().await;
            let Some(group) = current.as_mut().filter(|group| group.number == number) else { return };
            group.open -= 1;
            if !well {
                *current = None;
                return;
            }
            if group.open > 0 {
                return;
            }
        }
        sleep(LINGER).await;
        let mut current = current.lock().await;
        if current.as_ref().is_some_and(|group| group.number == number && group.open == 0)
            && let Some(group) = current.take()
        {
            group.publisher.end().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_as_bearer_or_as_password() {
        assert_eq!(key("Bearer first-key").as_deref(), Some("first-key"));
        assert_eq!(key("basic b2JzOmZpcnN0LWtleQ==").as_deref(), Some("first-key"));
        assert_eq!(key("Basic %%%"), None);
        assert_eq!(key("Bearer"), None);
    }
}
