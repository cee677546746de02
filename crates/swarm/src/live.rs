//! A live stream: heads, the tops' fetches, and what is pushed.
//!
//! A head tells what has been born. It comes down the trees before the pieces it announces; who misses one asks a neighbour that
//! speaks of more, and when nobody does the origin. Pieces that come down a tree are passed on the moment they are verified; what
//! does not come in its time is asked for in the mesh, and what is needed now is fetched from the origin.

use crate::crowded::Crowded;
use crate::film::Film;
use crate::io::{Link, Output, Part, Source};
use crate::meet;
use crate::neighbour::Neighbour;
use crate::peer::Peer;
use crate::stripes;
use crate::time::Time;
use crate::trees::Trees;
use crate::uploads::Waiting;
use alloc::vec::Vec;
use core::time::Duration;
use manifest::{Kind, SegmentId};
use wire::{Have, Message, PUSHED};

/// The newest head, and the trees.
#[derive(Debug)]
pub(crate) struct Live {
    pub number: u32,
    /// When it came.
    pub heard: Time,
    /// The longest part so far, in milliseconds.
    longest_ms: u32,
    /// The head after which the origin, and a neighbour, was last asked for more, and when.
    asked_origin: Option<(u32, Time)>,
    asked_neighbour: Time,
    pub trees: Trees,
    pub crowded: Crowded,
    /// The rendition of pictures for which places are sought, and since when.
    pub plays: Option<u8>,
    pub settled: Time,
    /// When somebody was last sent away because the uplink was full.
    pub shed: Time,
}

/// A pushed piece goes before what is asked for and not needed sooner than this.
const PUSHED_WITHIN: Duration = Duration::from_millis(300);
/// What waits so long to be pushed is left to the mesh.
const PUSH_AT_MOST: Duration = Duration::from_secs(2);
/// Followers wait about so long for a piece before they ask for it elsewhere.
const EXPECTED_FOR: Duration = Duration::from_millis(1000);
/// Needed so soon, a piece is asked for whatever is expected.
const URGENT: Duration = Duration::from_millis(1500);
/// What lies this far behind the live edge is dropped wherever the viewer is: before the film forgets it.
const LIVE_KEPT: Duration = Duration::from_secs(50);
/// What a parent had on its way when it was lost comes within this.
const STILL_COMES: Duration = Duration::from_millis(500);
/// Who says nothing for so long, and for three parts, is gone.
const SILENT_AT_MOST: Duration = Duration::from_millis(1500);
/// A question to the origin is asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(5);
const ASK_NEIGHBOUR_AGAIN: Duration = Duration::from_millis(500);

impl Live {
    pub fn new(stripes: u8) -> Self {
        Self {
            number: 0,
            heard: Time::default(),
            longest_ms: 0,
            asked_origin: None,
            asked_neighbour: Time::default(),
            trees: Trees::new(stripes),
            crowded: Crowded::default(),
            plays: None,
            settled: Time::default(),
            shed: Time::default(),
        }
    }

    /// A piece that nobody asked for has come down a tree: how long it took.
    pub fn pushed(&mut self, now: Time, film: &Film, link: Link, segment: SegmentId, piece: u32) {
        let stripe = self.trees.stripe(segment.sequence, piece, film.pieces(segment));
        let branch = &mut self.trees.branches[usize::from(stripe)];
        // What was there before says nothing of the way.
        let since = film.has(segment) && film.heard(segment) >= branch.since;
        if film.is_live() && branch.parent == Some(link) && since {
            branch.sample(now.since(film.heard(segment)).as_micros() as u64);
        }
    }
}

impl Peer {
    pub(crate) fn is_live(&self) -> bool {
        self.film.as_ref().is_some_and(|film| film.is_live())
    }

    pub(crate) fn begin_live(&mut self, swarm: [u8; 20], piece_len: u32, kinds: &[Kind]) {
        if !cfg!(feature = "live") {
            return;
        }
        self.film = Some(Film::live(swarm, piece_len, kinds));
        self.meet.refresh = Some(meet::REFRESH_FIRST);
        self.config.links_wanted = self.config.live_links_wanted.min(self.config.links_max);
    }

    /// The stream has grown.
    pub(crate) fn head(
        &mut self,
        now: Time,
        from: Source,
        number: u32,
        parts: &[Part],
        out: &mut Vec<Output>,
    ) {
        if !self.is_live() || number <= self.live.number {
            return;
        }
        // A neighbour sends again what lies between; the origin has no more than this.
        if let Source::Peer(link) = from
            && number > self.live.number + 1
        {
            self.live.asked_neighbour = now;
            out.push(Output::Send(link, Message::Behind { head: self.live.number }));
            return;
        }

        if self.live.number > 0 && number > self.live.number + 1 {
            // Too much was missed to be joined on.
            let gone: Vec<SegmentId> = self.store.segments().collect();
            gone.into_iter().for_each(|segment| self.evict_one(segment, out));
        }
        let Some(film) = &mut self.film else { return };
        parts.iter().for_each(|part| film.grow(now, part));
        self.live.longest_ms = parts.iter().map(|part| part.duration_ms).fold(self.live.longest_ms, u32::max);
        self.live.number = number;
        self.live.heard = now;
        let stripe = (number % u32::from(self.live.trees.stripes())) as u8;
        let below =
            self.links.iter().filter(|&(&link, n)| n.standing.is_fed(stripe) && from != Source::Peer(link));
        out.extend(below.map(|(&link, _)| Output::SendHeads { link, after: number - 1 }));
    }

    /// Asks the origin for heads if it is this peer's part, or nobody else brings them.
    pub(crate) fn ask_heads(&mut self, now: Time, out: &mut Vec<Output>) {
        let trees = &self.live.trees;
        let alone = self.config.topology.push && trees.branches.iter().all(|b| b.parent.is_none());
        let first = trees.branches.iter().any(|branch| branch.top);
        // Who would run dry meanwhile waits for less.
        let patience = self.head_patience();
        let silence = if self.viewer.buffered() < patience * 2 { patience } else { patience * 2 };
        if !(alone || first || now.since(self.live.heard) > silence) {
            return;
        }
        let after = self.live.number;
        if self.live.asked_origin.is_none_or(|(asked, at)| asked != after || now.since(at) > ASK_AGAIN) {
            self.live.asked_origin = Some((after, now));
            out.push(Output::AskHeads { after });
        }
    }

    /// A head that takes longer than this after the one before is missed.
    fn head_patience(&self) -> Duration {
        let video = self.viewer.rendition(Kind::Video).unwrap_or(0);
        let last = self.film.as_ref().map_or(Duration::ZERO, |film| {
            let id = SegmentId::new(video, film.last(video));
            film.end(id).saturating_sub(film.start(id))
        });
        (last * 3 / 2).max(Duration::from_millis(500))
    }

    /// A neighbour has spoken of parts that we have not heard of.
    pub(crate) fn consider_behind(&mut self, now: Time, link: Link, have: &Have, out: &mut Vec<Output>) {
        let Some(film) = self.film.as_ref().filter(|film| film.is_live()) else { return };
        let whole = have
            .whole
            .iter()
            .map(|run| (run.first.rendition, run.first.sequence.saturating_add(run.count - 1)));
        let begun = have.partial.iter().map(|p| (p.segment.rendition, p.segment.sequence));
        let more = whole.chain(begun).any(|(rendition, last)| last > film.last(rendition));
        let late = !self.config.topology.push || now.since(self.live.heard) > self.head_patience();
        if more && late && now.since(self.live.asked_neighbour) > ASK_NEIGHBOUR_AGAIN {
            self.live.asked_neighbour = now;
            out.push(Output::Send(link, Message::Behind { head: self.live.number }));
        }
    }

    /// A neighbour asks for heads.
    pub(crate) fn behind(&mut self, now: Time, link: Link, head: u32, out: &mut Vec<Output>) {
        let sharing = self.uploads.is_sharing();
        let Some(neighbour) = self.links.get_mut(&link) else { return };
        let again = neighbour.standing.asked_heads.is_some_and(|at| now.since(at) < ASK_NEIGHBOUR_AGAIN / 2);
        if sharing && head < self.live.number && !again {
            neighbour.standing.asked_heads = Some(now);
            out.push(Output::SendHeads { link, after: head });
        }
    }

    /// Whether a piece is expected to come down its tree, so that it need not be asked for.
    pub(crate) fn expects(&self, now: Time, segment: SegmentId, piece: u32, slack: Duration) -> bool {
        let Some(film) = self.film.as_ref().filter(|film| film.is_live() && self.config.topology.push) else {
            return false;
        };
        let branch = self.live.trees.branch_of(segment.sequence, piece, film.pieces(segment));
        let heard = film.heard(segment);
        // What was on its way when a parent was lost, or found, mostly comes all the same.
        let comes = branch.parent.is_some() || now.since(branch.since) < STILL_COMES;
        slack > URGENT
            && comes
            && heard + STILL_COMES >= branch.since
            && now.since(heard) < Duration::from_micros(branch.grace_us()).min(slack / 3)
    }

    /// Whether those who follow us still wait for a piece that has come: it is young, or came down the tree. Others they have asked
    /// for elsewhere by now.
    pub(crate) fn is_expected_below(&self, now: Time, segment: SegmentId, piece: u32, pushed: bool) -> bool {
        let Some(film) = self.film.as_ref().filter(|film| film.is_live() && film.has(segment)) else {
            return false;
        };
        let top = self.live.trees.branch_of(segment.sequence, piece, film.pieces(segment)).top;
        pushed || top || now.since(film.heard(segment)) < EXPECTED_FOR
    }

    /// Passes a verified piece on to those who follow us in its stripe: first to those who pass it on to most.
    pub(crate) fn push(&mut self, now: Time, segment: SegmentId, piece: u32) {
        let Some(film) = self.film.as_ref().filter(|film| film.is_live() && film.has(segment)) else {
            return;
        };
        if !self.uploads.is_sharing() {
            return;
        }
        let stripe = self.live.trees.stripe(segment.sequence, piece, film.pieces(segment));
        let video = film.kind(segment.rendition) == Some(Kind::Video);
        let mut below: Vec<(u32, Link)> = self
            .links
            .iter()
            .filter(|(_, n)| n.standing.is_fed(stripe) && !n.holds(segment, piece))
            .filter(|(_, n)| {
                n.playing.is_some_and(|p| segment.rendition == if video { p.video } else { p.audio })
            })
            .map(|(&link, n)| (self.weight(n, stripe), link))
            .collect();
        below.sort_unstable_by_key(|&(weight, link)| (core::cmp::Reverse(weight), link));
        for (place, (_, link)) in below.into_iter().enumerate() {
            self.uploads.push(Waiting {
                link,
                id: PUSHED,
                segment,
                piece,
                leaves: false,
                bytes: film.piece_size(segment, piece),
                due: now + PUSHED_WITHIN + Duration::from_micros(place as u64),
            });
        }
    }

    /// Forgets what waits to be pushed to somebody who holds it by now, or waits too long.
    pub(crate) fn drop_stale_pushes(&mut self, now: Time) {
        let links = &self.links;
        self.uploads.retain_pushes(|w| {
            now.since(w.due) < PUSH_AT_MOST
                && links.get(&w.link).is_some_and(|n| !n.holds(w.segment, w.piece))
        });
    }

    /// How long what is pushed waits for the uplink now.
    pub(crate) fn push_delay(&self, now: Time) -> Duration {
        let oldest = self.uploads.oldest_push();
        oldest.map_or(Duration::ZERO, |due| (now + PUSHED_WITHIN).since(due))
    }

    /// Fetches what is this peer's to fetch as a top: its stripes of what has been born since it is one.
    pub(crate) fn fetch_as_top(&mut self, now: Time, out: &mut Vec<Output>) {
        let Some(film) = &self.film else { return };
        if self.live.trees.branches.iter().all(|b| !b.top) || !self.origin.is_ready(now) {
            return;
        }
        let mut found = Vec::new();
        for kind in [Kind::Video, Kind::Audio] {
            let Some(rendition) = self.viewer.rendition(kind) else { continue };
            let oldest = film.at(rendition, self.viewer.player.position).max(film.first(rendition));
            for sequence in oldest..=film.last(rendition) {
                let segment = SegmentId::new(rendition, sequence);
                if self.store.is_whole(segment) || self.origin.fetches.contains_key(&segment) {
                    continue;
                }
                let mine = |piece: u32| {
                    let branch = self.live.trees.branch_of(sequence, piece, film.pieces(segment));
                    branch.top
                        && film.heard(segment) >= branch.since
                        && !self.store.has(film, segment, piece)
                        && self.links.values().all(|n| n.find(segment, piece).is_none())
                };
                let mut run = (0..film.pieces(segment)).skip_while(|&piece| !mine(piece));
                if let Some(first) = run.next() {
                    let more = run.take_while(|&piece| mine(piece)).count() as u32;
                    found.push((segment, first, first + 1 + more));
                }
            }
        }
        found.sort_unstable_by_key(|&(segment, ..)| film.start(segment));
        for (segment, first, end) in found {
            if self.origin.fetches.len() >= LIVE_FETCHES_MAX {
                return;
            }
            self.fetch(now, segment, first, end, out);
        }
    }

    /// In which order pieces are asked for: what is needed now by its time; then the newest quarter, newest first, so that it
    /// spreads; then what few hold. Never by deadline alone: that starves the young (Zhou, Chiu and Lui 2007).
    pub(crate) fn live_order(&self, slack: Duration, segment: SegmentId, holders: usize) -> (u8, u64, u64) {
        let Some(film) = &self.film else { return (0, 0, 0) };
        let window = film.edge().saturating_sub(self.viewer.player.position);
        let (slack_us, age) = (slack.as_micros() as u64, film.edge().saturating_sub(film.end(segment)));
        match () {
            // Who has little in hand is no good at spreading.
            () if slack < URGENT || self.viewer.buffered() < window / 2 => (0, slack_us, 0),
            () if age < window / 4 => (1, age.as_micros() as u64, holders as u64),
            () => (2, holders.min(RARE) as u64, slack_us),
        }
    }

    /// Whether a neighbour is gone without a word: whoever watches a live stream has something to say of each part. Where the
    /// stream itself has come to a halt since, nobody is.
    pub(crate) fn is_gone(&self, now: Time, n: &Neighbour) -> bool {
        let part = Duration::from_millis(u64::from(self.live.longest_ms));
        let goes_on = self.live.heard.since(n.heard) > part;
        self.is_live() && goes_on && now.since(n.heard) > SILENT_AT_MOST.max(part * 3)
    }

    /// Of a live stream, what a viewer is to have in hand against bad moments of its line: what is missing of that the origin
    /// brings, unless neighbours are about to.
    pub(crate) fn live_reserve(&self) -> Duration {
        if self.is_live() { (self.to_edge() / 3).min(RESERVE_MOST) } else { Duration::ZERO }
    }

    /// How far behind the live edge the viewer is.
    pub(crate) fn to_edge(&self) -> Duration {
        self.film
            .as_ref()
            .map_or(Duration::ZERO, |film| film.edge())
            .saturating_sub(self.viewer.player.position)
    }

    /// How many bytes may be asked for in all, so that what is needed soonest does not wait behind the rest in the downlink.
    pub(crate) fn live_budget(&self) -> u32 {
        let rate = self.path.bps().unwrap_or(0) / 8;
        let asked: u32 = self.links.values().map(|n| n.asked_bytes).sum();
        let span = (self.viewer.buffered() / 2).clamp(LEAST_SPAN, MOST_SPAN);
        let rate = rate * span.as_millis() as u64 / 1000;
        (rate.clamp(LEAST_IN_FLIGHT, MOST_IN_FLIGHT) as u32).saturating_sub(asked)
    }

    /// Drops what lies behind the viewer.
    pub(crate) fn drop_the_past(&mut self, out: &mut Vec<Output>) {
        let Some(film) = self.film.as_ref().filter(|film| film.is_live()) else { return };
        let keep_from = self.viewer.player.position.saturating_sub(self.config.live_behind);
        let keep_from = keep_from.max(film.edge().saturating_sub(LIVE_KEPT));
        let past = |segment: &SegmentId| film.end(*segment) < keep_from;
        let gone: Vec<SegmentId> = self.store.segments().filter(past).collect();
        for segment in gone {
            self.evict_one(segment, out);
        }
        let first = |rendition| film_first(&self.film, rendition);
        self.viewer.forget_before(first);
        self.links.values_mut().for_each(|n| n.forget_before(first));
    }

    /// Which stripes a peer may have children in.
    pub(crate) fn is_interior(&self, peer: &crate::io::PeerId, stripe: u8) -> bool {
        self.is_small() || stripes::home(self.live.trees.stripes(), peer) == stripe
    }

    /// Whether so few watch that each is needed in every tree.
    pub(crate) fn is_small(&self) -> bool {
        let stripes = u32::from(self.live.trees.stripes());
        self.meet.audience.is_none_or(|others| others < SMALL_AUDIENCE * stripes)
    }
}

fn film_first(film: &Option<Film>, rendition: u8) -> u32 {
    film.as_ref().map_or(0, |film| film.first(rendition))
}

const RESERVE_MOST: Duration = Duration::from_secs(3);
/// What may be asked for at once: what the path brings in half of the time that the viewer has in hand, within these bounds, and
/// so many bytes.
const LEAST_SPAN: Duration = Duration::from_millis(500);
const MOST_SPAN: Duration = Duration::from_secs(1);
const LEAST_IN_FLIGHT: u64 = 160 * 1024;
const MOST_IN_FLIGHT: u64 = 2 << 20;
/// A piece that more hold than this is not rare.
const RARE: usize = 3;
/// Open fetches of a live stream at most.
const LIVE_FETCHES_MAX: usize = 2;
/// With fewer viewers than this for each stripe, everybody may have children in every stripe.
const SMALL_AUDIENCE: u32 = 8;
