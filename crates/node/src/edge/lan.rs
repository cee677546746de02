//! The films over plain HTTP, for players that know nothing of peers, and as an origin for pages that do: the same paths as the
//! origin's (`docs/spec/http.md`).
//!
//! Its invariant: nothing is changed by asking, but that what is asked for may be fetched; and no request names a file on disk.

use super::files::NoFile;
use super::films::Kept;
use super::reply::{About, IMMUTABLE, SHORT, open_to_all, preflight, problem};
use super::{Edge, Inner, listener};
use crate::serving::{Name, failed, media_type};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use manifest::{SegmentId, digest};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Segments of a rendition that come too when one is asked for.
const AHEAD: u32 = 2;
/// How long a player waits for a segment that is not here.
const WAIT: Duration = Duration::from_secs(30);

/// Why nothing listens.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {error}. Choose another with --listen ADDRESS:PORT")]
pub struct Error {
    address: SocketAddr,
    error: std::io::Error,
}

/// An address where players ask; it closes when this is dropped.
#[derive(Debug)]
pub struct Lan {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Lan {
    /// Gives the films of `edge` to whoever reaches `address`.
    pub async fn open(edge: &Edge, address: SocketAddr) -> Result<Self, Error> {
        let failed = |error| Error { address, error };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let router = Router::new().fallback(answer).with_state(edge.inner.clone());
        Ok(Self { address, server: tokio::spawn(listener::serve(listener, router)) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    let mut response = match *method {
        Method::GET | Method::HEAD => found(&inner, method, uri, headers).await,
        Method::OPTIONS => preflight(),
        _ => {
            let refused = problem(StatusCode::METHOD_NOT_ALLOWED, "This address can only be read.");
            ([(header::ALLOW, "GET, HEAD, OPTIONS")], refused).into_response()
        }
    };
    open_to_all(response.headers_mut());
    response
}

/// The path is read as it came: no name of ours needs escapes, so a path with escapes names nothing.
async fn found(inner: &Arc<Inner>, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    match uri.path() {
        "/" => return short("text/html; charset=utf-8", list(inner)),
        "/healthz" => return short("text/plain; charset=utf-8", "ok\n".to_owned()),
        "/api/v1/streams" => return short("application/json", cards(inner).await),
        _ => {}
    }
    let found = uri.path().strip_prefix("/s/").and_then(|path| path.split_once('/'));
    let found = found.and_then(|(slug, name)| Some((inner.films.get(slug)?, name)));
    let named = found.and_then(|(kept, name)| Some((Name::parse(name, kept.viewer.film())?, kept, name)));
    let Some((name, kept, path)) = named else {
        return problem(StatusCode::NOT_FOUND, "There is no such film or file.");
    };
    let is_media = matches!(name, Name::Init(_) | Name::Segment(_));
    let cache = match version_in(uri) {
        Some(version) if is_media && version == kept.version => IMMUTABLE,
        Some(_) if is_media => {
            return problem(StatusCode::NOT_FOUND, "This film was replaced by another version of it.");
        }
        _ => SHORT,
    };
    let about = |etag| About { etag, media_type: media_type(path), cache };
    let whole = match name {
        Name::Movie => return problem(StatusCode::NOT_FOUND, "There is no such film or file."),
        Name::Index => Ok(kept.viewer.film().sealed().clone()),
        Name::Init(rendition) => Ok(kept.viewer.film().init(rendition).cloned().unwrap_or_default()),
        Name::Text => kept.files.get(path).await.map_err(|why| match why {
            NoFile::Absent => problem(StatusCode::NOT_FOUND, "There is no such film or file."),
            NoFile::Away => {
                problem(StatusCode::BAD_GATEWAY, "This file is not here, and its server does not give it.")
            }
        }),
        Name::Segment(segment) => {
            let Some(entry) = kept.viewer.film().index().segment(segment) else {
                return problem(StatusCode::NOT_FOUND, "There is no such film or file.");
            };
            // What it is and how long is known without it.
            if let Some(ready) =
                about(entry.root.to_string()).without_bytes(method, headers, u64::from(entry.size))
            {
                return ready;
            }
            self::segment(kept.clone(), segment).await
        }
    };
    match whole {
        Ok(bytes) => {
            let about = about(digest_of(&name, &kept, &bytes));
            if let Some(ready) = about.without_bytes(method, headers, bytes.len() as u64) {
                return ready;
            }
            let inner = inner.clone();
            let count = move |bytes| {
                inner.to_players.fetch_add(bytes as u64, Ordering::Relaxed);
            };
            about.with_bytes(headers, bytes, Arc::new(count))
        }
        Err(response) => response,
    }
}

/// A segment, and those that follow soon.
async fn segment(kept: Arc<Kept>, segment: SegmentId) -> Result<Bytes, Response> {
    let following = kept.clone();
    tokio::spawn(async move {
        for next in (1..=AHEAD).filter_map(|step| segment.sequence.checked_add(step)) {
            following.viewer.ahead(SegmentId::new(segment.rendition, next)).await;
        }
    });
    match timeout(WAIT, kept.viewer.segment(segment)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(why)) => Err(([(header::CACHE_CONTROL, "no-store")], failed(&why)).into_response()),
        Err(_) => Err(problem(
            StatusCode::GATEWAY_TIMEOUT,
            "This segment is not here, and its server does not give it in time.",
        )),
    }
}

/// The index has the digests of media.
fn digest_of(name: &Name, kept: &Kept, bytes: &[u8]) -> String {
    let index = kept.viewer.film().index();
    let signed = match name {
        Name::Init(rendition) => index.renditions.get(usize::from(*rendition)).map(|r| r.init),
        Name::Segment(segment) => index.segment(*segment).map(|entry| entry.root),
        _ => None,
    };
    signed.unwrap_or_else(|| digest::root(bytes)).to_string()
}

/// The `v` in a query.
fn version_in(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|part| part.strip_prefix("v="))
}

/// What there is, for people. The names are plain letters; what the site is called is the operator's.
fn list(inner: &Inner) -> String {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let title = escaped(inner.site.as_deref().unwrap_or("Braidcast edge"));
    let line = |film: &Arc<Kept>| {
        let slug = &film.slug;
        format!(
            "<li>{slug}: <a href=\"/s/{slug}/master.m3u8\">HLS</a> <a href=\"/s/{slug}/manifest.mpd\">DASH</a>\n"
        )
    };
    let films: String = inner.films.all().iter().map(line).collect();
    format!(
        "<!doctype html><meta charset=\"utf-8\"><title>{title}</title><h1>{title}</h1>\n<ul>\n{films}</ul>\n"
    )
}

/// What there is, for other edges: the cards of the films, under the names that they have here.
async fn cards(inner: &Inner) -> String {
    let mut cards = Vec::new();
    for film in inner.films.all() {
        let card = film.files.get("stream.json").await.unwrap_or_default();
        let mut card =
            serde_json::from_slice(&card).ok().filter(Value::is_object).unwrap_or_else(|| json!({}));
        card["slug"] = json!(film.slug);
        cards.push(card);
    }
    Value::Array(cards).to_string()
}

fn short(media_type: &'static str, text: String) -> Response {
    let mut response = text.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(SHORT));
    response
}
