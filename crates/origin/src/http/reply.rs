//! Bytes in memory as HTTP responses: conditions, ranges, compression (RFC 9110). Its invariant: a strong entity tag
//! stands for exactly the bytes that are sent under it.

use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, Response, StatusCode};
use bytes::Bytes;
use std::borrow::Cow;
use std::ops::Range;

/// May be kept for a year and not asked for again.
pub const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// May be kept for five seconds.
pub const SHORT: &str = "public, max-age=5";

/// A content coding (RFC 9110 section 8.4.1, RFC 7932).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Brotli,
    Gzip,
}

impl Coding {
    /// As headers have it, and what tags of that form end in.
    fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    fn is_accepted(self, headers: &HeaderMap) -> bool {
        headers
            .get_all(header::ACCEPT_ENCODING)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
            .any(|coding| {
                let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
                let refused = weight
                    .trim()
                    .strip_prefix("q=")
                    .and_then(|q| q.parse::<f32>().ok())
                    .is_some_and(|q| q <= 0.0);
                name.trim().eq_ignore_ascii_case(self.name()) && !refused
            })
    }
}

/// What to send, before the request's conditions are looked at.
#[derive(Clone, Debug)]
pub struct Content {
    /// The bytes.
    pub bytes: Bytes,
    /// The bytes compressed, if they may be sent so, best first.
    pub packed: Vec<(Coding, Bytes)>,
    /// Digest of the bytes, in hex.
    pub etag: String,
    /// For `Content-Type`.
    pub media_type: &'static str,
    /// For `Cache-Control`.
    pub cache: Cow<'static, str>,
}

/// The response to `method` (GET or HEAD) with `headers`; `send` makes a body of the bytes to be sent.
pub fn respond(
    method: &Method,
    headers: &HeaderMap,
    content: Content,
    send: impl FnOnce(Bytes) -> Body,
) -> Response<Body> {
    let Content { bytes, packed, etag, media_type, cache } = content;
    // A range is one of the plain bytes: a compressed form has offsets of its own.
    let range = if method == Method::GET { headers.get(header::RANGE) } else { None };
    let varies = !packed.is_empty();
    let best = packed.into_iter().find(|(coding, _)| range.is_none() && coding.is_accepted(headers));
    let (bytes, etag, coding) = match best {
        Some((coding, small)) => (small, format!("\"{etag}-{}\"", coding.name()), Some(coding)),
        None => (bytes, format!("\"{etag}\""), None),
    };
    let mut response = Response::new(Body::empty());
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    out.insert(header::CACHE_CONTROL, value(&cache));
    out.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    out.insert(header::ETAG, value(&etag));
    if varies {
        out.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if let Some(coding) = coding {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    if headers.get_all(header::IF_NONE_MATCH).iter().any(|tags| lists(tags, &etag)) {
        response.headers_mut().remove(header::CONTENT_TYPE);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    // A date can never be the tag, so with one the whole is sent.
    let wanted =
        range.filter(|_| headers.get(header::IF_RANGE).is_none_or(|tag| tag.as_bytes() == etag.as_bytes()));
    let body = match wanted.map(|range| parse_range(range, bytes.len())) {
        None | Some(Wanted::Whole) => bytes,
        Some(Wanted::Part(part)) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let text = format!("bytes {}-{}/{}", part.start, part.end - 1, bytes.len());
            response.headers_mut().insert(header::CONTENT_RANGE, value(&text));
            bytes.slice(part)
        }
        Some(Wanted::Beyond) => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            let out = response.headers_mut();
            out.insert(header::CONTENT_RANGE, value(&format!("bytes */{}", bytes.len())));
            out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            Bytes::new()
        }
    };
    response.headers_mut().insert(header::CONTENT_LENGTH, body.len().into());
    if method != Method::HEAD {
        *response.body_mut() = send(body);
    }
    response
}

/// Opens `response` to pages of every site, and says what may be read of it there.
pub fn open_to_all(headers: &mut HeaderMap) {
    const HEADERS: [(HeaderName, &str); 4] = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Content-Length,Content-Range,Date,ETag,Server-Timing"),
        (HeaderName::from_static("timing-allow-origin"), "*"),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ];
    for (name, text) in HEADERS {
        headers.insert(name, HeaderValue::from_static(text));
    }
}

/// The answer to a browser that asks whether it may ask.
pub fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let out = response.headers_mut();
    out.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    out.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Range, If-Range, If-None-Match, If-Modified-Since, Cache-Control"),
    );
    out.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    open_to_all(out);
    response
}

enum Wanted {
    Whole,
    Part(Range<usize>),
    Beyond,
}

/// A single range, or else the whole: a server may ignore what it does not understand (RFC 9110 section 14.2), and several
/// ranges at once serve attackers more than players.
fn parse_range(header: &HeaderValue, len: usize) -> Wanted {
    let parts =
        header.to_str().ok().and_then(|t| t.strip_prefix("bytes=")).and_then(|t| t.trim().split_once('-'));
    let Some((first, last)) = parts else { return Wanted::Whole };
    let number = |text: &str| match text {
        "" => Some(None),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(Some(digits.parse().unwrap_or(usize::MAX)))
        }
        _ => None,
    };
    match (number(first), number(last)) {
        (Some(Some(first)), Some(last)) => {
            let last = last.unwrap_or(usize::MAX);
            if first > last {
                Wanted::Whole // not a range at all
            } else if first >= len {
                Wanted::Beyond
            } else {
                Wanted::Part(first..last.saturating_add(1).min(len))
            }
        }
        (Some(None), Some(Some(0))) => Wanted::Beyond,
        (Some(None), Some(Some(_))) if len == 0 => Wanted::Beyond,
        (Some(None), Some(Some(suffix))) => Wanted::Part(len - suffix.min(len)..len),
        _ => Wanted::Whole,
    }
}

/// Whether `If-None-Match` names the tag; weak comparison (RFC 9110 section 13.1.2).
fn lists(tags: &HeaderValue, etag: &str) -> bool {
    let Ok(tags) = tags.to_str() else { return false };
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("digits, hex and quotes are legal in a header")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_form_that_is_accepted_is_sent_under_a_tag_of_its_own() {
        let content = || Content {
            bytes: Bytes::from_static(b"plain"),
            packed: vec![
                (Coding::Brotli, Bytes::from_static(b"br")),
                (Coding::Gzip, Bytes::from_static(b"gz")),
            ],
            etag: "tag".to_owned(),
            media_type: "text/javascript",
            cache: SHORT.into(),
        };
        for (accepted, coding, tag, length) in [
            ("gzip, deflate, br;q=0.9", Some("br"), "\"tag-br\"", 2),
            ("gzip, br;q=0", Some("gzip"), "\"tag-gzip\"", 2),
            ("deflate", None, "\"tag\"", 5),
        ] {
            let headers =
                HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted))]);
            let mut sent = 0;
            let response = respond(&Method::GET, &headers, content(), |bytes| {
                sent = bytes.len();
                Body::from(bytes)
            });
            let of = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
            assert_eq!((of(header::CONTENT_ENCODING), of(header::ETAG)), (coding, Some(tag)), "{accepted}");
            assert_eq!((of(header::VARY), sent), (Some("Accept-Encoding"), length));
        }
    }

    #[test]
    fn no_range_reaches_beyond_the_bytes() {
        let alphabet = b"0139-, ";
        for len in [0, 1, 2, 10] {
            for n in 0..alphabet.len().pow(5) {
                let text: Vec<u8> =
                    (0..5).map(|i| alphabet[n / alphabet.len().pow(i) % alphabet.len()]).collect();
                let header = HeaderValue::from_bytes(&[b"bytes=", &text[..]].concat()).unwrap();
                if let Wanted::Part(part) = parse_range(&header, len) {
                    assert!(part.start < part.end && part.end <= len, "{header:?} of {len} gives {part:?}");
                }
            }
        }
    }
}
