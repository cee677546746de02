//! What waits to be written to one connection.
//!
//! The invariant: never more than the limit in bytes. A reply that would exceed it empties the box instead and marks it
//! as overflown for good: the reader is too slow and its connection is to be closed. What other peers send has half of
//! the box and is left out beyond that: strangers can neither overflow it nor take the room that replies need.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::task::yield_now;

use crate::{budget::Budget, frame};

#[derive(Debug)]
pub(crate) struct Outbox {
    limit_bytes: usize,
    budget: Arc<Budget>,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    texts: VecDeque<String>,
    /// Of the texts, and of those taken out but not reported as written.
    bytes: usize,
    end: Option<End>,
    /// Of the connection's task while it waits. One wake-up is enough for however many texts come.
    waker: Option<Waker>,
    /// What it waits for is not a text, but the end.
    stuck: bool,
}

/// Why there is nothing more to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// More waited than may.
    Overflown,
    /// The tracker shuts down.
    GoingAway,
    /// It does, and the client is to come back after so long, or to go to another one.
    Restarts(Duration),
    /// Its operator closes the connection.
    Closed,
}

impl Queue {
    fn wait(&mut self, cx: &Context<'_>, stuck: bool) {
        self.stuck = stuck;
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.budget.remove(self.lock().bytes);
    }
}

impl Outbox {
    pub(crate) fn new(limit_bytes: usize, budget: Arc<Budget>) -> Self {
        Self { limit_bytes, budget, queue: Mutex::default() }
    }

    /// Takes in a reply to the connection itself, whose task is at work and takes it out next.
    pub(crate) fn push(&self, text: String) {
        self.take_in(&mut self.lock(), text);
    }

    /// Takes in a reply that comes late, when the connection's task is not at work.
    pub(crate) fn push_late(&self, text: String) {
        let mut queue = self.lock();
        self.take_in(&mut queue, text);
        Self::wake(queue);
    }

    fn take_in(&self, queue: &mut Queue, text: String) {
        if queue.end.is_some() {
            return;
        }
        queue.bytes += text.len();
        self.budget.add(text.len());
        // Where there is too little for all, who is slow gives way.
        let limit_bytes = if self.budget.is_out() { self.limit_bytes / 8 } else { self.limit_bytes };
        if queue.bytes > limit_bytes {
            queue.end = Some(End::Overflown);
            queue.texts = VecDeque::new();
        } else {
            queue.texts.push_back(text);
        }
    }

    /// Takes in what another peer sends, if there is room for it.
    pub(crate) fn push_foreign(&self, text: String) -> bool {
        let mut queue = self.lock();
        let bytes = queue.bytes + text.len();
        let has_room = bytes <= self.limit_bytes / 2 && (queue.bytes == 0 || !self.budget.is_out());
        if queue.end.is_some() || !has_room {
            return false;
        }
        queue.bytes = bytes;
        self.budget.add(text.len());
        queue.texts.push_back(text);
        if !queue.stuck {
            Self::wake(queue);
        }
        true
    }

    /// Ends the connection, with nothing more for it.
    pub(crate) fn end(&self, why: End) {
        let mut queue = self.lock();
        queue.end.get_or_insert(why);
        queue.texts = VecDeque::new();
        Self::wake(queue);
    }

    /// Notes that what was taken last is written, of which `written` bytes were of texts, and appends the frames of what
    /// waits to `out`: of all, or of as many as fit into about `most` bytes. Returns how many bytes of texts that are.
    /// Whoever waits for more is woken when it comes; one task may wait at a time.
    pub(crate) fn poll_take(
        &self,
        cx: &mut Context<'_>,
        written: usize,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Poll<Result<usize, End>> {
        let mut queue = self.lock();
        let written = written.min(queue.bytes);
        queue.bytes -= written;
        self.budget.remove(written);
        if let Some(end) = queue.end {
            return Poll::Ready(Err(end));
        }
        let taken = Self::take(&mut queue, most, out);
        if taken > 0 {
            return Poll::Ready(Ok(taken));
        }
        queue.wait(cx, false);
        Poll::Pending
    }

    /// Waits for the end alone, while no more can be written.
    pub(crate) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<End> {
        let mut queue = self.lock();
        queue.wait(cx, true);
        queue.end.map_or(Poll::Pending, Poll::Ready)
    }

    /// Appends the frames of all that waits to `out`.
    pub(crate) fn take_all(&self, out: &mut Vec<u8>) {
        Self::take(&mut self.lock(), usize::MAX, out);
    }

    fn take(queue: &mut Queue, most: usize, out: &mut Vec<u8>) -> usize {
        let mut taken = 0;
        while taken < most
            && let Some(text) = queue.texts.pop_front()
        {
            frame::push_text(out, &text);
            taken += text.len();
        }
        if queue.texts.is_empty() {
            // An empty box holds no memory.
            queue.texts = VecDeque::new();
        }
        taken
    }

    /// Has the runtime wake the task as one that has yielded: when all others that are ready had their turn and the sockets were looked
    /// at again. What comes until then goes out in the same write, which costs far more than all else that is done for a text.
    fn wake(mut queue: MutexGuard<'_, Queue>) {
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            let _pending = pin!(yield_now()).poll(&mut Context::from_waker(&waker));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing in here can panic half way.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that waits, unless there was an end.
    #[cfg(test)]
    pub(crate) fn texts(&self) -> Result<Vec<String>, End> {
        let mut queue = self.lock();
        match queue.end {
            Some(end) => Err(end),
            None => Ok(std::mem::take(&mut queue.texts).into()),
        }
    }
}
