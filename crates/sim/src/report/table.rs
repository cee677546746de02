//! Summaries as text, for a terminal.
//!
//! Invariant: plain characters only, columns by spaces: it can be piped, compared by `diff` and pasted anywhere.

use super::measure::Better;
use super::stats::Figure;
use super::summary::{Row, Summary};
use super::text;

/// A scenario's rows with their bounds. Rows that nothing was measured for are left out unless they are bounded.
pub fn table(summary: &Summary) -> String {
    let head = ["", "", "Braidcast", "", "alone", "", "difference", "", "bound", ""];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    let said = |row: &&Row| row.figure.is_some() || row.alone.is_some() || row.bound.is_some();
    for row in summary.rows.iter().filter(said) {
        let decimals = text::decimals_for(&[row.figure, row.alone]);
        let mut line = vec![row.label.to_owned(), row.unit.clone()];
        line.extend(cells(row.figure, decimals, text::number));
        line.extend(cells(row.alone, decimals, text::number));
        line.extend(cells(row.over_alone, decimals, text::signed));
        line.push(row.bound.map(|bound| bound.to_string()).unwrap_or_default());
        line.push(verdict(row).to_owned());
        lines.push(line);
    }
    let broken = summary.broken().count();
    let closing = match (summary.bounded(), broken) {
        (0, _) => "nothing is demanded of it".to_owned(),
        (all, 0) => format!("{all} of {all} bounds hold"),
        (all, broken) => format!("{broken} of {all} bounds BROKEN"),
    };
    let matrix = summary.matrix.as_ref().map(|matrix| text::aligned(&plain(matrix.cells()), &[0]));
    let (heading, rows) = (heading(summary), text::aligned(&lines, &[0, 1, 3, 5, 7, 8, 9]));
    format!("{heading}\n{rows}{}{closing}\n", matrix.unwrap_or_default())
}

/// Two versions of a scenario side by side, the older first. A star stands where the difference is more than chance: the
/// interval of the differences by seed leaves zero out or, if the seeds are not the same, the two intervals are apart.
pub fn compare(before: &Summary, after: &Summary) -> String {
    let paired = before.seeds == after.seeds;
    let head = ["", "", "before", "", "after", "", "difference", "", ""];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    for old in &before.rows {
        let Some(new) = after.row(old.key) else { continue };
        if old.figure.is_none() && new.figure.is_none() {
            continue;
        }
        let difference = difference(old, new, paired);
        let decimals = text::decimals_for(&[old.figure, new.figure]);
        let mut line = vec![old.label.to_owned(), new.unit.clone()];
        line.extend(cells(old.figure, decimals, text::number));
        line.extend(cells(new.figure, decimals, text::number));
        line.extend(cells(difference, decimals, text::signed));
        let beyond_chance = match (difference, old.figure, new.figure) {
            (Some(difference), ..) if paired => difference.is_beyond_chance(),
            (_, Some(old), Some(new)) => !old.overlaps(&new),
            _ => false,
        };
        let word = difference.filter(|_| beyond_chance).map_or("", |d| direction(old.better, d.mean));
        line.push(if beyond_chance { format!("* {word}").trim_end().to_owned() } else { String::new() });
        lines.push(line);
    }
    let how = if paired { "by seed" } else { "the seeds differ, so only intervals that are apart count" };
    let table = text::aligned(&lines, &[0, 1, 3, 5, 7, 8]);
    format!("{}\nagainst {} ({how})\n{table}", heading(after), text::plain(&before.name))
}

/// The difference of a row between two versions: by seed where the seeds are the same, else of the means alone.
fn difference(old: &Row, new: &Row, paired: bool) -> Option<Figure> {
    if paired {
        let values = old.by_seed.iter().zip(&new.by_seed);
        Figure::of(values.filter_map(|(old, new)| Some((*new)? - (*old)?)))
    } else {
        Some(Figure { mean: new.figure?.mean - old.figure?.mean, within: None })
    }
}

/// "better", "worse", or nothing where neither way is good.
pub(super) fn direction(better: Better, difference: f64) -> &'static str {
    match better {
        Better::Neither => "",
        _ if difference == 0.0 => "",
        Better::Less => ["better", "worse"][usize::from(difference > 0.0)],
        Better::More | Better::Machine => ["worse", "better"][usize::from(difference > 0.0)],
    }
}

/// What a row's bound came to.
pub(super) fn verdict(row: &Row) -> &'static str {
    match row.holds {
        None => "",
        Some(true) => "ok",
        Some(false) if row.figure.is_none() => "BROKEN (not measured)",
        Some(false) => "BROKEN",
    }
}

/// Names of a scenario's places may hold anything.
fn plain(lines: Vec<Vec<String>>) -> Vec<Vec<String>> {
    lines.iter().map(|line| line.iter().map(|cell| text::plain(cell)).collect()).collect()
}

fn heading(summary: &Summary) -> String {
    let asked = text::plain(&format!("{}: {}", summary.name, summary.question));
    let seeds: Vec<String> = summary.seeds.iter().map(u64::to_string).collect();
    let (word, note) = match seeds.len() {
        0 => return format!("{asked}\nno runs"),
        1 => ("seed", ", too few for intervals"),
        _ => ("seeds", "; ± is the 95 % interval over seeds"),
    };
    format!("{asked}\n{word} {}{note}", seeds.join(", "))
}

fn cells(figure: Option<Figure>, decimals: usize, write: fn(f64, usize) -> String) -> [String; 2] {
    figure.map_or_else(Default::default, |figure| {
        [write(figure.mean, decimals), text::within(&figure, decimals)]
    })
}
