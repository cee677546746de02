//! The player model: what it asks for, when it plays, and when its picture stands.

use manifest::SegmentId;
use std::time::Duration;
use swarm::{Input, Player};

use super::{AUDIO, Event, SEGMENT, World};

impl World {
    pub fn seek(&mut self, at: usize, to: Duration) {
        let viewer = &mut self.viewers[at];
        let sequence = (to.as_secs() / 4) as u32 + 1;
        viewer.position = to;
        viewer.next = [sequence; 2];
        viewer.ends = [to; 2];
        let waiting = std::mem::take(&mut viewer.waiting);
        for segment in waiting.into_iter().flatten() {
            self.feed(at, Input::Unwant(segment));
        }
        self.tick_player(at, Duration::ZERO);
    }

    pub(super) fn tick_player(&mut self, at: usize, step: Duration) {
        let end = SEGMENT * self.film.renditions[0].segments.len() as u32;
        let viewer = &mut self.viewers[at];
        if !viewer.watches {
            return;
        }
        let buffered_to = viewer.ends[0].min(viewer.ends[1]);
        if viewer.position < end && !step.is_zero() {
            if buffered_to > viewer.position {
                viewer.started.get_or_insert(self.now);
                viewer.position = (viewer.position + step).min(buffered_to);
                viewer.was_stalled = false;
            } else if viewer.started.is_some() {
                viewer.stalled += step;
                viewer.stalls += u32::from(!viewer.was_stalled);
                viewer.was_stalled = true;
            }
        }
        let player = Player {
            position: viewer.position,
            buffered: buffered_to.saturating_sub(viewer.position),
            playing: true,
            rate_permille: 1000,
        };
        self.feed(at, Input::Player(player));
        self.ask_next(at);
    }

    /// One segment of each kind at a time, up to 30 s ahead.
    pub(super) fn ask_next(&mut self, at: usize) {
        for kind in 0..2 {
            let viewer = &mut self.viewers[at];
            let sequence = viewer.next[kind];
            let last = self.film.renditions[0].segments.len() as u32;
            let full = viewer.ends[kind] >= viewer.position + Duration::from_secs(30);
            if viewer.watches && viewer.waiting[kind].is_none() && !full && sequence <= last {
                let begun = viewer.started.is_some() || viewer.ends[0] > viewer.position;
                let chosen = viewer.core.offered().filter(|offered| viewer.follows && offered.for_all);
                let rendition = match (kind, begun) {
                    (1, _) => AUDIO,
                    (_, false) => 0, // as players do that do not know their bandwidth yet
                    (_, true) => chosen.map_or(viewer.video, |offered| offered.rendition),
                };
                let segment = SegmentId::new(rendition, sequence);
                viewer.waiting[kind] = Some(segment);
                self.feed(at, Input::Want(segment));
            }
        }
    }

    pub(super) fn give_player(&mut self, at: usize, segment: SegmentId) {
        let viewer = &mut self.viewers[at];
        let kind = usize::from(segment.rendition == AUDIO);
        if viewer.waiting[kind] == Some(segment) {
            viewer.waiting[kind] = None;
            viewer.next[kind] = segment.sequence + 1;
            viewer.ends[kind] = SEGMENT * segment.sequence;
            self.after(Duration::ZERO, Event::Ask(at));
        }
    }
}
