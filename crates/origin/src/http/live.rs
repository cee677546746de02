//! A live stream over HTTP: its closed set of names, and answers that wait. Its invariant: what has a number never changes under it, and
//! caches are told so; what changes says that it does.

use super::counted::Counted;
use super::metrics::Metrics;
use super::names::Class;
use super::reply::{Coding, Content, SHORT, open_to_all, respond};
use super::{Origin, data, problem, value_in};
use crate::live::bucket::Object;
use crate::live::{self, Channel, Piece, Refused, Text};
use axum::Json;
use axum::body::{Body, HttpBody};
use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderMap, Method, Response, StatusCode};
use axum::response::IntoResponse;
use bytes::Bytes;
use cmaf::live::{Directives, Name};
use hyper::body::Frame;
use prometheus_client::metrics::counter::Counter;
use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// A playlist that waited for a part: everybody who waits for that part gets it.
const AWAITED: &str = "public, max-age=6";
/// Where media is: until a bucket that fails is noticed.
const ELSEWHERE: &str = "public, max-age=6";
/// Not without asking again.
const ASK: &str = "no-cache";

const PLAYLIST: &str = "application/vnd.apple.mpegurl";
const WEBVTT: &str = "text/vtt; charset=utf-8";

/// A number in a query: digits.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Answers a request for the file `name` of a live stream.
pub(super) async fn file(
    origin: &Origin,
    channel: Arc<Channel>,
    name: &str,
    method: &Method,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Response<Body> {
    let answer = Answer { origin, channel: &channel, method, headers };
    let mut response = answer.of(name, query.unwrap_or_default()).await.unwrap_or_else(refused);
    open_to_all(response.headers_mut());
    response
}

fn refused(why: Refused) -> Response<Body> {
    match why {
        Refused::NotFound => {
            problem(StatusCode::NOT_FOUND, "There is no such file of this live stream, or not any more.")
        }
        Refused::Wrong => problem(StatusCode::BAD_REQUEST, "Nobody can have heard of that part yet."),
        Refused::Broken => {
            problem(StatusCode::INTERNAL_SERVER_ERROR, "This segment is damaged on the origin's disk.")
        }
        Refused::Late | Refused::Crowded => {
            let text = match why {
                Refused::Late => "The stream stands still.",
                _ => "Too many requests wait for this stream.",
            };
            let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, text);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
    }
}

struct Answer<'a> {
    origin: &'a Origin,
    channel: &'a Arc<Channel>,
    method: &'a Method,
    headers: &'a HeaderMap,
}

impl Answer<'_> {
    async fn of(&self, name: &str, query: &str) -> Result<Response<Body>, Refused> {
        let channel = self.channel;
        match name {
            "manifest.mpd" => Ok(self.text(channel.mpd().await?, "application/dash+xml", ASK)),
            "stream.json" => Ok(data(Json(channel.card()))),
            "live.bcs" => {
                let Piece { bytes, digest } = channel.description();
                let etag = digest.to_string();
                Ok(self.send(bytes, None, etag, "application/octet-stream", ASK.into(), Class::Manifest))
            }
            "heads" => self.heads(query).await,
            _ => self.named(Name::parse(name).ok_or(Refused::NotFound)?, query).await,
        }
    }

    /// What playlists name.
    async fn named(&self, name: Name<'_>, query: &str) -> Result<Response<Body>, Refused> {
        let channel = self.channel;
        let rendition = |id: &str| channel.rendition(id).ok_or(Refused::NotFound);
        Ok(match name {
            Name::Master => self.text(channel.master().await?, PLAYLIST, ASK),
            Name::Media(id) => {
                let Directives { form, awaited } = Directives::parse(query).ok_or(Refused::Wrong)?;
                let text = channel.media(rendition(id)?, form, awaited).await?;
                self.text(text, PLAYLIST, if awaited.is_some() { AWAITED } else { ASK })
            }
            Name::Captions(captions) => self.text(channel.captions(captions).await?, PLAYLIST, ASK),
            Name::Caption(captions, sequence) => {
                let Piece { bytes, digest } = channel.caption(captions, sequence).await?;
                self.send(bytes, None, digest.to_string(), WEBVTT, self.keep(), Class::Extra)
            }
            Name::Init(id, number) => {
                let of = rendition(id)?;
                let init = async { Ok(self.media(id, channel.init(of, number).ok_or(Refused::NotFound)?)) };
                self.unless_elsewhere((of, Object::Init(number)), init).await?
            }
            Name::Part(id, sequence) => {
                let of = rendition(id)?;
                let part = async { Ok(self.media(id, channel.part(of, sequence).await?)) };
                self.unless_elsewhere((of, Object::Part(sequence)), part).await?
            }
            Name::Segment(id, sequence) => {
                let of = rendition(id)?;
                let segment = async {
                    Ok(match channel.segment(of, sequence).await? {
                        live::Body::Whole(segment) => self.media(id, segment),
                        live::Body::Growing(parts) => self.growing(id, parts),
                    })
                };
                self.unless_elsewhere((of, Object::Segment(sequence)), segment).await?
            }
        })
    }

    /// Sends who asks for what a bucket has there, also where it has it only now that it was waited for; others get `answer`.
    async fn unless_elsewhere(
        &self,
        (of, object): (usize, Object),
        answer: impl Future<Output = Result<Response<Body>, Refused>>,
    ) -> Result<Response<Body>, Refused> {
        let there = || {
            let url = self.channel.elsewhere(of, object)?;
            let headers = [(header::LOCATION, url), (header::CACHE_CONTROL, ELSEWHERE.to_owned())];
            Some((StatusCode::FOUND, headers).into_response())
        };
        if let Some(there) = there() {
            return Ok(there);
        }
        let answer = answer.await?;
        Ok(there().unwrap_or(answer))
    }

    async fn heads(&self, query: &str) -> Result<Response<Body>, Refused> {
        let value = |name| value_in(query, name).map_or(Some(0), digits);
        let (Some(epoch), Some(after)) = (value("epoch"), value("after")) else { return Err(Refused::Wrong) };
        let epoch = u32::try_from(epoch).map_err(|_| Refused::Wrong)?;
        let heads = self.channel.heads(epoch, after).await?;
        let status = if heads.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT };
        let body = match heads {
            Some(bytes) if self.method != Method::HEAD => Body::new(self.counted(bytes, Class::Manifest)),
            _ => Body::empty(),
        };
        let headers = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, ASK)];
        Ok((status, headers, body).into_response())
    }

    fn text(&self, text: Text, media_type: &'static str, cache: &'static str) -> Response<Body> {
        let Text { bytes, gzip, digest } = text;
        self.send(bytes, gzip, digest.to_string(), media_type, cache.into(), Class::Manifest)
    }

    fn media(&self, id: &str, piece: Piece) -> Response<Body> {
        let Piece { bytes, digest } = piece;
        self.send(bytes, None, digest.to_string(), media_type(id), self.keep(), Class::Media)
    }

    /// For as long as the window reaches, and not asked for again meanwhile.
    fn keep(&self) -> Cow<'static, str> {
        format!("public, max-age={}, immutable", self.channel.keep_s()).into()
    }

    fn send(
        &self,
        bytes: Bytes,
        gzip: Option<Bytes>,
        etag: String,
        media_type: &'static str,
        cache: Cow<'static, str>,
        class: Class,
    ) -> Response<Body> {
        let packed = gzip.map(|gzip| (Coding::Gzip, gzip)).into_iter().collect();
        let content = Content { bytes, packed, etag, media_type, cache };
        respond(self.method, self.headers, content, |bytes| Body::new(self.counted(bytes, class)))
    }

    fn counted(&self, bytes: Bytes, class: Class) -> Counted {
        Counted::new(bytes, Arc::clone(&self.origin.0.metrics), &self.channel.slug, class)
    }

    /// A segment that is not whole: nobody knows how long it will be.
    fn growing(&self, id: &str, parts: mpsc::Receiver<io::Result<Bytes>>) -> Response<Body> {
        let metrics = Arc::clone(&self.origin.0.metrics);
        let counter = metrics.served(&self.channel.slug, Class::Media);
        let body = match *self.method {
            Method::HEAD => Body::empty(),
            _ => Body::new(Growing { parts, counter, metrics }),
        };
        let mut response = Response::new(body);
        let out = response.headers_mut();
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(id)));
        // Digits and letters.
        let keep = HeaderValue::from_str(&self.keep()).unwrap_or(HeaderValue::from_static(SHORT));
        out.insert(header::CACHE_CONTROL, keep);
        response
    }
}

pub(crate) fn media_type(id: &str) -> &'static str {
    if id.starts_with('a') { "audio/mp4" } else { "video/mp4" }
}

/// A segment's parts as they are born; what of them connections take is counted.
#[derive(Debug)]
struct Growing {
    parts: mpsc::Receiver<io::Result<Bytes>>,
    counter: Counter,
    metrics: Arc<Metrics>,
}

impl HttpBody for Growing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let part = std::task::ready!(self.parts.poll_recv(cx));
        if let Some(Ok(bytes)) = &part {
            self.counter.inc_by(bytes.len() as u64);
            self.metrics.served_media(bytes.len() as u64);
        }
        Poll::Ready(part.map(|part| part.map(Frame::data)))
    }
}
