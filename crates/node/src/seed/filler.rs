//! Fetches a rendition, and goes on while it is live. Its invariant: what it reports as held has been put into the cache.

use super::fetch;
use super::hls::{self, Listing, Rendition, Segment};
use super::names::{Known, Names};
use crate::cache::Cache;
use crate::uplink::Cap;
use manifest::{Hash, digest};
use reqwest::Client;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::sleep;

/// A playlist or a segment that does not come is asked for again after this, and then after twice as long.
const AGAIN: Duration = Duration::from_secs(2);
const AGAIN_MAX: Duration = Duration::from_secs(60);
/// A live segment is kept this many segments longer than the playlist lists it: viewers are behind.
const KEPT_BEHIND: u64 = 5;

/// News of a rendition.
#[derive(Debug)]
pub(super) enum News {
    /// Its playlist was read: whether it has ended, its first sequence number, how many segments it lists.
    Listed { ended: bool, sequence: u64, count: u64 },
    /// A segment is in the cache; it took so many bytes from the origin.
    Held { number: u64, root: Hash, bytes: u64 },
    /// A segment is no longer wanted.
    Gone { number: u64 },
}

/// What fetching needs.
#[derive(Clone)]
pub(super) struct Filler {
    pub(super) client: Client,
    pub(super) cache: Cache,
    pub(super) names: Arc<Names>,
    /// How many segments are fetched at a time, of all renditions together.
    pub(super) turns: Arc<Semaphore>,
    pub(super) news: mpsc::Sender<(usize, News)>,
    /// The uplink's cap, where nothing is to be fetched while nothing can be given.
    pub(super) when: Option<watch::Receiver<Cap>>,
}

impl Filler {
    /// Runs until nobody listens any more: `lost` names segments that were damaged in the cache.
    pub(super) async fn run(self, at: usize, rendition: Rendition, mut lost: mpsc::Receiver<u64>) {
        let mut held: BTreeMap<u64, Hash> = BTreeMap::new();
        let mut pause = AGAIN;
        loop {
            self.may_fetch().await;
            let listing = match hls::list(&self.client, &rendition.url).await {
                Ok(listing) => listing,
                Err(why) => {
                    let reason = match &why {
                        hls::Error::Address(_) => "it names what is no web address".to_owned(),
                        other => other.to_string(),
                    };
                    tracing::warn!(event = "origin_failed", rendition = at, reason, "no playlist");
                    sleep(pause).await;
                    pause = (pause * 2).min(AGAIN_MAX);
                    continue;
                }
            };
            let count = listing.segments.len() as u64;
            let Listing { ended, sequence, target, segments } = listing;
            if self.tell(at, News::Listed { ended, sequence, count }).await.is_err() {
                return;
            }
            let mut missing = 0;
            for (number, segment) in (sequence..).zip(segments) {
                if held.contains_key(&number) {
                    continue;
                }
                match self.bring(&segment).await {
                    Some((root, bytes)) => {
                        held.insert(number, root);
                        if self.tell(at, News::Held { number, root, bytes }).await.is_err() {
                            return;
                        }
                    }
                    None => missing += 1,
                }
            }
            if !ended && self.forget(at, &mut held, sequence).await.is_err() {
                return;
            }
            pause = if missing == 0 { AGAIN } else { (pause * 2).min(AGAIN_MAX) };
            let wait = match (ended, missing) {
                (true, 0) => Duration::MAX,
                (false, 0) => target / 2,
                _ => pause.min(target),
            };
            tokio::select! {
                () = sleep(wait) => {}
                number = lost.recv() => match number {
                    Some(number) => drop(held.remove(&number)),
                    None => return,
                }
            }
        }
    }

    /// Brings one segment into the cache, unless it is there from before and the origin has no other by now. What it took
    /// from the origin, in bytes, comes last.
    async fn bring(&self, segment: &Segment) -> Option<(Hash, u64)> {
        self.may_fetch().await;
        let _turn = self.turns.acquire().await.ok()?;
        if let Some(known) = self.names.get(segment)
            && self.cache.contains(&known.root).await
            && fetch::tag(&self.client, segment).await.is_ok_and(|tag| tag.as_ref() == Some(&known.tag))
        {
            return Some((known.root, 0));
        }
        let (bytes, tag) = match fetch::segment(&self.client, segment).await {
            Ok(bytes) => bytes,
            Err(why) => {
                tracing::warn!(event = "origin_failed", reason = %why, "not seeded");
                return None;
            }
        };
        let (root, len) = (digest::root(&bytes), bytes.len() as u64);
        match self.cache.put(root, bytes).await {
            Ok(()) => {
                if let Some(tag) = tag {
                    self.names.put(segment, Known { root, bytes: len, tag });
                }
                Some((root, len))
            }
            Err(why) => {
                tracing::warn!("not kept: {why}");
                None
            }
        }
    }

    /// Waits until something may be fetched.
    async fn may_fetch(&self) {
        if let Some(mut caps) = self.when.clone() {
            let _ = caps.wait_for(|cap| *cap != Cap::Nothing).await; // after the end nothing matters
        }
    }

    /// Drops what the playlist has left behind.
    async fn forget(&self, at: usize, held: &mut BTreeMap<u64, Hash>, sequence: u64) -> Result<(), ()> {
        let kept = held.split_off(&sequence.saturating_sub(KEPT_BEHIND));
        for (number, root) in std::mem::replace(held, kept) {
            self.tell(at, News::Gone { number }).await?;
            self.cache.remove(&root).await;
        }
        Ok(())
    }

    async fn tell(&self, at: usize, news: News) -> Result<(), ()> {
        self.news.send((at, news)).await.map_err(|_| ())
    }
}
