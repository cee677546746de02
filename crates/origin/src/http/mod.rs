//! The HTTP side of the origin: packages, the player, the tracker and figures about them. Its invariant: what is opened on disk is
//! named by the program, never by a request (see [`Name`]). Spec: `docs/spec/http.md`.
//!
//! It lacks TLS and HTTP/2: a reverse proxy or a CDN in front brings them.

mod counted;
mod live;
mod metrics;
mod names;
mod pages;
mod reply;
mod serve;
mod store;

pub use metrics::Metrics;
pub use names::{Class, Folder, FolderKind, Name};
pub use serve::{serve, serve_with};
pub use store::{Hot, Missing, Store, Stream};
pub use tracker::Config as TrackerConfig;
pub use tracker::listener::Limits;
pub use tracker::{RESERVED_FILES, Rate, raise_file_limit};

pub(crate) use live::media_type;
pub(crate) use store::gzip;

use crate::live::Channel;
use crate::package::{Card, PackageError};
use crate::slug::Slug;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::routing::any;
use axum::{Json, Router};
use counted::Counted;
use manifest::PublicKey;
use reply::{Coding, Content, IMMUTABLE, SHORT, open_to_all, preflight, respond};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use tracker::{InfoHash, Reason, Tracker};

/// Memory for hot files when nobody says otherwise.
pub const DEFAULT_CACHE_BYTES: u64 = 256 << 20;

/// An origin that serves. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Origin(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    live: RwLock<BTreeMap<Slug, Arc<Channel>>>,
    metrics: Arc<Metrics>,
    tracker: Tracker,
    key: PublicKey,
}

impl Origin {
    /// An origin without films, whose packages are signed by `key`.
    pub fn new(key: PublicKey, cache_bytes: u64, tracker: tracker::Config) -> Self {
        let inner = Inner {
            store: Store::new(cache_bytes),
            live: RwLock::default(),
            metrics: Arc::default(),
            tracker: Tracker::new(tracker),
            key,
        };
        Self(Arc::new(inner))
    }

    /// Serves the package in `dir` from now on, in place of another of its name.
    pub fn publish(&self, dir: &Path, slug: &Slug) -> Result<(), PackageError> {
        let stream = Stream::open(dir, slug, &self.0.key)?;
        let replaced = self.0.store.get(slug).map(|old| InfoHash(old.index.swarm_id()));
        self.rename(replaced, InfoHash(stream.index.swarm_id()), slug);
        self.0.store.put(stream);
        Ok(())
    }

    /// Tells the tracker what a swarm is called, for tokens and takedowns that name it so.
    fn rename(&self, old: Option<InfoHash>, new: InfoHash, slug: &Slug) {
        let forgotten =
            old.filter(|old| *old != new).map_or(Ok(()), |old| self.0.tracker.set_name(old, None));
        if let Err(why) = forgotten.and_then(|()| self.0.tracker.set_name(new, Some(slug.as_str()))) {
            tracing::warn!(stream = %slug, %why, "tokens cannot name this stream but by its swarm");
        }
    }

    /// Serves a live stream from now on, in place of a film or another stream of its name.
    pub fn on_air(&self, channel: Arc<Channel>) {
        self.rename(None, InfoHash(channel.swarm_id()), &channel.slug);
        let mut live = self.0.live.write().unwrap_or_else(PoisonError::into_inner);
        live.insert(channel.slug.clone(), channel);
    }

    /// Serves `channel` no more; another one that has its name meanwhile stays.
    pub fn off_air(&self, channel: &Arc<Channel>) {
        let mut live = self.0.live.write().unwrap_or_else(PoisonError::into_inner);
        if live.get(&channel.slug).is_some_and(|there| Arc::ptr_eq(there, channel)) {
            live.remove(&channel.slug);
        }
        drop(live);
        self.0.tracker.set_name(InfoHash(channel.swarm_id()), None).ok(); // it cannot fail to have none
    }

    /// The live streams, by name.
    pub fn live(&self) -> Vec<Arc<Channel>> {
        self.0.live.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The live stream of that name.
    pub fn channel(&self, slug: &Slug) -> Option<Arc<Channel>> {
        self.0.live.read().unwrap_or_else(PoisonError::into_inner).get(slug).cloned()
    }

    /// The films.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Counters.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The tracker at `/tracker`.
    pub fn tracker(&self) -> &Tracker {
        &self.0.tracker
    }

    /// All routes.
    pub fn router(&self) -> Router {
        let pages = Router::new()
            .route("/", any(catalogue))
            .route("/watch/{slug}", any(watch))
            .route("/player/{*path}", any(player))
            .route("/s/{*path}", any(package_file))
            .route("/healthz", any(async || "ok\n"))
            .route("/metrics", any(metrics_text))
            .route("/api/v1/streams", any(streams))
            .route("/api/v1/key", any(key))
            .route("/api/v1/status", any(status))
            .route("/api/v1/time", any(time))
            .fallback(async || problem(StatusCode::NOT_FOUND, "There is nothing at this address."))
            .layer(middleware::from_fn(only_reading))
            .with_state(self.clone());
        Router::new()
            .nest_service(
                "/tracker",
                self.0.tracker.router().layer(middleware::from_fn(tracker::listener::hold_place)),
            )
            .merge(pages)
            .layer(middleware::from_fn_with_state(self.clone(), every_answer))
    }
}

/// What all answers have in common.
async fn every_answer(State(origin): State<Origin>, request: Request<Body>, next: Next) -> Response<Body> {
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    origin.0.metrics.answered(response.status().as_u16());
    response
}

/// Nothing here is changed over HTTP.
async fn only_reading(request: Request<Body>, next: Next) -> Response<Body> {
    match *request.method() {
        Method::GET | Method::HEAD => next.run(request).await,
        Method::OPTIONS => preflight(),
        _ => {
            let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "This address can only be read.");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
            response
        }
    }
}

async fn catalogue(method: Method, headers: HeaderMap) -> Response<Body> {
    pages::catalogue(&method, &headers)
}

async fn watch(State(origin): State<Origin>, method: Method, headers: HeaderMap, uri: Uri) -> Response<Body> {
    let slug = uri.path().strip_prefix("/watch/").and_then(Slug::parse);
    let is_there = |slug: Slug| origin.0.store.get(&slug).is_some() || origin.channel(&slug).is_some();
    if !slug.is_some_and(is_there) {
        return problem(
            StatusCode::NOT_FOUND,
            "No film of this name is ready. It may still be on its way: look at /.",
        );
    }
    pages::watch(&method, &headers)
}

async fn player(method: Method, headers: HeaderMap, uri: Uri) -> Response<Body> {
    let found = uri.path().strip_prefix("/player/").and_then(|path| pages::asset(path, &method, &headers));
    let mut response =
        found.unwrap_or_else(|| problem(StatusCode::NOT_FOUND, "The player has no such file."));
    open_to_all(response.headers_mut());
    response
}

/// The path is read as it came: no name of ours needs escapes, so a path with escapes names nothing.
async fn package_file(
    State(origin): State<Origin>,
    method: Method,
    headers: HeaderMap,
    uri: Uri,
) -> Response<Body> {
    let path = uri.path().strip_prefix("/s/").and_then(|path| path.split_once('/'));
    let path = path.and_then(|(slug, name)| Some((Slug::parse(slug)?, name)));
    if let Some((slug, name)) = &path
        && let Some(channel) = origin.channel(slug)
    {
        if let Some(reason) = origin.0.tracker.revoked(InfoHash(channel.swarm_id())) {
            return taken_down(reason);
        }
        return live::file(&origin, channel, name, &method, &headers, uri.query()).await;
    }
    let found = path.and_then(|(slug, name)| Some((origin.0.store.get(&slug)?, Name::parse(name)?)));
    let Some((stream, name)) = found else {
        return problem(StatusCode::NOT_FOUND, "There is no such film or file.");
    };
    if let Some(reason) = origin.0.tracker.revoked(InfoHash(stream.index.swarm_id())) {
        return taken_down(reason);
    }
    let cache = match (name.class(), value_in(uri.query().unwrap_or_default(), "v")) {
        (Class::Media, Some(version)) if version == stream.version => IMMUTABLE,
        (Class::Media, Some(_)) => {
            return problem(StatusCode::NOT_FOUND, "This film was replaced by another version of it.");
        }
        _ => SHORT,
    };
    let hot = match origin.0.store.load(&stream, name).await {
        Ok(hot) => hot,
        Err(Missing::NotFound) => return problem(StatusCode::NOT_FOUND, "There is no such film or file."),
        Err(Missing::Broken(reason)) => {
            tracing::error!(%reason, "a file of a package cannot be served");
            return problem(StatusCode::INTERNAL_SERVER_ERROR, "This file is damaged on the origin's disk.");
        }
    };
    let content = Content {
        bytes: hot.bytes,
        packed: hot.gzip.map(|gzip| (Coding::Gzip, gzip)).into_iter().collect(),
        etag: hot.etag.to_string(),
        media_type: name.media_type(),
        cache: cache.into(),
    };
    let metrics = Arc::clone(&origin.0.metrics);
    let mut response = respond(&method, &headers, content, |bytes| {
        Body::new(Counted::new(bytes, metrics, &stream.slug, name.class()))
    });
    open_to_all(response.headers_mut());
    response
}

/// What a query says under a name; the first, if it says several things.
fn value_in<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(n, _)| *n == name).map(|(_, value)| value)
}

async fn streams(State(origin): State<Origin>) -> Response<Body> {
    let mut cards: Vec<Card> = origin.live().iter().map(|channel| channel.card()).collect();
    let films = origin.0.store.all();
    cards.extend(
        films.iter().filter(|film| origin.channel(&film.slug).is_none()).map(|film| film.card.clone()),
    );
    cards.sort_by(|a, b| a.slug.cmp(&b.slug));
    data(Json(cards))
}

async fn key(State(origin): State<Origin>) -> Response<Body> {
    data(Json(json!({ "algorithm": "Ed25519", "key": origin.0.key.to_string() })))
}

async fn status(State(origin): State<Origin>) -> Response<Body> {
    let tracker = origin.0.tracker.stats();
    data(Json(json!({
        "media_bytes_served": origin.0.metrics.media_bytes(),
        "requests": origin.0.metrics.requests(),
        "tracker": { "connections": tracker.connections, "members": tracker.members, "swarms": tracker.swarms },
    })))
}

/// The time, for players that must know it (ISO 8601, `urn:mpeg:dash:utc:http-iso:2014`).
async fn time() -> Response<Body> {
    let now = format!("{:.3}", jiff::Timestamp::now());
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    let mut response = (headers, now).into_response();
    open_to_all(response.headers_mut());
    response
}

async fn metrics_text(State(origin): State<Origin>) -> Response<Body> {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let text = origin.0.metrics.text(&origin.0.tracker.stats(), &origin.live());
    ([(header::CONTENT_TYPE, OPEN_METRICS), (header::CACHE_CONTROL, "no-store")], text).into_response()
}

/// JSON that changes from moment to moment.
fn data(json: impl IntoResponse) -> Response<Body> {
    let mut response = json.into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    open_to_all(response.headers_mut());
    response
}

/// Of a stream that was taken down nothing is given out (RFC 7725). Pages are told so, and nobody remembers it for longer than it is true.
fn taken_down(reason: Reason) -> Response<Body> {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    let text = format!("This stream was taken down: {reason}.\n");
    let mut response = (StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS, headers, text).into_response();
    open_to_all(response.headers_mut());
    response
}

fn problem(status: StatusCode, text: &'static str) -> Response<Body> {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    let mut response = (status, headers, format!("{text}\n")).into_response();
    open_to_all(response.headers_mut());
    response
}
