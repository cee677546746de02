//! Those who have just come, or send more than announces, take turns: however many they are, and whatever they send, those who
//! are there wait for a few of them.
//!
//! The invariant: between two turns of the runtime, in which everybody else comes on, one of them does something, and two when a line begins.

use std::{
    collections::VecDeque,
    future::poll_fn,
    num::NonZeroU64,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::{task::yield_now, time::Instant};

/// So many do something in a turn: a handshake, or a part of a long message, takes a tenth of a millisecond.
const TURN: u64 = 1;
/// Who has been there for so long is no newcomer.
const SETTLED: Duration = Duration::from_secs(2);

/// The order in which newcomers come on.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<Line>);

/// Tickets are numbered. Those below `called` come on; all from there to `next` wait, in this order.
#[derive(Debug)]
struct Line {
    next: NonZeroU64,
    called: NonZeroU64,
    waiting: VecDeque<Waker>,
}

impl Default for Line {
    fn default() -> Self {
        Self { next: NonZeroU64::MIN, called: NonZeroU64::MIN.saturating_add(TURN), waiting: VecDeque::new() }
    }
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Newcomer {
    turns: Arc<Turns>,
    settles: Option<Instant>,
    ticket: Option<NonZeroU64>,
}

impl Turns {
    pub(crate) fn newcomer(self: &Arc<Self>) -> Newcomer {
        Newcomer { turns: Arc::clone(self), settles: Some(Instant::now() + SETTLED), ticket: None }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `ticket` comes on; a new one if it is none, whose owner is woken when it does.
    fn poll(self: &Arc<Self>, ticket: &mut Option<NonZeroU64>, cx: &Context<'_>) -> bool {
        let mut line = self.lock();
        let number = *ticket.get_or_insert_with(|| {
            let number = line.next;
            line.next = number.saturating_add(1);
            if line.next > line.called {
                if line.waiting.is_empty() {
                    tokio::spawn(Arc::clone(self).call());
                }
                line.waiting.push_back(cx.waker().clone());
            }
            number
        });
        number < line.called
    }

    /// Calls those who wait, a few in each turn of the runtime.
    async fn call(self: Arc<Self>) {
        loop {
            yield_now().await;
            let mut line = self.lock();
            line.called = line.called.min(line.next).saturating_add(TURN);
            let still = line.next.get().saturating_sub(line.called.get()) as usize;
            let up_to = line.waiting.len().saturating_sub(still);
            line.waiting.drain(..up_to).for_each(Waker::wake);
            if line.waiting.is_empty() {
                return;
            }
        }
    }
}

impl Newcomer {
    /// It is one from now on, however long it has been there.
    pub(crate) fn come_again(&mut self) {
        self.settles = Some(Instant::now() + SETTLED);
    }

    /// Ready when it is this one's turn, or when it is no newcomer any more.
    pub(crate) fn poll_turn(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Some(settles) = self.settles else { return Poll::Ready(()) };
        if !self.turns.poll(&mut self.ticket, cx) {
            return Poll::Pending;
        }
        self.ticket = None;
        if Instant::now() >= settles {
            self.settles = None;
        }
        Poll::Ready(())
    }

    /// Does `work` in its turns. It is boxed, so that there is one place for it.
    pub(crate) fn at<F: Future>(mut self, work: F) -> impl Future<Output = F::Output> {
        let mut work = Box::pin(work);
        poll_fn(move |cx| {
            ready!(self.poll_turn(cx));
            work.as_mut().poll(cx)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn all_come_on_in_their_order_and_few_at_a_time() {
        let turns = Arc::new(Turns::default());
        let done = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..20)
            .map(|number| {
                let (newcomer, done) = (turns.newcomer(), Arc::clone(&done));
                tokio::spawn(newcomer.at(async move { done.lock().unwrap().push(number) }))
            })
            .collect();
        let mut most = 0;
        loop {
            let before = done.lock().unwrap().len();
            yield_now().await;
            let now = done.lock().unwrap().len();
            most = most.max(now - before);
            if now == 20 {
                break;
            }
        }
        assert!(most <= 2 * TURN as usize, "{most} in one turn");
        assert_eq!(*done.lock().unwrap(), (0..20).collect::<Vec<_>>());
        for task in tasks {
            task.await.unwrap();
        }
    }

    #[tokio::test]
    async fn whoever_leaves_the_line_keeps_nobody_waiting() {
        let turns = Arc::new(Turns::default());
        let count = Arc::new(AtomicUsize::new(0));
        let work = || {
            let (newcomer, count) = (turns.newcomer(), Arc::clone(&count));
            tokio::spawn(newcomer.at(async move {
                yield_now().await;
                count.fetch_add(1, Ordering::Relaxed)
            }))
        };
        let tasks: Vec<_> = (0..50).map(|_| work()).collect();
        for task in tasks.iter().step_by(2) {
            task.abort();
        }
        let left = tasks.into_iter().skip(1).step_by(2);
        for task in left {
            task.await.unwrap();
        }
        assert!(count.load(Ordering::Relaxed) >= 25);
        assert!(turns.lock().waiting.is_empty());
    }

    #[tokio::test]
    async fn whoever_comes_again_stands_in_line_again() {
        let turns = Arc::new(Turns::default());
        let cx = &Context::from_waker(Waker::noop());
        let mut settled = turns.newcomer();
        settled.settles = Some(Instant::now());
        assert!(settled.poll_turn(cx).is_ready());
        let mut other = turns.newcomer();
        assert!(other.poll_turn(cx).is_pending(), "this turn is taken");
        assert!(settled.poll_turn(cx).is_ready(), "the line is not for who has settled");

        settled.come_again();
        assert!(settled.poll_turn(cx).is_pending());
        while settled.poll_turn(cx).is_pending() {
            yield_now().await;
        }
        assert!(other.poll_turn(cx).is_ready(), "who stood before it has been called");
    }
}
