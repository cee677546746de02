//! Who feeds whom: a ring of viewers round the origin.
//!
//! Invariant: at most [`VIEWERS`] viewers and [`FEEDS`] lines, whatever the run. Of a larger crowd a neighbourhood is
//! drawn: a sample by chance of a few in thousands would hardly hold two that met.

use std::collections::{BTreeMap, BTreeSet};

use super::plots::figure;
use super::svg::escape;
use super::text::brief;
use crate::figures::{Feed, Run, Seen};

/// Viewers on the ring.
const VIEWERS: usize = 200;
/// Lines between them.
const FEEDS: usize = 900;

const MIDDLE: f64 = 300.0;
const RING: f64 = 262.0;
const CORE: f64 = 34.0;

/// The map of one run; empty if nobody fed anybody.
pub(super) fn who_feeds_whom(run: &Run) -> String {
    let known = |feed: &&Feed| {
        let last = run.viewers.len() as u64;
        feed.bytes > 0 && feed.from != feed.to && u64::from(feed.from.max(feed.to)) < last
    };
    let mut feeds: Vec<&Feed> = run.feeds.iter().filter(known).collect();
    feeds.sort_by_key(|feed| (std::cmp::Reverse(feed.bytes), feed.from, feed.to));
    let chosen = chosen(&feeds, run.viewers.len());
    feeds.retain(|feed| chosen.contains(&feed.from) && chosen.contains(&feed.to));
    feeds.truncate(FEEDS);
    let Some(most) = feeds.first().map(|feed| feed.bytes as f64) else { return String::new() };

    let ring: Vec<u32> = chosen.into_iter().collect();
    let seen: Vec<&Seen> = ring.iter().map(|&viewer| &run.viewers[viewer as usize]).collect();
    let place = |viewer: u32| ring.binary_search(&viewer).unwrap_or(0);
    let spot = |at: usize, radius: f64| {
        let (sin, cos) = libm::sincos(at as f64 / ring.len() as f64 * std::f64::consts::TAU);
        (MIDDLE + radius * sin, MIDDLE - radius * cos)
    };
    let given = seen.iter().map(|seen| seen.to_peers as f64).fold(1.0, f64::max);
    let fetched = seen.iter().map(|seen| seen.from_origin as f64).fold(1.0, f64::max);

    let mut picture = format!(
        "<svg class=\"map\" viewBox=\"0 0 {0} {0}\" role=\"img\" aria-label=\"Who feeds whom\">",
        2.0 * MIDDLE
    );
    for (at, seen) in seen.iter().enumerate().filter(|(_, seen)| seen.from_origin > 0) {
        let ((ax, ay), (bx, by)) = (spot(at, CORE), spot(at, RING));
        let part = seen.from_origin as f64 / fetched;
        picture.push_str(&format!(
            "<path class=\"spoke\" data-b=\"{at}\" d=\"M{ax:.1} {ay:.1}L{bx:.1} {by:.1}\" style=\"--w:{:.1};--o:{:.2}\"/>",
            0.4 + 2.6 * part,
            0.06 + 0.3 * part
        ));
    }
    // The strongest last, so that they lie on top.
    for feed in feeds.iter().rev() {
        let (from, to) = (place(feed.from), place(feed.to));
        let ((ax, ay), (bx, by)) = (spot(from, RING), spot(to, RING));
        let bend = |a: f64, b: f64| MIDDLE + ((a + b) / 2.0 - MIDDLE) * 0.42;
        let part = feed.bytes as f64 / most;
        picture.push_str(&format!(
            "<path class=\"feed\" data-a=\"{from}\" data-b=\"{to}\" d=\"M{ax:.1} {ay:.1}Q{:.1} {:.1} {bx:.1} {by:.1}\" style=\"--w:{:.1};--o:{:.2}\"/>",
            bend(ax, bx),
            bend(ay, by),
            0.4 + 1.8 * part,
            0.07 + 0.5 * part * part
        ));
    }
    picture.push_str(&format!(
        "<circle class=\"core\" cx=\"{MIDDLE}\" cy=\"{MIDDLE}\" r=\"{CORE}\"/>\
         <text class=\"corename\" x=\"{MIDDLE}\" y=\"{}\" text-anchor=\"middle\">origin</text>\
         <text class=\"name\" x=\"{MIDDLE}\" y=\"14\" text-anchor=\"middle\">first to come →</text>",
        MIDDLE + 4.5
    ));
    for (at, seen) in seen.iter().enumerate() {
        let (x, y) = spot(at, RING);
        let gets: Vec<&&Feed> = feeds.iter().filter(|feed| feed.to == ring[at]).collect();
        let gives = feeds.iter().filter(|feed| feed.from == ring[at]).count();
        let received = (seen.from_origin + seen.from_peers).max(1) as f64;
        let share = 100.0 * seen.from_peers as f64 / received;
        let title = format!(
            "Viewer {}{}: came at {} s, stayed {} s; {} % from peers, gave {} MB. Drawn: gives to {gives}, gets from {}",
            ring[at] + 1,
            if seen.honest { "" } else { " (breaks the rules)" },
            brief(seen.came_s),
            brief(seen.stayed_s),
            brief(share),
            brief(seen.to_peers as f64 / 1e6),
            gets.len()
        );
        picture.push_str(&format!(
            "<circle class=\"{}\" data-n=\"{at}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{:.1}\" style=\"--p:{share:.0}%\"><title>{}</title></circle>",
            if seen.honest { "node" } else { "node cheat" },
            2.2 + 7.8 * (seen.to_peers as f64 / given).sqrt(),
            escape(&title)
        ));
    }
    picture.push_str("</svg>");
    let all = run.viewers.len();
    let who = if ring.len() == all {
        format!("all {all} viewers")
    } else {
        format!("{} of {all} viewers, the neighbourhood of the one who exchanged the most", ring.len())
    };
    let note = format!(
        "seed {}; {who}, clockwise in the order in which they came. Size: what a viewer gave. Colour: where its own came \
         from, between the two below. Point at a viewer for its exchanges.",
        run.seed
    );
    let side = "<p class=\"told\" aria-live=\"polite\"></p>";
    let mut legend =
        vec![("in", "all from peers"), ("origin", "all from the origin"), ("out", "gives, when pointed at")];
    if seen.iter().any(|seen| !seen.honest) {
        legend.push(("bad", "rimmed: breaks the rules"));
    }
    figure("Who feeds whom", &note, &legend, &format!("{picture}{side}"))
}

/// Whom to draw: everybody, or a neighbourhood. It begins with whoever exchanged the most, and whoever exchanged the most
/// with those in it is the next to come in.
fn chosen(feeds: &[&Feed], all: usize) -> BTreeSet<u32> {
    if all <= VIEWERS {
        return (0..all as u32).collect();
    }
    let mut met = BTreeMap::<u32, Vec<(u32, u64)>>::new();
    for feed in feeds {
        met.entry(feed.from).or_default().push((feed.to, feed.bytes));
        met.entry(feed.to).or_default().push((feed.from, feed.bytes));
    }
    // Bytes exchanged with those in it, and bytes exchanged at all, of those who are not in it.
    let total = |with: &Vec<(u32, u64)>| with.iter().map(|(_, bytes)| bytes).sum::<u64>();
    let mut outside: BTreeMap<u32, (u64, u64)> =
        met.iter().map(|(&viewer, with)| (viewer, (0, total(with)))).collect();
    let mut chosen = BTreeSet::new();
    while chosen.len() < VIEWERS {
        let next = outside.iter().max_by_key(|&(&viewer, &bytes)| (bytes, std::cmp::Reverse(viewer)));
        let Some((&next, _)) = next else { break };
        outside.remove(&next);
        chosen.insert(next);
        for (viewer, bytes) in &met[&next] {
            if let Some((inside, _)) = outside.get_mut(viewer) {
                *inside += bytes;
            }
        }
    }
    chosen
}
