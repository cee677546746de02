//! A page and its tables from made-up figures: what reports look like, without waiting for a run.
//!
//!     cargo run -p braidcast-sim --example report -- report.html [viewers]

#[path = "../tests/common/mod.rs"]
mod common;

use sim::report::{Bounds, Summary, html, table};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "report.html".to_owned());
    let viewers = arguments.next().map_or(Ok(600), |text| text.parse())?;
    let runs: Vec<_> = (1..=5).flat_map(|seed| common::crowd(seed, viewers)).collect();
    let bounds: Bounds = toml::from_str(
        "offload_pct = { min = 75 }
         startup_p50_s = { over_alone = 0.1 }
         stall_pct = { over_alone = 0 }
         worse_off_pct = { max = 1 }
         duplicate_pct = { max = 1 }
         copies = { max = 4 }",
    )?;
    let question =
        "Does a live show that everybody joins at once cost the origin a few copies, and nobody a stall?";
    let summary = Summary::of("live-rush", question, &runs).priced_in("EUR").held_to(&bounds);
    print!("{}", table::table(&summary));
    std::fs::write(&path, html::page(&summary, &runs, &common::CLASSES.map(str::to_owned)))?;
    println!("{path}");
    Ok(())
}
