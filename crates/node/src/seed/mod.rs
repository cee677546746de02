//! A seeder for pages that run p2p-media-loader, unchanged: it holds an HLS presentation of somebody else and gives it to the
//! viewers of those pages, who take it for one more of themselves.
//!
//! Its invariant: what it gives came from the presentation's own origin, whole and in the form of media, and is what it was
//! when it is read back. It never takes media from other peers, so it has nothing of theirs to pass on.

mod driver;
mod fetch;
mod filler;
mod hls;
mod pace;

pub use driver::{SeedStats, Seeder};
pub use hls::{Error as PlaylistError, Presentation};

use crate::cache::Cache;
use crate::links;
use crate::pml::identity::Family;
use reqwest::Url;
use thiserror::Error;

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
    /// Bytes a second to all viewers together; `None`: as much as they take.
    pub upload: Option<u64>,
    /// Where the links live.
    pub links: links::Config,
    /// Where segments are kept.
    pub cache: Cache,
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
    /// No HTTP client: TLS is not to be had.
    #[error("cannot speak HTTPS: {0}")]
    Client(#[from] reqwest::Error),
}
