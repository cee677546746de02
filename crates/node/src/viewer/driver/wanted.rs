//! Segments that somebody waits for, and where the player is that wants them. Its invariant: whoever waits is answered once, and what
//! nobody waits for any more is not wanted any more.

use super::Driver;
use crate::viewer::Missing;
use bytes::Bytes;
use manifest::SegmentId;
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// Waiting for one segment, at most; who comes later has to ask again.
const WAITING_MAX: usize = 1024;

pub(super) type Answer = oneshot::Sender<Result<Bytes, Missing>>;

/// Who waits for which segment.
#[derive(Default)]
pub(super) struct Waiting(BTreeMap<SegmentId, Vec<Answer>>);

impl Waiting {
    fn add(&mut self, segment: SegmentId, answer: Answer) {
        let waiting = self.0.entry(segment).or_default();
        if waiting.len() < WAITING_MAX {
            waiting.push(answer);
        }
    }

    pub(super) fn is_for(&self, segment: SegmentId) -> bool {
        self.0.contains_key(&segment)
    }

    pub(super) fn answer(&mut self, segment: SegmentId, result: &Result<Bytes, Missing>) {
        for answer in self.0.remove(&segment).into_iter().flatten() {
            let _ = answer.send(result.clone()); // who asked may have gone
        }
    }

    /// Forgets those who wait no longer; the segments that nobody waits for now.
    fn given_up(&mut self) -> Vec<SegmentId> {
        let mut given_up = Vec::new();
        self.0.retain(|&segment, waiting| {
            waiting.retain(|answer| !answer.is_closed());
            if waiting.is_empty() {
                given_up.push(segment);
            }
            !waiting.is_empty()
        });
        given_up
    }
}

impl Driver {
    pub(super) fn want(&mut self, segment: SegmentId, answer: Answer) {
        let (Some(kind), Some((start, _))) =
            (self.watched.kind(segment.rendition), self.watched.span(segment))
        else {
            let _ = answer.send(Err(Missing::Unknown));
            return;
        };
        self.waiting.add(segment, answer);
        self.playback.asked(self.now(), kind, start);
        self.look();
        self.feed(|session, now| session.want(now, segment));
    }

    /// Tells the session where the player is, and forgets those who wait no longer.
    pub(super) fn look(&mut self) {
        if self.draining.is_some() && self.is_sent() {
            self.draining = None;
        }
        // Who keeps for others has no player.
        if self.disk.is_none() {
            let now = self.now();
            let player = self.player.unwrap_or_else(|| self.playback.player(now));
            self.feed(|session, now| session.player(now, player));
        }
        self.look_at_heads();
        for segment in self.waiting.given_up() {
            if !self.disk.as_ref().is_some_and(|disk| disk.is_ahead(segment)) {
                self.feed(|session, now| session.unwant(now, segment));
            }
        }
    }

    pub(super) fn deliver(&mut self, segment: SegmentId) {
        let Some(size) = self.watched.size(segment) else { return };
        let Some(bytes) = self.store.give(segment, size) else {
            return self.deliver_from_disk(segment);
        };
        if let (Some(kind), Some((start, end))) =
            (self.watched.kind(segment.rendition), self.watched.span(segment))
        {
            self.playback.given(self.now(), kind, start, end);
        }
        self.waiting.answer(segment, &Ok(bytes));
    }
}
