//! Where honest viewers' media came from, and what of it, or besides it, came for nothing.

use crate::figures::Run;

use super::{Better, Measure, percent, received, sum};

pub(super) const OFFLOAD: Measure = Measure {
    key: "offload_pct",
    label: "offload",
    unit: "%",
    better: Better::More,
    alone_too: true,
    step: 0.2,
    means: "The part of the media bytes received by honest viewers that came from peers, less what an edge fetched for it.",
    of: |run, _| percent(spared(run), received(run)),
};

pub(super) const CEILING: Measure = Measure {
    key: "ceiling_pct",
    label: "offload, ceiling",
    unit: "%",
    better: Better::Neither,
    alone_too: false,
    step: 0.2,
    means: "The most that could have come from peers: every uplink used, everything in time.",
    of: |run, _| Some(100.0 * run.ceiling),
};

pub(super) const EFFICIENCY: Measure = Measure {
    key: "efficiency_pct",
    label: "offload of ceiling",
    unit: "%",
    better: Better::More,
    alone_too: false,
    step: 0.2,
    means: "Offload as a part of its ceiling.",
    of: |run, _| percent(spared(run), received(run) * run.ceiling),
};

fn spared(run: &Run) -> f64 {
    sum(run, |seen| seen.from_peers as f64) - run.edge_bytes as f64
}

pub(super) const DUPLICATE: Measure = Measure {
    key: "duplicate_pct",
    label: "duplicates",
    unit: "%",
    better: Better::Less,
    alone_too: true,
    step: 0.05,
    means: "Media bytes that were held already when they came, of those received.",
    of: |run, _| percent(sum(run, |seen| seen.duplicate as f64), received(run)),
};

pub(super) const UNUSED: Measure = Measure {
    key: "unused_pct",
    label: "never played",
    unit: "%",
    better: Better::Less,
    alone_too: true,
    step: 0.2,
    means: "Media bytes that came and were never played, of those received.",
    of: |run, _| percent(sum(run, |seen| seen.unused as f64), received(run)),
};

pub(super) const CONTROL: Measure = Measure {
    key: "control_pct",
    label: "control",
    unit: "%",
    better: Better::Less,
    alone_too: false,
    step: 0.02,
    means: "Bytes of messages between peers that are no media, as a part of media bytes received.",
    of: |run, _| percent(sum(run, |seen| seen.control as f64), received(run)),
};

pub(super) const REFUSED: Measure = Measure {
    key: "refused_mb",
    label: "refused",
    unit: "MB",
    better: Better::Neither,
    alone_too: false,
    step: 0.1,
    means: "Media that came to honest viewers and failed the check.",
    of: |run, _| Some(sum(run, |seen| seen.refused as f64) / 1e6),
};

pub(super) const WASTED: Measure = Measure {
    key: "wasted_pct",
    label: "wasted",
    unit: "%",
    better: Better::Less,
    alone_too: false,
    step: 0.05,
    means: "Media that failed the check, of all that came to honest viewers.",
    of: |run, _| {
        let refused = sum(run, |seen| seen.refused as f64);
        percent(refused, received(run) + refused)
    },
};

pub(super) const RECEIVED: Measure = Measure {
    key: "received_gb",
    label: "media received",
    unit: "GB",
    better: Better::Neither,
    alone_too: true,
    step: 0.0,
    means: "What honest viewers got from the origin and from peers.",
    of: |run, _| Some(received(run) / 1e9),
};
