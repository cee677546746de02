//! What the gateway of this machine and an edge have in common when they give a film to players over HTTP. Its invariant: what
//! a player is led to is a file of the film, and under a key subtitles are those that the publisher has signed.

mod names;
mod playlist;
pub(crate) mod range;

pub(crate) use names::Name;

use crate::viewer::Missing;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use manifest::{PublicKey, text};

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

/// By whom captions and subtitles have to be signed, if that is known, and what they have to belong to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Texts {
    key: Option<PublicKey>,
    swarm: [u8; 20],
}

impl Texts {
    /// Those of the film or live stream with this swarm id.
    pub(crate) fn new(key: Option<&PublicKey>, swarm: [u8; 20]) -> Self {
        Self { key: key.copied(), swarm }
    }

    /// Whether a file may be given out: of texts in the folders of captions only what was signed under that name.
    pub(crate) fn admit(&self, path: &str, bytes: &[u8]) -> bool {
        let is_text = path.contains('/') && path.ends_with(".vtt");
        !is_text || self.key.is_none_or(|key| text::open(bytes, &self.swarm, path, &key).is_ok())
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

#[cfg(test)]
mod tests {
    use super::*;
    use manifest::SecretKey;

    #[test]
    fn under_a_key_only_signed_texts_are_given_out() {
        let (key, swarm) = (SecretKey::from_seed([7; 32]), [1; 20]);
        let signed = text::seal(b"WEBVTT\n\n", &swarm, "t0/subs.vtt", &key);
        let keyed = Texts::new(Some(&key.public()), swarm);
        assert!(keyed.admit("t0/subs.vtt", &signed));
        assert!(!keyed.admit("t1/subs.vtt", &signed));
        assert!(!keyed.admit("t0/subs.vtt", b"WEBVTT\n\n"));
        assert!(!Texts::new(Some(&key.public()), [2; 20]).admit("t0/subs.vtt", &signed));
        assert!(keyed.admit("thumbs.vtt", b"WEBVTT\n") && keyed.admit("t0/media.m3u8", b"#EXTM3U\n"));
        assert!(Texts::new(None, swarm).admit("t0/subs.vtt", b"WEBVTT\n\n"));
    }
}
