//! `braidcast seed`: a seeder for pages of another system.

use crate::args::{Compat, ReleaseFamily, Seed};
use crate::config::{File, OneOrMany};
use crate::progress::Screen;
use crate::stop::Asked;
use crate::{Wrong, admin, reach, say, stop, token, uplink};
use anyhow::{Context, Result, anyhow};
use node::admin::Figure;
use node::cache::{self, Cache};
use node::links;
use node::pml::identity::Family;
use node::seed::{Options, SeedStats, Seeder};
use node::uplink::{Cap, Uplink};
use std::process::ExitCode;
use std::sync::Arc;

/// Disk for segments until something else is said, 10 GB.
const DEFAULT_DISK_BYTES: u64 = 10_000_000_000;
/// Memory for segments that are often asked for, 128 MiB.
const MEMORY_BYTES: u64 = 128 << 20;
/// Viewers until something else is said.
const DEFAULT_VIEWERS: usize = 500;

pub async fn run(args: Seed, file: &File, screen: &Screen) -> Result<ExitCode> {
    let named = args.hls.or(file.hls.clone()).context("--hls URL: which playlist?").map_err(Wrong::wrap)?;
    let hls = named.parse().with_context(|| format!("--hls {named} is no address")).map_err(Wrong::wrap)?;
    let trackers = OneOrMany::under(args.tracker, file.tracker.as_ref());
    if trackers.is_empty() {
        return Err(Wrong::wrap(anyhow!("--tracker URL: which tracker do the pages use?")));
    }
    // There is one so far.
    let Compat::P2pMediaLoader = args.compat.or(file.compat).unwrap_or(Compat::P2pMediaLoader);
    let mut families = OneOrMany::under(args.family, file.family.as_ref());
    if families.is_empty() {
        families = vec![ReleaseFamily::A, ReleaseFamily::B, ReleaseFamily::C];
    }
    let metered = args.metered.or(file.metered).unwrap_or(false);
    let plan = uplink::plan("up", &args.up, file.up.as_ref(), Cap::Unlimited, metered)?;
    if !plan.is_ever_open() {
        let help = match metered {
            true => {
                "--metered leaves a seeder nothing to do: name the hours in which it may give, as --up 22:00-06:00=20M"
            }
            false => "--up 0 leaves a seeder nothing to do",
        };
        return Err(Wrong::wrap(anyhow!(help)));
    }
    let pass = token::pass(&args.pass, file).map_err(Wrong::wrap)?;
    let drain = uplink::drain(args.running.drain.as_ref(), file.drain.as_ref())?;
    let disk_bytes = args
        .cache_size
        .as_deref()
        .or(file.cache_size.as_deref())
        .map(size)
        .transpose()
        .map_err(Wrong::wrap)?;
    let dir = args.cache.or(file.cache.clone()).unwrap_or_else(|| file.data(None).join("seed"));
    let cache = Cache::open(cache::Config {
        dir: dir.clone(),
        disk_bytes: disk_bytes.unwrap_or(DEFAULT_DISK_BYTES),
        memory_bytes: MEMORY_BYTES,
    })
    .await
    .map_err(Wrong::wrap)?;
    let links = reach::config(args.reach, file).await?;
    let max_connections = args.viewers.or(file.viewers).unwrap_or(DEFAULT_VIEWERS).max(1);
    let uplink = Uplink::new(plan);
    let seeder = Seeder::start(Options {
        hls,
        swarm_id: args.swarm_id.or(file.swarm_id.clone()),
        families: families.iter().map(family).collect(),
        trackers,
        pass,
        uplink: uplink.clone(),
        metered,
        links: links::Config { max_connections, ..links },
        cache: cache.clone(),
        names: dir.join("names"),
    })
    .await?;
    let seeder = Arc::new(seeder);
    let admin = match args.running.admin.or(file.admin) {
        Some(address) => {
            let (seeder, cache) = (seeder.clone(), cache.clone());
            let figures = move || {
                let (seeder, cache, uplink) = (seeder.clone(), cache.clone(), uplink.clone());
                async move { figures(&seeder.stats().await, &cache.stats(), &uplink.stats()) }
            };
            Some(admin::open(address, None, figures).await?)
        }
        None => None,
    };
    let asked = stop::asked();
    say!("seeding    {named} in {} swarms", seeder.stats().await.swarms);
    let mut is_full = false;
    let look = async || {
        let stats = seeder.stats().await;
        if !is_full && stats.knows_all && stats.listed > 0 && stats.held >= stats.listed {
            is_full = true;
            say!("full       {} segments, {:.1} MB", stats.held, stats.from_origin as f64 / 1e6);
        }
        line(&stats)
    };
    let asked = tokio::select! {
        asked = asked => Some(asked),
        () = screen.follow(look) => None,
    };
    let asked = stop::drained(asked, admin.as_ref(), seeder.drain(drain)).await;
    let stats = seeder.stats().await;
    drop(admin);
    seeder.leave().await;
    cache.close().await;
    say!("{}", line(&stats));
    Ok(asked.map_or(ExitCode::SUCCESS, Asked::code))
}

fn figures(stats: &SeedStats, kept: &cache::Stats, uplink: &node::uplink::Stats) -> Vec<Figure> {
    let mut figures = vec![
        Figure::level("seed_segments_held", "Segments held", stats.held),
        Figure::level("seed_segments_listed", "Segments that the playlists list", stats.listed),
        Figure::sum("seed_origin_bytes", "Bytes that came from the origin", stats.from_origin),
        Figure::sum("seed_peers_bytes", "Bytes handed to viewers", stats.to_peers),
        Figure::level("seed_peers", "Viewers connected", stats.peers as u64),
        Figure::level("seed_swarms", "Swarms joined", stats.swarms as u64),
    ];
    figures.extend(admin::of_cache(kept));
    figures.extend(uplink::figures(uplink));
    figures
}

fn family(named: &ReleaseFamily) -> Family {
    match named {
        ReleaseFamily::A => Family::A,
        ReleaseFamily::B => Family::B,
        ReleaseFamily::C => Family::C,
    }
}

/// Reads a size such as 50GB or 800 MiB.
pub fn size(text: &str) -> Result<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "gb" | "g" => 1e9,
        "mb" | "m" => 1e6,
        "tb" | "t" => 1e12,
        "gib" => (1u64 << 30) as f64,
        "mib" => (1u64 << 20) as f64,
        "" => 1.0,
        _ => f64::NAN,
    };
    let bytes = digits.parse::<f64>().ok().map(|number| number * unit).filter(|bytes| *bytes >= 0.0);
    bytes
        .map(|bytes| bytes as u64)
        .with_context(|| format!("--cache-size {text} is no size: say 50GB or 800MB"))
}

fn line(stats: &SeedStats) -> String {
    let mb = |bytes: u64| bytes as f64 / 1e6;
    format!(
        "{} of {} segments held, {:.1} MB from the origin, {:.1} MB to viewers; {} connected",
        stats.held,
        stats.listed,
        mb(stats.from_origin),
        mb(stats.to_peers),
        stats.peers
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in
            [("50GB", 50_000_000_000), ("800 MB", 800_000_000), ("1GiB", 1 << 30), ("2.5g", 2_500_000_000)]
        {
            assert_eq!(size(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "GB", "-1GB", "5 apples"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
