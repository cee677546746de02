//! Asking somebody else's server. The invariant: a connection goes only to an address that was judged, and was judged for this very
//! connection; no more is read than was allowed for, and nothing is waited for without end.

use super::address::Rule;
use crate::live::{SOME_PAGE, is_open_to_pages, is_web};
use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderValue, LOCATION, ORIGIN, RANGE};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::time::timeout;

/// Redirects followed for one request.
const MAX_REDIRECTS: usize = 5;
/// A connection stands, and something comes on it, within so long.
const SILENCE: Duration = Duration::from_secs(8);
/// A whole answer is there within so long.
const WHOLE: Duration = Duration::from_secs(60);

/// Why there is no answer. No address in it has a name, a password or a query.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(in crate::live) enum WebError {
    #[error("it is no address of http or https")]
    Scheme,
    #[error("it leads to {0}, which is not on the public internet; --pull-private allows that")]
    Private(String),
    #[error("it leads from one address to another without end")]
    Redirects,
    #[error("the server answers {0}")]
    Status(u16),
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    #[error("the server gives another part of it than was asked for")]
    Range,
    #[error("the server says nothing")]
    Silent,
    #[error("{0}")]
    Broken(String),
}

/// What came, and from where in the end.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub body: Bytes,
    pub url: Url,
}

/// A client. Clones share their connections.
#[derive(Clone, Debug)]
pub(super) struct Web {
    client: Client,
    rule: Rule,
}

impl Web {
    pub fn new(rule: Rule) -> Result<Self, WebError> {
        Self::with(rule, Arc::new(System))
    }

    /// A client that has names resolved by `names`.
    pub fn with(rule: Rule, names: Arc<dyn Resolve>) -> Result<Self, WebError> {
        let client = Client::builder()
            .connect_timeout(SILENCE)
            .redirect(redirect::Policy::none())
            .referer(false)
            // A proxy would resolve the names itself.
            .no_proxy()
            .dns_resolver(Arc::new(Judged { names, rule }))
            .user_agent(concat!("braidcast/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(broken)?;
        Ok(Self { client, rule })
    }

    /// The answer at `url`, or the bytes `range` of it; at most `max` bytes.
    pub async fn get(&self, url: &Url, range: Option<Range<u64>>, max: usize) -> Result<Got, WebError> {
        timeout(WHOLE, self.follow(url, range, max)).await.map_err(|_| WebError::Silent)?
    }

    async fn follow(&self, url: &Url, range: Option<Range<u64>>, max: usize) -> Result<Got, WebError> {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            self.judge(&url)?;
            let mut request = self.client.get(url.clone());
            if let Some(range) = &range {
                let last = range.end.checked_sub(1).filter(|last| *last >= range.start);
                let last = last.ok_or(WebError::Range)?;
                request = request.header(RANGE, format!("bytes={}-{last}", range.start));
            }
            let answer = timeout(SILENCE, request.send()).await.map_err(|_| WebError::Silent)?;
            let answer = answer.map_err(broken)?;
            let status = answer.status();
            let further = answer.headers().get(LOCATION).map(HeaderValue::to_str);
            if let (true, Some(Ok(further))) = (status.is_redirection(), further) {
                url = url.join(further).map_err(|_| WebError::Scheme)?;
                continue;
            }
            let body = match (status, &range) {
                (StatusCode::OK, None) => read(answer, max).await?,
                (StatusCode::PARTIAL_CONTENT, Some(range)) => {
                    let body = read(answer, max).await?;
                    if body.len() as u64 != range.end - range.start {
                        return Err(WebError::Range);
                    }
                    body
                }
                // It knows no ranges.
                (StatusCode::OK, Some(range)) => {
                    let body = read(answer, max).await?;
                    let (start, end) = (usize::try_from(range.start), usize::try_from(range.end));
                    match (start, end) {
                        (Ok(start), Ok(end)) if end <= body.len() => body.slice(start..end),
                        _ => return Err(WebError::Range),
                    }
                }
                _ => return Err(WebError::Status(status.as_u16())),
            };
            return Ok(Got { body, url });
        }
        Err(WebError::Redirects)
    }

    /// Whether pages of any site may read what is at `url` (CORS); its first byte is asked for.
    pub async fn is_open_to_pages(&self, url: &Url) -> Result<bool, WebError> {
        self.judge(url)?;
        let request = self.client.get(url.clone()).header(ORIGIN, SOME_PAGE).header(RANGE, "bytes=0-0");
        let answer = timeout(SILENCE, request.send()).await.map_err(|_| WebError::Silent)?.map_err(broken)?;
        Ok(is_open_to_pages(answer.headers()))
    }

    /// Judges what is no name; a name is judged when it is resolved.
    fn judge(&self, url: &Url) -> Result<(), WebError> {
        let host = url.host_str().filter(|_| is_web(url)).ok_or(WebError::Scheme)?;
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) if !self.rule.permits(address) => Err(WebError::Private(host.to_owned())),
            _ => Ok(()),
        }
    }
}

async fn read(mut answer: Response, max: usize) -> Result<Bytes, WebError> {
    let announced = answer.content_length().unwrap_or(0);
    if announced > max as u64 {
        return Err(WebError::TooLong(max));
    }
    let mut body = BytesMut::new();
    loop {
        let chunk = timeout(SILENCE, answer.chunk()).await.map_err(|_| WebError::Silent)?;
        let Some(chunk) = chunk.map_err(broken)? else { break };
        if chunk.len() > max - body.len() {
            return Err(WebError::TooLong(max));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// What broke, without the address: it may hold a token.
fn broken(error: reqwest::Error) -> WebError {
    let error = error.without_url();
    let mut cause: &(dyn Error + 'static) = &error;
    loop {
        if let Some(refused) = cause.downcast_ref::<WebError>() {
            return refused.clone();
        }
        match cause.source() {
            Some(next) => cause = next,
            None if error.is_timeout() => return WebError::Silent,
            None => return WebError::Broken(cause.to_string()),
        }
    }
}

/// Names as the system resolves them.
struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// What names resolve to, as far as it may be asked. The client connects to these addresses and resolves nothing again.
struct Judged {
    names: Arc<dyn Resolve>,
    rule: Rule,
}

impl Resolve for Judged {
    fn resolve(&self, name: Name) -> Resolving {
        let (rule, text) = (self.rule, name.as_str().to_owned());
        let resolving = self.names.resolve(name);
        Box::pin(async move {
            let found: Vec<SocketAddr> = resolving.await?.collect();
            let some = !found.is_empty();
            let permitted: Vec<_> = found.into_iter().filter(|at| rule.permits(at.ip())).collect();
            if some && permitted.is_empty() {
                return Err(WebError::Private(text).into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// `url` as it may be shown: without name, password, query and fragment.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // They fail for addresses that can have neither.
    let _ = (url.set_username(""), url.set_password(None));
    url.to_string()
}

#[cfg(test)]
mod tests;
