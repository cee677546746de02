//! A seeder for pages that run p2p-media-loader, unchanged: it holds an HLS presentation of somebody else and gives it to the
//! viewers of those pages, who take it for one more of themselves.
//!
//! Its invariant: what it gives came from the presentation's own origin, whole and in the form of media, and is what it was
//! when it is read back. It never takes media from other peers, so it has nothing of theirs to pass on.

mod driver;
mod fetch;
mod filler;
mod hls;
mod names;

pub use hls::{Error as PlaylistError, Presentation};

use crate::cache::Cache;
use crate::links;
use crate::pass::Pass;
use crate::pml::identity::Family;
use crate::uplink::Uplink;
use driver::Call;
use reqwest::Url;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

/// What to seed, and how.
#[derive(Debug)]
pub struct Options {
    /// The master playlist, or a single media playlist, as pages name it.
    pub hls: Url,
    /// What the pages call the stream; `None`: the playlist's address, as they do unless they are told otherwise.
    pub swarm_id: Option<String>,
    /// Which releases are to be met.
    pub families: Vec<Family>,
    /// The trackers that the pages use.
    pub trackers: Vec<String>,
    /// What lets it in at those that ask for tokens.
    pub pass: Option<Pass>,
    /// By which all that viewers are given leaves. While its cap is nothing, there are no viewers.
    pub uplink: Uplink,
    /// Whether the line is paid by the byte: then segments are fetched only while they can be given to others.
    pub metered: bool,
    /// Where the links live.
    pub links: links::Config,
    /// Where segments are kept.
    pub cache: Cache,
    /// A file that remembers which is which.
    pub names: PathBuf,
}

/// Why nothing can be seeded.
#[derive(Debug, Error)]
pub enum Error {
    /// The presentation cannot be read.
    #[error(transparent)]
    Playlist(#[from] hls::Error),
    /// No socket for the links.
    #[error(transparent)]
    Links(#[from] links::Error),
    /// The file of names.
    #[error("cannot write beside the cache: {0}")]
    Names(#[source] std::io::Error),
    /// No HTTP client: TLS is not to be had.
    #[error("cannot speak HTTPS: {0}")]
    Client(#[from] reqwest::Error),
}

/// What was moved so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeedStats {
    /// Segments held, and those listed by the playlists at the moment.
    pub held: u64,
    /// See [`SeedStats::held`].
    pub listed: u64,
    /// Whether all playlists have been read.
    pub knows_all: bool,
    /// Bytes of them that came from the origin.
    pub from_origin: u64,
    /// Media bytes handed to viewers.
    pub to_peers: u64,
    /// Viewers connected.
    pub peers: usize,
    /// Swarms: one for each rendition and family of releases.
    pub swarms: usize,
}

/// A seeder at work. It leaves once [`Seeder::leave`] is called or this is dropped.
#[derive(Debug)]
pub struct Seeder {
    calls: mpsc::Sender<Call>,
}

impl Seeder {
    /// Reads the presentation, joins its swarms, and begins to fetch it.
    pub async fn start(options: Options) -> Result<Self, Error> {
        Ok(Self { calls: driver::start(options).await? })
    }

    /// What was moved so far.
    pub async fn stats(&self) -> SeedStats {
        let (answer, answered) = oneshot::channel();
        let _ = self.calls.send(Call::Stats(answer)).await; // it may have ended
        answered.await.unwrap_or_default()
    }

    /// Takes nobody new, says goodbye to trackers, and finishes what is being sent, but for what takes longer than `within`.
    /// [`Seeder::leave`] comes after it.
    pub async fn drain(&self, within: Duration) {
        let (answer, answered) = oneshot::channel();
        let _ = self.calls.send(Call::Drain(answer)).await; // it may have ended
        let _ = tokio::time::timeout(within, answered).await; // it is dropped, not sent
    }

    /// Says goodbye to trackers and viewers; a second at most.
    pub async fn leave(&self) {
        let (answer, answered) = oneshot::channel();
        let _ = self.calls.send(Call::Leave(answer)).await; // it may have ended
        let _ = answered.await; // it is dropped, not sent
    }
}
