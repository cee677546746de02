//! What offices and schools send each other, and what their lines carry. A run without sites has none of these.

use super::{Better, Measure};

pub(super) const LINE_COPIES: Measure = Measure {
    key: "line_copies",
    label: "line of a site, copies",
    unit: "",
    better: Better::Less,
    alone_too: true,
    step: 0.02,
    means: "Of sites whose people meet each other, and nobody outside: what came into the site by its line, as a multiple of all that anybody there watched. \
            The most of any site.",
    of: |run, _| {
        let sites = run.sites.as_ref()?;
        (0..sites.places.len())
            .filter(|&at| sites.places[at].is_closed)
            .filter_map(|at| sites.copies(at))
            .reduce(f64::max)
    },
};

pub(super) const BETWEEN_APART: Measure = Measure {
    key: "between_apart_bytes",
    label: "between those kept apart",
    unit: "bytes",
    better: Better::Less,
    alone_too: false,
    step: 0.0,
    means: "What went between viewers whom the operator of the tracker keeps apart, headers and messages among it.",
    of: |run, _| Some(run.sites.as_ref()?.between_apart as f64),
};
