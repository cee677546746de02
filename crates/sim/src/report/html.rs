//! A scenario as one page.
//!
//! Invariant: the page asks nothing of any network (its own policy forbids it), and no text of a scenario is taken for
//! markup. It reads the same without its few lines of script.

use super::measure::{Better, MEASURES, Measure};
use super::stats::Figure;
use super::summary::{Row, Summary};
use super::svg::escape;
use super::{map, plots, series, table, text};
use crate::figures::Run;

/// The page of one scenario. `classes` names the access classes by their number; those without a name go by it.
pub fn page(summary: &Summary, runs: &[Run], classes: &[String]) -> String {
    let first = summary.seeds.iter().find_map(|&seed| runs.iter().find(|run| run.seed == seed && !run.alone));
    let beside = first.and_then(|first| runs.iter().find(|run| run.seed == first.seed && run.alone));
    let over_time = first.map(|run| series::over_time(run, beside)).unwrap_or_default().concat();
    let distributions = plots::distributions(runs, classes).concat();
    let map = first.map(map::who_feeds_whom).unwrap_or_default();
    let question = escape(&summary.question);
    let name = escape(&summary.name);
    let parts = [
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta http-equiv=\"Content-Security-Policy\" \
             content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
             <title>{question}</title>\n<style>\n{}</style>\n</head>\n<body>\n",
            include_str!("page.css")
        ),
        format!(
            "<header><p class=\"brand\">Braidcast <span>simulated: {name}</span></p><h1>{question}</h1>\
             <p class=\"facts\">{} {}</p></header>\n<main>\n",
            outcome(summary),
            escape(&scale(summary, first))
        ),
        format!("<section class=\"tiles\">{}</section>\n", tiles(summary)),
        section("Over time", "grid", &over_time),
        section("From viewer to viewer", "grid", &distributions),
        section("", "alone", &map),
        places(summary),
        format!("<section><h2>All figures</h2>{}</section>\n", rows(summary)),
        format!("</main>\n<footer>{}</footer>\n", notes(summary)),
        format!("<script>\n{}</script>\n</body>\n</html>\n", include_str!("page.js")),
    ];
    parts.concat()
}

fn section(title: &str, class: &str, figures: &str) -> String {
    let heading = if title.is_empty() { String::new() } else { format!("<h2>{title}</h2>") };
    if figures.is_empty() {
        return String::new();
    }
    format!("<section>{heading}<div class=\"{class}\">\n{figures}</div></section>\n")
}

/// Who sent what to which place.
fn places(summary: &Summary) -> String {
    let Some(matrix) = &summary.matrix else { return String::new() };
    let row = |(at, cells): (usize, Vec<String>)| {
        let kind = if at == 0 { "col" } else { "row" };
        let cells = cells.iter().enumerate().map(|(column, cell)| match (at, column) {
            (0, _) | (_, 0) => format!("<th scope=\"{kind}\">{}</th>", escape(cell)),
            _ => format!("<td>{}</td>", escape(cell)),
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let rows: String = matrix.cells().into_iter().enumerate().map(row).collect();
    format!(
        "<section><h2>From place to place</h2><div class=\"scroll\"><table class=\"places\">{rows}</table></div></section>\n"
    )
}

/// Whether the bounds hold, as a chip.
fn outcome(summary: &Summary) -> String {
    let (all, broken) = (summary.bounded(), summary.broken().count());
    match (all, broken) {
        (0, _) => String::new(),
        (_, 0) => format!("<strong class=\"chip good\">{all} of {all} bounds hold</strong>"),
        _ => format!("<strong class=\"chip bad\">{broken} of {all} bounds broken</strong>"),
    }
}

fn scale(summary: &Summary, first: Option<&Run>) -> String {
    let seeds = match summary.seeds.len() {
        0 => return "No runs.".to_owned(),
        1 => "one seed".to_owned(),
        n => format!("{n} seeds"),
    };
    let beside = if summary.rows.iter().any(|row| row.alone.is_some()) {
        ", each also with the origin alone"
    } else {
        ""
    };
    let run = first.map(|run| {
        let viewers = text::number(run.viewers.len() as f64, 0);
        format!("{viewers} viewers in {} simulated minutes; ", text::brief(run.seconds / 60.0))
    });
    format!("{}{seeds}{beside}.", run.unwrap_or_default())
}

/// What one looks for first.
fn tiles(summary: &Summary) -> String {
    let mut out = String::new();
    if let Some((offload, figure)) = summary.row("offload_pct").and_then(|row| Some((row, row.figure?))) {
        let ceiling = summary.row("ceiling_pct").and_then(|row| row.figure);
        let of = ceiling.map(|ceiling| format!("of {} % possible", text::brief(ceiling.mean)));
        out.push_str(&format!(
            "<div class=\"tile\"><h3>{}</h3><p><b>{}</b> %</p>{}<p class=\"sub\">{}</p></div>",
            offload.label,
            text::brief(figure.mean),
            bar(figure.mean, ceiling.map(|ceiling| ceiling.mean)),
            of.unwrap_or_default()
        ));
    }
    for key in ["startup_p50_s", "stall_pct", "qoe_mbps", "cost_per_hour"] {
        let Some((row, figure)) = summary.row(key).and_then(|row| Some((row, row.figure?))) else { continue };
        let decimals = text::decimals_for(&[row.figure, row.alone]);
        let alone = row.alone.map(|alone| format!("alone {}", text::number(alone.mean, decimals)));
        // A long unit has no room beside the number.
        let (above, beside) =
            if row.unit.len() > 7 { (row.unit.as_str(), "") } else { ("", row.unit.as_str()) };
        out.push_str(&format!(
            "<div class=\"tile\"><h3>{} <small>{}</small></h3><p><b class=\"{}\">{}</b> {}</p><p class=\"sub\">{}</p></div>",
            row.label,
            escape(above),
            tone(row),
            text::number(figure.mean, decimals),
            escape(beside),
            alone.unwrap_or_default()
        ));
    }
    out
}

fn bar(value: f64, ceiling: Option<f64>) -> String {
    let mark = ceiling.map(|at| format!("<u style=\"left:{:.1}%\"></u>", at.clamp(0.0, 100.0)));
    let width = value.clamp(0.0, 100.0);
    format!("<div class=\"bar\"><i style=\"width:{width:.1}%\"></i>{}</div>", mark.unwrap_or_default())
}

/// Good or bad news, where the difference to the origin alone is more than chance and worth a word. What the scenario
/// has allowed is no bad news.
fn tone(row: &Row) -> &'static str {
    let step = Measure::named(row.key).map_or(0.0, |measure| measure.step);
    let tenth = row.alone.map_or(f64::INFINITY, |alone| alone.mean.abs() / 10.0);
    let told = row.over_alone.filter(|over| over.is_beyond_chance() && over.mean.abs() > step.min(tenth));
    match told.map(|difference| table::direction(row.better, difference.mean)) {
        Some("better") => "good",
        Some("worse") if row.holds != Some(true) => "bad",
        _ => "",
    }
}

fn rows(summary: &Summary) -> String {
    let mut out = String::from(
        "<div class=\"scroll\"><table><thead><tr><th></th><th colspan=\"2\">Braidcast</th>\
         <th colspan=\"2\">origin alone</th><th colspan=\"2\">difference</th><th>unit</th><th>bound</th><th></th></tr>\
         </thead><tbody>\n",
    );
    let said = |row: &&Row| row.figure.is_some() || row.alone.is_some() || row.bound.is_some();
    for row in summary.rows.iter().filter(said) {
        let decimals = text::decimals_for(&[row.figure, row.alone]);
        let means =
            MEASURES.iter().find(|measure| measure.key == row.key).map_or("", |measure| measure.means);
        out.push_str(&format!(
            "<tr><th scope=\"row\" title=\"{}\">{}</th>{}{}{}<td class=\"unit\">{}</td><td class=\"bound\">{}</td>{}</tr>\n",
            escape(means),
            escape(row.label),
            cells(row.figure, decimals, text::number, ""),
            cells(row.alone, decimals, text::number, "other"),
            cells(row.over_alone, decimals, text::signed, tone(row)),
            escape(&row.unit),
            escape(&row.bound.map(|bound| bound.to_string()).unwrap_or_default()),
            match row.holds {
                None => "<td></td>".to_owned(),
                Some(true) => "<td class=\"good\">ok</td>".to_owned(),
                Some(false) => format!("<td class=\"bad\">{}</td>", table::verdict(row)),
            },
        ));
    }
    out + "</tbody></table></div>"
}

fn cells(figure: Option<Figure>, decimals: usize, write: fn(f64, usize) -> String, class: &str) -> String {
    let [mean, within] = figure.map_or_else(Default::default, |figure| {
        [write(figure.mean, decimals), text::within(&figure, decimals)]
    });
    format!("<td class=\"{class}\">{mean}</td><td class=\"within\">{within}</td>")
}

fn notes(summary: &Summary) -> String {
    let defined = MEASURES.iter().filter(|measure| measure.better != Better::Machine).map(|measure| {
        format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(measure.label), escape(measure.means))
    });
    let traces = summary.seeds.iter().zip(&summary.traces).filter(|(_, trace)| !trace.is_empty());
    let traces: Vec<String> =
        traces.map(|(seed, trace)| format!("{seed}: <code>{}</code>", escape(trace))).collect();
    let mut out = String::from(
        "<p>Figures are means over seeds; ± is half the width of their 95 % interval. A difference is taken seed by \
         seed, between the same viewers on the same networks.</p>",
    );
    if !summary.ceiling_why.is_empty() {
        out.push_str(&format!("<p>The ceiling of the offload: {}</p>", escape(&summary.ceiling_why)));
    }
    out.push_str(&format!(
        "<details><summary>What the rows mean</summary><dl>{}</dl></details>",
        defined.collect::<String>()
    ));
    if !traces.is_empty() {
        out.push_str(&format!(
            "<details><summary>Digests of the runs, by seed</summary><p>{}</p></details>",
            traces.join("<br>")
        ));
    }
    out
}
