//! Ranges of RFC 9110: one, or the whole.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use std::ops::Range;

/// What a request wants of `len` bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Whole,
    Part(Range<u64>),
    Beyond,
}

/// Reads the `Range` header. Several ranges at once are answered with the whole, as a server may.
pub(crate) fn wanted(headers: &HeaderMap, len: u64) -> Wanted {
    let Some(text) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else {
        return Wanted::Whole;
    };
    let Ok(ranges) = http_range_header::parse_range_header(text) else { return Wanted::Whole };
    match ranges.validate(len).as_deref() {
        Ok([range]) => Wanted::Part(*range.start()..*range.end() + 1),
        Ok(_) => Wanted::Whole,
        Err(_) => Wanted::Beyond,
    }
}

/// The start of an answer to `headers`, and what its body is to hold: empty for HEAD and for what lies beyond.
pub(crate) fn answer(
    method: &Method,
    headers: &HeaderMap,
    media_type: &'static str,
    len: u64,
) -> (Response, Range<u64>) {
    let mut response = head(media_type, len);
    let range = match wanted(headers, len) {
        Wanted::Whole => 0..len,
        Wanted::Part(part) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let text = format!("bytes {}-{}/{len}", part.start, part.end - 1);
            set(&mut response, header::CONTENT_RANGE, &text);
            set(&mut response, header::CONTENT_LENGTH, &(part.end - part.start).to_string());
            part
        }
        Wanted::Beyond => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            set(&mut response, header::CONTENT_RANGE, &format!("bytes */{len}"));
            set(&mut response, header::CONTENT_LENGTH, "0");
            0..0
        }
    };
    (response, if method == Method::HEAD { 0..0 } else { range })
}

/// An answer without a body to what is `len` bytes long.
pub(crate) fn head(media_type: &'static str, len: u64) -> Response {
    let mut response = Response::new(Body::empty());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    set(&mut response, header::CONTENT_LENGTH, &len.to_string());
    response
}

/// An answer from `bytes`, or the part of them that is asked for.
pub(crate) fn whole(
    method: &Method,
    headers: &HeaderMap,
    media_type: &'static str,
    bytes: Bytes,
) -> Response {
    let (mut response, range) = answer(method, headers, media_type, bytes.len() as u64);
    if !range.is_empty() {
        *response.body_mut() = Body::from(bytes.slice(range.start as usize..range.end as usize));
    }
    response
}

fn set(response: &mut Response, name: header::HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_or_the_whole() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, text.parse().unwrap());
            wanted(&headers, 100)
        };
        assert_eq!(of("bytes=0-"), Wanted::Part(0..100));
        assert_eq!(of("bytes=10-19"), Wanted::Part(10..20));
        assert_eq!(of("bytes=-5"), Wanted::Part(95..100));
        assert_eq!(of("bytes=90-200"), Wanted::Part(90..100));
        assert_eq!(of("bytes=100-"), Wanted::Beyond);
        for whole in ["bytes=0-1,5-6", "pieces=1-2", "bytes=x", "bytes=9-3"] {
            assert!(matches!(of(whole), Wanted::Whole | Wanted::Beyond), "{whole}");
        }
    }
}
