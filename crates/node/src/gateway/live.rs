//! A live stream as HLS. Its invariant: names are parsed into a closed set, and a reload that waits for nothing is answered as long as
//! there has been a playlist: players give up at the first that fails.

use super::Sent;
use crate::live::{Body as Media, Live, Refused, Show};
use crate::serving::{media_type, range};
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cmaf::live::{Directives, Name};
use futures_util::{Stream, StreamExt};
use manifest::SegmentId;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long a request waits for the stream that goes on where another has ended.
const NEXT_SHOW: Duration = Duration::from_secs(20);
/// Pause before an answer is looked for again.
const AGAIN: Duration = Duration::from_millis(500);

pub(super) async fn answer(
    State(live): State<Live>,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let Some(name) = Name::parse(&path) else { return StatusCode::NOT_FOUND.into_response() };
    let Some(Directives { awaited, .. }) = Directives::parse(query.as_deref().unwrap_or_default()) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let whole = |bytes| range::whole(&method, &headers, media_type(&path), bytes);
    let show = live.show();
    let answered = match name {
        Name::Master => show.master().await.map(|bytes| listed(whole(bytes))),
        Name::Media(id) => media(&live, id, awaited).await.map(|text| listed(whole(text.into()))),
        Name::Captions(_) => show.captions(&path).await.map(|bytes| listed(whole(bytes))),
        Name::Caption(..) => show.captions(&path).await.map(whole),
        Name::Init(id, number) => match show.stream().rendition(id) {
            Some(rendition) => show.init(rendition, number).await.map(whole),
            None => Err(Refused::NotFound),
        },
        Name::Part(id, number) => match show.stream().rendition(id) {
            Some(rendition) => show.part(rendition, number).await.map(whole),
            None => Err(Refused::NotFound),
        },
        Name::Segment(id, number) => match show.stream().rendition(id) {
            Some(rendition) => segment(show, rendition, number, &method, &headers, media_type(&path)).await,
            None => Err(Refused::NotFound),
        },
    };
    answered.unwrap_or_else(|why| {
        let status = match &why {
            Refused::NotFound => StatusCode::NOT_FOUND,
            Refused::TooFar => StatusCode::BAD_REQUEST,
            Refused::Late | Refused::Superseded => StatusCode::SERVICE_UNAVAILABLE,
            Refused::Missing(why) => return crate::serving::failed(why),
            Refused::Forged | Refused::NoPlaylist | Refused::Origin(_) => StatusCode::BAD_GATEWAY,
        };
        (status, format!("{why}\n")).into_response()
    })
}

/// A playlist changes.
fn listed(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The playlist of what is on now. While another stream is about to go on, or the origin comes back, it is waited for.
async fn media(live: &Live, id: &str, awaited: Option<(u32, Option<u32>)>) -> Result<String, Refused> {
    let until = Instant::now() + NEXT_SHOW;
    let mut shows = live.shows();
    loop {
        let show = shows.borrow_and_update().clone();
        let rendition = show.stream().rendition(id).ok_or(Refused::NotFound)?;
        let why = match show.media(rendition, awaited).await {
            Err(why @ (Refused::Superseded | Refused::Origin(_) | Refused::NoPlaylist)) => why,
            answer => return answer,
        };
        let wait = match why {
            Refused::Superseded => until,
            _ => until.min(Instant::now() + AGAIN),
        };
        let _ = timeout_at(wait, shows.changed()).await;
        if Instant::now() >= until {
            return Err(why);
        }
    }
}

async fn segment(
    show: Arc<Show>,
    rendition: u8,
    number: u32,
    method: &Method,
    headers: &HeaderMap,
    media_type: &'static str,
) -> Result<Response, Refused> {
    Ok(match show.segment(rendition, number).await? {
        Media::Plain(bytes) => range::whole(method, headers, media_type, bytes),
        Media::Parts(parts) => {
            let size = parts.iter().map(|(_, size)| u64::from(*size)).sum();
            let (mut response, range) = range::answer(method, headers, media_type, size);
            if !range.is_empty() {
                let (parts, range) = within(&parts, range);
                *response.body_mut() = Body::from_stream(cut(show.joined(parts), range));
            }
            response
        }
        // Nobody knows how long it will be.
        Media::Growing(first) => {
            let body = match *method {
                Method::HEAD => Body::empty(),
                _ => Body::from_stream(show.growing(first)),
            };
            let mut response = Response::new(body);
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
            response
        }
    })
}

/// The parts that hold a range of the segment, and where it is in those, joined.
fn within(parts: &[(SegmentId, u32)], range: Range<u64>) -> (Vec<SegmentId>, Range<u64>) {
    let (mut at, mut before, mut held) = (0, 0, Vec::new());
    for &(part, size) in parts {
        let end = at + u64::from(size);
        if end <= range.start {
            before = end;
        } else if at < range.end {
            held.push(part);
        }
        at = end;
    }
    (held, range.start - before..range.end - before)
}

/// What lies in a range of a body.
fn cut(body: impl Stream<Item = Sent> + Send, range: Range<u64>) -> impl Stream<Item = Sent> + Send {
    let mut at = 0;
    body.map(move |sent: Sent| {
        let bytes: Bytes = sent?;
        let len = bytes.len() as u64;
        let from = range.start.saturating_sub(at).min(len);
        let to = range.end.saturating_sub(at).min(len);
        at += len;
        Ok(bytes.slice(from as usize..to as usize))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_range_is_cut_out_of_the_parts_that_hold_it() {
        let parts: Vec<_> = (1..=4).map(|n| (SegmentId::new(0, n), 10)).collect();
        let whole: Vec<u8> = (0..40).collect();
        for range in [0..40, 0..1, 9..11, 10..20, 35..40, 5..36] {
            let (held, cut_at) = within(&parts, range.clone());
            let sent = held.iter().map(|part| {
                let at = (part.sequence as usize - 1) * 10;
                Ok(Bytes::copy_from_slice(&whole[at..at + 10]))
            });
            let sent: Vec<Sent> = cut(futures_util::stream::iter(sent), cut_at).collect().await;
            let bytes: Vec<u8> = sent.into_iter().flat_map(|sent| sent.unwrap()).collect();
            assert_eq!(bytes, whole[range.start as usize..range.end as usize], "{range:?}");
        }
    }
}
