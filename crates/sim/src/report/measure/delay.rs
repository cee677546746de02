//! How long a piece of a live stream takes to a viewer, and how long it must take. A run without a stream has none of these.

use super::{Better, Measure};

pub(super) const MEAN: Measure = Measure {
    key: "delay_mean_s",
    label: "piece delay, mean",
    unit: "s",
    better: Better::Less,
    alone_too: false,
    step: 0.02,
    means: "Of a live stream: from the birth of a piece to its arrival from a peer, at viewers who have been there for as long as they are behind.",
    of: |run, _| run.delay.map(|delay| delay.mean_s),
};

pub(super) const P50: Measure = Measure {
    key: "delay_p50_s",
    label: "piece delay, median",
    unit: "s",
    better: Better::Less,
    alone_too: false,
    step: 0.02,
    means: "The same; half took longer.",
    of: |run, _| run.delay.map(|delay| delay.quantiles_s[0]),
};

pub(super) const P90: Measure = Measure {
    key: "delay_p90_s",
    label: "piece delay, 90 %",
    unit: "s",
    better: Better::Less,
    alone_too: false,
    step: 0.05,
    means: "The same; one in ten took longer.",
    of: |run, _| run.delay.map(|delay| delay.quantiles_s[1]),
};

pub(super) const P99: Measure = Measure {
    key: "delay_p99_s",
    label: "piece delay, 99 %",
    unit: "s",
    better: Better::Less,
    alone_too: false,
    step: 0.1,
    means: "The same; one in a hundred took longer.",
    of: |run, _| run.delay.map(|delay| delay.quantiles_s[2]),
};

pub(super) const BOUND: Measure = Measure {
    key: "delay_bound_s",
    label: "piece delay, bound",
    unit: "s",
    better: Better::Neither,
    alone_too: false,
    step: 0.02,
    means: "The least time in which the last viewer can have a piece, if all uplinks were alike: the postal bound.",
    of: |run, _| run.delay.map(|delay| delay.postal_s),
};

pub(super) const OF_BOUND: Measure = Measure {
    key: "delay_of_bound",
    label: "piece delay, mean of bound",
    unit: "",
    better: Better::Less,
    alone_too: false,
    step: 0.05,
    means: "Mean piece delay as a multiple of the postal bound.",
    of: |run, _| run.delay.map(|delay| delay.mean_s / delay.postal_s.max(1e-9)),
};
