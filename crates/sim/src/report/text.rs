//! How numbers are written, in every kind of report.
//!
//! Invariant: a mean, its interval and what it is compared with have the same number of decimals, set by the largest, so
//! that they can be read against each other.

use super::stats::Figure;

/// Decimals that leave about three significant digits.
pub(super) fn decimals(largest: f64) -> usize {
    match largest.abs() {
        0.0 => 0,
        0.0..0.001 => 6,
        0.001..0.01 => 5,
        0.01..0.1 => 4,
        0.1..1.0 => 3,
        1.0..100.0 => 2,
        100.0..1000.0 => 1,
        _ => 0,
    }
}

/// Decimals that suit all of them; none where all are whole.
pub(super) fn decimals_for(figures: &[Option<Figure>]) -> usize {
    let is_whole =
        |figure: &Figure| figure.mean.fract() == 0.0 && figure.within.unwrap_or(0.0).fract() == 0.0;
    if figures.iter().flatten().all(is_whole) {
        return 0;
    }
    let sizes = figures.iter().flatten().map(|figure| figure.mean.abs().max(figure.within.unwrap_or(0.0)));
    decimals(sizes.fold(0.0, f64::max))
}

/// With commas between thousands.
pub(super) fn number(value: f64, decimals: usize) -> String {
    let plain = format!("{value:.decimals$}");
    let (sign, digits) = plain.strip_prefix('-').map_or(("", plain.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.find('.').map_or((digits, ""), |dot| digits.split_at(dot));
    // What rounds to zero has no sign.
    let sign = if digits.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) { sign } else { "" };
    let mut out = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + fraction
}

/// With as many decimals as it takes.
pub(super) fn brief(value: f64) -> String {
    let plain = number(value, decimals(value));
    if plain.contains('.') { plain.trim_end_matches('0').trim_end_matches('.').to_owned() } else { plain }
}

/// With its sign, also when it is positive.
pub(super) fn signed(value: f64, decimals: usize) -> String {
    let plain = number(value, decimals);
    let is_nothing = !plain.bytes().any(|digit| (b'1'..=b'9').contains(&digit));
    if value > 0.0 && !is_nothing { format!("+{plain}") } else { plain }
}

/// The half width of an interval, empty for a single seed.
pub(super) fn within(figure: &Figure, decimals: usize) -> String {
    figure.within.map(|within| format!("± {}", number(within, decimals))).unwrap_or_default()
}

/// A scenario's text on one line of a terminal, without characters that would make the terminal do something.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Columns, each as wide as it must be. `left` says which are flush left. The first line is the head.
pub(super) fn aligned(lines: &[Vec<String>], left: &[usize]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for line in lines {
        let mut text = String::new();
        for (column, cell) in line.iter().enumerate().filter(|&(column, _)| widths[column] > 0) {
            if !text.is_empty() {
                text.push_str("  ");
            }
            let room = " ".repeat(widths[column] - cell.chars().count());
            if left.contains(&column) {
                text.push_str(cell);
                text.push_str(&room);
            } else {
                text.push_str(&room);
                text.push_str(cell);
            }
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}
