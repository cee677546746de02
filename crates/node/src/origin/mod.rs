//! The origin of one film over HTTP: small files whole, segments cut into pieces as they come.
//!
//! It is the native twin of the browser's client of `docs/spec/http.md`. Any web server with the folder of a film will do,
//! with ranges or without. It verifies nothing: whoever takes the pieces does.
//!
//! The invariant: nothing is waited for longer than the silence allowed, and nothing is read beyond what was asked for, so
//! no server can hold a fetch up for ever without sending, or fill the memory. Dropping a future ends its request.

mod live;
mod pieces;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
pub use reqwest::Url;
use reqwest::{
    Client, ClientBuilder, Response, StatusCode,
    header::{ACCEPT_ENCODING, CACHE_CONTROL, HeaderMap, HeaderValue, PRAGMA, RANGE},
    redirect,
};
use tokio::time::timeout;

pub use crate::origin::pieces::{Outcome, Pieces};

/// Nothing for this long and a fetch is given up.
const SILENCE: Duration = Duration::from_secs(8);
/// Redirects followed for one request.
const MAX_REDIRECTS: usize = 5;

/// Why there is no file, or no origin to ask.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is no folder on the web.
    #[error("{0} is not the address of a film: it must begin with https:// or http://")]
    Base(Url),
    /// Nothing the folder of a film has: such a name is never asked for.
    #[error("{0:?} is not the name of a file of a film")]
    Name(String),
    /// The system gives no HTTP client.
    #[error("no HTTP client: {0}; check that the system's certificates (ca-certificates) are installed")]
    Client(#[source] reqwest::Error),
    /// The origin's refusal.
    #[error("the origin answers {status} for {name}: {}", advice(*.status))]
    Status {
        /// The file.
        name: String,
        /// HTTP status.
        status: u16,
    },
    /// More than was allowed for.
    #[error("{name} is longer than {max} bytes: this is no such file of a film; check the address")]
    TooLong {
        /// The file.
        name: String,
        /// Bytes allowed for.
        max: usize,
    },
    /// No answer, or none any more.
    #[error(
        "the origin said nothing for {silence:?} while {name} was fetched: it may be overloaded, try again later"
    )]
    Silent {
        /// The file.
        name: String,
        /// How long it was waited.
        silence: Duration,
    },
    /// No connection, or one that broke.
    #[error("{name} could not be fetched: {error}; check the address and the connection")]
    Broken {
        /// The file.
        name: String,
        /// What broke. The address is not in it: it may hold a token.
        #[source]
        error: reqwest::Error,
    },
}

/// Whether there may be a web server to ask: an address of `http:` or `https:`, which always has a host.
pub fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// What every HTTP client of a node begins with.
pub(crate) fn client() -> ClientBuilder {
    Client::builder()
        .connect_timeout(SILENCE)
        .redirect(redirect::Policy::custom(follow))
        // It would tell the token to wherever a redirect leads.
        .referer(false)
}

fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "it wants a token, or this one has expired",
        404 | 410 => "check the address, or the film is gone",
        429 | 500.. => "try again later",
        _ => "check the address",
    }
}

/// The origin of one film. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Origin {
    client: Client,
    /// Ends in a slash and has no query.
    base: Url,
    query: Option<String>,
    silence: Duration,
}

impl Origin {
    /// The film in the folder `base`, whose own query and fragment do not count. `query` (without the question mark) is
    /// sent with every request: a token, perhaps.
    ///
    /// # Errors
    /// [`Error::Base`] for what is not `https:` or `http:`, [`Error::Client`] where TLS cannot be had.
    pub fn new(base: Url, query: Option<String>) -> Result<Self, Error> {
        let mut base = base;
        if !is_web(&base) {
            return Err(Error::Base(base));
        }
        base.set_query(None);
        base.set_fragment(None);
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let client = client().build().map_err(Error::Client)?;
        let query =
            query.map(|query| query.trim_start_matches('?').to_owned()).filter(|query| !query.is_empty());
        Ok(Self { client, base, query, silence: SILENCE })
    }

    /// Gives a fetch up when nothing has come for so long, instead of after 8 s.
    pub fn with_silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    /// The address of a file of the film, query included.
    ///
    /// # Errors
    /// [`Error::Name`] unless `name` is one or more plain names with slashes between: letters, digits, `.`, `-` and `_`.
    pub fn url(&self, name: &str) -> Result<Url, Error> {
        let is_plain = |part: &str| {
            !matches!(part, "" | "." | "..")
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        };
        if !name.split('/').all(is_plain) {
            return Err(Error::Name(name.to_owned()));
        }
        let mut url = self.base.clone();
        url.set_path(&format!("{}{name}", self.base.path()));
        url.set_query(self.query.as_deref());
        Ok(url)
    }

    /// A whole small file of the film: the index, an init segment, a playlist. At most `max` bytes of it are held.
    ///
    /// # Errors
    /// All of [`Error`] but [`Error::Base`] and [`Error::Client`]. A file longer than `max` is an error, not cut.
    pub async fn file(&self, name: &str, max: usize) -> Result<Bytes, Error> {
        let url = self.url(name)?;
        Ok(self.whole(name, url, max, false, &[StatusCode::OK.as_u16()]).await?.1)
    }

    /// A whole answer of one of these statuses, of at most `max` bytes; `fresh`: past every cache.
    async fn whole(
        &self,
        name: &str,
        url: Url,
        max: usize,
        fresh: bool,
        good: &[u16],
    ) -> Result<(u16, Bytes), Error> {
        let too_long = || Error::TooLong { name: name.to_owned(), max };
        let explain = |failure| match failure {
            Failure::Silent => Error::Silent { name: name.to_owned(), silence: self.silence },
            Failure::Broken(error) => Error::Broken { name: name.to_owned(), error },
        };
        let mut response = self.get(url, None, fresh).await.map_err(explain)?;
        let status = response.status().as_u16();
        if !good.contains(&status) {
            return Err(Error::Status { name: name.to_owned(), status });
        }
        if response.content_length().is_some_and(|length| length > max as u64) {
            return Err(too_long());
        }
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk(&mut response).await.map_err(explain)? {
            if chunk.len() > max - whole.len() {
                return Err(too_long());
            }
            whole.extend_from_slice(&chunk);
        }
        Ok((status, whole.freeze()))
    }

    /// One request, up to the headers of its answer, whatever that is.
    async fn get(&self, url: Url, range: Option<(u64, u64)>, fresh: bool) -> Result<Response, Failure> {
        let mut headers = HeaderMap::new();
        // Ranges and lengths are those of the file itself.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if fresh {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
        }
        let mut request = self.client.get(url).headers(headers);
        if let Some((from, to)) = range {
            request = request.header(RANGE, format!("bytes={from}-{}", to - 1));
        }
        within(self.silence, request.send()).await
    }

    /// What comes next of an answer; `None` at its end.
    async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, Failure> {
        within(self.silence, response.chunk()).await
    }
}

/// Why there is no answer, or no more of it.
#[derive(Debug)]
enum Failure {
    Silent,
    Broken(reqwest::Error),
}

async fn within<T>(
    silence: Duration,
    work: impl Future<Output = Result<T, reqwest::Error>>,
) -> Result<T, Failure> {
    match timeout(silence, work).await {
        Ok(done) => done.map_err(|error| Failure::Broken(error.without_url())),
        Err(_) => Err(Failure::Silent),
    }
}

/// A few steps, over the web only, and never from `https:` back to `http:`: as browsers do.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let was_secure = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
    let may = match attempt.url().scheme() {
        "https" => true,
        "http" => !was_secure,
        _ => false,
    };
    if attempt.previous().len() > MAX_REDIRECTS {
        attempt.error("too many redirects")
    } else if !may {
        attempt.error("a redirect that leads off the secure web")
    } else {
        attempt.follow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(base: &str, query: Option<&str>) -> Result<Origin, Error> {
        Origin::new(base.parse().unwrap(), query.map(str::to_owned))
    }

    #[test]
    fn a_file_is_in_the_folder_and_takes_the_query_along() {
        let url = |base, query| origin(base, query).unwrap().url("v0/1.m4s").unwrap().to_string();
        assert_eq!(url("https://a.b/s/film?x=1#y", None), "https://a.b/s/film/v0/1.m4s");
        assert_eq!(url("http://a.b:81/s/film/", Some("?t=%20&v")), "http://a.b:81/s/film/v0/1.m4s?t=%20&v");
        assert_eq!(url("http://a.b", Some("")), "http://a.b/v0/1.m4s");
        for base in ["file:///etc/", "data:text/plain,x", "ftp://a.b/"] {
            assert!(matches!(origin(base, None), Err(Error::Base(_))), "{base}");
        }
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let origin = origin("https://a.b/s/film/", None).unwrap();
        for name in [
            "",
            "/",
            "/x",
            "x/",
            "..",
            "v0/../../x",
            "v0//x",
            "%2e%2e/x",
            "x?y",
            "x#y",
            "http://c/",
            "a\\b",
            "\u{e4}",
        ] {
            assert!(matches!(origin.url(name), Err(Error::Name(_))), "{name}");
        }
    }
}
