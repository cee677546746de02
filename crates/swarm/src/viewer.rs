//! What the viewer wants: the player's state, the segments it has asked for, and the window that follows from both.

use crate::config::Config;
use crate::film::Film;
use crate::io::Player;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;
use manifest::{Kind, SegmentId};

/// One segment to get, and how soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    pub segment: SegmentId,
    /// Time until the player needs it.
    pub slack: Duration,
    /// Whether the player has asked for it.
    pub wanted: bool,
}

#[derive(Debug)]
pub(crate) struct Viewer {
    pub player: Player,
    wants: BTreeSet<SegmentId>,
    /// Given to the player already: not fetched ahead again.
    delivered: BTreeSet<SegmentId>,
    tracks: [Option<Chosen>; 2],
}

/// The rendition the player uses for pictures or sound.
#[derive(Clone, Copy, Debug)]
struct Chosen {
    rendition: u8,
    /// The last segment asked for.
    sequence: u32,
    /// Whether it was asked for twice in a row: only then are its segments worth fetching ahead.
    steady: bool,
}

/// A player that cannot go on for this long is starving.
const STARVING: Duration = Duration::from_millis(500);

impl Viewer {
    pub fn new() -> Self {
        let player =
            Player { position: Duration::ZERO, buffered: Duration::ZERO, playing: true, rate_permille: 1000 };
        Self { player, wants: BTreeSet::new(), delivered: BTreeSet::new(), tracks: [None, None] }
    }

    pub fn want(&mut self, film: &Film, segment: SegmentId) {
        let Some(kind) = film.kind(segment.rendition) else { return };
        self.wants.insert(segment);
        let track = &mut self.tracks[kind as usize];
        let steady = track.is_some_and(|t| t.rendition == segment.rendition);
        *track = Some(Chosen { rendition: segment.rendition, sequence: segment.sequence, steady });
    }

    pub fn unwant(&mut self, segment: SegmentId) {
        self.wants.remove(&segment);
    }

    pub fn wants(&self) -> impl Iterator<Item = SegmentId> + '_ {
        self.wants.iter().copied()
    }

    pub fn is_wanted(&self, segment: SegmentId) -> bool {
        self.wants.contains(&segment)
    }

    pub fn delivered(&mut self, segment: SegmentId) {
        self.wants.remove(&segment);
        self.delivered.insert(segment);
    }

    /// The rendition in use.
    pub fn rendition(&self, kind: Kind) -> Option<u8> {
        self.tracks[kind as usize].map(|t| t.rendition)
    }

    pub fn is_starving(&self) -> bool {
        self.player.buffered < STARVING
    }

    /// Up to where the viewer wants segments now, in the film.
    pub fn window_end(&self, config: &Config) -> Duration {
        self.player.position + config.window
    }

    /// Time until the player reaches `at` in the film, at its speed; long if it is paused.
    fn until(&self, at: Duration) -> Duration {
        let ahead = at.saturating_sub(self.player.position);
        let slack = ahead * 1000 / self.player.rate_permille.clamp(100, 16_000);
        // Paused: no hurry, unless it could not even start.
        if self.player.playing || self.is_starving() { slack } else { slack + Duration::from_secs(30) }
    }

    /// How soon the player needs `segment`.
    pub fn slack(&self, film: &Film, segment: SegmentId) -> Duration {
        let slack = self.until(film.start(segment));
        if self.is_wanted(segment) && self.is_starving() { Duration::ZERO } else { slack }
    }

    /// What is worth having, soonest first: the wants, and the window of the renditions that are played steadily up to
    /// `end` in the film.
    pub fn tasks(&self, film: &Film, end: Duration) -> Vec<Task> {
        let task = |segment, wanted| Task { segment, slack: self.slack(film, segment), wanted };
        let mut tasks: Vec<Task> = self.wants().map(|segment| task(segment, true)).collect();
        for chosen in self.tracks.iter().flatten().filter(|chosen| chosen.steady) {
            let from =
                film.at(chosen.rendition, self.player.position + self.player.buffered).max(chosen.sequence);
            let ahead = (from..=film.last(chosen.rendition))
                .map(|sequence| SegmentId::new(chosen.rendition, sequence))
                .take_while(|&segment| film.start(segment) < end)
                .filter(|segment| !self.wants.contains(segment) && !self.delivered.contains(segment));
            tasks.extend(ahead.map(|segment| task(segment, false)));
        }
        tasks.sort_by_key(|t| (!t.wanted, t.slack, t.segment));
        tasks
    }
}
