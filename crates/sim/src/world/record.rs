//! Keeps what a run shows. Invariant: nothing that happens depends on it.

use std::collections::BTreeMap;

use manifest::SegmentId;

use super::player::Shows;
use super::viewer::Viewer;
use super::{MOMENTS, World};
use crate::figures::{Delay, Feed, Moment, Run, Seen};
use swarm::Time;

#[derive(Debug, Default)]
pub(super) struct Record {
    pub requests: u64,
    pub peers_bytes: u64,
    origin_bytes: u64,
    /// What left the origin of each segment of each film.
    segments: BTreeMap<(usize, SegmentId), u64>,
    /// The segments of each film that players were given: when, and whose, in order.
    views: BTreeMap<(usize, SegmentId), Vec<(Time, u32)>>,
    feeds: BTreeMap<(u32, u32), u64>,
    series: Vec<Moment>,
    /// What origin and peers had sent at the last moment.
    before: (u64, u64),
}

/// Viewers of whom it is kept who fed whom.
const FEEDS_OF: u32 = 5_000;
/// Of those, the most are shown.
const FEEDS_SHOWN: usize = 5_000;

impl Record {
    pub fn fetched(&mut self, film: usize, segment: SegmentId, bytes: u64) {
        self.origin_bytes += bytes;
        *self.segments.entry((film, segment)).or_default() += bytes;
    }

    /// A player is given a segment.
    pub fn viewed(&mut self, now: Time, film: usize, segment: SegmentId, viewer: u32) {
        self.views.entry((film, segment)).or_default().push((now, viewer));
    }

    pub fn fed(&mut self, from: u32, to: u32, bytes: u64) {
        if bytes > 0 && from < FEEDS_OF && to < FEEDS_OF {
            *self.feeds.entry((from, to)).or_default() += bytes;
        }
    }
}

impl World<'_> {
    /// A step of the time series ends.
    pub(super) fn take_moment(&mut self) {
        let mut moment = Moment { at_s: self.now.0 as f64 / 1e6, ..Moment::default() };
        for viewer in self.viewers.iter_mut().filter(|viewer| !viewer.gone && !viewer.keeps()) {
            viewer.player.advance(self.now);
            moment.viewers += 1;
            moment.stalled += u32::from(viewer.player.shows == Shows::Stall);
            if viewer.player.shows == Shows::Film {
                moment.played_bps += f64::from(viewer.player.kbps()) * 1e3;
            }
            moment.buffered_s += viewer.player.buffered().as_secs_f64();
        }
        moment.buffered_s /= f64::from(moment.viewers.max(1));
        let step = self.scenario.seconds / f64::from(MOMENTS);
        let (origin, peers) = self.record.before;
        moment.origin_bps = (self.record.origin_bytes - origin) as f64 * 8.0 / step;
        moment.peers_bps = (self.record.peers_bytes - peers) as f64 * 8.0 / step;
        self.record.before = (self.record.origin_bytes, self.record.peers_bytes);
        self.record.series.push(moment);
        self.check_ledger();
    }
}

/// The figures of a run that is over.
pub(super) fn figures(mut world: World<'_>) -> Run {
    let linked: Vec<(u32, u32, u64)> = world
        .viewers
        .iter()
        .enumerate()
        .flat_map(|(at, viewer)| viewer.links.values().map(move |far| (at as u32, far.peer, far.given)))
        .collect();
    for (from, to, bytes) in linked {
        world.record.fed(from, to, bytes);
    }
    // Who keeps for others was there first, and is no viewer.
    let edges = world.viewers.iter().take_while(|viewer| viewer.keeps()).count();
    let edge_bytes = world.viewers[..edges].iter().map(|edge| edge.seen.from_origin).sum();
    let now = world.now;
    let viewers: Vec<Seen> = world
        .viewers
        .iter_mut()
        .skip(edges)
        .map(|viewer| {
            if !viewer.gone {
                viewer.player.advance(now);
                viewer.went = now;
            }
            let figures = viewer.player.figures;
            let segments = f64::from(figures.segments.max(1));
            let received = viewer.seen.from_origin + viewer.seen.from_peers;
            Seen {
                came_s: seconds(viewer.came),
                stayed_s: viewer.went.since(viewer.came).as_secs_f64(),
                startup_s: figures.started.map(|at| at.since(viewer.came).as_secs_f64()),
                played_s: figures.played.as_secs_f64(),
                stalls: figures.stalls,
                stalled_s: figures.stalled.as_secs_f64(),
                mean_kbps: figures.kbps_sum as f64 / segments,
                switched_kbps: figures.switched_kbps as f64,
                segments: figures.segments,
                unused: received.saturating_sub(viewer.used + viewer.seen.duplicate),
                ..viewer.seen.clone()
            }
        })
        .collect();
    let sites = world.sites();
    let mut copies: BTreeMap<u32, u32> = BTreeMap::new();
    for ((number, segment), bytes) in &world.record.segments {
        let size = world.films[number].index.segment(*segment).map_or(1, |s| u64::from(s.size));
        *copies.entry(bytes.div_ceil(size) as u32).or_default() += 1;
    }
    let feed = |(&(from, to), &bytes): (&(u32, u32), &u64)| {
        let number = |at: u32| at.checked_sub(edges as u32);
        Some(Feed { from: number(from)?, to: number(to)?, bytes })
    };
    let mut feeds: Vec<Feed> = world.record.feeds.iter().filter_map(feed).collect();
    feeds.sort_by_key(|feed| core::cmp::Reverse(feed.bytes));
    feeds.truncate(FEEDS_SHOWN);
    let (ceiling, ceiling_why, delay) = match world.stream {
        Some(_) => live_ceiling(&world, &viewers),
        None => {
            let (ceiling, why) = ceiling(&world, &viewers);
            (ceiling, why, None)
        }
    };
    let peak = world.record.series.iter().map(|moment| moment.origin_bps).fold(0.0, f64::max);
    Run {
        seed: world.seed,
        alone: world.alone,
        seconds: world.scenario.seconds,
        wall_s: 0.0,
        events: world.events,
        trace: format!("{:016x}", world.digest),
        series: world.record.series,
        feeds,
        origin_bytes: world.origin.sent_bytes() - world.pages_bytes,
        edge_bytes,
        origin_requests: world.record.requests,
        origin_cost: world.origin.cost(),
        origin_peak_bps: peak,
        copies: copies.into_iter().collect(),
        delay,
        ceiling,
        ceiling_why,
        sites,
        viewers,
    }
}

/// Those who lend their uplinks, by film.
type Lending<'a> = BTreeMap<usize, Vec<&'a Viewer>>;

/// Whether a viewer could have had a neighbour that lends its uplink: one of the same film, at the same time, whom it can reach.
fn reaches_somebody(world: &World<'_>, lending: &Lending<'_>, viewer: &Viewer) -> bool {
    let is_neighbour = |other: &&Viewer| {
        let meet = other.came < viewer.went && viewer.came < other.went;
        other.host != viewer.host && meet && world.net.can_connect(viewer.host, other.host)
    };
    lending.get(&viewer.film.number).is_some_and(|others| others.iter().any(is_neighbour))
}

/// How many of the views of a segment could have come from somebody who held it and lent its uplink: straight, or by way of one
/// more, which is as far as translators keep any two apart whom others connect. `alone`: who reaches nobody.
fn available(world: &World<'_>, lending: &[&Viewer], alone: &[bool], views: &[(Time, u32)]) -> u32 {
    let mut held_by: Vec<&Viewer> = Vec::new();
    let mut given = 0;
    for &(now, at) in views {
        let viewer = &world.viewers[at as usize];
        let connect = |a: &Viewer, b: &Viewer| world.net.can_connect(a.host, b.host);
        let by_way = |holder: &Viewer| {
            let mut there = lending.iter().filter(|other| other.came <= now && other.went > now);
            there.any(|other| connect(viewer, other) && connect(other, holder))
        };
        // Who got it last is the likeliest to be there still.
        let there = || held_by.iter().rev().filter(|holder| holder.went > now);
        let is_given =
            || there().any(|holder| connect(viewer, holder)) || there().any(|holder| by_way(holder));
        given += u32::from(!alone[at as usize] && is_given());
        if viewer.lends() {
            held_by.push(viewer);
        }
    }
    given
}

fn seconds(time: Time) -> f64 {
    time.0 as f64 / 1e6
}

/// What peers could have brought: what the uplinks can carry of what was watched, and of each segment only what another viewer, who
/// can be reached and lends its uplink, held at the time ([`crate::bounds::vod_offload`], with the availability as it was).
fn ceiling(world: &World<'_>, viewers: &[Seen]) -> (f64, String) {
    let sound = f64::from(world.scenario.film.audio_kbps);
    let watched: f64 = viewers.iter().map(|seen| seen.played_s * (seen.mean_kbps + sound)).sum();
    let played: f64 = viewers.iter().map(|seen| seen.played_s).sum();
    if watched <= 0.0 {
        return (0.0, "nobody watched anything".to_owned());
    }
    let honest = world.watching().zip(viewers).filter(|(_, seen)| seen.honest);
    let lent: f64 = honest.map(|(viewer, seen)| f64::from(viewer.upload) / 125.0 * seen.stayed_s).sum();
    let carried = lent / watched;
    let mut lending = Lending::new();
    for viewer in world.viewers.iter().filter(|viewer| viewer.lends()) {
        lending.entry(viewer.film.number).or_default().push(viewer);
    }
    let alone: Vec<bool> =
        world.viewers.iter().map(|viewer| !reaches_somebody(world, &lending, viewer)).collect();
    let (mut bits, mut held) = (0.0, 0.0);
    for (&(film, segment), views) in &world.record.views {
        let size = world.films[&film].index.segment(segment).map_or(0.0, |s| f64::from(s.size));
        bits += size * views.len() as f64;
        let lenders = lending.get(&film).map_or(&[][..], Vec::as_slice);
        held += size * f64::from(available(world, lenders, &alone, views));
    }
    let held = if bits > 0.0 { held / bits } else { 0.0 };
    let why = format!(
        "uplinks lend {carried:.2} of the {:.2} Mbit/s watched in the mean; another viewer holds {held:.3} of it",
        watched / played / 1e3
    );
    (held.min(carried).clamp(0.0, 1.0), why)
}

/// The same of a live stream: everybody watches the same, so that one copy could serve all ([`crate::bounds::offload_ceiling`]).
fn live_ceiling(world: &World<'_>, viewers: &[Seen]) -> (f64, String, Option<Delay>) {
    let sound = f64::from(world.scenario.film.audio_kbps);
    let watched: f64 = viewers.iter().map(|seen| seen.played_s * (seen.mean_kbps + sound)).sum();
    let played: f64 = viewers.iter().map(|seen| seen.played_s).sum();
    let stayed: f64 = viewers.iter().map(|seen| seen.stayed_s).sum();
    if watched <= 0.0 {
        return (0.0, "nobody watched anything".to_owned(), None);
    }
    let honest = world.watching().zip(viewers).filter(|(_, seen)| seen.honest);
    let lent: f64 = honest.map(|(viewer, seen)| f64::from(viewer.upload) / 125.0 * seen.stayed_s).sum();
    let (from, to) = viewers.iter().fold((f64::MAX, 0.0f64), |(from, to), seen| {
        (from.min(seen.came_s), to.max(seen.came_s + seen.stayed_s))
    });
    let present = stayed / (to - from).max(1.0);
    let rate_mbps = watched / played / 1e3;
    let upload_mbps = lent / stayed / 1e3;
    let ceiling = (1.0 - 1.0 / present.max(1.0)).min(upload_mbps / rate_mbps).max(0.0);
    let why = format!(
        "{present:.0} viewers in the mean, who watch {rate_mbps:.2} Mbit/s and lend {upload_mbps:.2} Mbit/s each"
    );
    (ceiling, why, world.delay(present, upload_mbps * 1e6))
}
