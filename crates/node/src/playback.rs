//! Where a player is, guessed from what it asks for over HTTP: it says nothing else. Its invariant: a player is never thought
//! further than what it was given.

use manifest::Kind;
use std::time::Duration;
use swarm::{Player, Time};

/// No player is thought to hold more than this: one that asks for more has played, or copies the film.
const AHEAD_MAX: Duration = Duration::from_secs(20);
/// A question this far from what was given before is a seek.
const SEEK: Duration = Duration::from_secs(10);
/// A player that asked for nothing for so long is paused, or gone.
const SILENT: Duration = Duration::from_secs(30);

/// One player's place in the film.
#[derive(Debug, Default)]
pub(crate) struct Playback {
    /// When the position was last brought up to date, and the position then.
    at: Time,
    position: Duration,
    /// Up to where pictures, and sound, were given without a gap; `None`: not asked for since the last seek.
    given: [Option<Duration>; 2],
    asked_at: Time,
}

impl Playback {
    /// The player asks for a segment that starts at `start`.
    pub(crate) fn asked(&mut self, now: Time, kind: Kind, start: Duration) {
        self.move_on(now);
        let end = self.end().unwrap_or(self.position);
        if self.given == [None; 2] || start + SEEK < self.position || start > end + SEEK {
            self.position = start;
            self.given = [None; 2];
        }
        self.given[kind as usize].get_or_insert(start);
        self.asked_at = now;
    }

    /// It was given the segment from `start` to `end`.
    pub(crate) fn given(&mut self, now: Time, kind: Kind, start: Duration, end: Duration) {
        self.move_on(now);
        if let Some(given) = self.given[kind as usize].as_mut().filter(|given| start <= **given) {
            *given = end.max(*given);
        }
    }

    /// What is to be told to the core.
    pub(crate) fn player(&mut self, now: Time) -> Player {
        self.move_on(now);
        Player {
            position: self.position,
            buffered: self.end().map_or(Duration::ZERO, |end| end.saturating_sub(self.position)),
            playing: self.given != [None; 2] && now.since(self.asked_at) < SILENT,
            rate_permille: 1000,
        }
    }

    fn end(&self) -> Option<Duration> {
        self.given.iter().flatten().min().copied()
    }

    fn move_on(&mut self, now: Time) {
        if let Some(end) = self.end() {
            let played = self.position + now.since(self.at);
            self.position = played.min(end).max(end.saturating_sub(AHEAD_MAX)).max(self.position.min(end));
        }
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: Duration = Duration::from_secs(4);

    fn play(playback: &mut Playback, at_s: u64, number: u32) {
        let (now, start) = (Time::from_millis(at_s * 1000), SEGMENT * number);
        playback.asked(now, Kind::Video, start);
        playback.given(now, Kind::Video, start, start + SEGMENT);
    }

    #[test]
    fn it_moves_with_the_clock_and_no_further_than_what_was_given() {
        let mut playback = Playback::default();
        (0..3).for_each(|n| play(&mut playback, 1, n));
        let player = playback.player(Time::from_millis(6000));
        assert_eq!((player.position.as_secs(), player.buffered.as_secs()), (5, 7));
        let player = playback.player(Time::from_millis(25_000));
        assert_eq!((player.position.as_secs(), player.buffered.as_secs(), player.playing), (12, 0, true));
        assert!(!playback.player(Time::from_millis(40_000)).playing);
    }

    #[test]
    fn who_copies_the_film_is_thought_to_play_it_fast() {
        let mut playback = Playback::default();
        (0..50).for_each(|n| play(&mut playback, 1, n));
        let player = playback.player(Time::from_millis(1000));
        assert_eq!((player.position.as_secs(), player.buffered.as_secs()), (180, 20));
    }

    #[test]
    fn a_seek_either_way_starts_over() {
        let mut playback = Playback::default();
        (0..5).for_each(|n| play(&mut playback, 1, n));
        for number in [100, 2] {
            let now = Time::from_millis(2000);
            playback.asked(now, Kind::Video, SEGMENT * number);
            let player = playback.player(now);
            assert_eq!((player.position, player.buffered), (SEGMENT * number, Duration::ZERO));
        }
    }

    #[test]
    fn sound_that_is_behind_holds_the_picture() {
        let mut playback = Playback::default();
        let now = Time::from_millis(1000);
        playback.asked(now, Kind::Audio, Duration::ZERO);
        (0..3).for_each(|n| play(&mut playback, 1, n));
        assert_eq!(playback.player(Time::from_millis(5000)).buffered, Duration::ZERO);
        playback.given(Time::from_millis(5000), Kind::Audio, Duration::ZERO, SEGMENT);
        assert_eq!(playback.player(Time::from_millis(5000)).buffered, SEGMENT);
    }
}
