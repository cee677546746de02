//! One viewer of one film, or of one live stream, whose parts are its segments: joins the swarm, brings segments from neighbours and
//! from the origin, and gives them on.
//!
//! Its invariant: whatever a caller gets, and whatever a neighbour gets, was named as verified by the session before.

mod driver;
mod watched;

use crate::film::Film;
use crate::letters::letters;
use crate::links;
use crate::live::Stream;
use crate::origin::Origin;
use crate::pass::Pass;
use crate::shelf::Shelf;
use crate::uplink::Uplink;
use bytes::Bytes;
use driver::{Call, Driver};
use manifest::SegmentId;
use std::sync::Arc;
use std::time::Duration;
use swarm::{PeerId, Player};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use watched::Watched;

/// Calls that may wait for the viewer's task.
const CALLS_MAX: usize = 256;

/// How a viewer takes part.
#[derive(Clone, Debug)]
pub struct Options {
    /// Trackers, `ws://` or `wss://`. Without any the film comes from the origin alone.
    pub trackers: Vec<String>,
    /// What is shown to trackers that ask for tokens.
    pub pass: Option<Pass>,
    /// By which all that others are given leaves.
    pub uplink: Uplink,
    /// Whether the line is paid by the byte: then nothing is fetched but what the player asks for.
    pub metered: bool,
    /// Where the links live.
    pub links: links::Config,
    /// Where segments are kept for others, instead of a player: who has this fetches each once, plays nothing, and drops nothing
    /// by itself.
    pub keeps: Option<Shelf>,
}

/// Why a segment does not come.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Missing {
    /// The film has no such segment.
    #[error("the film has no such segment")]
    Unknown,
    /// The origin refuses it for good.
    #[error("the origin answers {0}")]
    Refused(u16),
    /// The origin gives something else for it, past every cache.
    #[error("the origin gives something else than what was signed")]
    Forged,
    /// The viewer has left.
    #[error("the viewer has left")]
    Left,
}

/// What was moved so far, in bytes, and who is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Media from the origin.
    pub from_origin: u64,
    /// Media from neighbours.
    pub from_peers: u64,
    /// Media to neighbours.
    pub to_peers: u64,
    /// Media that came for nothing: twice, or given up half-way.
    pub wasted: u64,
    /// Media that failed the check.
    pub refused: u64,
    /// Media in the store.
    pub held: u64,
    /// Neighbours.
    pub peers: usize,
    /// Other viewers, as the tracker last said.
    pub audience: Option<u32>,
    /// Trackers that are connected.
    pub trackers: usize,
}

impl Stats {
    /// Both together; of the audiences, the larger.
    pub(crate) fn and(self, more: Self) -> Self {
        Self {
            from_origin: self.from_origin + more.from_origin,
            from_peers: self.from_peers + more.from_peers,
            to_peers: self.to_peers + more.to_peers,
            wasted: self.wasted + more.wasted,
            refused: self.refused + more.refused,
            held: self.held + more.held,
            peers: self.peers + more.peers,
            audience: self.audience.max(more.audience),
            trackers: self.trackers + more.trackers,
        }
    }
}

/// A viewer at work. Clones are handles to the same one; it leaves once [`Viewer::leave`] is called or all are gone.
#[derive(Debug)]
pub struct Viewer<W = Film> {
    watched: Arc<W>,
    calls: mpsc::Sender<Call>,
    task: Arc<std::sync::Mutex<Option<JoinHandle<()>>>>,
}

impl<W> Clone for Viewer<W> {
    fn clone(&self) -> Self {
        Self { watched: self.watched.clone(), calls: self.calls.clone(), task: self.task.clone() }
    }
}

impl Viewer {
    /// Joins the swarm of `film`. Fails only if no socket can be opened for the links.
    pub async fn join(film: Film, origin: Origin, options: Options) -> Result<Self, links::Error> {
        let film = Arc::new(film);
        Self::start(film.clone(), Watched::Film(film), origin, options).await
    }

    /// The film.
    pub fn film(&self) -> &Film {
        &self.watched
    }
}

impl Viewer<Stream> {
    /// Joins the swarm of a live stream, whose parts are segments here. Fails only if no socket can be opened for the links.
    pub(crate) async fn join_live(
        stream: Arc<Stream>,
        origin: Origin,
        options: Options,
    ) -> Result<Self, links::Error> {
        Self::start(stream.clone(), Watched::Live(stream), origin, options).await
    }

    /// The stream.
    pub(crate) fn stream(&self) -> &Stream {
        &self.watched
    }
}

impl<W> Viewer<W> {
    async fn start(
        watched: Arc<W>,
        what: Watched,
        origin: Origin,
        options: Options,
    ) -> Result<Self, links::Error> {
        let (calls, asked) = mpsc::channel(CALLS_MAX);
        let driver = Driver::start(what, origin, options).await?;
        let task = tokio::spawn(driver.run(asked));
        Ok(Self { watched, calls, task: Arc::new(std::sync::Mutex::new(Some(task))) })
    }

    /// Brings a whole segment. Dropping the future takes the wish back.
    pub async fn segment(&self, segment: SegmentId) -> Result<Bytes, Missing> {
        let (answer, answered) = oneshot::channel();
        self.calls.send(Call::Segment(segment, answer)).await.map_err(|_| Missing::Left)?;
        answered.await.unwrap_or(Err(Missing::Left))
    }

    /// A segment will be asked for soon, and may be brought meanwhile. For those who keep for others; a viewer's player says
    /// where it is.
    pub async fn ahead(&self, segment: SegmentId) {
        let _ = self.calls.send(Call::Ahead(segment)).await; // it may have left
    }

    /// Says where the player is. Without this it is guessed from what is asked for.
    pub async fn player(&self, player: Player) {
        let _ = self.calls.send(Call::Player(player)).await;
    }

    /// What was moved so far.
    pub async fn stats(&self) -> Stats {
        let (answer, answered) = oneshot::channel();
        let _ = self.calls.send(Call::Stats(answer)).await;
        answered.await.unwrap_or_default()
    }

    /// Takes no new neighbours, says goodbye to trackers, shares nothing more, and finishes what is being sent, but for what
    /// takes longer than `within`. Segments come all the while, until [`Viewer::leave`].
    pub async fn drain(&self, within: Duration) {
        let (answer, answered) = oneshot::channel();
        let _ = self.calls.send(Call::Drain(answer)).await; // it may have ended
        let _ = tokio::time::timeout(within, answered).await; // it is dropped, not sent
    }

    /// Says goodbye to tracker and neighbours; returns once that is done, a second later at most.
    pub async fn leave(&self) {
        let _ = self.calls.send(Call::Leave).await;
        let task = self.task.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(task) = task {
            let _ = task.await;
        }
    }
}

/// A name in the swarm that nobody else has: Azureus style, as the trackers of WebTorrent want it.
fn new_peer_id() -> PeerId {
    let mut id = *b"-BC0001-............";
    id[8..].copy_from_slice(&letters::<12>().expect("the system has randomness"));
    PeerId(id)
}
