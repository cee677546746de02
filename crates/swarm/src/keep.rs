//! Keeping for others: what neighbours will want is fetched once, before they do, and given to each of them.
//!
//! One that [keeps](crate::Role::Keeper) has no player: what it gets is what its neighbours play, from where each of them is, and
//! what its driver is asked for. What neighbours say may be untrue, so that what is fetched for one of them has a pace, and
//! what is looked at has a bound. And nobody waits for it: a viewer whose time runs out calls the origin.
//!
//! One that keeps says which quality it can get for all, the best that its line carries once; a viewer to whom it gives things fast enough
//! may count on that. What it does where the line is thin is in [`crate::thin`].
//!
//! Here is also what is kept at all: what makes room for others, what a driver had before, and what it lost.

use crate::config::Role;
use crate::film::Film;
use crate::io::Output;
use crate::neighbour::Neighbour;
use crate::peer::Peer;
use crate::time::Time;
use crate::viewer::Task;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;
use manifest::{Kind, SegmentId};
use wire::{Message, Playing, Refusal};

/// Between two looks at where everybody is.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Segments that are thought of at a time, the soonest; and of those that one neighbour will want.
const MOST: usize = 64;
/// How much faster than it plays a film is fetched for one neighbour, pictures and sound counted apart: twice as fast as a whole.
const PACE: u32 = 4;
/// So much of its time may be used at once: who begins, or seeks, lacks its whole window.
const BURST: Duration = Duration::from_secs(40);
/// A quality that somebody has played for less than this may be one that it passes through, at its start above all: then no
/// more than so far ahead of it is fetched.
const PASSING: Duration = Duration::from_secs(8);
const PASSING_AHEAD: Duration = Duration::from_secs(12);
/// A quality is said to be had if it takes at most so much of the line, in hundredths.
const OF_THE_LINE: u64 = 80;
/// A quality that is said to be had is had until the line has not carried it for so long.
const SHORT_FOR: Duration = Duration::from_secs(15);
/// One that keeps for others is at work for a viewer while it has brought something in this time. Then the viewer calls the origin
/// only for what it needs sooner than this: on a thin line the two would take each other's share of it.
const AT_WORK: Duration = Duration::from_secs(8);
pub(crate) const STEPS_IN: Duration = Duration::from_secs(6);
/// What a neighbour needs sooner than this does not wait for what others need later.
pub(crate) const HURRIES: Duration = Duration::from_secs(8);
/// How many times as fast as it plays a quality has to come from one that offers it.
const GIVES: u64 = 2;
/// What a player has just played is not dropped while anything else can be.
const JUST_PLAYED: Duration = Duration::from_secs(10);

/// A quality of pictures that a neighbour offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Its place in the index.
    pub rendition: u8,
    /// Whether it is what all who share a thin line take next: nothing else is to be asked for while there is little to play.
    pub for_all: bool,
}

/// What neighbours will want, as it was when it was last looked at.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    looked: Option<Time>,
    /// Soonest first, with the time until the first of them plays it. At most [`MOST`], and what is being fetched.
    soon: Vec<(Duration, SegmentId)>,
    /// On a thin line the pictures that are fetched next.
    next: Option<SegmentId>,
    /// The quality of pictures that can be got for all, and since when the line has not carried it.
    offers: Option<u8>,
    short: Option<Time>,
}

impl Neighbour {
    /// It says where it is.
    pub(crate) fn plays(&mut self, now: Time, playing: Playing) {
        let renditions = |p: Playing| (p.video, p.audio);
        if self.playing.map(renditions) != Some(renditions(playing)) {
            self.chosen = now;
        }
        self.playing = Some(playing);
    }
}

impl Peer {
    /// Whether it keeps for others: of a film.
    pub(crate) fn keeps(&self) -> bool {
        cfg!(feature = "keep") && self.config.role == Role::Keeper && !self.is_live()
    }

    /// What is worth having for one that keeps for others, soonest first: what its driver is asked for, and what neighbours will
    /// want, where they can have it from us.
    pub(crate) fn tasks_for_others(&mut self, now: Time) -> Vec<Task> {
        if self.kept.looked.is_none_or(|at| now.since(at) >= LOOK_EVERY) {
            let (soon, next) = match () {
                () if !self.uploads.is_sharing() => Default::default(),
                () if self.is_thin() => self.look_round_for_one(now),
                () => (self.look_round(), None),
            };
            self.kept.next = next;
            self.kept.looked = Some(now);
            self.kept.soon = soon;
            self.look_at_line(now);
        }
        let wanted = self.viewer.wants().map(|segment| Task { segment, slack: Duration::ZERO, wanted: true });
        let soon = self.kept.soon.iter().filter(|(_, segment)| !self.viewer.is_wanted(*segment));
        wanted.chain(soon.map(|&(slack, segment)| Task { segment, slack, wanted: false })).collect()
    }

    fn look_round(&self) -> Vec<(Duration, SegmentId)> {
        let Some(film) = &self.film else { return Vec::new() };
        let mut soonest: BTreeMap<SegmentId, Duration> = BTreeMap::new();
        for (n, playing) in self.links.values().filter_map(|n| Some((n, plays(n)?))) {
            let lacks =
                |segment: &SegmentId| !self.store.is_whole(*segment) && !has_another(film, n, *segment);
            for segment in self.ahead_of(film, playing).filter(lacks) {
                let slack = film.start(segment).saturating_sub(position(playing));
                soonest.entry(segment).and_modify(|least| *least = slack.min(*least)).or_insert(slack);
            }
        }
        self.soonest(soonest)
    }

    /// The soonest of what is needed so soon, and what is being fetched.
    pub(crate) fn soonest(&self, needed: BTreeMap<SegmentId, Duration>) -> Vec<(Duration, SegmentId)> {
        let mut soon: Vec<(Duration, SegmentId)> =
            needed.into_iter().map(|(segment, slack)| (slack, segment)).collect();
        soon.sort_unstable();
        let mut place = 0;
        soon.retain(|(_, segment)| {
            place += 1;
            place <= MOST || self.origin.fetches.contains_key(segment)
        });
        soon
    }

    /// What one that keeps for others says that it can get for all.
    pub(crate) fn offers(&self) -> Option<u8> {
        self.kept.next.map(|next| next.rendition).or(self.kept.offers)
    }

    /// The best quality of pictures that its line carries.
    pub(crate) fn line_offers(&self) -> Option<u8> {
        self.kept.offers
    }

    /// On a thin line the pictures that it fetches next.
    pub(crate) fn kept_next(&self) -> Option<SegmentId> {
        self.kept.next
    }

    /// Up at once, and down when it has been too much for long: whatever else is on the line comes and goes.
    fn look_at_line(&mut self, now: Time) {
        let rate = |film: &Film, rendition: Option<u8>| rendition.map_or(0, |rendition| film.rate(rendition));
        let (Some(film), carries) = (&self.film, self.line_carries()) else { return };
        let enough = rate(film, carries) >= rate(film, self.kept.offers);
        if enough || now.since(*self.kept.short.get_or_insert(now)) > SHORT_FOR {
            self.kept.short = None;
            self.kept.offers = carries;
        }
    }

    /// The best quality of pictures that the line carries beside the sound, by what has come over it.
    fn line_carries(&self) -> Option<u8> {
        let (film, line) = (self.film.as_ref()?, self.path.bps()? / 8);
        let sound = film.of(Kind::Audio).map(|rendition| film.rate(rendition)).max().unwrap_or(0);
        let fits = |rendition: &u8| {
            let share = if self.kept.offers == Some(*rendition) { 100 } else { OF_THE_LINE };
            film.rate(*rendition) + sound <= line * share / 100
        };
        film.of(Kind::Video).filter(fits).max_by_key(|&rendition| film.rate(rendition))
    }

    /// Whether one that keeps for others is at work for this viewer, as far as it has shown.
    pub(crate) fn is_kept_for(&self, now: Time) -> bool {
        self.links.values().any(|n| self.is_kept_by(now, n))
    }

    /// Whether it is this one.
    pub(crate) fn is_kept_by(&self, now: Time, n: &Neighbour) -> bool {
        let works = n.gave_at.is_some_and(|at| now.since(at) < AT_WORK);
        n.keeps && works && n.serves() && n.strikes == 0 && !self.is_live()
    }

    /// Whether one that keeps for others fetches something beside what is needed later and under way already.
    pub(crate) fn hurries(&self, task: &Task) -> bool {
        self.keeps() && task.slack < HURRIES
    }

    /// What its line has carried, kbit/s, as one that keeps for others says it; 0: not known.
    pub(crate) fn line_kbps(&self) -> u32 {
        self.path.bps().map_or(0, |bps| (bps / 1000).clamp(1, u64::from(u32::MAX)) as u32)
    }

    /// The best quality of pictures that a neighbour says it can get for all, and gives us faster than it plays: what the player's choice
    /// may count on while it has enough to play. Of one on a thin line, what it has chosen for all.
    pub fn offered(&self) -> Option<Offered> {
        let film = self.film.as_ref()?;
        let offers = |n: &Neighbour| {
            let said = n.playing.filter(|_| n.keeps && n.serves() && n.strikes == 0)?;
            if film.kind(said.video) != Some(Kind::Video) {
                return None;
            }
            let comes = || n.has_shown() >= film.rate(said.video) * GIVES;
            let raised = || comes().then_some(Offered { rendition: said.video, for_all: false });
            self.chosen_by(film, n, &said).or_else(raised)
        };
        self.links.values().filter_map(offers).max_by_key(|offered| film.rate(offered.rendition))
    }

    /// The segments that somebody plays, and will want soon.
    fn ahead_of<'a>(&self, film: &'a Film, playing: &Playing) -> impl Iterator<Item = SegmentId> + 'a {
        let (at, end) = (position(playing), self.end_of(playing));
        let tracks = [(playing.video, Kind::Video), (playing.audio, Kind::Audio)].into_iter();
        let tracks = tracks.filter(|&(rendition, kind)| film.kind(rendition) == Some(kind));
        tracks.flat_map(move |(rendition, _)| {
            (film.at(rendition, at)..=film.last(rendition))
                .map(move |sequence| SegmentId::new(rendition, sequence))
                .take_while(move |&segment| film.start(segment) < end)
                .filter(move |&segment| film.end(segment) > at)
                .take(MOST)
        })
    }

    /// Up to where in the film one that says this is fetched for, however far it says that its window goes.
    pub(crate) fn end_of(&self, playing: &Playing) -> Duration {
        let window =
            Duration::from_millis(u64::from(playing.window_end_ms)).saturating_sub(position(playing));
        position(playing) + window.min(self.config.window) + self.config.fetch_ahead
    }

    /// Whether a neighbour lacks a segment, may have something fetched for it now, and would have it before it steps in and calls the
    /// origin itself, which it does at `in_time` unless we are at work for it: twice the same would only come later.
    pub(crate) fn is_due_to_somebody(&self, now: Time, segment: SegmentId, in_time: Duration) -> bool {
        let Some(film) = &self.film else { return false };
        if self.is_thin() {
            return self.links.values().any(|n| n.kept_until <= now + BURST && self.is_one_for(n, segment));
        }
        self.links.values().any(|n| {
            let slack = plays(n).map(|playing| film.start(segment).saturating_sub(position(playing)));
            let served = n.took_at.is_some_and(|at| now.since(at) < AT_WORK);
            let in_time = if served { in_time.min(STEPS_IN) } else { in_time };
            let ahead = if now.since(n.chosen) < PASSING { PASSING_AHEAD } else { Duration::MAX };
            slack.is_some_and(|slack| slack > in_time && slack < ahead)
                && n.kept_until <= now + BURST
                && self.is_wanted_by(n, segment)
        })
    }

    /// A segment is fetched for all who lack it.
    pub(crate) fn charge(&mut self, now: Time, segment: SegmentId) {
        let Some(film) = self.film.as_ref().filter(|_| self.keeps()) else { return };
        let takes = film.end(segment).saturating_sub(film.start(segment)) / PACE;
        let for_whom = self.links.iter().filter(|(_, n)| match self.is_thin() {
            true => self.is_one_for(n, segment),
            false => self.is_wanted_by(n, segment),
        });
        let for_whom: Vec<_> = for_whom.map(|(&link, _)| link).collect();
        for link in for_whom {
            if let Some(neighbour) = self.links.get_mut(&link) {
                neighbour.kept_until = neighbour.kept_until.max(now) + takes;
            }
        }
    }

    /// Whether a neighbour plays a segment, has just done so or will do so soon.
    pub(crate) fn is_played_soon(&self, segment: SegmentId) -> bool {
        let Some(film) = &self.film else { return false };
        let (start, end) = (film.start(segment), film.end(segment));
        self.links.values().filter_map(plays).any(|playing| {
            [playing.video, playing.audio].contains(&segment.rendition)
                && end + JUST_PLAYED > position(playing)
                && start < self.end_of(playing)
        })
    }

    /// Makes room when too much is held: what lies behind the viewer and is held by most neighbours goes first.
    pub(crate) fn evict(&mut self, out: &mut Vec<Output>) {
        while self.store.bytes > self.config.store_max {
            let Some(film) = &self.film else { return };
            let keeps = self.keeps();
            let keep_from = self.viewer.player.position.saturating_sub(JUST_PLAYED);
            let window_end = self.viewer.window_end(&self.config);
            let spare = |segment: &SegmentId| {
                let start = film.start(*segment);
                let needed = match keeps {
                    true => self.is_played_soon(*segment),
                    false => (keep_from..window_end).contains(&start),
                };
                !self.viewer.is_wanted(*segment) && !needed
            };
            let copies = |segment: SegmentId| self.links.values().filter(|n| n.holds_any(segment)).count();
            let Some(segment) =
                self.store.segments().filter(spare).max_by_key(|&s| (copies(s), core::cmp::Reverse(s)))
            else {
                return;
            };
            self.evict_one(segment, out);
        }
    }

    pub(crate) fn evict_one(&mut self, segment: SegmentId, out: &mut Vec<Output>) {
        self.store.remove(segment);
        self.refuse_all(segment, Refusal::Absent, out);
        out.push(Output::Evict(segment));
    }

    /// Refuses every request for a segment that waits.
    fn refuse_all(&mut self, segment: SegmentId, why: Refusal, out: &mut Vec<Output>) {
        let waiting = self.uploads.take_segment(segment).into_iter().filter(|w| w.id != wire::PUSHED);
        out.extend(waiting.map(|w| Output::Send(w.link, Message::Refuse { id: w.id, why })));
    }

    /// The driver has all of a segment, from before.
    pub(crate) fn held(&mut self, segment: SegmentId, out: &mut Vec<Output>) {
        let Some(film) = &self.film else { return };
        let pieces: Vec<u32> = self.store.pieces(film, segment).missing().collect();
        for &piece in &pieces {
            self.store.insert(film, segment, piece);
        }
        if self.viewer.is_wanted(segment) && self.store.is_whole(segment) {
            self.viewer.delivered(film, segment);
            out.push(Output::Deliver(segment));
        }
        pieces.into_iter().for_each(|piece| self.withdraw(segment, piece, out));
    }

    /// The driver has nothing of a segment any more. What was asked for of it is of no use: its leaves are gone too.
    pub(crate) fn lost(&mut self, segment: SegmentId, out: &mut Vec<Output>) {
        if !self.store.is_begun(segment) {
            return;
        }
        let pieces = self.film.as_ref().map_or(0, |film| film.pieces(segment));
        self.store.remove(segment);
        self.refuse_all(segment, Refusal::Absent, out);
        (0..pieces).for_each(|piece| self.withdraw(segment, piece, out));
        if self.origin.fetches.remove(&segment).is_some() {
            self.fetching_changed = true;
            out.push(Output::CancelFetch(segment));
        }
        self.kept.looked = None;
    }
}

/// Whether a neighbour holds the same time of the film in another quality: it has just changed, and goes on from there.
fn has_another(film: &Film, neighbour: &Neighbour, segment: SegmentId) -> bool {
    film.any(segment, |other| other != segment && neighbour.holds_any(other)).is_some()
}

/// Where a neighbour is, if it plays anything.
pub(crate) fn plays(neighbour: &Neighbour) -> Option<&Playing> {
    neighbour.playing.as_ref().filter(|_| neighbour.greeted && !neighbour.keeps)
}

pub(crate) fn position(playing: &Playing) -> Duration {
    Duration::from_millis(u64::from(playing.position_ms))
}
