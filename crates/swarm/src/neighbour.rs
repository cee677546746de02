//! One neighbour: what it says it holds, what was asked of it, how fast it answers.
//!
//! Its invariant: `asked_bytes` is the sum over `asked`, and never above `credit` but for one piece.

use crate::exchange::Dealings;
use crate::film::Film;
use crate::holdings::{Held, Holdings, Span};
use crate::io::PeerId;
use crate::slots::Recent;
use crate::talk::LINK_ROOM;
use crate::time::Time;
use crate::trees::Standing;
use crate::trust::Trust;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;
use manifest::SegmentId;
use wire::{Bits, Have, Playing};

/// A request that has not been answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub segment: SegmentId,
    pub piece: u32,
    pub bytes: u32,
    pub at: Time,
    /// `delivered` of the neighbour when it was asked: gives the delivery rate when the answer comes.
    delivered: u64,
}

#[derive(Debug)]
pub(crate) struct Neighbour {
    pub peer: PeerId,
    pub dialled: bool,
    /// When the link came up.
    pub since: Time,
    /// When anything last came over the link.
    pub heard: Time,
    /// Whether its `Hello` has come and fits.
    pub greeted: bool,
    /// What it is ready to upload; 0: nothing.
    pub upload_kbps: u32,
    /// Whether it says that it keeps for others.
    pub keeps: bool,
    pub playing: Option<Playing>,
    /// Since when it has played these renditions.
    pub chosen: Time,
    /// Of one that is kept for: up to when the pace of fetching for it is used up.
    pub kept_until: Time,
    /// Of one that keeps: at how many reports of the player it named a worse quality than its line carries.
    pub holds_back: u32,
    /// What it is fetching from the origin, and since when we know.
    pub fetching: Vec<(SegmentId, Time)>,
    held: Holdings,

    /// What was asked of it, by the request's id: the oldest first.
    pub asked: Vec<(u32, Asked)>,
    pub asked_bytes: u32,
    next_id: u32,
    credit: u32,
    /// Smoothed time from request to piece, and its mean deviation (as RFC 6298 does for round trips).
    response: Duration,
    deviation: Duration,
    fastest: Duration,
    /// Bytes a second that it has shown it can deliver.
    rate: u64,
    delivered: u64,
    pub strikes: u32,
    /// Fetches it spoke of that led to nothing, in a row.
    broken: u32,
    /// Not to be asked before.
    pub rest_until: Time,
    /// Not to be asked before for what lies beyond the window.
    pub spare_from: Time,
    /// Pieces it did not bring in time: not asked of it again before it has brought another.
    late: BTreeSet<(SegmentId, u32)>,
    /// Pieces it refused as absent: not asked of it again before it reports anew.
    absent: BTreeSet<(SegmentId, u32)>,

    /// Bytes its link takes now.
    pub room: u32,
    /// When what waits in its link last moved, if anything waits.
    waiting_since: Option<Time>,
    /// Times it said it was busy since it last brought a piece.
    busy: u32,
    /// Reports heard in the current two seconds.
    reports: (Time, u32),
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// What came of late, and when the last of it did.
    pub gave: Recent,
    pub gave_at: Option<Time>,
    /// When a piece was last sent to it.
    pub took_at: Option<Time>,
    pub trust: Trust,
    pub standing: Standing,
    pub dealings: Dealings,
}

const FIRST_RESPONSE: Duration = Duration::from_millis(150);
const MOST_FAILED: usize = 1024;
/// Reports come every quarter of a second, and at once when a fetch begins or ends.
const REPORTS_MAX: u32 = 200;
const REPORTS_SPAN: Duration = Duration::from_secs(2);

impl Neighbour {
    pub fn new(now: Time, peer: PeerId, dialled: bool, credit: u32, trust: Trust) -> Self {
        Self {
            peer,
            dialled,
            since: now,
            heard: now,
            greeted: false,
            upload_kbps: 0,
            keeps: false,
            playing: None,
            chosen: now,
            kept_until: Time::default(),
            holds_back: 0,
            fetching: Vec::new(),
            held: Holdings::default(),
            asked: Vec::new(),
            asked_bytes: 0,
            next_id: 0,
            credit,
            response: FIRST_RESPONSE,
            deviation: FIRST_RESPONSE,
            fastest: Duration::MAX,
            rate: 0,
            delivered: 0,
            strikes: 0,
            broken: 0,
            rest_until: Time::default(),
            spare_from: Time::default(),
            late: BTreeSet::new(),
            absent: BTreeSet::new(),
            room: 0,
            waiting_since: None,
            busy: 0,
            reports: (now, 0),
            bytes_in: 0,
            bytes_out: 0,
            gave: Recent::default(),
            gave_at: None,
            took_at: None,
            trust,
            standing: Standing::default(),
            dealings: Dealings::default(),
        }
    }

    /// Takes in a report. What does not fit the film is passed over. `false`: no honest peer reports that often.
    pub fn learn(&mut self, film: &Film, now: Time, have: &Have) -> bool {
        let (since, count) = self.reports;
        self.reports = if now.since(since) > REPORTS_SPAN { (now, 1) } else { (since, count + 1) };
        if self.reports.1 > REPORTS_MAX {
            return false;
        }
        let span = |run: &wire::Run| {
            let wire::Run { first: SegmentId { rendition, sequence }, count } = *run;
            let end = sequence.saturating_add(count).min(film.last_spoken_of(rendition) + 1);
            Span { rendition, first: sequence.max(film.first(rendition)), end }
        };
        have.whole.iter().for_each(|run| self.held.add(span(run)));
        for partial in &have.partial {
            let (segment, pieces) = (partial.segment, partial.pieces.len());
            let fits =
                if film.has(segment) { pieces == film.pieces(segment) } else { film.may_have(segment) };
            if fits {
                self.held.set_part(segment, partial.pieces.clone());
            }
        }
        if !have.whole.is_empty() || !have.partial.is_empty() {
            self.absent.clear();
        }
        have.gone.iter().for_each(|run| self.held.remove(span(run)));
        if !have.fetching.is_empty() || !self.fetching.is_empty() {
            self.hear_fetches(film, now, &have.fetching);
        }
        true
    }

    /// Forgets what lies before the first segment of each rendition that is still known.
    pub fn forget_before(&mut self, first: impl Fn(u8) -> u32) {
        self.held.forget_before(first);
    }

    fn hear_fetches(&mut self, film: &Film, now: Time, fetching: &[SegmentId]) {
        let before = core::mem::take(&mut self.fetching);
        let known = |segment| before.iter().find(|(other, _)| *other == segment).map_or(now, |(_, at)| *at);
        let mut named: Vec<SegmentId> = fetching.iter().copied().filter(|&s| film.has(s)).take(64).collect();
        named.sort_unstable();
        named.dedup();
        self.fetching = named.into_iter().map(|segment| (segment, known(segment))).collect();
        for (segment, _) in before {
            if self.fetching.iter().all(|(other, _)| *other != segment) {
                let kept = match self.held.get(segment) {
                    Held::Nothing => false,
                    Held::Part(pieces) => pieces.count() > 0,
                    Held::Whole => true,
                };
                self.broken = if kept { 0 } else { self.broken + 1 };
            }
        }
    }

    /// It turned out not to hold this piece.
    pub fn refused(&mut self, now: Time, segment: SegmentId, piece: u32) {
        if self.absent.len() < MOST_FAILED {
            self.absent.insert((segment, piece));
        }
        self.strikes += 1;
        self.trust.bad(now);
    }

    /// It has no time now. Whoever says so again and again is no help, unless a whole audience has just come (`crowd`).
    pub fn busy(&mut self, now: Time, crowd: bool) {
        self.rest_until = now + Duration::from_millis(300);
        self.busy += 1;
        if self.busy > 3 && !crowd {
            self.strikes += 1;
            self.trust.bad(now);
        }
    }

    /// Bytes were handed to its link.
    pub fn given(&mut self, now: Time, bytes: u32) {
        self.room = self.room.saturating_sub(bytes);
        self.waiting_since.get_or_insert(now);
    }

    /// Its link takes `room` bytes now.
    pub fn drained(&mut self, now: Time, room: u32) {
        if room >= LINK_ROOM {
            self.waiting_since = None;
        } else if room > self.room {
            self.waiting_since = Some(now);
        }
        self.room = room;
    }

    /// For how long nothing of what waits in its link has moved.
    pub fn stuck_for(&self, now: Time) -> Duration {
        self.waiting_since.map_or(Duration::ZERO, |since| now.since(since))
    }

    pub fn holds(&self, segment: SegmentId, piece: u32) -> bool {
        let held = match self.held.get(segment) {
            Held::Nothing => false,
            Held::Part(pieces) => pieces.has(piece),
            Held::Whole => true,
        };
        held && !self.late.contains(&(segment, piece)) && !self.absent.contains(&(segment, piece))
    }

    /// Adds to `pieces` those of the segment that it [holds](Self::holds).
    pub fn add_to(&self, pieces: &mut Bits, segment: SegmentId) {
        match self.held.get(segment) {
            Held::Nothing => {}
            _ if !self.late.is_empty() || !self.absent.is_empty() => {
                for piece in 0..pieces.len() {
                    if self.holds(segment, piece) {
                        pieces.set(piece);
                    }
                }
            }
            Held::Part(held) => pieces.join(held),
            Held::Whole => *pieces = Bits::all(pieces.len()),
        }
    }

    pub fn holds_any(&self, segment: SegmentId) -> bool {
        !matches!(self.held.get(segment), Held::Nothing)
    }

    pub fn holds_whole(&self, segment: SegmentId) -> bool {
        matches!(self.held.get(segment), Held::Whole)
    }

    pub fn held_segments(&self) -> usize {
        self.held.count()
    }

    /// Whether it uploads at all.
    pub fn serves(&self) -> bool {
        self.greeted && self.upload_kbps > 0
    }

    /// Whether it is fetching `segment` from the origin, and may be believed: a fetch that takes `estimate` should
    /// have ended by half as much again, and a neighbour whose fetches never ended has spoken in vain.
    pub fn promises(&self, now: Time, segment: SegmentId, estimate: Duration) -> bool {
        self.broken < 3
            && self
                .fetching
                .iter()
                .find(|(other, _)| *other == segment)
                .is_some_and(|&(_, since)| now.since(since) < estimate * 3 / 2 + Duration::from_millis(500))
    }

    /// Whether it says that it is, and has not spoken in vain before.
    pub fn says_it_fetches(&self, segment: SegmentId) -> bool {
        self.broken < 3 && self.fetching.iter().any(|(other, _)| *other == segment)
    }

    /// Whether it may be asked for `bytes` more.
    pub fn takes(&self, now: Time, bytes: u32) -> bool {
        self.serves()
            && now >= self.rest_until
            && (self.asked.is_empty() || self.trust.is_tried() && self.asked_bytes + bytes <= self.credit)
    }

    /// Whether it may be asked for what is not needed yet: it is asked for nothing else.
    pub fn has_spare(&self, now: Time) -> bool {
        self.asked.is_empty() && self.trust.is_tried() && now >= self.spare_from && self.takes(now, 1)
    }

    /// What choosing it costs: response time x (1 + own outstanding requests), by how likely an answer is.
    pub fn cost(&self) -> Duration {
        self.trust.weigh(self.response * (1 + self.asked.len() as u32))
    }

    /// Writes down a request and gives its id.
    pub fn ask(&mut self, now: Time, segment: SegmentId, piece: u32, bytes: u32) -> u32 {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        self.asked.push((id, Asked { segment, piece, bytes, at: now, delivered: self.delivered }));
        self.asked_bytes += bytes;
        id
    }

    pub fn forget(&mut self, id: u32) -> Option<Asked> {
        let place = self.asked.iter().position(|(other, _)| *other == id)?;
        let (_, asked) = self.asked.remove(place);
        self.asked_bytes -= asked.bytes;
        Some(asked)
    }

    pub fn find(&self, segment: SegmentId, piece: u32) -> Option<(u32, Asked)> {
        self.asked.iter().find(|(_, a)| a.segment == segment && a.piece == piece).copied()
    }

    /// By when a piece has come from it that is the next it sends, if it is in time.
    pub fn sends(&self, now: Time, segment: SegmentId, piece: u32) -> Option<Duration> {
        let first = self.asked.first().filter(|(_, a)| (a.segment, a.piece) == (segment, piece));
        let (_, asked) = first.filter(|_| self.strikes == 0)?;
        self.due().checked_sub(now.since(asked.at))
    }

    /// A piece has come from it that is the publisher's.
    pub fn brought(&mut self, now: Time, bytes: u32) {
        self.bytes_in += u64::from(bytes);
        self.gave.add(now, bytes);
        self.gave_at = Some(now);
        self.trust.good(now);
    }

    /// A piece that was asked for has come.
    pub fn answered(&mut self, now: Time, asked: &Asked, credit_start: u32, credit_max: u32) {
        let took = now.since(asked.at).max(Duration::from_micros(1));
        self.sample(took);
        self.strikes = 0;
        self.late.clear();
        self.busy = 0;
        self.delivered += u64::from(asked.bytes);
        self.fastest = if took < self.fastest { took } else { self.fastest + (took - self.fastest) / 100 };
        let rate = ((self.delivered - asked.delivered) * 1_000_000) / took.as_micros() as u64;
        self.rate = rate.max(self.rate - self.rate / 32);
        // 1.25 x bandwidth-delay product, reached by at most doubling per round trip.
        let product = u128::from(self.rate) * self.fastest.as_micros() * 5 / 4 / 1_000_000;
        let aim = product.min(u128::from(credit_max)) as u32;
        self.credit = aim.min(self.credit + asked.bytes).max(credit_start);
    }

    /// Whether something has not been answered within [`Neighbour::patience`].
    pub fn is_late(&self, now: Time) -> bool {
        self.asked.first().is_some_and(|(_, asked)| now.since(asked.at) > self.patience())
    }

    /// Takes back what has not been answered within [`Neighbour::patience`]; gives the ids.
    pub fn expire(&mut self, now: Time) -> Vec<u32> {
        let patience = self.patience();
        let late: Vec<u32> =
            self.asked.iter().take_while(|(_, a)| now.since(a.at) > patience).map(|(id, _)| *id).collect();
        for &id in &late {
            if let Some(asked) = self.forget(id)
                && self.late.len() < MOST_FAILED
            {
                self.late.insert((asked.segment, asked.piece));
            }
        }
        if !late.is_empty() {
            // One sample and one strike, however many waited behind the first.
            self.sample(patience);
            self.strikes += 1;
            self.trust.bad(now);
            self.rest_until = now + patience / 2;
        }
        late
    }

    fn sample(&mut self, took: Duration) {
        let gap = took.abs_diff(self.response);
        self.deviation = (self.deviation * 3 + gap) / 4;
        self.response = (self.response * 7 + took * 3) / 10;
    }

    pub fn response(&self) -> Duration {
        self.response
    }

    /// By when an answer has come nearly always.
    pub fn expected(&self) -> Duration {
        self.response + self.deviation * 2
    }

    /// How long an answer takes if all is well.
    pub fn due(&self) -> Duration {
        self.response * 3 / 2 + self.deviation
    }

    /// How long an answer may take before it counts as missed.
    pub fn patience(&self) -> Duration {
        (self.response * 2 + self.deviation * 4).clamp(Duration::from_secs(1), Duration::from_secs(8))
    }

    /// Bytes a second that it has shown; 0 for a newcomer.
    pub fn has_shown(&self) -> u64 {
        self.rate
    }

    /// Bytes a second that it has shown, or might be expected of a newcomer.
    pub fn rate(&self) -> u64 {
        match self.rate {
            0 => (u64::from(self.upload_kbps) * 125 / 8).clamp(16_000, 500_000),
            shown => shown,
        }
    }
}
