//! Brings the signed heads of a live stream from the origin, one question at a time: the origin answers once something is born. Its
//! invariant: a question ends in an answer, however often it has to be asked, or with the driver.

use super::Driver;
use crate::live::{Stream, Told};
use crate::origin::{self, Origin};
use bytes::Bytes;
use manifest::SegmentId;
use manifest::live::Cut;
use session::Signed;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// How long after a failure it is asked again, and how long at most: twice as long each time.
const AGAIN: Duration = Duration::from_millis(250);
const AGAIN_AT_MOST: Duration = Duration::from_secs(8);

/// What follows on this head?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Question {
    epoch: u32,
    number: u64,
}

/// What became of a question.
#[derive(Debug)]
pub(super) struct Answered {
    asked: Question,
    /// Heads, each after its length, and whether nothing comes any more.
    answer: Result<(Bytes, bool), origin::Error>,
}

/// One stream's heads.
#[derive(Debug)]
pub(super) struct Heads {
    stream: Arc<Stream>,
    origin: Origin,
    /// What was asked for last and has not been answered.
    next: Option<Question>,
    under_way: Option<AbortHandle>,
    /// In a row.
    failures: u32,
    /// The last answer was empty.
    is_quiet: bool,
    news: mpsc::Sender<Answered>,
}

impl Heads {
    pub(super) fn new(stream: Arc<Stream>, origin: Origin) -> (Self, mpsc::Receiver<Answered>) {
        let (news, answered) = mpsc::channel(1);
        let heads = Self { stream, origin, next: None, under_way: None, failures: 0, is_quiet: false, news };
        (heads, answered)
    }

    /// Asks for what follows on this head, once the question that is open has been answered. One answer may lead to many of these,
    /// head by head: the last counts.
    fn ask(&mut self, question: Question) {
        self.next = Some(question);
        if self.under_way.is_none() {
            self.put(question);
        }
    }

    fn put(&mut self, asked: Question) {
        let (stream, origin) = (self.stream.clone(), self.origin.clone());
        let (failures, is_quiet, news) = (self.failures, self.is_quiet, self.news.clone());
        let task = tokio::spawn(async move {
            if failures > 0 {
                sleep(pause(failures)).await;
            }
            // Perhaps this is another stream by now, of an origin that was started again: it would wait long for what follows.
            if failures > 0 || is_quiet {
                stream.describe_anew(&origin).await;
            }
            let answer = origin.heads(asked.epoch, asked.number, failures > 0).await;
            let _ = news.send(Answered { asked, answer }).await; // the driver may have left
        });
        self.under_way = Some(task.abort_handle());
    }

    /// A question has come to its end; the next is put, if there is one.
    fn answered(&mut self, asked: Question, is_good: bool) {
        self.under_way = None;
        if is_good && self.next == Some(asked) {
            self.next = None;
        }
        self.failures = if is_good { 0 } else { self.failures.saturating_add(1) };
        if let Some(next) = self.next {
            self.put(next);
        }
    }
}

impl Drop for Heads {
    fn drop(&mut self) {
        if let Some(task) = &self.under_way {
            task.abort();
        }
    }
}

impl Driver {
    pub(super) fn ask_heads(&mut self, epoch: u32, number: u64) {
        if let Some(heads) = &mut self.heads {
            heads.ask(Question { epoch, number });
        }
    }

    pub(super) fn answered(&mut self, Answered { asked, answer }: Answered) {
        let is_good = match answer {
            Ok((bytes, is_over)) => {
                if let Some(heads) = &mut self.heads {
                    heads.is_quiet = bytes.is_empty();
                }
                let now = self.now();
                let taken = self.session.heads(now, Signed(&bytes));
                self.carry_out(&Bytes::new());
                if let Err(why) = &taken {
                    tracing::warn!(event = "head_refused", %why, "a head was refused");
                }
                if let Some(heads) = self.heads.as_ref().filter(|_| is_over) {
                    heads.stream.end();
                }
                taken.is_ok()
            }
            Err(error) => {
                tracing::warn!(event = "heads_failed", %error, "the origin gives no heads");
                false
            }
        };
        if let Some(heads) = &mut self.heads {
            heads.answered(asked, is_good);
        }
    }

    /// A head has told of a part.
    pub(super) fn told(&mut self, part: SegmentId, start_ms: u32, duration_ms: u32, cut: Cut) {
        let size = self.session.part_size(part);
        if let Some(heads) = self.heads.as_ref().filter(|_| size > 0) {
            heads
                .stream
                .tell(part.rendition, Told { sequence: part.sequence, start_ms, duration_ms, size, cut });
        }
    }

    /// Forgets with the session what heads no longer tell of.
    pub(super) fn look_at_heads(&self) {
        if let Some(heads) = &self.heads {
            heads.stream.forget(|part| self.session.part_size(part) > 0);
        }
    }
}

/// Half of it at least: many who failed together do not come back together.
fn pause(failures: u32) -> Duration {
    let longest = AGAIN_AT_MOST.min(AGAIN * 2u32.saturating_pow(failures.min(8)));
    let mut chance = [0; 2];
    // Without randomness all of it is waited.
    let chance = getrandom::fill(&mut chance).map_or(u16::MAX, |()| u16::from_le_bytes(chance));
    longest / 2 + longest.mul_f64(f64::from(chance) / f64::from(u16::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_within_their_bound() {
        for (failures, most) in [(1, 500), (2, 1000), (5, 8000), (u32::MAX, 8000)] {
            let (pause, most) = (pause(failures), Duration::from_millis(most));
            assert!((most / 2..=most).contains(&pause), "{failures}: {pause:?}");
        }
    }
}
