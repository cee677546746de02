//! What waits to be written to one connection.
//!
//! The invariant: never more than the limit in bytes. A reply that would exceed it empties the box instead and marks it
//! as overflown for good: the reader is too slow and its connection is to be closed. What other peers send has half of
//! the box and is left out beyond that: strangers can neither overflow it nor take the room that replies need.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::Notify;

#[derive(Debug)]
pub(crate) struct Outbox {
    limit_bytes: usize,
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    texts: VecDeque<Utf8Bytes>,
    /// Of the texts, and of those taken out but not reported as written.
    bytes: usize,
    overflown: bool,
}

/// More waited than may.
#[derive(Debug)]
pub(crate) struct Overflown;

impl Outbox {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, queue: Mutex::default(), changed: Notify::new() }
    }

    pub(crate) fn push(&self, text: String) {
        let mut queue = self.lock();
        if queue.overflown {
            return;
        }
        queue.bytes += text.len();
        if queue.bytes > self.limit_bytes {
            queue.overflown = true;
            queue.texts = VecDeque::new();
        } else {
            queue.texts.push_back(text.into());
        }
        drop(queue);
        self.changed.notify_one();
    }

    /// Takes in what another peer sends, if there is room for it.
    pub(crate) fn push_foreign(&self, text: String) -> bool {
        let mut queue = self.lock();
        let bytes = queue.bytes + text.len();
        if queue.overflown || bytes > self.limit_bytes / 2 {
            return false;
        }
        queue.bytes = bytes;
        queue.texts.push_back(text.into());
        drop(queue);
        self.changed.notify_one();
        true
    }

    /// Waits until something was pushed or the box overflew. One task may wait at a time.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Everything in it, oldest first. No memory is held by an empty box.
    pub(crate) fn take(&self) -> Result<VecDeque<Utf8Bytes>, Overflown> {
        let mut queue = self.lock();
        if queue.overflown { Err(Overflown) } else { Ok(std::mem::take(&mut queue.texts)) }
    }

    pub(crate) fn overflown(&self) -> bool {
        self.lock().overflown
    }

    /// Makes room for as many bytes again as were written.
    pub(crate) fn written(&self, bytes: usize) {
        let mut queue = self.lock();
        queue.bytes = queue.bytes.saturating_sub(bytes);
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing in here can panic half way.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
