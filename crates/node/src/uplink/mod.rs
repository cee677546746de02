//! The uplink: all that a node sends to others, over any number of streams, under one cap that may change with the hour.
//!
//! Streams that have something to send share the cap alike, and so do the links of a stream (`drr`); a token bucket lets the
//! messages out (`bucket`). Without a cap nothing waits here. Its invariants: what is sent in any second keeps the cap, but
//! for a twentieth of it and one message; media of one link keeps its order; what waits has a bound.
//!
//! What waits is small, for the core that hands it over is told of less room by it ([`Stream::room`]): its own queue, the most
//! urgent first, is where requests wait. A core has no more than 256 KiB under way over its links, and they are told as if every
//! stream that has something waiting had as much, so that all of them together come to little more than that.

mod bucket;
mod drr;
mod plan;

use crate::links::Links;
use bucket::Bucket;
use bytes::Bytes;
use drr::{Scheduler, StreamId};
pub use plan::{Cap, Plan, PlanError};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use swarm::Link;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// How often the plan is looked at, where the hour matters: clocks are set, and machines sleep.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A handle on the uplink; clones share it. It ends with the last of them and of its streams.
#[derive(Clone)]
pub struct Uplink {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    caps: watch::Sender<Cap>,
    started: Instant,
    /// Wakes the pacer: something waits, or nobody is there any more.
    wake: Arc<Notify>,
}

struct State {
    scheduler: Scheduler,
    bucket: Bucket,
    streams: BTreeMap<StreamId, Links>,
    named: StreamId,
    sent: u64,
    rate: Rate,
}

/// What was sent in the last whole second, bytes.
#[derive(Debug, Default)]
struct Rate {
    second: u64,
    current: u64,
    last: u64,
}

/// What the uplink has done and does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// The cap of the moment.
    pub cap: Cap,
    /// Bytes of messages sent so far.
    pub sent: u64,
    /// Bytes that wait for their turn.
    pub waiting: u64,
    /// Bytes sent in the last whole second.
    pub rate: u64,
}

/// What one stream sends by the uplink, over its links. When it is dropped, what waits is forgotten.
pub struct Stream {
    uplink: Uplink,
    id: StreamId,
    links: Links,
}

impl Uplink {
    /// An uplink whose cap follows `plan`, in local time.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time.
    pub fn new(plan: impl Into<Plan>) -> Self {
        let plan = plan.into();
        let cap = plan.at(local_time());
        let state = State {
            scheduler: Scheduler::default(),
            bucket: Bucket::new(cap.rate()),
            streams: BTreeMap::new(),
            named: 0,
            sent: 0,
            rate: Rate::default(),
        };
        let wake = Arc::new(Notify::new());
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            caps: watch::Sender::new(cap),
            started: Instant::now(),
            wake: wake.clone(),
        });
        tokio::spawn(pace(Arc::downgrade(&shared), wake));
        if plan.has_spans() {
            tokio::spawn(follow(Arc::downgrade(&shared), plan, cap));
        }
        Self { shared }
    }

    /// One more stream, which sends over `links`. The names of its links need not differ from those of other streams.
    pub fn stream(&self, links: Links) -> Stream {
        let mut state = self.shared.lock();
        state.named += 1;
        let id = state.named;
        state.streams.insert(id, links.clone());
        Stream { uplink: self.clone(), id, links }
    }

    /// The cap of the moment, and news of every other.
    pub fn caps(&self) -> watch::Receiver<Cap> {
        self.shared.caps.subscribe()
    }

    /// Another cap from now on. Where the plan has hours, it holds until their next change.
    pub fn set_cap(&self, cap: Cap) {
        self.shared.set_cap(cap);
    }

    /// What it has done and does.
    pub fn stats(&self) -> Stats {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        state.rate.add(now, 0);
        Stats {
            cap: *self.shared.caps.borrow(),
            sent: state.sent,
            waiting: state.scheduler.bytes() as u64,
            rate: state.rate.last,
        }
    }
}

impl fmt::Debug for Uplink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Uplink").field(&self.stats()).finish()
    }
}

impl Stream {
    /// Sends in its turn, after what waits for the same link. Should more wait for it than a link takes (1 MiB), which none
    /// that heeds the room gets to, the link goes down.
    pub fn send(&self, link: Link, message: Bytes) {
        let shared = &self.uplink.shared;
        let mut state = shared.lock();
        if !state.bucket.is_limited() {
            return state.put(shared.now(), &self.links, link, message);
        }
        if state.scheduler.push(self.id, link, message).is_err() {
            state.scheduler.drop_link(self.id, link);
            return self.links.lose(link);
        }
        if state.send_due(shared.now()) {
            shared.wake.notify_one();
        }
    }

    /// Sends at once, before all that waits, and counts it. For short messages that need not keep their place among the media
    /// of their link.
    pub fn send_first(&self, link: Link, message: Bytes) {
        let shared = &self.uplink.shared;
        shared.lock().put(shared.now(), &self.links, link, message);
    }

    /// Sends at once unless something waits for the same link, and then after it. For short messages that keep their place.
    pub fn send_behind(&self, link: Link, message: Bytes) {
        if self.waiting_for(link) == 0 { self.send_first(link, message) } else { self.send(link, message) }
    }

    /// Bytes that a link takes now: what it would take without an uplink, less what waits for it here, once for every stream
    /// that has something waiting.
    pub fn room(&self, link: Link) -> u32 {
        let (waiting, streams) = {
            let state = self.uplink.shared.lock();
            (state.scheduler.waiting(self.id, link), state.scheduler.streams())
        };
        let waiting = u32::try_from(waiting.saturating_mul(streams)).unwrap_or(u32::MAX);
        self.links.room(link).saturating_sub(waiting)
    }

    /// Bytes that wait here for a link.
    pub fn waiting_for(&self, link: Link) -> usize {
        self.uplink.shared.lock().scheduler.waiting(self.id, link)
    }

    /// Bytes that wait here.
    pub fn waiting(&self) -> usize {
        self.uplink.shared.lock().scheduler.waiting_of(self.id)
    }

    /// The link is gone: what waits for it is forgotten.
    pub fn forget(&self, link: Link) {
        self.uplink.shared.lock().scheduler.drop_link(self.id, link);
    }

    /// Closes a link as [`Links::hang_up`] does, and forgets what waits for it.
    pub fn hang_up(&self, link: Link) {
        self.forget(link);
        self.links.hang_up(link);
    }

    /// The uplink.
    pub fn uplink(&self) -> &Uplink {
        &self.uplink
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("id", &self.id)
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut state = self.uplink.shared.lock();
        state.scheduler.drop_stream(self.id);
        state.streams.remove(&self.id);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn set_cap(&self, cap: Cap) {
        let changed = self.caps.send_if_modified(|held| std::mem::replace(held, cap) != cap);
        if changed {
            tracing::info!(event = "uplink_cap", %cap, "the cap is another");
            let now = self.now();
            self.lock().bucket.set_rate(now, cap.rate());
            self.wake.notify_one();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

impl State {
    /// Gives a message to its link.
    fn put(&mut self, now: Duration, links: &Links, link: Link, message: Bytes) {
        self.bucket.spend(message.len());
        self.sent += message.len() as u64;
        self.rate.add(now, message.len() as u64);
        links.send(link, message);
    }

    /// Sends what may be sent by now; whether something still waits.
    fn send_due(&mut self, now: Duration) -> bool {
        while self.bucket.is_open(now) {
            let Some((stream, link, message)) = self.scheduler.pop() else { return false };
            if let Some(links) = self.streams.get(&stream).cloned() {
                self.put(now, &links, link, message);
            }
        }
        !self.scheduler.is_empty()
    }
}

impl Rate {
    fn add(&mut self, now: Duration, bytes: u64) {
        let second = now.as_secs();
        if second > self.second {
            self.last = if second == self.second + 1 { self.current } else { 0 };
            (self.second, self.current) = (second, 0);
        }
        self.current += bytes;
    }
}

/// The pacer: lets out what waits as the bucket fills.
async fn pace(shared: Weak<Shared>, wake: Arc<Notify>) {
    loop {
        let at = {
            let Some(shared) = shared.upgrade() else { return };
            let mut state = shared.lock();
            let waits = state.send_due(shared.now());
            waits.then(|| shared.started + state.bucket.opens_at())
        };
        match at {
            Some(at) => tokio::select! {
                () = sleep_until(at) => {}
                () = wake.notified() => {}
            },
            None => wake.notified().await,
        }
    }
}

/// Keeps the cap at what the plan says.
async fn follow(shared: Weak<Shared>, plan: Plan, mut planned: Cap) {
    loop {
        sleep(LOOK_EVERY).await;
        let cap = plan.at(local_time());
        let Some(shared) = shared.upgrade() else { return };
        if cap != planned {
            planned = cap;
            shared.set_cap(cap);
        }
    }
}

fn local_time() -> jiff::civil::Time {
    jiff::ZonedDateTime::now().time()
}
