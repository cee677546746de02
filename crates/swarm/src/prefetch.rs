//! Getting ahead of the window, from neighbours that have upload to spare, and never from the origin (Huang, Li and Ross 2007).
//!
//! Both sides see to it that nobody pays for it. The asker has all of its window, and asks one piece at a time of a neighbour that it
//! asks nothing else of. The server measures what it sends: what is needed later than any window it gives only while a quarter
//! of its upload is left over. And nobody hurries: what is not needed yet comes little faster than it plays, so that it is not at
//! the cost of whoever starts meanwhile, or of the viewer's own machine.

use crate::io::{Link, Output};
use crate::peer::Peer;
use crate::time::Time;
use crate::viewer::Task;
use alloc::vec::Vec;
use core::time::Duration;
use manifest::SegmentId;

/// Segments that are looked at, at a time.
const AT_ONCE: usize = 4;
/// How much faster than it plays the film is asked for, pictures and sound counted apart: twice as fast as a whole.
const PACE: u32 = 4;
/// So much may be asked for at once (a leaky bucket).
const BURST: Duration = Duration::from_secs(1);
/// Who had nothing to spare is not asked for it before.
const ASK_AGAIN: Duration = Duration::from_secs(5);

impl Peer {
    /// Asks for what lies beyond the window, when nothing in it is missing.
    pub(crate) fn prefetch(&mut self, now: Time, out: &mut Vec<Output>) {
        let Some(film) = self.film.as_ref().filter(|film| !film.is_live()) else { return };
        let from = self.viewer.window_end(&self.config);
        let beyond = |task: &Task| film.start(task.segment) >= from && !self.store.is_whole(task.segment);
        let room = self.store.bytes < self.config.store_max / 2;
        if !room || self.ahead_until > now + BURST || !self.links.values().any(|n| n.has_spare(now)) {
            return;
        }
        let tasks = self.viewer.tasks(film, from + self.config.prefetch).into_iter();
        let each = |task: Task| {
            let playing = film.end(task.segment).saturating_sub(film.start(task.segment));
            (task, playing / PACE / film.pieces(task.segment).max(1))
        };
        let tasks: Vec<(Task, Duration)> = tasks.filter(beyond).take(AT_ONCE).map(each).collect();
        let asked = self.asked_pieces();
        for (task, playing) in tasks {
            for piece in self.free_pieces(now, task.segment, &asked) {
                let holders =
                    self.links.iter().filter(|(_, n)| n.has_spare(now) && n.holds(task.segment, piece));
                let Some(link) = holders.min_by_key(|(link, n)| (n.cost(), **link)).map(|(&link, _)| link)
                else {
                    break;
                };
                if self.ahead_until > now + BURST {
                    return;
                }
                self.ahead_until = self.ahead_until.max(now) + playing;
                let within = task.slack.max(self.config.window + Duration::from_secs(1));
                self.ask(now, link, task.segment, piece, within, out);
            }
        }
    }

    /// Whether a request for something needed in this time is to be refused: it would be at the cost of others.
    pub(crate) fn spares_nothing_for(&self, now: Time, within: Duration) -> bool {
        within > self.config.window && self.uploads.spare_permille(now) < self.config.spare_permille
    }

    /// A neighbour had no time for a piece: that is no fault of its if the piece lies beyond our window.
    pub(crate) fn was_busy(&mut self, now: Time, link: Link, segment: SegmentId) {
        let is_live = self.is_live();
        let beyond = self
            .film
            .as_ref()
            .is_some_and(|film| !is_live && film.start(segment) >= self.viewer.window_end(&self.config));
        let Some(neighbour) = self.links.get_mut(&link) else { return };
        if beyond {
            neighbour.spare_from = now + ASK_AGAIN;
        } else {
            neighbour.busy(now, is_live);
        }
    }
}
