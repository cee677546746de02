//! Running out of time: when what a player needs soon is left to neighbours no longer, and what of it the origin is called for.

use crate::io::Output;
use crate::neighbour::Neighbour;
use crate::peer::Peer;
use crate::plan::Lack;
use crate::time::Time;
use crate::viewer::Task;
use alloc::vec::Vec;
use core::time::Duration;

/// Kept after the last call, when neighbours have had all the time there was: players report four times a second.
const MARGIN_AT_LAST: Duration = Duration::from_millis(500);
/// In this time a neighbour hears of a fetch that has begun.
const HEARING: Duration = Duration::from_millis(150);

/// So long a viewer of a live stream is one of those who have just come.
const NEWCOMER: Duration = Duration::from_secs(20);

/// A segment that is needed so soon that the origin is thought of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Urgent {
    pub since: Time,
    /// How much time there was then.
    slack: Duration,
    /// Since when neighbours have not been expected to bring it.
    left_alone: Option<Time>,
}

/// What is to be expected of neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peers {
    /// They bring it sooner than the origin would.
    Sooner,
    /// They bring it while there would still be time for the origin if they failed.
    InTime,
    TooLate,
}

impl Peer {
    /// Fetches what a segment lacks that the player needs soon, as soon as that may not be left to neighbours any more.
    pub(crate) fn call_origin(&mut self, now: Time, task: &Task, lack: Lack, out: &mut Vec<Output>) {
        let Lack { mut missing, estimate, in_time } = lack;
        let Some(film) = &self.film else { return };
        let newcomer = !self.meet.has_begun_before(now, NEWCOMER);
        if film.is_live() && self.origin.is_spared(now, newcomer) && self.links.values().any(|n| n.serves()) {
            return;
        }
        let peers = self.what_peers_will_do(now, task, &missing, estimate);
        let rank = self.rank_in_need(now, task.segment).min(4);
        // Parts are short: their last call comes sooner. Nobody calls an origin that is no faster than the film.
        let kept = if film.is_live() { self.margin(now) } else { MARGIN_AT_LAST };
        let last_call = estimate * 3 / 2 + kept;
        let duration = film.end(task.segment).saturating_sub(film.start(task.segment));
        let is_fast = self.origin.estimate(film.size(task.segment)) < duration;

        let begun = Urgent { since: now, slack: task.slack, left_alone: None };
        let urgent = self.urgent.entry(task.segment).or_insert(begun);
        urgent.left_alone = if peers == Peers::TooLate { urgent.left_alone.or(Some(now)) } else { None };
        // Several may run out of time at once: the first in rank speaks up, and the others hear it.
        let in_turn = |since: Time| now.since(since) >= HEARING * rank;
        let alone = urgent.left_alone.is_some_and(in_turn);
        // Whatever neighbours say, who had time has it up to the last call, and who had none has this: they may be lying.
        let may_call = film.is_live() || is_fast && peers != Peers::Sooner && urgent.slack > last_call;
        let late = may_call && task.slack < last_call && in_turn(urgent.since);
        let patience = in_time + in_time * rank / 2;
        let calls = alone || late || now.since(urgent.since) > patience;
        if calls && self.may_call_slow(now, task.segment) {
            self.leave_out_what_comes(now, task, kept, &mut missing);
            let (Some(&first), Some(&last)) = (missing.first(), missing.last()) else { return };
            // Unless the origin is in doubt itself, what it brings need not come twice.
            if !self.origin.is_failing() && !self.origin.is_slow(now) {
                (first..=last).for_each(|piece| self.withdraw(task.segment, piece, out));
            }
            self.fetch(now, task.segment, first, last + 1, out);
        }
    }

    /// Leaves out of what is fetched of a film's segment what neighbours send by now: it would only come twice, and on a full line
    /// no sooner. Only while the origin, which is called for the rest first, could still bring that, too.
    fn leave_out_what_comes(&self, now: Time, task: &Task, kept: Duration, missing: &mut Vec<u32>) {
        let Some(film) = self.film.as_ref().filter(|film| !film.is_live()) else { return };
        // Of what has not begun to come, all is fetched.
        if !self.store.is_begun(task.segment) {
            return;
        }
        let by = |piece| self.links.values().find_map(|n| n.sends(now, task.segment, piece));
        let size = |piece| film.piece_size(task.segment, piece);
        let (sent, left) = missing.iter().fold((0, 0), |(sent, left), &piece| match by(piece) {
            Some(_) => (sent + size(piece), left),
            None => (sent, left + size(piece)),
        });
        let (rest, after_it) = (self.origin.estimate(left), self.origin.estimate(sent) * 3 / 2 + kept);
        missing.retain(|&piece| by(piece).is_none_or(|by| by.max(rest) + after_it >= task.slack));
    }

    /// Whether neighbours bring what is missing of a segment that is needed now, by what they have shown.
    fn what_peers_will_do(&self, now: Time, task: &Task, missing: &[u32], origin: Duration) -> Peers {
        let Some(film) = &self.film else { return Peers::TooLate };
        let segment = task.segment;
        let helpers = || self.links.values().filter(|n| n.serves() && n.strikes == 0);
        // A second fetch beside one that has begun would come later and slow both down; but what one has that never brought
        // anything, or brings it slowly, is no nearer for that.
        let passes_on = |n: &Neighbour| {
            let passing = Duration::from_micros(u64::from(film.size(segment)) * 1_000_000 / n.rate().max(1));
            passing < task.slack.max(origin) && (n.bytes_in > 0 || task.slack > origin)
        };
        if self.is_got_by_keeper(now, segment, origin) {
            return Peers::Sooner;
        }
        if helpers().any(|n| n.promises(now, segment, origin) && passes_on(n)) {
            return Peers::InTime;
        }
        let mut last = Duration::ZERO;
        let mut not_asked = 0;
        for &piece in missing {
            let asked =
                self.links.values().find_map(|n| n.find(segment, piece).map(|(_, asked)| (n, asked.at)));
            match asked {
                // Overdue, or asked of one that failed the last time: no telling when it comes.
                Some((n, at)) if now.since(at) > n.due() || n.strikes > 0 => return Peers::TooLate,
                // What has not come by then may come at any time, not at once.
                Some((n, at)) => {
                    last = last.max(n.expected().saturating_sub(now.since(at)).max(n.expected() / 8))
                }
                None if helpers().any(|n| now >= n.rest_until && n.holds(segment, piece)) => {
                    not_asked += film.piece_size(segment, piece)
                }
                None => return Peers::TooLate,
            }
        }
        if not_asked > 0 {
            let holders = helpers().filter(|n| now >= n.rest_until && n.holds_any(segment));
            let (rate, response) = holders.fold((0, Duration::MAX), |(rate, response), n| {
                (rate + n.rate(), response.min(n.expected()))
            });
            if rate == 0 {
                return Peers::TooLate;
            }
            last = last.max(response + Duration::from_micros(u64::from(not_asked) * 1_000_000 / rate));
        }
        match last {
            last if last * 5 / 4 < origin => Peers::Sooner,
            last if last + origin < task.slack => Peers::InTime,
            _ => Peers::TooLate,
        }
    }
}
