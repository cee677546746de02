//! One quality at a time, for all: how those behind a thin line share it.
//!
//! If every viewer chose for itself there, what one chose would delay what another did, and all would be late. So the one that
//! [keeps](crate::keep) for them chooses: for each time of the film once, the best that comes before the first who plays it would have
//! to wait. It says so before anybody asks, and what it has of a time already, in whatever quality, is what all take.
//!
//! Nobody has to believe it. Who has found the origin fast, or runs short in spite of all, chooses for itself; and who goes on asking
//! for another quality gets that too, later.

use crate::film::Film;
use crate::keep::{HURRIES, Offered, STEPS_IN, plays, position};
use crate::neighbour::Neighbour;
use crate::peer::Peer;
use crate::time::Time;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;
use manifest::{Kind, SegmentId};
use wire::Playing;

/// A line that carries the best quality less often than this is thin.
const THIN: u64 = 4;
/// What the first who plays something must have left when it has come.
const LEFT: Duration = Duration::from_secs(4);
/// Who needs what it lacks sooner than this has asked for it.
const ASKED: Duration = Duration::from_secs(30);
/// Who has named a quality for so long, and lacks what is here in another, insists on it; and who does so for longer, while another is
/// got for all, does not follow.
const INSISTS: Duration = Duration::from_secs(1);
const PERSISTS: Duration = Duration::from_secs(20);

/// Who has more than this in hand is held back by one that names a lower quality than its own line carries, and lets it for so many
/// reports of the player: a minute.
const PLENTY: Duration = Duration::from_secs(20);
const HOLDS_BACK_FOR: u32 = 240;

/// What is had is worth more than any rate.
const GETS: u64 = 1 << 40;

/// What neighbours have nothing of, in whatever quality.
#[derive(Default)]
struct Lacks {
    /// Times of the film, by the place of their pictures.
    times: BTreeMap<u32, Lack>,
    /// Segments that are needed whatever comes of the rest, and how soon: of sound, and what somebody insists on.
    segments: BTreeMap<SegmentId, Duration>,
    /// What neighbours fetch themselves, over the same line.
    bytes_fetched: u64,
}

struct Lack {
    /// Until the first needs it.
    slack: Duration,
    /// The lowest quality in which it has been asked for.
    asked: Option<u8>,
}

impl Lacks {
    fn needs(&mut self, segment: SegmentId, slack: Duration) {
        self.segments.entry(segment).and_modify(|least| *least = slack.min(*least)).or_insert(slack);
    }

    fn lacks(&mut self, film: &Film, sequence: u32, lack: Lack) {
        let Lack { slack, asked } = lack;
        let known = self.times.entry(sequence).or_insert(Lack { slack, asked });
        known.slack = known.slack.min(slack);
        known.asked = [known.asked, asked].into_iter().flatten().min_by_key(|&r| film.rate(r));
    }
}

impl Peer {
    /// Whether the line that this one keeps for others on is thin, as far as it is known.
    pub(crate) fn is_thin(&self) -> bool {
        let best = self.film.as_ref().map_or(0, Film::best_rate);
        self.path.bps().is_none_or(|bps| bps / 8 < best * THIN)
    }

    /// What is worth having on a thin line, soonest first: what has been begun, what viewers have, and the pictures of one time more,
    /// which are named.
    pub(crate) fn look_round_for_one(&self, now: Time) -> (Vec<(Duration, SegmentId)>, Option<SegmentId>) {
        let Some(film) = &self.film else { return Default::default() };
        let lowest = film.of(Kind::Video).min_by_key(|&rendition| film.rate(rendition));
        let Some(lowest) = lowest else { return Default::default() };
        let Lacks { times, segments: mut soon, bytes_fetched } = self.look_for_lacks(film, now, lowest);
        let mut times: Vec<(u32, Lack)> = times.into_iter().collect();
        times.sort_by_key(|(_, lack)| lack.slack);

        let others = || self.links.values().filter(|n| n.serves());
        let is_held = |segment| others().any(|n| n.holds_whole(segment));
        let is_promised = |segment| others().any(|n| n.promises(now, segment, self.takes(film, segment)));
        let is_begun = |segment| self.store.is_begun(segment) || self.origin.fetches.contains_key(&segment);
        let ours: u64 = self.origin.fetches.values().map(|fetch| u64::from(fetch.bytes)).sum();
        let comes_in = |segment| self.takes(film, segment) + self.takes_for(ours + bytes_fetched);
        let (mut next, mut last, mut begun) = (None, Duration::ZERO, false);
        for (sequence, lack) in times {
            let place = SegmentId::new(lowest, sequence);
            if film.any(place, |segment| self.store.is_whole(segment)).is_some() {
                continue;
            }
            let here = film.any(place, is_begun);
            let segment = match here.or_else(|| film.any(place, is_held)) {
                Some(segment) => segment,
                None if next.is_some() || film.any(place, is_promised).is_some() => continue,
                None => *next.insert(self.chosen_for_all(film, place, &lack, comes_in)),
            };
            // One after the other: what is under way and needed sooner is not delayed.
            if next != Some(segment) || !begun {
                soon.insert(segment, lack.slack);
            }
            begun |= here.is_some();
            last = lack.slack;
        }
        // Sound goes along with the pictures.
        let is_pictures = |segment: &SegmentId| film.kind(segment.rendition) == Some(Kind::Video);
        soon.retain(|segment, slack| *slack <= last || is_pictures(segment));
        // What has been begun is gone on with while anybody lacks it: given up and begun anew it only comes later.
        for (&segment, slack) in
            self.origin.fetches.keys().filter_map(|s| Some((s, self.soonest_for(film, *s)?)))
        {
            soon.entry(segment).or_insert(slack);
        }
        (self.soonest(soon), next)
    }

    fn look_for_lacks(&self, film: &Film, now: Time, lowest: u8) -> Lacks {
        let mut found = Lacks::default();
        let is_here = |segment| self.store.is_whole(segment);
        for (n, playing) in self.links.values().filter_map(|n| Some((n, plays(n)?))) {
            let (at, end) = (position(playing), self.end_of(playing));
            let slack = |segment| film.start(segment).saturating_sub(at);
            let lacking = |rendition| {
                (film.at(rendition, at)..=film.last(rendition))
                    .map(move |sequence| SegmentId::new(rendition, sequence))
                    .take_while(|&segment| film.start(segment) < end)
                    .filter(|&segment| self.is_lacking(film, n, segment))
            };
            let promised = n.fetching.iter().map(|(segment, _)| *segment);
            let promised =
                promised.filter(|&s| film.start(s) >= at && n.promises(now, s, self.takes(film, s)));
            found.bytes_fetched += promised.map(|segment| u64::from(film.size(segment))).sum::<u64>();
            if film.kind(playing.video) == Some(Kind::Video) {
                let chose_for = now.since(n.chosen);
                let follows = chose_for < PERSISTS || self.offers() == Some(playing.video);
                for (order, place) in lacking(lowest).enumerate() {
                    let (wanted, slack) = (SegmentId::new(playing.video, place.sequence), slack(place));
                    let insists =
                        slack < HURRIES && chose_for > INSISTS && film.any(place, is_here).is_some();
                    if order == 0 && (insists || !follows && slack < ASKED) && !is_here(wanted) {
                        found.needs(wanted, slack);
                    }
                    if follows {
                        let asked = (order == 0 && slack < ASKED).then_some(playing.video);
                        found.lacks(film, place.sequence, Lack { slack, asked });
                    }
                }
            }
            if film.kind(playing.audio) == Some(Kind::Audio) {
                lacking(playing.audio)
                    .filter(|&segment| !is_here(segment))
                    .for_each(|segment| found.needs(segment, slack(segment)));
            }
        }
        found
    }

    /// How long the line takes for a segment.
    fn takes(&self, film: &Film, segment: SegmentId) -> Duration {
        self.takes_for(u64::from(film.size(segment)))
    }

    fn takes_for(&self, bytes: u64) -> Duration {
        Duration::from_micros(bytes.saturating_mul(8_000_000) / self.path.bps().unwrap_or(0).max(8000))
    }

    /// The quality in which a time of the film is got for all, where each would come in so long.
    fn chosen_for_all(
        &self,
        film: &Film,
        place: SegmentId,
        lack: &Lack,
        comes_in: impl Fn(SegmentId) -> Duration,
    ) -> SegmentId {
        let in_quality = |rendition| SegmentId::new(rendition, place.sequence);
        // What was said is kept to, unless it would come too late; and so is what somebody is waiting for.
        let said = self.kept_next().filter(|next| next.sequence == place.sequence);
        let said = said.filter(|&said| comes_in(said) + LEFT / 2 <= lack.slack);
        if let Some(segment) = said.or(lack.asked.map(in_quality)) {
            return segment;
        }
        // What the line does not carry in the long run uses up what they have in hand.
        let carried = self.line_offers().map_or(0, |rendition| film.rate(rendition));
        let fits = |s: &SegmentId| match film.rate(s.rendition) <= carried {
            true => comes_in(*s) * 5 / 4 + LEFT <= lack.slack,
            false => comes_in(*s) * 2 + LEFT <= lack.slack,
        };
        let all = film.of(Kind::Video).map(in_quality);
        all.filter(fits).max_by_key(|s| film.rate(s.rendition)).unwrap_or(place)
    }

    /// How soon the first neighbour that a segment is fetched for needs it.
    fn soonest_for(&self, film: &Film, segment: SegmentId) -> Option<Duration> {
        let lacking = self.links.values().filter(|n| self.is_one_for(n, segment));
        lacking.filter_map(plays).map(|playing| film.start(segment).saturating_sub(position(playing))).min()
    }

    /// Whether one that keeps fetches a segment for a neighbour.
    pub(crate) fn is_one_for(&self, n: &Neighbour, segment: SegmentId) -> bool {
        let (Some(film), Some(playing)) = (&self.film, plays(n)) else { return false };
        let is_pictures = film.kind(segment.rendition) == Some(Kind::Video);
        let ahead = position(playing)..self.end_of(playing);
        let is_ahead = ahead.start < film.end(segment) && film.start(segment) < ahead.end;
        is_ahead && (is_pictures || playing.audio == segment.rendition) && self.is_lacking(film, n, segment)
    }

    /// Whether a neighbour has nothing of a time of the film, and gets nothing of it by itself: but what has been begun here is gone on
    /// with, whoever begins it later, for it comes sooner so.
    fn is_lacking(&self, film: &Film, n: &Neighbour, segment: SegmentId) -> bool {
        let gets = |other| n.says_it_fetches(other) && !self.origin.fetches.contains_key(&other);
        film.any(segment, |other| n.holds_any(other) || gets(other)).is_none()
    }

    /// The player has reported. With plenty to play, counts how often those that keep for others name a worse quality than the line carries
    /// that they say they have: for a while there may be others who have less in hand.
    pub(crate) fn watch_keepers(&mut self) {
        let Some(film) = &self.film else { return };
        let has_plenty = self.viewer.player.buffered > PLENTY;
        for n in self.links.values_mut().filter(|n| n.keeps && has_plenty) {
            if let Some(said) = &n.playing {
                let (named, carried) = (film.rate(said.video), line_of(said) * 3 / 4);
                let is_more = |r: u8| (named + 1..=carried).contains(&film.rate(r));
                n.holds_back += u32::from(film.of(Kind::Video).any(is_more));
            }
        }
    }

    /// Whether the origin has been no faster than a thin line is.
    fn is_behind_thin(&self, film: &Film) -> bool {
        self.origin.rate().is_none_or(|rate| rate < film.best_rate() * THIN)
    }

    /// Whether one that is at work for us on a thin line fetches a segment, which takes `estimate`: what we fetched would only come
    /// after that by the same line, and keep others waiting. It is believed for as long as a step in comes early.
    pub(crate) fn is_got_by_keeper(&self, now: Time, segment: SegmentId, estimate: Duration) -> bool {
        let gets =
            |n: &Neighbour| self.is_kept_by(now, n) && n.promises(now, segment, estimate.max(STEPS_IN));
        self.film.as_ref().is_some_and(|film| self.is_behind_thin(film)) && self.links.values().any(gets)
    }

    /// What a viewer is to ask for next of one that keeps for it on a thin line: what that has or is getting of the time, or what it
    /// says that it will get.
    pub(crate) fn chosen_by(&self, film: &Film, n: &Neighbour, said: &Playing) -> Option<Offered> {
        if !self.is_behind_thin(film)
            || line_of(said) >= film.best_rate() * THIN
            || n.holds_back > HOLDS_BACK_FOR
        {
            return None;
        }
        let sequence = self.viewer.next_pictures(film, said.video);
        // The best that it has, before what it gets, before the lowest.
        let worth = |&rendition: &u8| {
            let segment = SegmentId::new(rendition, sequence);
            let rate = film.rate(rendition).min(GETS - 1);
            match () {
                () if n.holds_whole(segment) => GETS * 2 + rate,
                () if n.says_it_fetches(segment) => GETS + rate,
                () => GETS - 1 - rate,
            }
        };
        let best = film.of(Kind::Video).max_by_key(worth)?;
        let has_time = self.viewer.buffered() >= HURRIES;
        let rendition = if has_time && worth(&best) < GETS { said.video } else { best };
        Some(Offered { rendition, for_all: true })
    }
}

/// The line that one that keeps says it has, in bytes a second; 0: it does not know.
fn line_of(said: &Playing) -> u64 {
    u64::from(said.window_end_ms) * 125
}
