//! What the other side is told of what is held here.
//!
//! The invariant: it is told after every change, and never twice the same. Changes that come while the channel is full
//! become one announcement.

use std::ops::Range;
use std::sync::Arc;

use crate::pml::wire::{Command, SegmentId, window};

/// The segments of one rendition that are held and that are being fetched. One is shared by all its conversations.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Holdings {
    held: Vec<SegmentId>,
    fetching: Vec<SegmentId>,
}

impl Holdings {
    /// In any order. What is held counts as not being fetched. Segments of no bytes are not to be among them.
    pub fn new(
        held: impl IntoIterator<Item = SegmentId>,
        fetching: impl IntoIterator<Item = SegmentId>,
    ) -> Arc<Self> {
        let sorted = |mut ids: Vec<SegmentId>| {
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        let held = sorted(held.into_iter().collect());
        let fetching = fetching.into_iter().filter(|id| held.binary_search(id).is_err()).collect();
        Arc::new(Holdings { held, fetching: sorted(fetching) })
    }
}

#[derive(Debug)]
pub(super) struct Announcer {
    holdings: Arc<Holdings>,
    /// What the other side asked for last: when not all can be announced, what follows that is.
    near: Option<SegmentId>,
    told: Option<Told>,
    /// Whether what is to be told may differ from what was.
    changed: bool,
}

/// Parts of holdings, as no announcement is longer than a command can say.
#[derive(Debug)]
struct Told {
    holdings: Arc<Holdings>,
    held: Range<usize>,
    fetching: Range<usize>,
}

impl Told {
    fn held(&self) -> &[SegmentId] {
        &self.holdings.held[self.held.clone()]
    }

    fn fetching(&self) -> &[SegmentId] {
        &self.holdings.fetching[self.fetching.clone()]
    }
}

impl Announcer {
    pub(super) fn new(holdings: Arc<Holdings>) -> Self {
        Announcer { holdings, near: None, told: None, changed: true }
    }

    pub(super) fn hold(&mut self, holdings: Arc<Holdings>) {
        self.holdings = holdings;
        self.changed = true;
    }

    pub(super) fn holds(&self, segment: SegmentId) -> bool {
        self.holdings.held.binary_search(&segment).is_ok()
    }

    /// The other side has come this far.
    pub(super) fn near(&mut self, segment: SegmentId) {
        self.near = Some(segment);
        let partial = |told: &Told| told.held.len() < told.holdings.held.len();
        self.changed |= self.told.as_ref().is_some_and(partial);
    }

    /// What there is to say that has not been said.
    pub(super) fn next(&mut self) -> Option<Command> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let part = |ids: &[SegmentId]| match self.near.or(ids.first().copied()) {
            Some(near) => window(ids, near),
            None => 0..0,
        };
        let now = Told {
            held: part(&self.holdings.held),
            fetching: part(&self.holdings.fetching),
            holdings: self.holdings.clone(),
        };
        let same = |told: &Told| told.held() == now.held() && told.fetching() == now.fetching();
        if self.told.as_ref().is_some_and(same) {
            return None;
        }
        let command = Command::Announcement { held: now.held().to_vec(), fetching: now.fetching().to_vec() };
        self.told = Some(now);
        Some(command)
    }
}
