//! Made-up runs: tiny ones whose figures can be worked out on paper, and crowds that look like something.
#![allow(dead_code, reason = "every test uses a part of it")]

use sim::figures::{Delay, Feed, Moment, Run, Seen};

/// A viewer with round figures: a minute's stay, start after a second, 100 MB, three quarters of it from peers.
pub fn viewer() -> Seen {
    Seen {
        came_s: 0.0,
        stayed_s: 60.0,
        startup_s: Some(1.0),
        played_s: 59.0,
        mean_kbps: 3000.0,
        segments: 30,
        from_origin: 25_000_000,
        from_peers: 75_000_000,
        to_peers: 75_000_000,
        uplink_mbps: 20.0,
        honest: true,
        ..Seen::default()
    }
}

/// A run of those viewers that lasted two minutes.
pub fn run(seed: u64, viewers: Vec<Seen>) -> Run {
    Run {
        seed,
        seconds: 120.0,
        wall_s: 2.0,
        events: 1000,
        trace: format!("{seed:016x}"),
        origin_bytes: viewers.iter().map(|seen| seen.from_origin).sum(),
        ceiling: 0.9,
        ceiling_why: "made up".to_owned(),
        viewers,
        ..Run::default()
    }
}

/// The same viewers on the same seed with the origin alone.
pub fn alone(run: &Run) -> Run {
    let mut alone = Run { alone: true, delay: None, feeds: Vec::new(), ceiling: 0.0, ..run.clone() };
    for seen in &mut alone.viewers {
        seen.from_origin += std::mem::take(&mut seen.from_peers);
        (seen.to_peers, seen.duplicate, seen.control) = (0, 0, 0);
    }
    alone.origin_bytes = alone.viewers.iter().map(|seen| seen.from_origin).sum();
    alone
}

/// SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    /// 0 to 1.
    pub fn part(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Half of the draws below `median`, a long tail above it.
    pub fn skewed(&mut self, median: f64) -> f64 {
        let part = self.part().clamp(0.001, 0.995);
        median * (part / (1.0 - part)).sqrt()
    }
}

/// Names of the access classes of a [`crowd`].
pub const CLASSES: [&str; 5] = ["fibre", "cable", "DSL", "mobile", "office"];

/// A live show of half an hour, and the same with the origin alone: a rush at the start, a short trouble in the middle.
pub fn crowd(seed: u64, size: usize) -> [Run; 2] {
    let mut dice = Dice(seed.wrapping_mul(77) ^ 0x5eed);
    let mut viewers: Vec<Seen> = (0..size).map(|_| came(&mut dice)).collect();
    viewers.sort_by(|a, b| a.came_s.total_cmp(&b.came_s));
    let feeds = feeds(&mut dice, &viewers);
    let total = |of: fn(&Seen) -> u64| viewers.iter().map(of).sum::<u64>();
    let origin_bytes = total(|seen| seen.from_origin);
    let series = series(&mut dice, &viewers, false);
    let run = Run {
        seed,
        seconds: 1800.0,
        wall_s: 9.0 + dice.part(),
        events: size as u64 * 41_000,
        trace: format!("{:016x}", seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        origin_bytes,
        origin_requests: origin_bytes / 250_000,
        origin_cost: origin_bytes as f64 / 1e9 * 0.04,
        origin_peak_bps: series.iter().map(|moment| moment.origin_bps).fold(0.0, f64::max),
        copies: (1..14)
            .map(|copies| (copies, (900.0 / f64::from(copies * copies) * (0.6 + dice.part())) as u32))
            .collect(),
        delay: Some(Delay {
            mean_s: 0.7,
            quantiles_s: [0.61 + 0.1 * dice.part(), 1.4 + 0.2 * dice.part(), 2.9 + 0.5 * dice.part()],
            postal_s: 0.4,
        }),
        ceiling: 0.93,
        ceiling_why:
            "half of every uplink, of the 75 % of viewers who may upload, less 10 % for all that is no media"
                .to_owned(),
        series,
        feeds,
        viewers,
        ..Run::default()
    };
    let mut without = alone(&run);
    for seen in &mut without.viewers {
        seen.startup_s = seen.startup_s.map(|at| at * (0.92 + 0.1 * dice.part()));
        if dice.part() < 0.03 {
            seen.stalls += 1;
            seen.stalled_s += dice.skewed(3.0);
        }
    }
    without.origin_requests = without.origin_bytes / 1_500_000;
    without.origin_cost = without.origin_bytes as f64 / 1e9 * 0.04;
    without.copies = vec![(size as u32 / 2, 900)];
    without.series = self::series(&mut dice, &run.viewers, true);
    without.origin_peak_bps = without.series.iter().map(|moment| moment.origin_bps).fold(0.0, f64::max);
    [run, without]
}

fn came(dice: &mut Dice) -> Seen {
    let came_s = if dice.part() < 0.6 { dice.skewed(40.0).min(1700.0) } else { dice.part() * 1700.0 };
    let stayed_s = dice.skewed(900.0).min(1800.0 - came_s);
    let (class, uplink) = match dice.part() {
        0.0..0.35 => (0, 90.0),
        0.35..0.65 => (1, 15.0),
        0.65..0.8 => (2, 2.5),
        0.8..0.98 => (3, 11.0),
        _ => (4, 200.0),
    };
    let uplink_mbps = dice.skewed(uplink).clamp(uplink / 5.0, uplink * 5.0);
    let startup = 0.35 + dice.skewed(0.45);
    let startup_s = (startup < stayed_s).then_some(startup);
    let stalls = u32::from(dice.part() < 0.04);
    let stalled_s = if stalls > 0 { dice.skewed(1.2).min(20.0) } else { 0.0 };
    let played_s = startup_s.map_or(0.0, |at| (stayed_s - at - stalled_s).max(0.0));
    let mean_kbps = 1500.0 + 3000.0 * (uplink_mbps / (uplink_mbps + 8.0));
    let bytes = played_s * mean_kbps * 125.0;
    let part = (1.0 - 0.06 - 30.0 / (stayed_s + 35.0) - 0.15 * dice.part()).max(0.0);
    let gives = (uplink_mbps * 125_000.0 * stayed_s * 0.5 * dice.part()).min(bytes * 3.2 * dice.part());
    Seen {
        came_s,
        stayed_s,
        startup_s,
        played_s,
        stalls,
        stalled_s,
        mean_kbps,
        switched_kbps: 900.0 * dice.part(),
        segments: (played_s / 2.0) as u32,
        from_origin: (bytes * (1.0 - part)) as u64,
        from_peers: (bytes * part) as u64,
        to_peers: gives as u64,
        duplicate: (bytes * 0.004 * dice.part()) as u64,
        unused: (bytes * 0.03 * dice.part()) as u64,
        refused: 0,
        control: (bytes * 0.006) as u64,
        uplink_mbps,
        class,
        honest: dice.part() > 0.02,
        ..Seen::default()
    }
}

fn feeds(dice: &mut Dice, viewers: &[Seen]) -> Vec<Feed> {
    let mut feeds = Vec::new();
    for to in 1..viewers.len().min(800) {
        for _ in 0..8 {
            let from = (dice.part() * dice.part() * viewers.len() as f64) as usize;
            let bytes = viewers[to].from_peers.min(viewers[from].to_peers) as f64 * dice.part() / 4.0;
            feeds.push(Feed { from: from as u32, to: to as u32, bytes: bytes as u64 });
        }
    }
    feeds.sort_by_key(|feed| std::cmp::Reverse(feed.bytes));
    feeds.truncate(4000);
    feeds
}

fn series(dice: &mut Dice, viewers: &[Seen], alone: bool) -> Vec<Moment> {
    let moment = |step: u32| {
        let at_s = f64::from(step);
        let there = viewers.iter().filter(|v| v.came_s < at_s && v.came_s + v.stayed_s > at_s).count() as f64;
        let trouble = if (900.0..960.0).contains(&at_s) { 1.0 } else { 0.0 };
        let played = there * 3.4e6 * (0.97 + 0.03 * dice.part());
        let part =
            if alone { 1.0 } else { 0.07 + 0.7 / (1.0 + at_s / 25.0) + 0.25 * trouble + 0.02 * dice.part() };
        let ahead = 1.02 + 0.5 / (1.0 + at_s / 20.0);
        Moment {
            at_s,
            viewers: there as u32,
            stalled: (there * (0.001 + 0.03 * trouble) * dice.part() * 2.0) as u32,
            origin_bps: played * ahead * part,
            peers_bps: played * ahead * (1.0 - part),
            played_bps: played,
            buffered_s: 12.0 * at_s / (at_s + 8.0) - 3.0 * trouble + dice.part() * 0.4,
        }
    };
    (1..=1800).map(moment).collect()
}
