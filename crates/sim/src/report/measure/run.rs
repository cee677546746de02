//! How much was simulated, and how fast.

use super::{Better, Measure, hours, over};

pub(super) const VIEWERS: Measure = Measure {
    key: "viewers",
    label: "viewers",
    unit: "",
    better: Better::Neither,
    alone_too: true,
    step: 0.0,
    means: "All who came in the course of the run.",
    of: |run, _| Some(run.viewers.len() as f64),
};

pub(super) const PEER_SECONDS: Measure = Measure {
    key: "peer_seconds",
    label: "simulated",
    unit: "peer-s",
    better: Better::Neither,
    alone_too: true,
    step: 0.0,
    means: "How long all viewers together stayed.",
    of: |run, _| Some(hours(run) * 3600.0),
};

pub(super) const EVENTS: Measure = Measure {
    key: "events_per_s",
    label: "simulator",
    unit: "events/s",
    better: Better::Machine,
    alone_too: false,
    step: 0.0,
    means: "Events handled in a second of the machine's clock.",
    of: |run, _| over(run.events as f64, run.wall_s),
};
