//! A film as plain HTTP on this machine, for any player: HLS, DASH, and one MP4 file; or a live stream as HLS. A player needs to know
//! nothing of peers.
//!
//! Its invariant: only programs of this machine that were told the address get anything. It listens on loopback, behind a
//! token that nobody can guess, and refuses requests that came by another name (DNS rebinding) or from a page of another
//! origin; and nothing is changed by whatever is asked.

mod files;
mod guard;
mod live;
mod movie;

use crate::live::Live;
use crate::origin::Origin;
use crate::serving::{Name, failed, media_type, range, stays};
use crate::viewer::Viewer;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use files::Files;
use guard::Guard;
use movie::Movie;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use thiserror::Error;
use tokio::net::TcpListener;

/// Why there is no gateway.
#[derive(Debug, Error)]
pub enum Error {
    /// The port is taken, or not allowed.
    #[error("cannot listen on port {port} of this machine: {error}. Choose another with --port, or none")]
    Listen {
        /// The port that was asked for; 0: any.
        port: u16,
        /// What the system says.
        error: std::io::Error,
    },
}

/// A gateway that listens.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    token: String,
    has_dash: bool,
    has_movie: bool,
    server: tokio::task::JoinHandle<()>,
}

struct Site {
    viewer: Viewer,
    files: Files,
    movie: Option<Arc<Movie>>,
}

impl Gateway {
    /// Listens on `port` of loopback; 0: on any that is free.
    pub async fn open(viewer: Viewer, origin: Origin, port: u16) -> Result<Self, Error> {
        let movie = match Movie::of(viewer.film()) {
            Ok(movie) => Some(Arc::new(movie)),
            Err(why) => {
                tracing::warn!("no single file of this film: {why}");
                None
            }
        };
        let has_movie = movie.is_some();
        let site = Arc::new(Site { viewer, files: Files::new(origin), movie });
        Self::listen(port, get(answer).with_state(site), true, has_movie).await
    }

    /// The same for a live stream.
    pub async fn open_live(live: Live, port: u16) -> Result<Self, Error> {
        Self::listen(port, get(live::answer).with_state(live), false, false).await
    }

    /// Listens, and has `answer` answer what is below the token.
    async fn listen(port: u16, answer: MethodRouter, has_dash: bool, has_movie: bool) -> Result<Self, Error> {
        let failed = |error| Error::Listen { port, error };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let guard = Arc::new(Guard::new(address));
        let token = guard::token();
        let app = Router::new()
            .route(&format!("/{token}/{{*path}}"), answer)
            .layer(middleware::from_fn_with_state(guard, admit));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                tracing::error!("the gateway has ended: {error}");
            }
        });
        Ok(Self { address, token, has_dash, has_movie, server })
    }

    /// Where the film is in HLS.
    pub fn hls(&self) -> String {
        self.url("master.m3u8")
    }

    /// Where it is in DASH; `None` if it is live.
    pub fn dash(&self) -> Option<String> {
        self.has_dash.then(|| self.url("manifest.mpd"))
    }

    /// Where it is as one MP4 file; `None` if it cannot be one.
    pub fn movie(&self) -> Option<String> {
        self.has_movie.then(|| self.url("film.mp4"))
    }

    fn url(&self, file: &str) -> String {
        format!("http://{}/{}/{file}", self.address, self.token)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Lets in what comes from this machine by the right name.
async fn admit(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    if !guard.admits(request.headers()) {
        return (StatusCode::FORBIDDEN, "this address is for players on this machine\n").into_response();
    }
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn answer(
    State(site): State<Arc<Site>>,
    Path(path): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let film = site.viewer.film();
    match Name::parse(&path, film) {
        None | Some(Name::Index) => StatusCode::NOT_FOUND.into_response(),
        Some(Name::Movie) => match &site.movie {
            Some(movie) => movie.clone().respond(&site.viewer, &method, &headers),
            None => StatusCode::NOT_FOUND.into_response(),
        },
        Some(Name::Init(rendition)) => {
            let bytes = film.init(rendition).cloned().unwrap_or_default();
            range::whole(&method, &headers, media_type(&path), bytes)
        }
        // How long it is is known without it.
        Some(Name::Segment(segment)) if method == Method::HEAD => {
            let size = film.index().segment(segment).map_or(0, |entry| entry.size);
            range::head(media_type(&path), u64::from(size))
        }
        Some(Name::Segment(segment)) => match site.viewer.segment(segment).await {
            Ok(bytes) => range::whole(&method, &headers, media_type(&path), bytes),
            Err(why) => failed(&why),
        },
        Some(Name::Text) => {
            let is_good = |bytes: &[u8]| stays(&path, bytes) && film.texts().admit(&path, bytes);
            match site.files.get(&path, is_good).await {
                Ok(bytes) if is_good(&bytes) => range::whole(&method, &headers, media_type(&path), bytes),
                Ok(_) => {
                    (StatusCode::BAD_GATEWAY, "it is not signed, or leads to other places than this film\n")
                        .into_response()
                }
                Err(why) => (StatusCode::BAD_GATEWAY, format!("{why}\n")).into_response(),
            }
        }
    }
}

type Sent = Result<Bytes, std::io::Error>;
