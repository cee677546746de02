//! One neighbour: what it says it holds, what was asked of it, how fast it answers.
//!
//! Its invariant: `asked_bytes` is the sum over `asked`, and never above `credit` but for one piece.

use crate::film::Film;
use crate::io::PeerId;
use crate::slots::Recent;
use crate::talk::LINK_ROOM;
use crate::time::Time;
use crate::trust::Trust;
use alloc::collections::{BTreeMap, BTreeSet};
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
enum Holding {
    Whole,
    Part(Bits),
}

#[derive(Debug)]
pub(crate) struct Neighbour {
    pub peer: PeerId,
    pub dialled: bool,
    /// When the link came up.
    pub since: Time,
    /// Whether its `Hello` has come and fits.
    pub greeted: bool,
    /// What it is ready to upload; 0: nothing.
    pub upload_kbps: u32,
    pub playing: Option<Playing>,
    /// What it is fetching from the origin, and since when we know.
    pub fetching: BTreeMap<SegmentId, Time>,
    held: BTreeMap<SegmentId, Holding>,

    pub asked: BTreeMap<u32, Asked>,
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
    /// What came of late.
    pub gave: Recent,
    pub trust: Trust,
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
            greeted: false,
            upload_kbps: 0,
            playing: None,
            fetching: BTreeMap::new(),
            held: BTreeMap::new(),
            asked: BTreeMap::new(),
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
            late: BTreeSet::new(),
            absent: BTreeSet::new(),
            room: 0,
            waiting_since: None,
            busy: 0,
            reports: (now, 0),
            bytes_in: 0,
            bytes_out: 0,
            gave: Recent::default(),
            trust,
        }
    }

    /// Takes in a report. What does not fit the film is passed over. `false`: no honest peer reports that often.
    pub fn learn(&mut self, film: &Film, now: Time, have: &Have) -> bool {
        let (since, count) = self.reports;
        self.reports = if now.since(since) > REPORTS_SPAN { (now, 1) } else { (since, count + 1) };
        if self.reports.1 > REPORTS_MAX {
            return false;
        }
        let runs = |runs: &[wire::Run]| -> Vec<SegmentId> {
            runs.iter()
                .flat_map(|run| {
                    let end = (run.first.sequence + run.count).min(film.last(run.first.rendition) + 1);
                    (run.first.sequence.max(1)..end)
                        .map(|sequence| SegmentId::new(run.first.rendition, sequence))
                })
                .take(film.segments())
                .collect()
        };
        for segment in runs(&have.whole) {
            self.held.insert(segment, Holding::Whole);
        }
        for partial in &have.partial {
            if film.has(partial.segment) && partial.pieces.len() == film.pieces(partial.segment) {
                self.held.insert(partial.segment, Holding::Part(partial.pieces.clone()));
            }
        }
        if !have.whole.is_empty() || !have.partial.is_empty() {
            self.absent.clear();
        }
        for segment in runs(&have.gone) {
            self.held.remove(&segment);
        }
        let before = core::mem::take(&mut self.fetching);
        for &segment in have.fetching.iter().filter(|&&s| film.has(s)).take(64) {
            self.fetching.insert(segment, before.get(&segment).copied().unwrap_or(now));
        }
        for segment in before.into_keys().filter(|s| !self.fetching.contains_key(s)) {
            let kept = match self.held.get(&segment) {
                Some(Holding::Whole) => true,
                Some(Holding::Part(bits)) => bits.count() > 0,
                None => false,
            };
            self.broken = if kept { 0 } else { self.broken + 1 };
        }
        true
    }

    /// It turned out not to hold this piece.
    pub fn refused(&mut self, now: Time, segment: SegmentId, piece: u32) {
        if self.absent.len() < MOST_FAILED {
            self.absent.insert((segment, piece));
        }
        self.strikes += 1;
        self.trust.bad(now);
    }

    /// It has no time now. Whoever says so again and again is no help.
    pub fn busy(&mut self, now: Time) {
        self.rest_until = now + Duration::from_millis(300);
        self.busy += 1;
        if self.busy > 3 {
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
        let held = match self.held.get(&segment) {
            Some(Holding::Whole) => true,
            Some(Holding::Part(bits)) => bits.has(piece),
            None => false,
        };
        held && !self.late.contains(&(segment, piece)) && !self.absent.contains(&(segment, piece))
    }

    pub fn holds_any(&self, segment: SegmentId) -> bool {
        self.held.contains_key(&segment)
    }

    pub fn held_segments(&self) -> usize {
        self.held.len()
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
                .get(&segment)
                .is_some_and(|&since| now.since(since) < estimate * 3 / 2 + Duration::from_millis(500))
    }

    /// Whether it may be asked for `bytes` more.
    pub fn takes(&self, now: Time, bytes: u32) -> bool {
        self.serves()
            && now >= self.rest_until
            && (self.asked.is_empty() || self.trust.is_tried() && self.asked_bytes + bytes <= self.credit)
    }

    /// What choosing it costs: response time x (1 + own outstanding requests), by how likely an answer is.
    pub fn cost(&self) -> Duration {
        self.trust.weigh(self.response * (1 + self.asked.len() as u32))
    }

    /// Writes down a request and gives its id.
    pub fn ask(&mut self, now: Time, segment: SegmentId, piece: u32, bytes: u32) -> u32 {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        self.asked.insert(id, Asked { segment, piece, bytes, at: now, delivered: self.delivered });
        self.asked_bytes += bytes;
        id
    }

    pub fn forget(&mut self, id: u32) -> Option<Asked> {
        let asked = self.asked.remove(&id)?;
        self.asked_bytes -= asked.bytes;
        Some(asked)
    }

    pub fn find(&self, segment: SegmentId, piece: u32) -> Option<u32> {
        self.asked.iter().find(|(_, a)| a.segment == segment && a.piece == piece).map(|(&id, _)| id)
    }

    /// A piece that was asked for has come.
    pub fn answered(&mut self, now: Time, asked: &Asked, credit_start: u32, credit_max: u32) {
        let took = now.since(asked.at).max(Duration::from_micros(1));
        self.sample(took);
        self.strikes = 0;
        self.late.clear();
        self.busy = 0;
        self.delivered += u64::from(asked.bytes);
        self.bytes_in += u64::from(asked.bytes);
        self.gave.add(now, asked.bytes);
        self.trust.good(now);
        self.fastest = if took < self.fastest { took } else { self.fastest + (took - self.fastest) / 100 };
        let rate = ((self.delivered - asked.delivered) * 1_000_000) / took.as_micros() as u64;
        self.rate = rate.max(self.rate - self.rate / 32);
        // 1.25 x bandwidth-delay product, reached by at most doubling per round trip.
        let product = u128::from(self.rate) * self.fastest.as_micros() * 5 / 4 / 1_000_000;
        let aim = product.min(u128::from(credit_max)) as u32;
        self.credit = aim.min(self.credit + asked.bytes).max(credit_start);
    }

    /// Takes back what has not been answered within [`Neighbour::patience`]; gives the ids.
    pub fn expire(&mut self, now: Time) -> Vec<u32> {
        let patience = self.patience();
        let late: Vec<u32> =
            self.asked.iter().filter(|(_, a)| now.since(a.at) > patience).map(|(&id, _)| id).collect();
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

    /// Bytes a second that it has shown, or might be expected of a newcomer.
    pub fn rate(&self) -> u64 {
        match self.rate {
            0 => (u64::from(self.upload_kbps) * 125 / 8).clamp(16_000, 500_000),
            shown => shown,
        }
    }
}
