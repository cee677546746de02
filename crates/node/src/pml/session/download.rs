//! The half that fetches.
//!
//! Media has no header on the wire: only the order of the channel says what a chunk belongs to. So chunks before the head that
//! answers the running request belong to one that was given up, and are dropped.
//!
//! The invariants: at most one segment is waited for; no more bytes of it are kept than the peer said it would send, and no
//! more than may be; whatever breaks the order of head, bytes and end is an error, and none of its bytes come out.

use std::time::Duration;

use super::{Action, Broken, Config};
use crate::pml::wire::{Command, RequestId, SegmentId};

/// Requests are counted from 0 and start again here: older releases read no great numbers.
const REQUESTS: u32 = 1_000_000_000;

/// A segment to fetch from a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Want {
    /// Which.
    pub segment: SegmentId,
    /// How many of its first bytes are there already.
    pub from: u32,
    /// Its length in bytes, when it is known.
    pub total: Option<u32>,
}

/// Why a segment did not come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Missed {
    /// The peer does not have it.
    Absent,
    /// The peer sent nothing for too long.
    Silent,
}

#[derive(Debug, Default)]
pub(super) struct Download {
    /// What the peer has announced, ascending.
    held: Vec<SegmentId>,
    fetching: Vec<SegmentId>,
    current: Option<Current>,
    next_request: u32,
    /// Downloads that ended in silence since the last that succeeded.
    silences: u32,
}

#[derive(Debug)]
struct Current {
    want: Want,
    request: RequestId,
    /// Bytes to come in all, once the peer has said so.
    expected: Option<usize>,
    got: Vec<u8>,
    deadline: Duration,
}

impl Current {
    fn is(&self, segment: SegmentId, request: RequestId) -> bool {
        self.want.segment == segment && self.request == request
    }

    fn missed(self, why: Missed) -> Action {
        let Want { segment, from, .. } = self.want;
        Action::Missed { segment, why, from, bytes: self.got }
    }

    fn named(&self) -> (SegmentId, RequestId) {
        (self.want.segment, self.request)
    }
}

impl Download {
    pub(super) fn want(&mut self, now: Duration, want: Want, config: &Config) -> Option<Command> {
        if self.current.is_some() || want.total.is_some_and(|total| total <= want.from) {
            return None;
        }
        let request = RequestId(self.next_request);
        self.next_request = (self.next_request + 1) % REQUESTS;
        let deadline = now + config.silence;
        self.current = Some(Current { want, request, expected: None, got: Vec::new(), deadline });
        Some(Command::Request { segment: want.segment, request, from: want.from })
    }

    pub(super) fn cancel(&mut self) -> Option<Command> {
        let (segment, request) = self.current.take()?.named();
        Some(Command::Cancel { segment, request })
    }

    /// The peer says what follows.
    pub(super) fn data(
        &mut self,
        now: Duration,
        segment: SegmentId,
        request: RequestId,
        bytes: u32,
        config: &Config,
    ) -> Result<(), Broken> {
        let Some(current) = &mut self.current else { return Ok(()) };
        if current.expected.is_some() || !current.is(segment, request) {
            return Ok(());
        }
        let Want { from, total, .. } = current.want;
        let whole = from.checked_add(bytes).filter(|whole| (1..=config.max_segment).contains(whole));
        if whole.is_none() || total.is_some() && total != whole {
            return Err(Broken::Length);
        }
        current.expected = Some(bytes as usize);
        current.deadline = now + config.silence;
        Ok(())
    }

    pub(super) fn chunk(&mut self, now: Duration, bytes: &[u8], config: &Config) -> Result<(), Broken> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let Some(expected) = current.expected else { return Ok(()) };
        if current.got.len() + bytes.len() > expected {
            return Err(Broken::Overflow);
        }
        if !bytes.is_empty() {
            current.got.extend_from_slice(bytes);
            current.deadline = now + config.silence;
        }
        Ok(())
    }

    pub(super) fn completed(
        &mut self,
        segment: SegmentId,
        request: RequestId,
    ) -> Result<Option<Action>, Broken> {
        let Some(current) = self.current.take_if(|current| current.expected.is_some()) else {
            return Ok(None);
        };
        if !current.is(segment, request) {
            return Err(Broken::Completion);
        }
        if current.expected != Some(current.got.len()) {
            return Err(Broken::Short);
        }
        self.silences = 0;
        Ok(Some(Action::Received { segment, from: current.want.from, bytes: current.got }))
    }

    pub(super) fn absent(&mut self, segment: SegmentId, request: RequestId) -> Option<Action> {
        let current = self.current.take_if(|current| current.is(segment, request))?;
        if let Ok(at) = self.held.binary_search(&segment) {
            self.held.remove(at);
        }
        Some(current.missed(Missed::Absent))
    }

    /// The deadline has passed.
    pub(super) fn silent(&mut self) -> Option<(Command, Action)> {
        let current = self.current.take()?;
        self.silences += 1;
        let (segment, request) = current.named();
        Some((Command::Cancel { segment, request }, current.missed(Missed::Silent)))
    }

    pub(super) fn announced(&mut self, mut held: Vec<SegmentId>, mut fetching: Vec<SegmentId>) {
        held.sort_unstable();
        fetching.sort_unstable();
        held.dedup();
        self.held = held;
        self.fetching = fetching;
    }

    pub(super) fn wanted(&self) -> Option<SegmentId> {
        self.current.as_ref().map(|current| current.want.segment)
    }

    pub(super) fn offers(&self, segment: SegmentId) -> bool {
        self.held.binary_search(&segment).is_ok()
    }

    pub(super) fn fetches(&self, segment: SegmentId) -> bool {
        self.fetching.binary_search(&segment).is_ok()
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.current.as_ref().map(|current| current.deadline)
    }

    pub(super) fn silences(&self) -> u32 {
        self.silences
    }
}
