//! How much a swarm can carry. Uploads add up, whatever the topology: nothing here depends on who is linked to whom.

/// The highest rate that every viewer can receive at once, in Mbit/s: what the server can send into the swarm, or an equal
/// part of all that server and viewers can send, whichever is less (Kumar, Liu and Ross, INFOCOM 2007). 0 without viewers.
pub fn fluid_rmax(server_mbps: f64, uplinks_mbps: &[f64]) -> f64 {
    if uplinks_mbps.is_empty() {
        return 0.0;
    }
    server_mbps.min((server_mbps + total(uplinks_mbps)) / uplinks_mbps.len() as f64)
}

/// The same where viewers can receive no more than their downlinks, in Mbit/s: the narrowest counts.
pub fn fluid_rmax_capped(server_mbps: f64, uplinks_mbps: &[f64], downlinks_mbps: &[f64]) -> f64 {
    downlinks_mbps.iter().copied().fold(fluid_rmax(server_mbps, uplinks_mbps), f64::min)
}

/// The least a server must send so that every viewer receives the stream, in Mbit/s: one copy of it, and whatever uplinks
/// lack (the same paper, solved for the server).
pub fn fluid_min_server(rate_mbps: f64, uplinks_mbps: &[f64]) -> f64 {
    if uplinks_mbps.is_empty() {
        return 0.0;
    }
    rate_mbps.max(uplinks_mbps.len() as f64 * rate_mbps - total(uplinks_mbps))
}

/// The highest offload of those viewers; with `n` of them never above `1 - 1/n`. 0 without viewers.
pub fn fluid_max_offload(rate_mbps: f64, uplinks_mbps: &[f64]) -> f64 {
    if uplinks_mbps.is_empty() {
        return 0.0;
    }
    1.0 - fluid_min_server(rate_mbps, uplinks_mbps) / (uplinks_mbps.len() as f64 * rate_mbps)
}

/// A schedule of two hops that attains [`fluid_rmax`].
#[derive(Clone, Debug, PartialEq)]
pub struct FluidSchedule {
    /// For each viewer, the rate of the part that the server sends to it alone and that it copies to all others, Mbit/s.
    pub relayed_mbps: Vec<f64>,
    /// The rate of the part that the server sends to every viewer itself, Mbit/s.
    pub direct_mbps: f64,
}

/// That schedule (the paper's proof). Where the server is the narrow place, parts are in proportion to uplinks; else every
/// viewer relays all it can and the server spends what it has left on everybody.
pub fn fluid_schedule(server_mbps: f64, uplinks_mbps: &[f64]) -> FluidSchedule {
    let (viewers, sum) = (uplinks_mbps.len() as f64, total(uplinks_mbps));
    let server_is_narrow = server_mbps <= (server_mbps + sum) / viewers;
    if server_is_narrow && sum > 0.0 {
        let relayed_mbps = uplinks_mbps.iter().map(|uplink| server_mbps * uplink / sum).collect();
        return FluidSchedule { relayed_mbps, direct_mbps: 0.0 };
    }
    if uplinks_mbps.len() < 2 {
        return FluidSchedule { relayed_mbps: vec![0.0; uplinks_mbps.len()], direct_mbps: server_mbps };
    }
    let others = viewers - 1.0;
    FluidSchedule {
        relayed_mbps: uplinks_mbps.iter().map(|uplink| uplink / others).collect(),
        direct_mbps: (server_mbps - sum / others) / viewers,
    }
}

/// What of the uplinks a real swarm may count on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UsableShare {
    /// The part of an uplink that a viewer lets go.
    pub of_uplink: f64,
    /// The share of viewers that can upload and may: address translators, mobile data, battery, consent.
    pub of_viewers: f64,
    /// The part of what is sent that brings nobody anything new: headers, maps, duplicates.
    pub overhead: f64,
}

impl Default for UsableShare {
    fn default() -> Self {
        Self { of_uplink: 0.8, of_viewers: 0.75, overhead: 0.1 }
    }
}

/// Upload that counts, per viewer, in Mbit/s.
pub fn effective_upload(mean_uplink_mbps: f64, usable: &UsableShare) -> f64 {
    mean_uplink_mbps * usable.of_uplink * usable.of_viewers * (1.0 - usable.overhead)
}

/// [`fluid_max_offload`] for a swarm of which only size and mean uplink are known. A measured offload is to be given as a
/// part of this.
pub fn offload_ceiling(viewers: u64, rate_mbps: f64, mean_uplink_mbps: f64, usable: &UsableShare) -> f64 {
    if viewers == 0 {
        return 0.0;
    }
    (1.0 - 1.0 / viewers as f64).min(effective_upload(mean_uplink_mbps, usable) / rate_mbps).max(0.0)
}

/// Viewers with one uplink of whom a Poisson number is present.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ViewerClass {
    /// Uplink of each, Mbit/s.
    pub uplink_mbps: f64,
    /// How many are present in the mean.
    pub mean_viewers: f64,
}

/// The probability that everybody present can be served (`universal streaming`, same paper): with Poisson numbers of
/// `ordinary` viewers, whose uplink is below the rate, and of `strong` ones, whose uplink is above it, summed exactly.
///
/// # Panics
/// If the rate does not lie between the two uplinks.
pub fn p_universal_exact(
    server_mbps: f64,
    rate_mbps: f64,
    ordinary: ViewerClass,
    strong: ViewerClass,
) -> f64 {
    assert!(
        ordinary.uplink_mbps < rate_mbps && rate_mbps < strong.uplink_mbps,
        "rate is not between the uplinks"
    );
    // Beyond twelve standard deviations no term shows in a double.
    let most = |mean: f64| (mean + 12.0 * mean.sqrt() + 30.0) as u64;
    // at_least[k] is the probability of k or more strong viewers.
    let mut at_least: Vec<f64> =
        (0..=most(strong.mean_viewers)).map(|k| poisson_pmf(k, strong.mean_viewers)).collect();
    for k in (0..at_least.len() - 1).rev() {
        at_least[k] += at_least[k + 1];
    }
    let surplus = strong.uplink_mbps - rate_mbps;
    (0..=most(ordinary.mean_viewers))
        .map(|k| {
            let lacking = (rate_mbps - ordinary.uplink_mbps) * k as f64 - server_mbps;
            let needed = (lacking / surplus - 1e-12).ceil().max(0.0) as usize;
            poisson_pmf(k, ordinary.mean_viewers) * at_least.get(needed).copied().unwrap_or(0.0)
        })
        .sum()
}

/// The same for uplinks of any distribution, by the normal approximation: the surplus of a Poisson number of viewers has the
/// mean `server + viewers (mean - rate)` and the variance `viewers (sd^2 + (mean - rate)^2)`.
pub fn p_universal_normal(
    server_mbps: f64,
    rate_mbps: f64,
    mean_viewers: f64,
    mean_mbps: f64,
    sd_mbps: f64,
) -> f64 {
    let surplus = mean_mbps - rate_mbps;
    normal_cdf(
        (server_mbps + mean_viewers * surplus)
            / (mean_viewers * (sd_mbps * sd_mbps + surplus * surplus)).sqrt(),
    )
}

/// What a server must have ready, in Mbit/s, so that somebody is starved with a probability of `eps` at most: the expression
/// above solved for the server, and never less than one copy of the stream.
pub fn server_for_confidence(
    rate_mbps: f64,
    mean_viewers: f64,
    mean_mbps: f64,
    sd_mbps: f64,
    eps: f64,
) -> f64 {
    let lack = rate_mbps - mean_mbps;
    let sd = (mean_viewers * (sd_mbps * sd_mbps + lack * lack)).sqrt();
    rate_mbps.max(mean_viewers * lack + normal_quantile(1.0 - eps) * sd)
}

/// Offload of small swarms whose size is Poisson with the mean `viewers`: all but one are served by others, as far as
/// uplinks reach (`uplink_per_rate`; Karamshuk et al., arXiv 1504.03536). `viewers` counts those who can exchange: the same
/// film, rendition, region and place in the film.
pub fn poisson_swarm_offload(viewers: f64, uplink_per_rate: f64) -> f64 {
    if viewers <= 0.0 {
        return 0.0;
    }
    uplink_per_rate.min(1.0) * (viewers - 1.0 + libm::exp(-viewers)) / viewers
}

/// The standard normal distribution function.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * (1.0 + libm::erf(x / core::f64::consts::SQRT_2))
}

/// Its inverse for `p` in 0..1, by bisection; within -10..=10.
pub fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-10.0, 10.0);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if normal_cdf(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

fn poisson_pmf(k: u64, mean: f64) -> f64 {
    if mean <= 0.0 {
        return if k == 0 { 1.0 } else { 0.0 };
    }
    libm::exp(k as f64 * libm::log(mean) - mean - libm::lgamma(k as f64 + 1.0))
}

fn total(values: &[f64]) -> f64 {
    values.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::super::assert_close;
    use super::*;

    fn universal(mean_ordinary: f64, mean_strong: f64) -> f64 {
        p_universal_exact(
            0.0,
            3.0,
            ViewerClass { uplink_mbps: 1.0, mean_viewers: mean_ordinary },
            ViewerClass { uplink_mbps: 7.0, mean_viewers: mean_strong },
        )
    }

    #[test]
    fn fluid_capacity() {
        assert_close(fluid_rmax(4.0, &[1.0, 2.0, 3.0]), 3.3333, 4);
        assert_close(fluid_rmax(2.0, &[1.0, 2.0, 3.0]), 2.0, 9);
        assert_close(fluid_rmax_capped(4.0, &[1.0, 2.0, 3.0], &[9.0, 1.5, 9.0]), 1.5, 9);
        assert_close(fluid_min_server(3.0, &[1.0; 100]), 200.0, 9);
        assert_close(fluid_min_server(3.0, &[5.0; 100]), 3.0, 9);
        assert_close(fluid_max_offload(3.0, &[1.0; 100]), 0.333333, 6);
        assert_close(fluid_max_offload(3.0, &[5.0; 100]), 0.99, 6);
    }

    #[test]
    fn a_schedule_uses_no_more_than_there_is_and_attains_the_maximum() {
        let schedule = fluid_schedule(4.0, &[1.0, 2.0, 3.0]);
        assert_eq!(schedule.relayed_mbps, [0.5, 1.0, 1.5]);
        assert_close(schedule.direct_mbps, 0.3333, 4);
        for (server, uplinks) in
            [(4.0, vec![1.0, 2.0, 3.0]), (2.0, vec![1.0, 2.0, 3.0]), (5.0, vec![0.0, 0.0])]
        {
            let FluidSchedule { relayed_mbps, direct_mbps } = fluid_schedule(server, &uplinks);
            let viewers = uplinks.len() as f64;
            let rate: f64 = relayed_mbps.iter().sum::<f64>() + direct_mbps;
            assert_close(rate, fluid_rmax(server, &uplinks), 9);
            assert!(relayed_mbps.iter().sum::<f64>() + viewers * direct_mbps <= server + 1e-9);
            assert!(relayed_mbps.iter().zip(&uplinks).all(|(part, up)| part * (viewers - 1.0) <= up + 1e-9));
        }
    }

    #[test]
    fn what_a_real_swarm_may_use() {
        let usable = UsableShare::default();
        assert_close(effective_upload(10.0, &usable), 5.4, 9);
        assert_close(offload_ceiling(50, 3.0, 10.0, &usable), 0.98, 6);
        assert_close(offload_ceiling(50, 6.0, 10.0, &usable), 0.9, 6);
    }

    #[test]
    fn random_populations() {
        assert_close(universal(20.0, 10.0), 0.517182, 6);
        assert_close(universal(20.0, 12.0), 0.702402, 6);
        assert_close(universal(200.0, 120.0), 0.941055, 6);
        assert_close(universal(2000.0, 1200.0), 1.0, 6);
        assert_close(universal(2000.0, 900.0), 0.003985, 6);
        let mean: f64 = (200.0 + 120.0 * 7.0) / 320.0;
        let sd = ((200.0 + 120.0 * 49.0) / 320.0 - mean * mean).sqrt();
        assert_close(p_universal_normal(0.0, 3.0, 320.0, mean, sd), 0.937477, 6);
        assert_close(server_for_confidence(3.0, 1000.0, 3.0, 3.0, 0.01), 220.697, 3);
        assert_close(server_for_confidence(3.0, 1000.0, 2.0, 3.0, 0.01), 1232.635, 3);
    }

    #[test]
    fn small_swarms() {
        for (viewers, offload) in [(0.1, 0.0484), (1.0, 0.3679), (10.0, 0.9), (100.0, 0.99)] {
            assert_close(poisson_swarm_offload(viewers, 1.0), offload, 4);
        }
    }
}
