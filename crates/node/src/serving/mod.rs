//! What the gateway of this machine and an edge have in common when they give a film to players over HTTP. Its invariant: what
//! a player is led to is a file of the film.

mod names;
mod playlist;
pub(crate) mod range;

pub(crate) use names::Name;

use crate::viewer::Missing;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Largest playlist, subtitle or picture, 16 MiB.
pub(crate) const MAX_FILE_BYTES: usize = 16 << 20;

/// Whether a file, if it is a playlist, names nothing but files of the film.
pub(crate) fn stays(path: &str, bytes: &[u8]) -> bool {
    match path.rsplit('.').next() {
        Some("m3u8") => playlist::hls_stays(bytes),
        Some("mpd") => playlist::dash_stays(bytes),
        _ => true,
    }
}

/// Why a segment does not come, as an answer.
pub(crate) fn failed(why: &Missing) -> Response {
    let status = match why {
        Missing::Unknown => StatusCode::NOT_FOUND,
        Missing::Refused(status) => StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY),
        Missing::Forged => StatusCode::BAD_GATEWAY,
        Missing::Left => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, format!("{why}\n")).into_response()
}

/// By the file's extension, as the origin has it.
pub(crate) fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or("") {
        "m3u8" => "application/vnd.apple.mpegurl",
        "mpd" => "application/dash+xml",
        "vtt" => "text/vtt; charset=utf-8",
        "jpg" => "image/jpeg",
        "json" => "application/json",
        "mp4" | "m4s" if path.starts_with('a') => "audio/mp4",
        "mp4" | "m4s" => "video/mp4",
        _ => "application/octet-stream",
    }
}
