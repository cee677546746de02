//! A node for an office, a school, a provider: it has no player, fetches once what those around it will watch, keeps it on disk,
//! and gives it to viewers over WebRTC and to plain players over HTTP.
//!
//! Its invariant: what it gives, to whomever, was checked against the publisher's signed index in the moment it was read; and
//! what is on its disk is served whether or not its upstream is there.

mod catalogue;
mod files;
mod films;
mod folder;
mod keeper;
mod lan;
mod listener;
mod reply;

pub use lan::{Error as ListenError, Lan};

use crate::cache::Cache;
use crate::links;
use crate::pass::Pass;
use crate::uplink::Uplink;
use crate::viewer::Stats;
use catalogue::Catalogue;
use films::Films;
use folder::Folder;
use futures_util::future::join_all;
use keeper::Keeper;
use manifest::PublicKey;
use reqwest::Url;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use thiserror::Error;
use tokio::task::JoinHandle;

/// Where films come from. A query is sent with every request: a token, perhaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// One film: its folder.
    Film(Url),
    /// All films of a Braidcast server: its root.
    Server(Url),
}

/// What an edge keeps, and how.
#[derive(Debug)]
pub struct Options {
    /// Where films come from.
    pub upstreams: Vec<Upstream>,
    /// Where segments are kept.
    pub cache: Cache,
    /// A folder for what belongs to the films beside them; that of the cache will do.
    pub dir: PathBuf,
    /// The publisher's key: nothing is taken but what it signed. `None`: any index that is signed.
    pub key: Option<PublicKey>,
    /// Trackers, `ws://` or `wss://`; none: that of each film's own server.
    pub trackers: Vec<String>,
    /// What lets it in at trackers that ask for tokens.
    pub pass: Option<Pass>,
    /// By which all that viewers are given leaves, shared alike among the films.
    pub uplink: Uplink,
    /// Where the links of the first film live; those of the others have the ports that follow.
    pub links: links::Config,
    /// What this node is called.
    pub site: Option<String>,
}

/// Why there is no edge.
#[derive(Debug, Error)]
pub enum Error {
    /// Nothing to keep.
    #[error("an edge needs an upstream")]
    NoUpstream,
    /// More than is possible.
    #[error("{0} are too many upstreams: {max} are possible", max = films::FILMS_MAX)]
    TooMany(usize),
}

/// What was moved so far, and what there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeStats {
    /// All films together.
    pub films: Stats,
    /// How many those are.
    pub count: usize,
    /// Bytes of bodies to players and others over HTTP.
    pub to_players: u64,
}

/// What all parts of an edge share.
#[derive(Debug)]
struct Inner {
    films: Films,
    cache: Cache,
    dir: PathBuf,
    key: Option<PublicKey>,
    trackers: Vec<String>,
    pass: Option<Pass>,
    uplink: Uplink,
    links: links::Config,
    site: Option<String>,
    to_players: AtomicU64,
}

/// An edge at work. It leaves once [`Edge::leave`] is called, or abruptly when this is dropped.
#[derive(Debug)]
pub struct Edge {
    inner: Arc<Inner>,
    tasks: Vec<JoinHandle<()>>,
}

impl Edge {
    /// Begins to keep what the upstreams have. Nothing is waited for: films appear as they are opened, those on disk at once.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let Options { upstreams, cache, dir, key, trackers, pass, uplink, links, site } = options;
        if upstreams.is_empty() {
            return Err(Error::NoUpstream);
        }
        if upstreams.len() > films::FILMS_MAX {
            return Err(Error::TooMany(upstreams.len()));
        }
        let films = Films::new(&Folder::cards(&dir).await);
        let to_players = AtomicU64::new(0);
        let inner =
            Arc::new(Inner { films, cache, dir, key, trackers, pass, uplink, links, site, to_players });
        let tasks = upstreams.into_iter().filter_map(|upstream| follow(&inner, upstream)).collect();
        Ok(Self { inner, tasks })
    }

    /// The names of the films that are served.
    pub fn films(&self) -> Vec<String> {
        self.inner.films.all().into_iter().map(|film| film.slug.clone()).collect()
    }

    /// What was moved so far.
    pub async fn stats(&self) -> EdgeStats {
        let films = self.inner.films.all();
        let each = join_all(films.iter().map(|film| film.viewer.stats())).await;
        let to_players = self.inner.to_players.load(Ordering::Relaxed);
        EdgeStats {
            films: each.into_iter().fold(Stats::default(), Stats::and),
            count: films.len(),
            to_players,
        }
    }

    /// Takes nobody new, and returns once what is being sent to viewers has gone, or after `within`. Follow it with
    /// [`Edge::leave`].
    pub async fn drain(&self, within: Duration) {
        self.tasks.iter().for_each(JoinHandle::abort);
        join_all(self.inner.films.all().iter().map(|film| film.viewer.drain(within))).await;
    }

    /// Says goodbye to trackers and viewers; a second at most.
    pub async fn leave(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        join_all(self.inner.films.all().iter().map(|film| film.viewer.leave())).await;
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn follow(inner: &Arc<Inner>, upstream: Upstream) -> Option<JoinHandle<()>> {
    let inner = inner.clone();
    let plain = |mut url: Url| {
        let query = url.query().map(str::to_owned);
        url.set_query(None);
        url.set_fragment(None);
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        (url, query)
    };
    match upstream {
        Upstream::Server(url) => {
            let (server, query) = plain(url);
            Some(tokio::spawn(Catalogue::new(inner, server, query).run()))
        }
        Upstream::Film(url) => {
            let (base, query) = plain(url);
            let last = base.path_segments().and_then(|parts| parts.rev().find(|part| !part.is_empty()));
            let Some(slug) = inner.films.claim(&base, last.unwrap_or("film")) else {
                tracing::warn!(url = %base, "it is named twice, or too many films are known already");
                return None;
            };
            Some(tokio::spawn(Keeper { inner, base, query, slug }.run()))
        }
    }
}
