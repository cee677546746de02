//! Bandwidth over time: read from text, or made up.
//!
//! The text has a line for each measurement, `trace_id,t_end_s,mbps`: the bandwidth holds from the line before of the same
//! trace (or 0) to `t_end_s`. Lines of one trace stand together, in order of time. A first line of these names is skipped, and
//! so are empty lines. Traces are replayed in a loop.
//!
//! [`Dynamics`] makes traces up: the logarithm of the bandwidth is normal between traces, an AR(1) process within one, and
//! now and then there is nothing at all. Its presets were fitted to public measurements.

use core::time::Duration;

use crate::net::Profile;
use crate::rng::Rng;

/// The bandwidth of one connection over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// What the text calls it.
    pub id: String,
    /// When each step ends, and its bandwidth in Mbit/s; at least one step, ends ascend.
    pub steps: Vec<(Duration, f64)>,
}

impl Trace {
    /// How long it is.
    pub fn length(&self) -> Duration {
        self.steps.last().map_or(Duration::ZERO, |&(end, _)| end)
    }

    /// Its mean bandwidth in Mbit/s.
    pub fn mean_mbps(&self) -> f64 {
        let megabits: f64 = self.spans().map(|(span, mbps)| span.as_secs_f64() * mbps).sum();
        megabits / self.length().as_secs_f64()
    }

    /// For a link: a factor of 1 stands for 1 Mbit/s. `None` if nothing ever comes through.
    pub fn profile(&self) -> Option<Profile> {
        Profile::new(self.spans())
    }

    /// For a link: a factor of 1 stands for the mean. `None` if nothing ever comes through.
    pub fn relative_profile(&self) -> Option<Profile> {
        let mean = self.mean_mbps();
        Profile::new(self.spans().map(|(span, mbps)| (span, mbps / mean)))
    }

    fn spans(&self) -> impl Iterator<Item = (Duration, f64)> {
        let starts = [Duration::ZERO].into_iter().chain(self.steps.iter().map(|&(end, _)| end));
        self.steps.iter().zip(starts).map(|(&(end, mbps), start)| (end - start, mbps))
    }
}

/// What is wrong with a text of traces.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {wrong}")]
pub struct TraceError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub wrong: Wrong,
}

/// What can be wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Not three values.
    #[error("not `trace_id,t_end_s,mbps`")]
    Fields,
    /// The end is no number of seconds, or not after the one before.
    #[error("the end is no time after the one before")]
    End,
    /// The bandwidth is no number, or negative.
    #[error("the bandwidth is no number of Mbit/s")]
    Bandwidth,
}

/// Reads traces.
pub fn parse(text: &str) -> Result<Vec<Trace>, TraceError> {
    let mut traces: Vec<Trace> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || (index == 0 && line == "trace_id,t_end_s,mbps") {
            continue;
        }
        let wrong = |wrong| TraceError { line: index + 1, wrong };
        let mut fields = line.split(',').map(str::trim);
        let (Some(id), Some(end), Some(mbps), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(wrong(Wrong::Fields));
        };
        let end: f64 = end.parse().map_err(|_| wrong(Wrong::End))?;
        let end = Duration::try_from_secs_f64(end).map_err(|_| wrong(Wrong::End))?;
        let mbps: f64 = mbps.parse().map_err(|_| wrong(Wrong::Bandwidth))?;
        if !mbps.is_finite() || mbps < 0.0 {
            return Err(wrong(Wrong::Bandwidth));
        }
        if traces.last().is_none_or(|trace| trace.id != id) {
            traces.push(Trace { id: id.to_owned(), steps: Vec::new() });
        }
        let trace = traces.last_mut().expect("one was just made");
        if end <= trace.length() {
            return Err(wrong(Wrong::End));
        }
        trace.steps.push((end, mbps));
    }
    Ok(traces)
}

/// How bandwidth moves on one kind of network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dynamics {
    /// The mean over traces of the mean logarithm of the bandwidth in Mbit/s.
    pub mean_ln_mbps: f64,
    /// Its standard deviation between traces.
    pub sd_between: f64,
    /// The standard deviation of the logarithm within a trace.
    pub sd_within: f64,
    /// Its correlation over one second.
    pub rho_1s: f64,
    /// How often nothing comes through any more, per second.
    pub outages_per_s: f64,
    /// How long that lasts in the mean, in seconds.
    pub outage_s: f64,
}

/// 4G, Belgium, on the move.
pub const BELGIUM_4G: Dynamics = dynamics([3.293, 0.334, 0.526, 0.766, 0.00577, 2.45]);
/// Fixed lines, United States.
pub const FCC: Dynamics = dynamics([0.038, 0.531, 0.344, 0.922, 0.00056, 6.10]);
/// 5G, Ireland, downloads.
pub const IRISH_5G: Dynamics = dynamics([2.810, 0.987, 1.093, 0.825, 0.05777, 2.40]);
/// 4G, United States, on foot and driving.
pub const LUMOS_4G: Dynamics = dynamics([3.280, 0.606, 0.822, 0.906, 0.00815, 2.59]);
/// 5G at millimetre waves, United States, on foot and driving.
pub const LUMOS_5G: Dynamics = dynamics([5.737, 0.434, 1.011, 0.870, 0.02697, 2.86]);
/// 3G, Norway, in public transport.
pub const NORWAY_3G: Dynamics = dynamics([0.039, 0.436, 0.469, 0.933, 0.0, 0.0]);
/// Sessions of a video service, all kinds of access.
pub const OBOE: Dynamics = dynamics([0.781, 0.642, 0.249, 0.939, 0.0, 0.0]);
/// A mix of fixed lines and 3G.
pub const PENSIEVE: Dynamics = dynamics([-0.036, 0.578, 0.549, 0.915, 0.00046, 6.22]);
/// Live television over the internet, United States, 2021; limited by the stream as well.
pub const PUFFER_2021: Dynamics = dynamics([0.155, 0.684, 0.961, 0.647, 0.05022, 2.07]);
/// The same, 2022.
pub const PUFFER_2022: Dynamics = dynamics([0.108, 0.739, 0.583, 0.675, 0.01589, 1.84]);

const fn dynamics(
    [mean_ln_mbps, sd_between, sd_within, rho_1s, outages_per_s, outage_s]: [f64; 6],
) -> Dynamics {
    Dynamics { mean_ln_mbps, sd_between, sd_within, rho_1s, outages_per_s, outage_s }
}

impl Dynamics {
    /// Makes up a trace of so many steps of one second. At least the first has a bandwidth, so that it can be replayed.
    pub fn trace(&self, id: &str, seconds: u32, rng: &mut Rng) -> Trace {
        let mean = self.mean_ln_mbps + self.sd_between * rng.normal();
        let innovation = (1.0 - self.rho_1s * self.rho_1s).sqrt();
        let mut around = rng.normal();
        let mut outage_ends = 0.0;
        let steps = (0..seconds.max(1))
            .map(|second| {
                let (now, ln) = (f64::from(second), mean + self.sd_within * around);
                around = self.rho_1s * around + innovation * rng.normal();
                if second > 0 && now >= outage_ends && rng.chance(self.outages_per_s) {
                    // Rounded to whole seconds, and so that the mean is kept: geometric, from 1.
                    outage_ends = now + 1.0;
                    while rng.chance(1.0 - 1.0 / self.outage_s.max(1.0)) {
                        outage_ends += 1.0;
                    }
                }
                let mbps = if now < outage_ends { 0.0 } else { libm::exp(ln) };
                (Duration::from_secs(u64::from(second) + 1), mbps)
            })
            .collect();
        Trace { id: id.to_owned(), steps }
    }
}
