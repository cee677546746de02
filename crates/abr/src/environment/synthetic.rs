//! Made-up traces with the statistics of recorded ones. Invariant: a seed gives the same trace on every target.
//!
//! The level of a trace is log-normal; around it the logarithm of the rate wanders, second by second, as a first-order
//! autoregression; now and then nothing passes for a while.

use super::link::Trace;
use alloc::vec::Vec;

/// What a made-up link carries outside outages at least, so that a segment ends some day.
const SLOWEST_MBPS: f64 = 0.001;
/// What it carries at most.
const FASTEST_MBPS: f64 = 100_000.0;

/// How the links of some network behave, as fitted to a public set of recordings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    /// What the set is known as.
    pub name: &'static str,
    /// Mean of the logarithm of Mbit/s.
    pub mean_ln: f64,
    /// Standard deviation of that between traces.
    pub sd_between: f64,
    /// Standard deviation within a trace.
    pub sd_within: f64,
    /// Correlation of the logarithm with itself a second later.
    pub rho: f64,
    /// Outages that begin in a second.
    pub outages_per_s: f64,
    /// Mean length of an outage, seconds.
    pub outage_s: f64,
}

impl Preset {
    /// 3G on the move, Norway.
    pub const NORWAY3G: Self = Self {
        name: "norway3g",
        mean_ln: 0.039,
        sd_between: 0.436,
        sd_within: 0.469,
        rho: 0.933,
        outages_per_s: 0.0,
        outage_s: 0.0,
    };
    /// Fixed lines, USA.
    pub const FCC: Self = Self {
        name: "fcc",
        mean_ln: 0.038,
        sd_between: 0.531,
        sd_within: 0.344,
        rho: 0.922,
        outages_per_s: 0.00056,
        outage_s: 6.10,
    };
    /// Wi-Fi and mobile sessions as used for Oboe.
    pub const OBOE: Self = Self {
        name: "oboe",
        mean_ln: 0.781,
        sd_between: 0.642,
        sd_within: 0.249,
        rho: 0.939,
        outages_per_s: 0.0,
        outage_s: 0.0,
    };
    /// Sessions of the Puffer study, 2021: what viewers took, which is less than their links had.
    pub const PUFFER2021: Self = Self {
        name: "puffer2021",
        mean_ln: 0.155,
        sd_between: 0.684,
        sd_within: 0.961,
        rho: 0.647,
        outages_per_s: 0.05022,
        outage_s: 2.07,
    };
    /// The same, 2022.
    pub const PUFFER2022: Self = Self {
        name: "puffer2022",
        mean_ln: 0.108,
        sd_between: 0.739,
        sd_within: 0.583,
        rho: 0.675,
        outages_per_s: 0.01589,
        outage_s: 1.84,
    };
    /// 4G on the move, Belgium.
    pub const BELGIUM4G: Self = Self {
        name: "belgium4g",
        mean_ln: 3.293,
        sd_between: 0.334,
        sd_within: 0.526,
        rho: 0.766,
        outages_per_s: 0.00577,
        outage_s: 2.45,
    };
    /// 4G on foot and in cars, Minneapolis.
    pub const LUMOS4G: Self = Self {
        name: "lumos4g",
        mean_ln: 3.280,
        sd_between: 0.606,
        sd_within: 0.822,
        rho: 0.906,
        outages_per_s: 0.00815,
        outage_s: 2.59,
    };
    /// 5G, Ireland.
    pub const IRISH5G: Self = Self {
        name: "irish5g",
        mean_ln: 2.810,
        sd_between: 0.987,
        sd_within: 1.093,
        rho: 0.825,
        outages_per_s: 0.05777,
        outage_s: 2.40,
    };
    /// Millimetre-wave 5G, Minneapolis.
    pub const LUMOS5G: Self = Self {
        name: "lumos5g",
        mean_ln: 5.737,
        sd_between: 0.434,
        sd_within: 1.011,
        rho: 0.870,
        outages_per_s: 0.02697,
        outage_s: 2.86,
    };
    /// Every preset, slow networks first.
    pub const ALL: [Self; 9] = [
        Self::NORWAY3G,
        Self::FCC,
        Self::OBOE,
        Self::PUFFER2021,
        Self::PUFFER2022,
        Self::BELGIUM4G,
        Self::LUMOS4G,
        Self::IRISH5G,
        Self::LUMOS5G,
    ];

    /// The trace number `seed` of `seconds`, one rate a second; at least one.
    ///
    /// # Panics
    ///
    /// If a parameter is not a number.
    pub fn trace(&self, seed: u64, seconds: u32) -> Trace {
        let mut random = Random(seed);
        let level = self.mean_ln + self.sd_between * random.normal();
        let mut away = self.sd_within * random.normal();
        let mut outage = false;
        let mut points = Vec::new();
        for second in 1..=seconds.max(1) {
            let turn = if outage { 1.0 / self.outage_s.max(1.0) } else { self.outages_per_s };
            // Nothing passes in an outage, but never from the first second: a trace must carry something.
            outage ^= second > 1 && random.uniform() < turn;
            let mbps = if outage { 0.0 } else { libm::exp(level + away).clamp(SLOWEST_MBPS, FASTEST_MBPS) };
            points.push((f64::from(second), mbps));
            away = self.rho * away
                + self.sd_within * libm::sqrt((1.0 - self.rho * self.rho).max(0.0)) * random.normal();
        }
        Trace::new(points).expect("the first second carries something")
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0, below 1.
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Mean 0, standard deviation 1: the polar method of Marsaglia, one of its two numbers.
    fn normal(&mut self) -> f64 {
        loop {
            let (x, y) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * libm::sqrt(-2.0 * libm::log(square) / square);
            }
        }
    }
}
