//! Live streams: from a publisher's OBS or ffmpeg to samples of each rendition.
//!
//! ```text
//! RTMP ----\
//! SRT ------> desk (keys; the newest takes over) -> stream (bridges gaps) -> [ffmpeg ladder] -> Broadcast
//! HTTP PUT -/
//! WHIP ----/
//! pull ---/
//!
//! Broadcast -> Stage::show (parts, signed heads) -> Channel <- HTTP (`http::live`)
//!                                                   \-> [bucket]
//! ```
//!
//! The invariant: all renditions of a broadcast share one timeline, whose zero has a known wall-clock time; their times rise through
//! reconnects and restarts of the encoder. What waits anywhere is bounded, and so is what a stranger costs.

mod annexb;
pub mod bucket;
mod channel;
mod config;
mod desk;
mod encode;
mod feed;
pub mod flv;
mod gather;
mod pull;
mod put;
mod rtmp;
mod srt;
mod stream;
mod timeline;
mod whip;

pub(crate) use channel::{Body, Refused, Text};
pub use channel::{Channel, ChannelConfig, Piece, Show, Stage};
pub use cmaf::live::Targets;
pub use config::{Config, LiveError, StreamConfig};
pub use desk::{BadKey, StreamKey};
pub use feed::{Beginning, Broadcast, Feed, Figures, RenditionId};
pub use pull::{BadPull, PullConfig};
pub use put::PutLimits;
pub use rtmp::RtmpLimits;
pub use whip::WhipConfig;

use crate::tools::Tools;
use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::ACCESS_CONTROL_ALLOW_ORIGIN;
use desk::Desk;
use encode::Workshop;
use reqwest::Url;
use std::net::SocketAddr;
use stream::Stream;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use whip::Whip;

/// Origin of a page, for the question whether pages may read from somewhere.
const SOME_PAGE: &str = "https://braidcast.invalid";

/// Whether the answer to a request from [`SOME_PAGE`] may be read by pages of any site (CORS).
fn is_open_to_pages(headers: &HeaderMap) -> bool {
    let allowed = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN);
    allowed.is_some_and(|origin| origin == "*" || origin == SOME_PAGE)
}

/// Whether there may be a web server to ask.
fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// Broadcasts that may wait to be looked at.
const WAITING_BROADCASTS: usize = 16;

/// The open doors. Dropping it closes them, and ends every encoder.
#[derive(Debug)]
pub struct Live {
    desk: Desk,
    config: Config,
    rtmp: Option<SocketAddr>,
    whip: Option<Whip>,
    broadcasts: mpsc::Receiver<Broadcast>,
    tasks: JoinSet<()>,
}

impl Live {
    /// Opens the doors of `config`. ffmpeg (`tools`) is needed for a ladder and for SRT.
    pub async fn open(config: Config, tools: Option<Tools>) -> Result<Self, LiveError> {
        config.validate()?;
        let encodes = config.encoding.transcode && !config.streams.is_empty();
        let needs_ffmpeg = encodes || config.streams.iter().any(|s| s.srt.is_some());
        if needs_ffmpeg && tools.is_none() {
            return Err(LiveError::NoFfmpeg);
        }
        let keys = config.streams.iter().map(|stream| (stream.name.clone(), Some(stream.key.clone())));
        let pulled = config.pulls.iter().map(|pull| (pull.name.clone(), None));
        let (desk, outlets) = Desk::new(keys.chain(pulled)).map_err(LiveError::Random)?;
        let mut tasks = JoinSet::new();
        let mut rtmp = None;
        if let Some(address) = config.rtmp {
            let failed = |source| LiveError::Listen { address, source };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            rtmp = Some(listener.local_addr().map_err(failed)?);
            tasks.spawn(rtmp::serve(listener, desk.clone(), config.rtmp_limits));
        }
        for stream in &config.streams {
            if let (Some(address), Some(seat), Some(tools)) = (stream.srt, desk.seat(&stream.name), &tools) {
                let key = stream.key.reveal().to_owned();
                tasks.spawn(srt::serve(address, key, config.srt_latency, seat, tools.clone()));
            }
        }
        let mut whip = None;
        if let Some(settings) = &config.whip {
            let failed = |source| LiveError::Listen { address: settings.udp, source };
            let opened = Whip::open(settings, desk.clone(), tools.clone(), config.segment);
            whip = Some(opened.await.map_err(failed)?);
        }
        for pull in config.pulls.iter().filter(|pull| !pull.index_only) {
            if let Some(seat) = desk.seat(&pull.name) {
                tasks.spawn(pull::serve(pull.clone(), seat));
            }
        }
        let (sender, broadcasts) = mpsc::channel(WAITING_BROADCASTS);
        for (name, publications) in outlets {
            let pulled = config.pulls.iter().any(|pull| pull.name == name);
            let encodes = config.encoding.transcode && !pulled;
            let workshop = tools.clone().filter(|_| encodes).map(|tools| Workshop {
                tools,
                settings: config.encoding.clone(),
                segment: config.segment,
                stream: name.clone(),
            });
            let (bridge, broadcasts) = (config.bridge, sender.clone());
            tasks.spawn(Stream { name, workshop, bridge, publications, broadcasts }.run());
        }
        Ok(Self { desk, config, rtmp, whip, broadcasts, tasks })
    }

    /// The next stream that somebody began to publish; `None` never, as long as this lives.
    pub async fn next(&mut self) -> Option<Broadcast> {
        self.broadcasts.recv().await
    }

    /// Where the RTMP door is, if there is one.
    pub fn rtmp_address(&self) -> Option<SocketAddr> {
        self.rtmp
    }

    /// The routes of the CMAF door, `PUT /ingest/STREAM/TRACK`, to be served where encoders reach them.
    pub fn put_router(&self) -> Router {
        put::router(self.desk.clone(), self.config.put_limits)
    }

    /// The routes of the WHIP door, `POST /whip/STREAM`, if there is one.
    pub fn whip_router(&self) -> Option<Router> {
        self.whip.as_ref().map(Whip::router)
    }

    /// Closes all doors and ends every encoder, and waits until that is done.
    pub async fn close(mut self) {
        self.tasks.shutdown().await;
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // The router, which may outlive this, holds the door too.
        if let Some(whip) = &self.whip {
            whip.close();
        }
    }
}

/// Reads `bytes` as what a pulled stream might answer: an entry for fuzzers. Whatever the bytes are, it returns.
pub fn fuzz_pull(bytes: &[u8]) {
    pull::fuzz(bytes);
}

/// Feeds `bytes` to an RTMP session as a publisher would: an entry for fuzzers. Whatever the bytes are, it returns.
pub fn fuzz_rtmp(bytes: &[u8]) {
    rtmp::fuzz(bytes);
}
