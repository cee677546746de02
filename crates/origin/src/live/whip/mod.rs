//! WHIP (RFC 9725): the door for browsers and OBS over WebRTC. `POST /whip/STREAM` with the stream's key as bearer token.
//!
//! H.264 goes through as it comes; Opus becomes AAC, by ffmpeg, for the rest of the way. All publishers share one UDP socket.
//!
//! The invariant: nothing is negotiated before the key was right, and the publication begins with its first media: a publisher that cannot
//! connect takes over from nobody.

mod demux;
mod matroska;
mod pictures;
mod session;
mod sound;

use super::desk::Desk;
use super::put::bearer;
use crate::package::random_token;
use crate::tools::Tools;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use demux::Demux;
use session::Session;
use sound::Sound;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use str0m::change::SdpOffer;
use str0m::{Candidate, IceCreds, Rtc};
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Bytes of an offer.
const MAX_OFFER: usize = 64 << 10;
/// Sessions at a time.
const MAX_SESSIONS: usize = 64;
/// Addresses that a publisher is told.
const MAX_ADDRESSES: usize = 8;
/// How long a wrong key is thought about.
const WRONG_KEY: Duration = Duration::from_millis(500);

/// Where WebRTC publishers send their media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhipConfig {
    /// The UDP socket; port 0 for any.
    pub udp: SocketAddr,
    /// Addresses at which publishers reach it, where they are not this machine's own.
    pub external: Vec<SocketAddr>,
}

/// The open door. Dropping it ends every session.
#[derive(Clone, Debug)]
pub(super) struct Whip(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    desk: Desk,
    tools: Option<Tools>,
    keyframes: Duration,
    socket: Arc<UdpSocket>,
    told: Vec<SocketAddr>,
    demux: Demux,
    /// By name: how to end it.
    sessions: Mutex<HashMap<String, oneshot::Sender<()>>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Whip {
    /// Binds the socket.
    pub async fn open(
        config: &WhipConfig,
        desk: Desk,
        tools: Option<Tools>,
        keyframes: Duration,
    ) -> io::Result<Self> {
        let socket = Arc::new(UdpSocket::bind(config.udp).await?);
        let bound = socket.local_addr()?;
        let mut told = config.external.clone();
        if told.is_empty() {
            told = own_addresses(bound)?;
        }
        told.truncate(MAX_ADDRESSES);
        let demux = Demux::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(receive(Arc::clone(&socket), demux.clone()));
        let (sessions, tasks) = (Mutex::default(), Mutex::new(tasks));
        Ok(Self(Arc::new(Inner { desk, tools, keyframes, socket, told, demux, sessions, tasks })))
    }

    /// The door's routes.
    pub fn router(&self) -> Router {
        let whip = self.clone();
        Router::new()
            .route("/whip/{stream}", post(offer).options(preflight))
            .route("/whip/{stream}/{session}", delete(end).options(preflight))
            .with_state(whip)
    }

    /// Ends every session.
    pub fn close(&self) {
        self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    fn answer(&self, stream: &str, offer: &str) -> Result<(String, String), Refused> {
        let inner = &self.0;
        let seat = inner.desk.seat(stream).ok_or(Refused::Key)?;
        let offer = SdpOffer::from_sdp_string(offer).map_err(|_| Refused::Offer)?;
        let name = random_token().map_err(|_| Refused::Busy)?;
        let credentials = IceCreds::new();
        let fragment = credentials.ufrag.clone();
        let mut rtc = Rtc::builder()
            .set_local_ice_credentials(credentials)
            .set_ice_lite(true)
            .clear_codecs()
            .enable_h264(true)
            .enable_opus(true, false)
            .build(Instant::now());
        for candidate in inner.told.iter().filter_map(|told| Candidate::host(*told, "udp").ok()) {
            rtc.add_local_candidate(candidate);
        }
        let answer = rtc.sdp_api().accept_offer(offer).map_err(|_| Refused::Offer)?.to_sdp_string();
        if !answer.contains("H264/90000") {
            return Err(Refused::Codec);
        }
        let sound = inner.tools.as_ref().filter(|_| answer.contains("opus/48000")).map(Sound::start);
        let sound = sound.transpose().map_err(|_| Refused::Busy)?;
        let (inbox, datagrams) = session::inbox();
        let (finish, done) = oneshot::channel();
        {
            let mut sessions = inner.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            if sessions.len() >= MAX_SESSIONS {
                return Err(Refused::Busy);
            }
            sessions.insert(name.clone(), finish);
        }
        inner.demux.insert(fragment.clone(), inbox);
        let session = Session {
            rtc,
            socket: Arc::clone(&inner.socket),
            told: inner.told.clone(),
            datagrams,
            seat,
            sound,
            keyframes: inner.keyframes,
            done,
        };
        // It must not keep the door open by itself.
        let leave = Leave { door: Arc::downgrade(&self.0), name: name.clone(), fragment };
        let stream = stream.to_owned();
        let mut tasks = inner.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let _leave = leave;
            match session.run().await {
                Ok(()) => tracing::info!(%stream, "the WebRTC publisher is done"),
                Err(why) => tracing::warn!(%stream, %why, "the WebRTC publisher was cut off"),
            }
        });
        Ok((name, answer))
    }
}

/// Takes a session off the tables, however it ended.
struct Leave {
    door: std::sync::Weak<Inner>,
    name: String,
    fragment: String,
}

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some(door) = self.door.upgrade() {
            door.demux.remove(&self.fragment);
            door.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
        }
    }
}

/// The addresses of this machine that a socket bound to `bound` hears; loopback only if there is no other.
fn own_addresses(bound: SocketAddr) -> io::Result<Vec<SocketAddr>> {
    if !bound.ip().is_unspecified() {
        return Ok(vec![bound]);
    }
    let mut own: Vec<SocketAddr> = if_addrs::get_if_addrs()?
        .iter()
        .filter(|interface| !interface.is_link_local() && interface.ip().is_ipv4() == bound.is_ipv4())
        .map(|interface| SocketAddr::new(interface.ip(), bound.port()))
        .collect();
    if own.iter().any(|address| !address.ip().is_loopback()) {
        own.retain(|address| !address.ip().is_loopback());
    }
    Ok(own)
}

async fn receive(socket: Arc<UdpSocket>, demux: Demux) {
    let mut buffer = vec![0; 2048];
    loop {
        // An error is about some datagram sent before.
        if let Ok((len, from)) = socket.recv_from(&mut buffer).await {
            demux.deliver(from, &buffer[..len]);
        }
    }
}

enum Refused {
    Key,
    Offer,
    Codec,
    Busy,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, why) = match self {
            Self::Key => (StatusCode::UNAUTHORIZED, "the stream key is wrong or missing"),
            Self::Offer => (StatusCode::BAD_REQUEST, "this is no offer that can be answered"),
            Self::Codec => (StatusCode::NOT_ACCEPTABLE, "pictures must be offered as H.264"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "too many publishers"),
        };
        (status, open_to_pages(HeaderMap::new()), format!("{why}\n")).into_response()
    }
}

/// Publishers may be pages of any site: the key is what counts.
fn open_to_pages(mut headers: HeaderMap) -> HeaderMap {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Location"));
    headers
}

async fn preflight() -> impl IntoResponse {
    let mut headers = open_to_pages(HeaderMap::new());
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, DELETE"));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Authorization, Content-Type"),
    );
    headers.insert("accept-post", HeaderValue::from_static("application/sdp"));
    (StatusCode::NO_CONTENT, headers)
}

async fn offer(
    State(whip): State<Whip>,
    Path(stream): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let key = bearer(&headers);
    if key.as_ref().is_none_or(|key| whip.0.desk.admit_to(&stream, key).is_none()) {
        if key.is_some() {
            tracing::warn!("a WebRTC publisher with a wrong stream key");
            tokio::time::sleep(WRONG_KEY).await;
        }
        return Err(Refused::Key);
    }
    let body = to_bytes(body, MAX_OFFER).await.map_err(|_| Refused::Offer)?;
    let (name, answer) = whip.answer(&stream, std::str::from_utf8(&body).map_err(|_| Refused::Offer)?)?;
    let mut headers = open_to_pages(HeaderMap::new());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/sdp"));
    let location = HeaderValue::from_str(&format!("/whip/{stream}/{name}")).map_err(|_| Refused::Offer)?;
    headers.insert(header::LOCATION, location);
    Ok((StatusCode::CREATED, headers, answer).into_response())
}

/// The session's name is as good as a key.
async fn end(State(whip): State<Whip>, Path((_, session)): Path<(String, String)>) -> impl IntoResponse {
    let finish = whip.0.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&session);
    let status = match finish {
        Some(finish) => {
            finish.send(()).ok(); // one that is over meanwhile needs no end
            StatusCode::OK
        }
        None => StatusCode::NOT_FOUND,
    };
    (status, open_to_pages(HeaderMap::new()))
}
