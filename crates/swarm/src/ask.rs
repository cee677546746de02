//! Which pieces to ask of which neighbour, and in what order.
//!
//! Near the playhead pieces are asked for in order; further out the rarest among the neighbours come first, so that neighbours
//! have something to give each other. A live stream has an order of its own ([`Peer::live_order`]).

use crate::election;
use crate::io::{Link, Output};
use crate::neighbour::Neighbour;
use crate::peer::Peer;
use crate::time::Time;
use crate::viewer::Task;
use alloc::vec::Vec;
use core::time::Duration;
use manifest::SegmentId;
use wire::{Bits, Message};

/// Up to here ahead of the playhead pieces are asked for in order of time.
const IN_ORDER: Duration = Duration::from_secs(15);
/// What is needed within this is asked only of neighbours that are relied upon.
const PRESSING: Duration = Duration::from_secs(3);

impl Peer {
    /// Requests that were not answered in time: the neighbour is blamed, the piece is free for another.
    pub(crate) fn expire_requests(&mut self, now: Time, out: &mut Vec<Output>) {
        let late: Vec<Link> =
            self.links.iter().filter(|(_, n)| n.is_late(now)).map(|(&link, _)| link).collect();
        for link in late {
            let Some(neighbour) = self.links.get_mut(&link) else { continue };
            let ids = neighbour.expire(now);
            out.extend(ids.into_iter().map(|id| Output::Send(link, Message::Cancel { id })));
            self.drop_if_useless(now, link, out);
        }
    }

    pub(crate) fn ask_peers(&mut self, now: Time, tasks: &[Task], out: &mut Vec<Output>) {
        if !self.links.values().any(|n| n.takes(now, 1)) {
            return;
        }
        if self.is_live() {
            return self.ask_for_parts(now, tasks, &self.asked_pieces(), out);
        }
        let asked = if self.viewer.is_starving() { self.asked_lately(now) } else { self.asked_pieces() };
        let (soon, later): (Vec<&Task>, Vec<&Task>) =
            tasks.iter().partition(|t| t.wanted || t.slack < IN_ORDER);
        for task in soon {
            for piece in self.free_pieces(now, task.segment, &asked) {
                self.ask_best(now, task, piece, out);
            }
        }
        let mut spread: Vec<(usize, Duration, SegmentId, u32, Task)> = Vec::new();
        for task in later {
            let free = self.free_pieces(now, task.segment, &asked);
            if free.is_empty() {
                continue;
            }
            let holders: Vec<&Neighbour> =
                self.links.values().filter(|n| n.holds_any(task.segment)).collect();
            spread.extend(free.into_iter().map(|piece| {
                let holders = holders.iter().filter(|n| n.holds(task.segment, piece)).count();
                (holders, task.slack, task.segment, piece, *task)
            }));
        }
        spread.sort_by_key(|&(holders, slack, segment, piece, _)| {
            (holders, slack, segment, election::mix(self.seed ^ u64::from(piece)))
        });
        for (_, _, _, piece, task) in spread {
            if !self.ask_best(now, &task, piece, out) && !self.links.values().any(|n| n.takes(now, 1)) {
                return;
            }
        }
    }

    /// Asks for the pieces of a live stream that are not expected to come down a tree.
    fn ask_for_parts(
        &mut self,
        now: Time,
        tasks: &[Task],
        asked: &[(SegmentId, u32)],
        out: &mut Vec<Output>,
    ) {
        let mut order = Vec::new();
        for task in tasks {
            for piece in self.free_pieces(now, task.segment, asked) {
                if self.expects(now, task.segment, piece, task.slack) {
                    continue;
                }
                let holders = self.links.values().filter(|n| n.holds(task.segment, piece)).count();
                let lot = election::mix(self.seed ^ u64::from(piece));
                let place = self.live_order(task.slack, task.segment, holders);
                order.push((place, task.segment, lot, piece, *task));
            }
        }
        order.sort_unstable_by_key(|&(order, segment, lot, ..)| (order, segment, lot));
        let mut budget = self.live_budget();
        for (.., piece, task) in order {
            let bytes = self.film.as_ref().map_or(0, |film| film.piece_size(task.segment, piece));
            if budget < bytes {
                return;
            }
            budget -= bytes;
            if !self.ask_best(now, &task, piece, out) && !self.links.values().any(|n| n.takes(now, 1)) {
                return;
            }
        }
    }

    /// Every piece that a neighbour was asked for, in order.
    pub(crate) fn asked_pieces(&self) -> Vec<(SegmentId, u32)> {
        self.asked_where(|_, _| true)
    }

    /// The same without those that nearly always would have come by now: who has nothing to play asks another neighbour for them,
    /// too, and takes back what the slower one has not sent (hedged requests: Dean and Barroso 2013).
    fn asked_lately(&self, now: Time) -> Vec<(SegmentId, u32)> {
        self.asked_where(|n, at| now.since(at) <= n.expected())
    }

    /// The pieces of those requests that are meant, by who was asked and when.
    fn asked_where(&self, is_meant: impl Fn(&Neighbour, Time) -> bool) -> Vec<(SegmentId, u32)> {
        let asked = self.links.values().flat_map(|n| n.asked.iter().map(move |(_, a)| (n, a)));
        let meant = asked.filter(|(n, a)| is_meant(n, a.at));
        let mut pieces: Vec<(SegmentId, u32)> = meant.map(|(_, a)| (a.segment, a.piece)).collect();
        pieces.sort_unstable();
        pieces
    }

    /// Pieces that are neither held nor under way, and that a neighbour may be asked for now.
    pub(crate) fn free_pieces(&self, now: Time, segment: SegmentId, asked: &[(SegmentId, u32)]) -> Vec<u32> {
        let Some(film) = &self.film else { return Vec::new() };
        let mut taken = self.store.pieces(film, segment);
        mark_asked(&mut taken, segment, asked);
        // A late fetch may mean a narrow line, which more would only fill; but who has nothing to play has nothing to lose.
        let hedge = film.is_live()
            || self.origin.is_slow(now)
            || self.viewer.is_starving() && self.origin.is_late(now);
        for piece in self.origin.covers(now, segment, hedge) {
            taken.set(piece);
        }
        if taken.is_full() {
            return Vec::new();
        }
        // Only the last piece may be smaller than the others, and fit where they do not.
        let last = taken.len() - 1;
        let (size, last_size) = (film.piece_size(segment, 0), film.piece_size(segment, last));
        let mut offered = Bits::none(taken.len());
        for neighbour in self.links.values() {
            if offered.is_full() {
                break;
            }
            if neighbour.takes(now, size) {
                neighbour.add_to(&mut offered, segment);
            } else if neighbour.takes(now, last_size) && neighbour.holds(segment, last) {
                offered.set(last);
            }
        }
        taken.missing().filter(|&piece| offered.has(piece)).collect()
    }

    /// Asks the holder whose answer is expected first; says whether there was one to ask.
    fn ask_best(&mut self, now: Time, task: &Task, piece: u32, out: &mut Vec<Output>) -> bool {
        let Some(film) = &self.film else { return false };
        let bytes = film.piece_size(task.segment, piece);
        let again = self.links.values().any(|n| n.find(task.segment, piece).is_some());
        let (tried_only, config) = (!again && self.would_be_missed(task, piece), &self.config);
        let best = self
            .links
            .iter()
            .filter(|(_, n)| n.takes(now, bytes) && n.holds(task.segment, piece))
            .filter(|(_, n)| !again || n.find(task.segment, piece).is_none())
            .filter(|(_, n)| !tried_only || n.trust.is_settled(config))
            .min_by_key(|(link, n)| (n.cost(), **link));
        let Some((&link, _)) = best else { return false };
        // Of a live stream what is young has to spread, and time must be left to ask somebody else.
        let within = match film.is_live() {
            true => (task.slack / 3).min(Duration::from_secs(1)),
            false => task.slack.min(self.config.window),
        };
        self.ask(now, link, task.segment, piece, within, out);
        true
    }

    /// Asks a neighbour for a piece.
    pub(crate) fn ask(
        &mut self,
        now: Time,
        link: Link,
        segment: SegmentId,
        piece: u32,
        within: Duration,
        out: &mut Vec<Output>,
    ) {
        let (Some(film), Some(neighbour)) = (&self.film, self.links.get_mut(&link)) else { return };
        let id = neighbour.ask(now, segment, piece, film.piece_size(segment, piece));
        self.origin.asked_beside(now, segment);
        let within_ms = within.as_millis().min(600_000) as u32;
        // The first pieces of a segment come with its leaves, until a piece has been verified.
        let leaves = !film.is_live() && !self.store.is_begun(segment);
        out.push(Output::Send(link, Message::Request { id, segment, piece, within_ms, leaves }));
    }

    /// Whether a piece is no matter for trials: it is needed soon, or nearly nobody else has it. Where nobody is relied upon
    /// yet, newcomers are all there is; and so they are to who has nothing to play, where nobody relied upon has the piece.
    fn would_be_missed(&self, task: &Task, piece: u32) -> bool {
        let holders = || self.links.values().filter(|n| n.holds(task.segment, piece));
        let relied = |n: &Neighbour| n.serves() && n.trust.is_settled(&self.config);
        let is_relied = || match self.viewer.is_starving() {
            true => holders().any(relied),
            false => self.links.values().any(relied),
        };
        // Of a live stream everything is needed soon.
        !self.is_live()
            && (task.slack < PRESSING || task.slack < IN_ORDER && holders().nth(1).is_none())
            && is_relied()
    }
}

/// Adds to `pieces` those of a segment among `asked`, which is sorted.
pub(crate) fn mark_asked(pieces: &mut Bits, segment: SegmentId, asked: &[(SegmentId, u32)]) {
    let from = asked.partition_point(|(other, _)| *other < segment);
    for &(_, piece) in asked[from..].iter().take_while(|(other, _)| *other == segment) {
        pieces.set(piece);
    }
}
