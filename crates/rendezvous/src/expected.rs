//! The offers of one member that wait for their answers.
//!
//! The invariant: an answer passes only if the offer was relayed to the very connection that answers, not too long ago,
//! and was not answered before.

use std::{collections::VecDeque, time::Duration};

use crate::{ConnId, OfferId};

#[derive(Debug)]
struct Waiting {
    offer: OfferId,
    to: ConnId,
    until: Duration,
}

/// Oldest first. The time to wait is the same for all, so they also end in this order.
#[derive(Debug, Default)]
pub(crate) struct Expected(VecDeque<Waiting>);

impl Expected {
    pub(crate) fn add(&mut self, now: Duration, offer: OfferId, to: ConnId, within: Duration, limit: usize) {
        while self.0.front().is_some_and(|oldest| oldest.until <= now || self.0.len() >= limit) {
            self.0.pop_front();
        }
        self.0.push_back(Waiting { offer, to, until: now.saturating_add(within) });
    }

    /// Whether an answer to `offer` may pass, which it may once.
    pub(crate) fn take(&mut self, now: Duration, offer: OfferId, from: ConnId) -> bool {
        let place = self.0.iter().position(|one| one.offer == offer && one.to == from && one.until > now);
        place.and_then(|place| self.0.remove(place)).is_some()
    }
}
