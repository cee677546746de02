//! A viewer of a live stream, and of whatever stream goes on under its address: an origin that was started again serves another one.
//!
//! Its invariant: one stream is watched at a time, and for players numbers rise over all of them.

mod playlist;
mod show;
mod stream;

pub(crate) use show::{Body, Refused, Show};
pub(crate) use stream::Told;
pub use stream::{OpenLive, Stream};

use crate::links;
use crate::origin::Origin;
use crate::viewer::{Options, Stats, Viewer};
use manifest::PublicKey;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// How long after a failure to join a stream that goes on it is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// A viewer at work. Clones are handles to the same one; it leaves once [`Live::leave`] is called.
#[derive(Clone, Debug)]
pub struct Live {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    now: watch::Sender<Arc<Show>>,
    origin: Origin,
    key: Option<PublicKey>,
    options: Options,
    /// Of the streams before.
    before: Mutex<Stats>,
    /// Follows the stream under this address.
    follower: Mutex<Option<AbortHandle>>,
}

impl Live {
    /// Joins the swarm of `stream`, which was opened with this key. Fails only if no socket can be opened for the links.
    pub async fn join(
        stream: Stream,
        origin: Origin,
        key: Option<PublicKey>,
        options: Options,
    ) -> Result<Self, links::Error> {
        let viewer = Viewer::join_live(Arc::new(stream), origin.clone(), options.clone()).await?;
        let show = Show::new(viewer, origin.clone(), key.is_some(), playlist::Base::default());
        let shared = Shared {
            now: watch::Sender::new(Arc::new(show)),
            origin,
            key,
            options,
            before: Mutex::default(),
            follower: Mutex::default(),
        };
        let shared = Arc::new(shared);
        let task = tokio::spawn(follow(Arc::downgrade(&shared)));
        *lock(&shared.follower) = Some(task.abort_handle());
        Ok(Self { shared })
    }

    /// What is on, and what comes after it.
    pub(crate) fn shows(&self) -> watch::Receiver<Arc<Show>> {
        self.shared.now.subscribe()
    }

    /// The stream that is on now.
    pub(crate) fn show(&self) -> Arc<Show> {
        self.shared.now.borrow().clone()
    }

    /// What was moved so far.
    pub async fn stats(&self) -> Stats {
        let now = self.shared.stats().await;
        lock(&self.shared.before).and(now)
    }

    /// As [`Viewer::drain`].
    pub async fn drain(&self, within: Duration) {
        self.shared.stay();
        self.show().viewer().drain(within).await;
    }

    /// As [`Viewer::leave`].
    pub async fn leave(&self) {
        self.shared.stay();
        self.show().viewer().leave().await;
    }
}

impl Shared {
    /// What was moved of the stream that is on now.
    async fn stats(&self) -> Stats {
        let show = self.now.borrow().clone();
        let stats = show.viewer().stats().await;
        Stats { from_origin: stats.from_origin + show.unchecked(), ..stats }
    }

    /// No other stream is gone on with.
    fn stay(&self) {
        if let Some(task) = lock(&self.follower).take() {
            task.abort();
        }
    }

    /// Goes on with the stream that the origin serves now, as soon as it serves another one.
    async fn go_on(&self, show: &Show) {
        let stream = loop {
            match Stream::open(&self.origin, self.key.as_ref()).await {
                Ok(stream) if stream.swarm() != show.stream().swarm() => break Arc::new(stream),
                Ok(_) => {}
                Err(why) => tracing::warn!(%why, "the stream that goes on cannot be opened"),
            }
            sleep(AGAIN).await;
        };
        tracing::info!(event = "superseded", "another stream goes on under this address");
        let base = show.base_after().await;
        let left = self.stats().await;
        // The same sockets are opened again.
        show.viewer().leave().await;
        let viewer = loop {
            match Viewer::join_live(stream.clone(), self.origin.clone(), self.options.clone()).await {
                Ok(viewer) => break viewer,
                Err(why) => tracing::warn!(%why, "no links for the stream that goes on"),
            }
            sleep(AGAIN).await;
        };
        let next = Show::new(viewer, self.origin.clone(), self.key.is_some(), base);
        let mut before = lock(&self.before);
        *before = before.and(Stats { held: 0, peers: 0, trackers: 0, audience: None, ..left });
        self.now.send_replace(Arc::new(next));
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stay();
    }
}

/// Until nobody watches any more.
async fn follow(shared: std::sync::Weak<Shared>) {
    loop {
        let Some(show) = shared.upgrade().map(|shared| shared.now.borrow().clone()) else { return };
        let mut news = show.stream().news();
        if news.wait_for(|news| news.is_superseded).await.is_err() {
            return;
        }
        let Some(shared) = shared.upgrade() else { return };
        shared.go_on(&show).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
