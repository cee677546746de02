//! What the origin is asked for, what it sends, and what that costs.

use super::{Better, Measure, hours, over};

pub(super) const COPIES: Measure = Measure {
    key: "copies",
    label: "origin, copies a segment",
    unit: "",
    better: Better::Less,
    alone_too: true,
    step: 0.05,
    means: "How many copies of a segment left the origin: the mean over segments that anybody watched.",
    of: |run, _| {
        let copies = run.copies.iter().map(|&(copies, n)| f64::from(copies) * f64::from(n)).sum();
        over(copies, run.copies.iter().map(|&(_, n)| f64::from(n)).sum())
    },
};

pub(super) const REQUESTS: Measure = Measure {
    key: "origin_requests_per_hour",
    label: "origin, requests",
    unit: "/viewer-h",
    better: Better::Less,
    alone_too: true,
    step: 2.0,
    means: "What the origin was asked for, by hour of a viewer's stay.",
    of: |run, _| over(run.origin_requests as f64, hours(run)),
};

pub(super) const MEDIA: Measure = Measure {
    key: "origin_mb_per_hour",
    label: "origin, media",
    unit: "MB/viewer-h",
    better: Better::Less,
    alone_too: true,
    step: 1.0,
    means: "Media that the origin sent, by hour of a viewer's stay.",
    of: |run, _| over(run.origin_bytes as f64 / 1e6, hours(run)),
};

pub(super) const PEAK: Measure = Measure {
    key: "origin_peak_mbps",
    label: "origin, peak",
    unit: "Mbit/s",
    better: Better::Less,
    alone_too: true,
    step: 1.0,
    means: "The most that the origin sent in one step of the series.",
    of: |run, _| Some(run.origin_peak_bps / 1e6),
};

pub(super) const COST: Measure = Measure {
    key: "cost_per_hour",
    label: "origin, cost",
    unit: "/viewer-h",
    better: Better::Less,
    alone_too: true,
    step: 0.0,
    means: "What the origin's bytes cost, by hour of a viewer's stay.",
    of: |run, _| over(run.origin_cost, hours(run)),
};
