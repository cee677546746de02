//! Charts as inline SVG: axes, lines, areas, bars.
//!
//! Invariant: no colour and no font is set here, only classes: the page's style sheet makes them fit for light, dark and
//! paper. Whatever the data, a chart has a bounded number of elements.

use super::text;

/// Points a line is drawn with; more would not be seen.
const POINTS: usize = 240;
/// Places that can be pointed at for their figures.
const PLACES: usize = 96;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 40.0;

/// One axis: what is measured along it, and from where to where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis<'a> {
    pub label: &'a str,
    pub low: f64,
    pub high: f64,
}

/// A chart being drawn.
#[derive(Debug)]
pub(super) struct Chart {
    x: Scale,
    y: Scale,
    axes: String,
    body: String,
    over: String,
}

#[derive(Clone, Copy, Debug)]
struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Chart {
    /// An empty one. The axes are lengthened to the next round number, `x` only if `round_x`.
    pub fn new(x: Axis, y: Axis, round_x: bool) -> Self {
        let x_step = step(x.high - x.low, 6.0);
        let y_step = step(y.high - y.low, 5.0);
        let up = |high: f64, low: f64, step: f64| low + ((high - low) / step - 1e-9).ceil().max(1.0) * step;
        let x_high = if round_x { up(x.high, x.low, x_step) } else { x.high.max(x.low + 1e-9) };
        let x_scale = Scale { low: x.low, high: x_high, from: LEFT, to: WIDTH - RIGHT };
        let y_high = up(y.high, y.low, y_step);
        let y_scale = Scale { low: y.low, high: y_high, from: HEIGHT - BOTTOM, to: TOP };
        let mut axes = String::new();
        for (value, label) in ticks(y.low, y_high, y_step) {
            let at = y_scale.at(value);
            let right = WIDTH - RIGHT;
            axes.push_str(&format!(
                "<path class=\"rule\" d=\"M{LEFT} {at:.1}H{right}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                LEFT - 8.0,
                at + 4.0
            ));
        }
        for (value, label) in ticks(x.low, x_high, x_step) {
            let at = x_scale.at(value);
            axes.push_str(&format!(
                "<path class=\"tick\" d=\"M{at:.1} {:.1}v5\"/><text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
                HEIGHT - BOTTOM,
                HEIGHT - BOTTOM + 19.0
            ));
        }
        axes.push_str(&format!(
            "<path class=\"axis\" d=\"M{LEFT} {0}H{1}\"/><text class=\"name\" x=\"2\" y=\"14\">{2}</text>\
             <text class=\"name\" x=\"{1}\" y=\"{3}\" text-anchor=\"end\">{4}</text>",
            HEIGHT - BOTTOM,
            WIDTH - RIGHT,
            escape(y.label),
            HEIGHT - 3.0,
            escape(x.label),
        ));
        Self { x: x_scale, y: y_scale, axes, body: String::new(), over: String::new() }
    }

    /// A line from point to point.
    pub fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        let points = thinned(points, POINTS);
        let path = self.path(points.iter().copied());
        self.body.push_str(&format!("<path class=\"line {class}\" d=\"{path}\"/>"));
    }

    /// The space between two lines over the same `x`: (x, lower, upper).
    pub fn area(&mut self, class: &str, points: &[(f64, f64, f64)]) {
        let points = thinned(points, POINTS);
        let above = points.iter().map(|&(x, _, y)| (x, y));
        let below = points.iter().rev().map(|&(x, y, _)| (x, y));
        let path = self.path(above.chain(below));
        self.body.push_str(&format!("<path class=\"area {class}\" d=\"{path}Z\"/>"));
    }

    /// A bar that stands on the axis, with what is said when it is pointed at.
    pub fn bar(&mut self, class: &str, from: f64, to: f64, height: f64, title: &str) {
        let (left, right) = (self.x.at(from), self.x.at(to));
        let (top, foot) = (self.y.at(height), self.y.at(self.y.low));
        self.body.push_str(&format!(
            "<rect class=\"block {class}\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
            left + 0.5,
            (right - left - 1.0).max(0.8),
            (foot - top).max(0.0),
            escape(title)
        ));
    }

    /// Makes the neighbourhood of every `x` say its title when it is pointed at; of many, evenly spaced ones.
    pub fn titles(&mut self, titles: impl IntoIterator<Item = (f64, String)>) {
        let titles: Vec<(f64, String)> = titles.into_iter().collect();
        let kept = thinned_refs(&titles, PLACES);
        for (index, (x, title)) in kept.iter().enumerate() {
            let middle = |other: Option<&&(f64, String)>, edge: f64| {
                other.map_or(edge, |other| (self.x.at(other.0) + self.x.at(*x)) / 2.0)
            };
            let left = middle(index.checked_sub(1).and_then(|before| kept.get(before)), self.x.from);
            let right = middle(kept.get(index + 1), self.x.to);
            self.over.push_str(&format!(
                "<g class=\"place\"><rect x=\"{left:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"/>\
                 <path d=\"M{:.1} {TOP}V{:.1}\"/><title>{}</title></g>",
                (right - left).max(0.5),
                HEIGHT - TOP - BOTTOM,
                self.x.at(*x),
                HEIGHT - BOTTOM,
                escape(title)
            ));
        }
    }

    /// The picture; `says` is for those who do not see it.
    pub fn finish(self, says: &str) -> String {
        format!(
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">{}{}{}</svg>",
            escape(says),
            self.axes,
            self.body,
            self.over
        )
    }

    fn path(&self, points: impl Iterator<Item = (f64, f64)>) -> String {
        let mut path = String::new();
        for (index, (x, y)) in points.enumerate() {
            let letter = if index == 0 { 'M' } else { 'L' };
            path.push_str(&format!("{letter}{:.1} {:.1}", self.x.at(x), self.y.at(y)));
        }
        path
    }
}

impl Scale {
    fn at(&self, value: f64) -> f64 {
        let part = (value - self.low) / (self.high - self.low);
        self.from + part.clamp(0.0, 1.0) * (self.to - self.from)
    }
}

/// Text that may come from anybody, made safe between tags and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Control characters have no place in HTML, not even as references.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// At most `most` of them, evenly spaced, the first and the last among them.
pub(super) fn thinned<T: Copy>(all: &[T], most: usize) -> Vec<T> {
    thinned_refs(all, most).into_iter().copied().collect()
}

fn thinned_refs<T>(all: &[T], most: usize) -> Vec<&T> {
    if all.len() <= most {
        return all.iter().collect();
    }
    (0..most).map(|index| &all[index * (all.len() - 1) / (most - 1)]).collect()
}

/// 1, 2 or 5 times a power of ten, of which about `wanted` make up the span.
fn step(span: f64, wanted: f64) -> f64 {
    let least = if span.is_finite() && span > 1e-12 { span.min(1e18) / wanted } else { 1.0 / wanted };
    let mut ten = 1.0;
    while ten > least {
        ten /= 10.0;
    }
    while ten * 10.0 <= least {
        ten *= 10.0;
    }
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|times| times * ten)
        .find(|step| *step >= least * 0.999)
        .unwrap_or(ten)
}

fn ticks(low: f64, high: f64, step: f64) -> Vec<(f64, String)> {
    let decimals = if step >= 0.999 { 0 } else { text::decimals(step).saturating_sub(2).max(1) };
    let count = ((high - low) / step + 1e-6) as usize;
    (0..=count.min(24))
        .map(|index| low + index as f64 * step)
        .map(|at| (at, text::number(at, decimals)))
        .collect()
}
