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
use cmaf::live::hls::Form;
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

/// A file of a live stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name<'a> {
    Master,
    Mpd,
    Card,
    Description,
    Heads,
    Media(&'a str),
    Init(&'a str, u32),
    Segment(&'a str, u32),
    Part(&'a str, u32),
    Captions(usize),
    Caption(usize, u32),
}

impl<'a> Name<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        Some(match text {
            "master.m3u8" => Self::Master,
            "manifest.mpd" => Self::Mpd,
            "stream.json" => Self::Card,
            "live.bcs" => Self::Description,
            "heads" => Self::Heads,
            _ => {
                let (id, file) = text.split_once('/')?;
                if let Some(captions) = id.strip_prefix('t') {
                    let captions = ordinal(captions)?;
                    return Some(match file {
                        "media.m3u8" => Self::Captions(captions),
                        _ => Self::Caption(captions, number(file.strip_suffix(".vtt")?)?),
                    });
                }
                match file.split_once('/') {
                    None if file == "media.m3u8" => Self::Media(id),
                    None => Self::Segment(id, number(file.strip_suffix(".m4s")?)?),
                    Some(("init", file)) => Self::Init(id, number(file.strip_suffix(".mp4")?)?),
                    Some(("part", file)) => Self::Part(id, number(file.strip_suffix(".m4s")?)?),
                    Some(_) => return None,
                }
            }
        })
    }
}

/// Digits without a leading zero.
fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    if plain { text.parse().ok() } else { None }
}

/// Like [`number`], from 0 on.
fn ordinal<N: std::str::FromStr>(text: &str) -> Option<N> {
    if text == "0" { text.parse().ok() } else { number(text) }
}

/// A number in a query: digits.
fn digits<N: std::str::FromStr>(text: &str) -> Option<N> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// What a request for a playlist asks for beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Directives {
    form: Form,
    awaited: Option<(u32, Option<u32>)>,
}

impl Directives {
    /// Reads a query; `None`: it means nothing (RFC 8216bis section 6.2.5).
    fn parse(query: &str) -> Option<Self> {
        let value = |name| value_in(query, name);
        let form = match (value("parts"), value("_HLS_skip")) {
            (Some("no"), _) => Form::Plain,
            // Date ranges are few here, and are given whole: see `cmaf::live::hls`.
            (_, Some("YES" | "v2")) => Form::Delta,
            _ => Form::LowLatency,
        };
        let awaited = match (value("_HLS_msn"), value("_HLS_part")) {
            (None, None) => None,
            (None, Some(_)) => return None,
            (Some(segment), None) => Some((digits(segment)?, None)),
            (Some(segment), Some(part)) => Some((digits(segment)?, Some(digits(part)?))),
        };
        Some(Self { form, awaited })
    }
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
    let response = match Name::parse(name) {
        Some(name) => answer.of(name, query.unwrap_or_default()).await,
        None => Err(Refused::NotFound),
    };
    let mut response = response.unwrap_or_else(refused);
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
    async fn of(&self, name: Name<'_>, query: &str) -> Result<Response<Body>, Refused> {
        let channel = self.channel;
        let rendition = |id: &str| channel.rendition(id).ok_or(Refused::NotFound);
        Ok(match name {
            Name::Master => self.text(channel.master().await?, PLAYLIST, ASK),
            Name::Mpd => self.text(channel.mpd().await?, "application/dash+xml", ASK),
            Name::Card => data(Json(channel.card())),
            Name::Description => {
                let Piece { bytes, digest } = channel.description();
                self.send(
                    bytes,
                    None,
                    digest.to_string(),
                    "application/octet-stream",
                    ASK.into(),
                    Class::Manifest,
                )
            }
            Name::Heads => return self.heads(query).await,
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
        let value = |name| value_in(query, name).map_or(Some(0), digits::<u64>);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_stands_for_each_name() {
        assert_eq!(Name::parse("v0/17.m4s"), Some(Name::Segment("v0", 17)));
        assert_eq!(Name::parse("v0/part/17.m4s"), Some(Name::Part("v0", 17)));
        assert_eq!(Name::parse("a0/init/1.mp4"), Some(Name::Init("a0", 1)));
        assert_eq!(Name::parse("t0/media.m3u8"), Some(Name::Captions(0)));
        assert_eq!(Name::parse("t10/3.vtt"), Some(Name::Caption(10, 3)));
        for text in [
            "t/media.m3u8",
            "t00/media.m3u8",
            "t+1/1.vtt",
            "t0/0.vtt",
            "t0/1.m4s",
            "t0/part/1.m4s",
            "v0/1.vtt",
        ] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
        for text in
            ["", "v0", "v0/", "v0/0.m4s", "v0/01.m4s", "v0/part/4294967296.m4s", "v0/part/../1.m4s", "heads/"]
        {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }

    #[test]
    fn directives_are_read_or_refused() {
        let read = |query| Directives::parse(query).map(|d| (d.form, d.awaited));
        assert_eq!(read(""), Some((Form::LowLatency, None)));
        assert_eq!(read("_HLS_msn=7&_HLS_part=0"), Some((Form::LowLatency, Some((7, Some(0))))));
        assert_eq!(read("_HLS_msn=7&_HLS_skip=YES"), Some((Form::Delta, Some((7, None)))));
        assert_eq!(read("parts=no"), Some((Form::Plain, None)));
        for query in
            ["_HLS_part=1", "_HLS_msn=-1", "_HLS_msn=", "_HLS_msn=1&_HLS_part=x", "_HLS_msn=99999999999"]
        {
            assert_eq!(read(query), None, "{query}");
        }
    }
}
