//! What to get next, and what of it from the origin.
//!
//! Segments are taken soonest first, and asked of neighbours ([`crate::ask`]). The origin comes in two ways: a peer *elected* for
//! a segment that nobody has fetches it for all; and whoever runs out of time fetches what is missing ([`crate::late`]).

use crate::ask::mark_asked;
use crate::io::Output;
use crate::keep::STEPS_IN;
use crate::neighbour::Neighbour;
use crate::peer::Peer;
use crate::time::Time;
use crate::viewer::Task;
use alloc::vec::Vec;
use core::time::Duration;
use manifest::SegmentId;

/// Kept between a fetch that is expected to end and the moment the player runs dry.
const MARGIN: Duration = Duration::from_millis(800);
const MARGIN_AMONG_ENEMIES: Duration = Duration::from_millis(6000);
/// So much disappointment of late calls for caution: two neighbours at once, or one every quarter of a minute.
const LET_DOWN: u64 = 1500;
/// Fetches ahead of need that a peer and its neighbours have open: more would only delay the ones needed sooner.
const EARLY_FETCHES: usize = 2;

/// Pieces of a live stream that lie further apart are fetched one after the other, and what is held between them is not.
const GAP: u32 = 2;

/// How long the elected peer, and then each backup in turn, may take to begin its part.
const PART: Duration = Duration::from_secs(3);
/// What no top of a live stream has fetched at this age was there before them.
const LEFT: Duration = Duration::from_millis(2500);

/// What of a segment is not here.
pub(crate) struct Lack {
    pub missing: Vec<u32>,
    /// How long the origin takes for it.
    pub estimate: Duration,
    /// So long before the player needs the segment it is urgent.
    pub in_time: Duration,
}

impl Peer {
    /// Asks peers and origin for what is missing; says whether nothing is.
    pub(crate) fn plan(&mut self, now: Time, out: &mut Vec<Output>) -> bool {
        let (keeps, film_live) = (self.keeps(), self.is_live());
        let window_end = self.viewer.window_end(&self.config);
        let horizon = window_end + self.config.fetch_ahead;
        let mut tasks = if keeps { self.tasks_for_others(now) } else { Vec::new() };
        let Some(film) = &self.film else { return true };
        if !keeps {
            tasks = self.viewer.tasks(film, horizon);
        }
        tasks.retain(|task| !self.store.is_whole(task.segment));
        self.missing.clear();
        self.missing.extend(tasks.iter().map(|task| task.segment));
        self.look_for_outrun(now);
        self.drop_stale_fetches(&tasks, out);
        self.yield_fetches(now, out);
        self.orphaned.retain(|segment, _| tasks.iter().any(|t| t.segment == *segment));
        self.urgent.retain(|segment, _| tasks.iter().any(|t| t.segment == *segment));
        let is_near = |t: &&Task| keeps || t.wanted || self.start(t.segment) < window_end;
        let near: Vec<Task> = tasks.iter().filter(is_near).copied().collect();
        if film_live {
            self.fetch_as_top(now, out);
        }
        if !film_live || self.config.topology.repair {
            self.ask_peers(now, &near, out);
        }
        if near.is_empty() && !keeps {
            self.prefetch(now, out);
        }
        let asked = self.asked_pieces();
        let mut ahead = self.under_way(now, &tasks);
        for (place, task) in tasks.iter().enumerate() {
            let before = if self.hurries(task) { self.under_way(now, &tasks[..place]) } else { ahead };
            if task.wanted || before < self.early_fetches(task.segment) {
                ahead += usize::from(self.consider_origin(now, task, before, &asked, out));
            }
        }
        tasks.is_empty()
    }

    /// How many fetches are opened before one ahead of need is.
    fn early_fetches(&self, segment: SegmentId) -> usize {
        match &self.film {
            // As many as come while one plays: on a slow line more would only come later than neighbours wait for.
            Some(film) if self.keeps() && self.origin.is_measured() => {
                let plays = film.end(segment).saturating_sub(film.start(segment));
                let each = self.origin.estimate(film.size(segment)).as_millis().max(1);
                ((plays.as_millis() / each) as usize).max(EARLY_FETCHES).min(self.config.fetches_max)
            }
            _ => EARLY_FETCHES,
        }
    }

    /// How many of the segments this peer, or a neighbour that may be believed, is fetching.
    fn under_way(&self, now: Time, tasks: &[Task]) -> usize {
        let Some(film) = &self.film else { return 0 };
        let fetching: Vec<&Neighbour> =
            self.links.values().filter(|n| n.serves() && !n.fetching.is_empty()).collect();
        let is_under_way = |segment| {
            let estimate = self.origin.estimate(film.size(segment));
            self.origin.fetches.contains_key(&segment)
                || fetching.iter().any(|n| n.promises(now, segment, estimate))
        };
        tasks.iter().filter(|task| is_under_way(task.segment)).count()
    }

    fn start(&self, segment: SegmentId) -> Duration {
        self.film.as_ref().map_or(Duration::ZERO, |film| film.start(segment))
    }

    /// What is kept between a fetch that is expected to end and the moment the player runs dry: more while neighbours turn out
    /// to be no help, one after the other.
    pub(crate) fn margin(&self, now: Time) -> Duration {
        if self.let_down.by(now) < LET_DOWN { MARGIN } else { MARGIN_AMONG_ENEMIES }
    }

    /// Fetches a segment from the origin if this peer should; `ahead` segments that are needed sooner are under way or
    /// wait for somebody to fetch them, and neighbours were asked for the pieces in `asked`. Says whether this is one more.
    fn consider_origin(
        &mut self,
        now: Time,
        task: &Task,
        ahead: usize,
        asked: &[(SegmentId, u32)],
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(film) = &self.film else { return false };
        if self.origin.fetches.contains_key(&task.segment) || !self.origin.is_ready(now) {
            return false;
        }
        if self.holds_up_start(now, task.segment) {
            return false;
        }
        let mut missing: Vec<u32> = self.store.pieces(film, task.segment).missing().collect();
        if film.is_live() {
            // What is missing mostly came by one stripe: what lies between two stripes is here.
            let run = missing.windows(2).position(|pair| pair[1] - pair[0] > GAP);
            missing.truncate(run.map_or(missing.len(), |last| last + 1));
        }
        if missing.is_empty() {
            return false;
        }
        let bytes: u32 = missing.iter().map(|&piece| film.piece_size(task.segment, piece)).sum();
        let estimate = self.origin.estimate(bytes);
        let in_time = (estimate * 3 / 2 + self.margin(now)).max(self.live_reserve());
        let in_time = if self.is_kept_for(now) { in_time.min(STEPS_IN) } else { in_time };
        let lack = Lack { missing, estimate, in_time };
        if task.wanted && task.slack < in_time {
            self.call_origin(now, task, lack, out);
            return true;
        }
        // The pieces of a live stream that nobody has are the tops' part; but what is as old as this is nobody's in a small audience. In a
        // large one somebody has it, and so may a neighbour at the last moment; and an origin with much to do is not asked before that.
        let is_left = || {
            let age = film.edge().saturating_sub(film.end(task.segment));
            let plays = film.end(task.segment).saturating_sub(film.start(task.segment));
            // Seen to carry the film twice.
            let carries =
                |rate: u64| rate * plays.as_millis() as u64 > u64::from(film.size(task.segment)) * 2000;
            let is_fast = self.origin.rate().is_some_and(carries) && !self.origin.is_slow(now);
            task.wanted && age > LEFT && is_fast && self.is_small() && self.rank(now, task.segment).is_some()
        };
        (!film.is_live() || is_left()) && self.take_part(now, task, &lack, ahead, asked, out)
    }

    /// Whether there is nothing to play, and what a film plays before this segment is late: fetched beside it, this would only make
    /// it later still.
    fn holds_up_start(&self, now: Time, segment: SegmentId) -> bool {
        let Some(film) = self.film.as_ref().filter(|film| !film.is_live() && !self.keeps()) else {
            return false;
        };
        let is_late = |sooner: SegmentId| {
            film.start(sooner) < film.start(segment) && self.origin.is_overdue(now, sooner)
        };
        self.viewer.is_starving() && self.origin.fetches.keys().any(|&sooner| is_late(sooner))
    }

    /// Fetches of a film's segment what nobody has, for all, if it is this peer's part to do so. See [`Self::consider_origin`].
    fn take_part(
        &mut self,
        now: Time,
        task: &Task,
        lack: &Lack,
        ahead: usize,
        asked: &[(SegmentId, u32)],
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(film) = &self.film else { return false };
        let segment = task.segment;
        let keeps = self.keeps();
        // Beside another fetch it delays what is needed sooner: only while there is enough to play.
        let enough = self.origin.estimate(film.size(segment)) * 3 + self.margin(now);
        let delays = !keeps && !self.origin.fetches.is_empty() && self.viewer.buffered() < enough;
        let beyond = !keeps && film.start(segment) >= self.viewer.window_end(&self.config);
        let for_nobody = || match keeps {
            true => !self.is_due_to_somebody(now, segment, lack.in_time + self.config.step_in * 2),
            false => beyond && !self.links.values().any(|n| self.is_wanted_by(n, segment)),
        };
        if !task.wanted && (delays || for_nobody()) {
            return false;
        }
        if self.links.values().any(|n| n.serves() && n.promises(now, segment, lack.estimate)) {
            self.orphaned.remove(&segment);
            return false;
        }
        let mut sourced = self.store.pieces(film, segment);
        mark_asked(&mut sourced, segment, asked);
        for neighbour in self.links.values().filter(|n| n.serves()) {
            if sourced.is_full() {
                break;
            }
            neighbour.add_to(&mut sourced, segment);
        }
        let (Some(first), Some(last)) = (sourced.missing().next(), sourced.missing().last()) else {
            self.orphaned.remove(&segment);
            return false;
        };
        let in_turn = ahead < self.early_fetches(segment);
        let since = self.orphaned.entry(segment).or_insert(now);
        if !in_turn {
            *since = now; // nobody's part yet
        }
        let waited = now.since(*since);
        let step_in = match self.rank(now, segment) {
            // Elected: at once, for all, if it is its turn.
            Some(0) => in_turn,
            // Another keeps for them too.
            Some(rank) if keeps => in_turn && waited > PART * rank.min(4),
            Some(_) if self.is_kept_for(now) => false,
            // A backup, for its own viewer: when the elected one does not do its part, or time runs out.
            Some(rank) => {
                task.wanted && in_turn && waited > PART * rank.min(4)
                    || task.slack < lack.in_time + self.config.step_in + self.config.step_in / rank
            }
            None => task.slack < lack.in_time + self.config.step_in / 2,
        };
        let fetches = step_in
            && self.origin.fetches.len() < self.config.fetches_max
            && self.may_call_slow(now, segment);
        if fetches {
            self.charge(now, segment);
            self.fetch(now, segment, first, last + 1, out);
        }
        // What another keeper is to fetch keeps nobody waiting here.
        fetches || !keeps
    }

    pub(crate) fn fetch(
        &mut self,
        now: Time,
        segment: SegmentId,
        first: u32,
        end: u32,
        out: &mut Vec<Output>,
    ) {
        let Some(film) = &self.film else { return };
        // Without leaves only the whole segment can be verified.
        let (first, end) = if film.is_live() || self.store.is_begun(segment) {
            (first, end)
        } else {
            (0, film.pieces(segment))
        };
        let bytes = (first..end).map(|piece| film.piece_size(segment, piece)).sum();
        self.origin.begin(now, segment, first..end, bytes);
        self.fetching_changed = true;
        out.push(Output::Fetch { segment, first, end });
    }

    /// Of a rendition that is not played (any more).
    fn is_aside(&self, segment: SegmentId) -> bool {
        let kind = self.film.as_ref().and_then(|film| film.kind(segment.rendition));
        kind.and_then(|kind| self.viewer.rendition(kind)).is_some_and(|played| played != segment.rendition)
    }

    /// Gives up fetches that neither this viewer nor a neighbour has a use for any more.
    fn drop_stale_fetches(&mut self, tasks: &[Task], out: &mut Vec<Output>) {
        let Some(film) = &self.film else { return };
        let open = self.origin.fetches.iter().filter(|(_, fetch)| fetch.left > 0);
        let is_stale = |segment: &SegmentId| match film.is_live() {
            // What a top fetches is for others; and before it plays, a player asks for what lies before its position.
            true => {
                let is_past = || film.end(*segment) < self.viewer.player.position;
                let is_of_use = self.viewer.is_wanted(*segment) || !(is_past() || self.is_aside(*segment));
                self.store.is_whole(*segment) || !is_of_use
            }
            false => tasks.iter().all(|task| task.segment != *segment),
        };
        let stale: Vec<SegmentId> = open.map(|(&segment, _)| segment).filter(is_stale).collect();
        for segment in stale {
            self.origin.fetches.remove(&segment);
            self.fetching_changed = true;
            out.push(Output::CancelFetch(segment));
        }
    }
}
