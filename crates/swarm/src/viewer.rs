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
    /// Up to where in the film pictures and sound have been given, without a gap from the position: ahead of what the
    /// player reports, which learns of a segment only when it has taken it in.
    reach: [Duration; 2],
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
/// So much later a paused player needs what it would else need now.
const PAUSED: Duration = Duration::from_secs(30);
/// A position that changes by more than this between two reports was sought.
const JUMP: Duration = Duration::from_secs(3);
/// Segments that start this much late still join the ones before.
const GAP: Duration = Duration::from_millis(200);

impl Viewer {
    pub fn new() -> Self {
        let player =
            Player { position: Duration::ZERO, buffered: Duration::ZERO, playing: true, rate_permille: 1000 };
        Self {
            player,
            reach: [Duration::ZERO; 2],
            wants: BTreeSet::new(),
            delivered: BTreeSet::new(),
            tracks: [None, None],
        }
    }

    /// The player has moved. After a jump nothing that was given before counts.
    pub fn moved(&mut self, player: Player) {
        // Traces keep microseconds: what is decided here must not rest on more.
        let micros = |span: Duration| Duration::from_micros(span.as_micros() as u64);
        let player =
            Player { position: micros(player.position), buffered: micros(player.buffered), ..player };
        let jumped = player.position.abs_diff(self.player.position) > JUMP;
        let reported = player.position + player.buffered;
        if jumped {
            self.delivered.clear();
        }
        for reach in &mut self.reach {
            *reach = if jumped { reported } else { reported.max(*reach) };
        }
        self.player = player;
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

    pub fn delivered(&mut self, film: &Film, segment: SegmentId) {
        self.wants.remove(&segment);
        self.delivered.insert(segment);
        if let Some(kind) = film.kind(segment.rendition) {
            let reach = &mut self.reach[kind as usize];
            if film.start(segment) <= *reach + GAP {
                *reach = film.end(segment).max(*reach);
            }
        }
    }

    /// Forgets what lies before the first segment of each rendition that is still known.
    pub fn forget_before(&mut self, first: impl Fn(u8) -> u32) {
        self.delivered.retain(|segment| segment.sequence >= first(segment.rendition));
    }

    /// How far beyond the position the player can go.
    pub fn buffered(&self) -> Duration {
        let used = self.tracks.iter().zip(self.reach).filter(|(track, _)| track.is_some());
        let reach = used.map(|(_, reach)| reach).min().unwrap_or_default();
        reach.saturating_sub(self.player.position)
    }

    /// The place in a rendition of pictures of what the player asks for next, as far as can be known.
    pub fn next_pictures(&self, film: &Film, rendition: u8) -> u32 {
        let last = self.tracks[Kind::Video as usize];
        match last.filter(|last| self.wants.contains(&SegmentId::new(last.rendition, last.sequence))) {
            Some(last) => last.sequence + 1,
            None => film.at(rendition, self.reach[Kind::Video as usize]),
        }
    }

    /// The rendition in use.
    pub fn rendition(&self, kind: Kind) -> Option<u8> {
        self.tracks[kind as usize].map(|t| t.rendition)
    }

    /// Whether it has next to nothing to play.
    pub fn is_starving(&self) -> bool {
        self.buffered() < STARVING
    }

    /// Up to where the viewer wants segments now, in the film.
    pub fn window_end(&self, config: &Config) -> Duration {
        self.player.position + config.window
    }

    /// Time until the player reaches `segment`, at its speed; long if it is paused.
    pub fn slack(&self, film: &Film, segment: SegmentId) -> Duration {
        let ahead = film.start(segment).saturating_sub(self.player.position);
        let slack = ahead * 1000 / self.player.rate_permille.clamp(100, 16_000);
        // At a live edge what it was given is no proof that it can start. In a film it is: there it would call for more than it needs.
        let could_start = match film.is_live() {
            true => self.player.buffered >= STARVING,
            false => !self.is_starving(),
        };
        match () {
            () if self.player.playing => slack,
            () if could_start => slack + PAUSED,
            // One that stands still never comes nearer to a part that it starts with, at the edge of a live stream.
            () if film.is_live() => slack.min(STARVING),
            () => slack,
        }
    }

    /// What is worth having, soonest first: the wants, and the window of the renditions that are played steadily up to
    /// `end` in the film.
    pub fn tasks(&self, film: &Film, end: Duration) -> Vec<Task> {
        let task = |segment, wanted| Task { segment, slack: self.slack(film, segment), wanted };
        let mut tasks: Vec<Task> = self.wants().map(|segment| task(segment, true)).collect();
        for chosen in self.tracks.iter().flatten().filter(|chosen| chosen.steady || film.is_live()) {
            let from = film.at(chosen.rendition, self.player.position + self.buffered()).max(chosen.sequence);
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
