//! The player and the pages around it, built into the program. Its invariant: a page runs only scripts that this origin serves.

use super::reply::{Coding, Content, SHORT, respond};
use super::store::gzip;
use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, Response, StatusCode};
use bytes::Bytes;
use rust_embed::Embed;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// What pages may load: our scripts and WebAssembly, media from the player's buffers, and bytes from anywhere, for the film
/// may come from a CDN and peers from another tracker.
const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; \
    media-src 'self' blob:; connect-src *; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
    object-src 'none'; base-uri 'none'; form-action 'none'";

const UNBUILT: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>Braidcast</title>\
    <body style='font:1.1rem/1.5 system-ui;max-width:40rem;margin:4rem auto;padding:0 1rem'>\
    <h1>The player is not built</h1><p>This <code>braidcast</code> was compiled without its web player. Films, playlists and \
    the tracker work; this page does not.</p><p>In the source folder, run <code>make player</code> and build again.</p>\
    <p>Any HLS or DASH player can show the films: see <a href='/api/v1/streams'>/api/v1/streams</a>.</p>";

#[derive(Embed)]
#[folder = "../../player/dist"]
#[allow_missing = true]
struct Dist;

/// The catalogue page.
pub fn catalogue(method: &Method, headers: &HeaderMap) -> Response<Body> {
    page("index.html", method, headers)
}

/// The page that shows a film.
pub fn watch(method: &Method, headers: &HeaderMap) -> Response<Body> {
    page("watch.html", method, headers)
}

/// A file of the player's bundle; `None` where there is none of that name.
pub fn asset(path: &str, method: &Method, headers: &HeaderMap) -> Option<Response<Body>> {
    let file = file(path)?;
    let mut response = respond(method, headers, file, Body::from);
    if path.ends_with(".html") {
        guard(response.headers_mut());
    }
    Some(response)
}

fn page(name: &str, method: &Method, headers: &HeaderMap) -> Response<Body> {
    let mut response = match file(name) {
        Some(file) => respond(method, headers, file, Body::from),
        None => {
            let mut response = Response::new(UNBUILT.into());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, html);
            response
        }
    };
    guard(response.headers_mut());
    response
}

fn guard(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), microphone=(), geolocation=()"),
    );
}

/// The names in the bundle are a fixed table in release builds; the debug build reads the folder, and refuses whatever
/// lies outside it.
fn file(path: &str) -> Option<Content> {
    if cfg!(debug_assertions) {
        return read(path);
    }
    static FILES: OnceLock<BTreeMap<String, Content>> = OnceLock::new();
    let files = FILES.get_or_init(|| Dist::iter().filter_map(|p| Some((p.to_string(), read(&p)?))).collect());
    files.get(path).cloned()
}

fn read(path: &str) -> Option<Content> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    if path.is_empty() || !path.bytes().all(plain) || path.split('/').any(|part| part.starts_with('.')) {
        return None;
    }
    let bytes = embedded(path)?;
    let (media_type, text) = match path.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" => ("text/html; charset=utf-8", true),
        "js" | "mjs" => ("text/javascript; charset=utf-8", true),
        "css" => ("text/css; charset=utf-8", true),
        "json" | "map" => ("application/json", true),
        "wasm" => ("application/wasm", true),
        "svg" => ("image/svg+xml", true),
        "png" => ("image/png", false),
        "jpg" => ("image/jpeg", false),
        "ico" => ("image/x-icon", false),
        "woff2" => ("font/woff2", false),
        "txt" | "ts" => ("text/plain; charset=utf-8", true),
        _ => ("application/octet-stream", false),
    };
    let brotli = embedded(&format!("{path}.br")).map(|small| (Coding::Brotli, small));
    let gzip = if text { gzip(&bytes) } else { None };
    Some(Content {
        packed: brotli.into_iter().chain(gzip.map(|small| (Coding::Gzip, small))).collect(),
        etag: manifest::digest::root(&bytes).to_string(),
        bytes,
        media_type,
        cache: SHORT.into(),
    })
}

fn embedded(path: &str) -> Option<Bytes> {
    Some(match Dist::get(path)?.data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    })
}
