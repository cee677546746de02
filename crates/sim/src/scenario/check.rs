//! What of a scenario cannot be. Invariant: what passes can be run.

use super::{Film, People, Scenario, Site, at};
use crate::population::{AccessClass, Uplink};
use crate::sessions::LiveStay;

/// Why a scenario cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Wrong {
    /// The setting, as a file names it.
    pub place: &'static str,
    /// What is the matter with it.
    pub what: String,
}

impl Scenario {
    /// Finds the first thing that cannot be.
    pub fn check(&self) -> Result<(), Wrong> {
        let wrong = |place, what: &str| Err(Wrong { place, what: what.to_owned() });
        let time = |s: f64| (0.0..=MOST_SECONDS).contains(&s);
        let share = |s: f64| (0.0..=1.0).contains(&s);
        let faults = self.faults.shares();
        if !(1.0..=MOST_SECONDS).contains(&self.seconds) {
            return wrong("seconds", "must be from 1 to 604800");
        }
        if !(1..=MOST_VIEWERS).contains(&self.audience.viewers) {
            return wrong("audience.viewers", "must be from 1 to 10000000");
        }
        let points = &self.audience.come.points;
        if points.iter().any(|&(at, rate)| !time(at) || !(0.0..=1e9).contains(&rate))
            || points.windows(2).any(|pair| pair[0].0 > pair[1].0)
        {
            return wrong("audience.come", "takes pairs of seconds, which do not descend, and weights");
        }
        if !(1e-6..=1e12).contains(&self.audience.come.total()) {
            return wrong("audience.come", "lets nobody come: give two points or more");
        }
        if points.first().is_none_or(|&(at, _)| at >= self.seconds) {
            return wrong("audience.come", "begins when all is over");
        }
        if let Some(habits) = &self.audience.catalogue
            && (!(1..=1_000_000).contains(&habits.films)
                || ![habits.median_s, habits.seek_every_s].iter().all(|s| (1.0..=MOST_SECONDS).contains(s))
                || ![habits.sd_ln, habits.zipf].iter().all(|x| (0.0..=10.0).contains(x))
                || !share(habits.abrupt))
        {
            return wrong(
                "audience.catalogue",
                "needs 1 to 1000000 films, spans of 1 s and more, and shares",
            );
        }
        if let People::Own(own) = &self.audience.population
            && (own.access.is_empty() || !own.access.iter().all(is_line) || !share(own.may_upload))
        {
            return wrong(
                "audience.population",
                "needs access classes with shares from 0 to 1 and rates above 0",
            );
        }
        if !faults.iter().all(|&s| share(s)) || faults.iter().sum::<f64>() > 1.0 {
            return wrong("faults", "takes shares from 0 to 1 that add up to 1 at most");
        }
        if !share(self.faults.colluders_forge) {
            return wrong("faults.colluders_forge", "must be from 0 to 1");
        }
        if !(1.0..=MOST_SECONDS).contains(&self.faults.whitewash_s) {
            return wrong("faults.whitewash_s", "must be from 1 to 604800");
        }
        if self.faults.eclipse.is_some_and(|eclipse| !share(eclipse.share) || !time(eclipse.until_s)) {
            return wrong("faults.eclipse", "takes a share from 0 to 1 and a time in seconds");
        }
        if self.faults.crash.iter().any(|crash| !time(crash.at_s) || !share(crash.share)) {
            return wrong("faults.crash", "takes a time in seconds and a share from 0 to 1");
        }
        if self.peer.links.is_some_and(|links| !(1..=100).contains(&links)) {
            return wrong("peer.links", "must be from 1 to 100");
        }
        if !share(self.peer.use_of_uplink) || !(0.0..=1e5).contains(&self.peer.most_upload_mbps) {
            return wrong("peer", "takes a share from 0 to 1 and a rate in Mbit/s");
        }
        let origin = &self.origin;
        let rate = |mbps: f64| (1e-3..=1e7).contains(&mbps);
        if !(rate(origin.connection_mbps) && origin.total_mbps.is_none_or(rate)) {
            return wrong("origin", "needs rates from 0.001 Mbit/s on");
        }
        if !(0.0..=1e5).contains(&origin.page_kb) {
            return wrong("origin.page_kb", "must be from 0 to 100000");
        }
        if self.edge.is_some_and(|edge| !rate(edge.mbps)) {
            return wrong("edge.mbps", "must be from 0.001 on");
        }
        if self.edge.is_some() && (self.live.is_some() || self.audience.catalogue.is_some()) {
            return wrong("edge", "keeps one film, which all watch to its end");
        }
        let is_site = |site: &Site| {
            rate(site.down_mbps) && rate(site.up_mbps) && site.lan_mbps >= site.down_mbps.max(site.up_mbps)
        };
        let shares = || self.sites.iter().map(|site| site.share);
        if !shares().all(share) || shares().sum::<f64>() > 1.0 + 1e-9 || !self.sites.iter().all(is_site) {
            return wrong(
                "sites",
                "needs shares that add up to 1 at most, and lines no wider than what is within",
            );
        }
        if self.edge.is_some() && !self.sites.is_empty() {
            return wrong("edge", "stands in no site");
        }
        for (place, away) in [("origin.away_s", &origin.away_s), ("tracker.away_s", &self.tracker.away_s)] {
            let pairs = away.iter().all(|&(from, to)| time(from) && time(to) && at(from) < at(to));
            if !pairs || away.windows(2).any(|pair| pair[0].1 > pair[1].0) {
                return wrong(place, "takes pairs of seconds, from and to, one after the other");
            }
        }
        let spans_ms = [origin.rtt_ms, self.tracker.rtt_ms, self.tracker.opens_ms];
        if !spans_ms.iter().all(|ms| (0.0..=60_000.0).contains(ms)) {
            return wrong("rtt_ms and opens_ms", "must be from 0 to 60000");
        }
        if let Some(live) = &self.live {
            let LiveStay { zappers, zapper_mean_s, median_s, sd_ln, abrupt } = live.stay;
            let stripes = live.topology.setting().stripes;
            let furthest_s = live.buffer_s + live.apart_s;
            if !(1.0..=25.0).contains(&live.buffer_s)
                || !(live.buffer_s..=25.0).contains(&furthest_s)
                || !(1..=wire::MAX_STRIPES).contains(&stripes)
            {
                return wrong("live", "needs a buffer of 1 to 25 s, also with apart_s, and 1 to 8 stripes");
            }
            if !share(zappers)
                || !share(abrupt)
                || !time(zapper_mean_s)
                || !time(median_s)
                || !(0.0..=10.0).contains(&sd_ln)
            {
                return wrong("live.stay", "needs shares from 0 to 1 and spans in seconds");
            }
            if self.audience.catalogue.is_some() {
                return wrong("audience.catalogue", "has no meaning where the film is live");
            }
        }
        let film = &self.film;
        if !(0.1..=60.0).contains(&film.segment_s) || !(film.segment_s..=MOST_SECONDS).contains(&film.seconds)
        {
            return wrong("film", "needs segments of 0.1 to 60 s, and one of them at least");
        }
        let rates = film.rungs_kbps.iter().chain([&film.audio_kbps]);
        if film.rungs_kbps.len() >= manifest::MAX_RENDITIONS || film.count() as usize > manifest::MAX_SEGMENTS
        {
            return wrong("film", "has more renditions or segments than an index");
        }
        if film.rungs_kbps.is_empty() || rates.into_iter().any(|kbps| !(1..=200_000).contains(kbps)) {
            return wrong("film.rungs_kbps", "needs rates from 1 to 200000 kbit/s");
        }
        if !film.rungs_kbps.is_sorted_by(|a, b| a < b) {
            return wrong("film.rungs_kbps", "must ascend");
        }
        // Segments of other films may be longer, but none by more than this.
        let longest =
            Film { rungs_kbps: vec![film.rungs_kbps[film.rungs_kbps.len() - 1] * 2], ..film.clone() };
        [film.index(0), longest.index(0)]
            .iter()
            .try_for_each(|index| index.validate())
            .or_else(|error| wrong("film", &error.to_string()))
    }
}

fn is_line(class: &AccessClass) -> bool {
    let rates = match class.uplink {
        Uplink::LogNormal { median_mbps, sd_ln } => [median_mbps, 1.0 + sd_ln],
        Uplink::Uniform { from_mbps, to_mbps } => [from_mbps, to_mbps],
    };
    let above_0 = |x: &f64| (1e-3..=1e6).contains(x);
    (0.0..=1.0).contains(&class.share)
        && rates.iter().chain([&class.down_per_up]).all(above_0)
        && (0.0..=1e3).contains(&class.height_ms)
        && (0.0..=1.0).contains(&class.loss)
}

const MOST_SECONDS: f64 = 604_800.0;
const MOST_VIEWERS: u32 = 10_000_000;
