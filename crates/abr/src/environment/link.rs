//! A link whose rate is a trace, over and over. Invariant: every transfer ends.

use alloc::vec::Vec;

/// What a link carried over time, or might have.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    spans: Vec<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Span {
    /// Seconds from the start of the trace.
    end: f64,
    /// Mbit/s since the span before.
    mbps: f64,
}

impl Trace {
    /// A trace from points of (seconds since its start, Mbit/s since the point before). `None` unless times ascend from
    /// above 0, rates are finite and not negative, and at least one is above 0.
    pub fn new(points: impl IntoIterator<Item = (f64, f64)>) -> Option<Self> {
        let spans: Vec<Span> = points.into_iter().map(|(end, mbps)| Span { end, mbps }).collect();
        let starts = core::iter::once(0.0).chain(spans.iter().map(|span| span.end));
        let ascending = starts.zip(&spans).all(|(start, span)| start < span.end && span.end.is_finite());
        let rates = spans.iter().all(|span| span.mbps >= 0.0 && span.mbps.is_finite());
        (ascending && rates && spans.iter().any(|span| span.mbps > 0.0)).then_some(Self { spans })
    }

    /// The same with every rate `factor` times as high. Watching at a link k times as fast is the same as watching a ladder
    /// k times as low: so a fast link is compared with slow ones on one ladder. `None` if `factor` is not above 0.
    pub fn scaled(&self, factor: f64) -> Option<Self> {
        Self::new(self.spans.iter().map(|span| (span.end, span.mbps * factor)))
    }

    /// Seconds until it begins again.
    pub fn seconds(&self) -> f64 {
        self.spans.last().map_or(0.0, |span| span.end)
    }

    /// Mbit/s on average.
    pub fn mean_mbps(&self) -> f64 {
        let starts = core::iter::once(0.0).chain(self.spans.iter().map(|span| span.end));
        let megabits: f64 = starts.zip(&self.spans).map(|(start, span)| (span.end - start) * span.mbps).sum();
        megabits / self.seconds()
    }
}

/// A place in a trace that is replayed for ever.
#[derive(Clone, Debug)]
pub(crate) struct Link<'a> {
    trace: &'a Trace,
    /// The span the place is in.
    span: usize,
    /// Seconds from the start of the trace.
    at: f64,
}

impl<'a> Link<'a> {
    pub(crate) fn new(trace: &'a Trace) -> Self {
        Self { trace, span: 0, at: 0.0 }
    }

    /// Goes on until `bits` have passed, of which `share` of the link's rate is payload; how many seconds that took.
    pub(crate) fn carry(&mut self, bits: f64, share: f64) -> f64 {
        let mut left = bits;
        let mut took = 0.0;
        loop {
            let Span { end, mbps } = self.trace.spans[self.span];
            let rate = mbps * 1e6 * share;
            let span = end - self.at;
            if rate * span > left {
                self.at += left / rate;
                return took + left / rate;
            }
            left -= rate * span;
            took += span;
            self.enter_next();
        }
    }

    /// Goes on by `seconds`.
    pub(crate) fn idle(&mut self, seconds: f64) {
        let mut left = seconds;
        loop {
            let span = self.trace.spans[self.span].end - self.at;
            if span > left {
                self.at += left;
                return;
            }
            left -= span;
            self.enter_next();
        }
    }

    fn enter_next(&mut self) {
        self.at = self.trace.spans[self.span].end;
        self.span += 1;
        if self.span == self.trace.spans.len() {
            self.span = 0;
            self.at = 0.0;
        }
    }
}
