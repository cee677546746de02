//! `braidcast seed`: a seeder for pages of another system.

use crate::args::{ReleaseFamily, Seed};
use crate::config::File;
use crate::progress::Screen;
use crate::{Wrong, reach, say, stop};
use anyhow::{Context, Result};
use node::admin::{Admin, Figure};
use node::cache::{self, Cache};
use node::links;
use node::pml::identity::Family;
use node::seed::{Options, SeedStats, Seeder};
use origin::ladder::parse_bitrate;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

/// Disk for segments until something else is said, 10 GB.
const DEFAULT_DISK_BYTES: u64 = 10_000_000_000;
/// Memory for segments that are often asked for, 128 MiB.
const MEMORY_BYTES: u64 = 128 << 20;
/// Viewers until something else is said.
const DEFAULT_VIEWERS: usize = 500;

pub async fn run(args: Seed, file: &File, screen: &Screen) -> Result<ExitCode> {
    let hls =
        args.hls.parse().with_context(|| format!("--hls {} is no address", args.hls)).map_err(Wrong::wrap)?;
    let up = args
        .up
        .as_deref()
        .map(|text| parse_bitrate(text).with_context(|| format!("--up {text} is no rate: say 200M or 800k")));
    let up = up.transpose().map_err(Wrong::wrap)?;
    let disk_bytes = args.cache_size.as_deref().map(size).transpose().map_err(Wrong::wrap)?;
    let dir = args.cache.unwrap_or_else(|| file.data(None).join("seed"));
    let cache = Cache::open(cache::Config {
        dir: dir.clone(),
        disk_bytes: disk_bytes.unwrap_or(DEFAULT_DISK_BYTES),
        memory_bytes: MEMORY_BYTES,
    })
    .await
    .map_err(Wrong::wrap)?;
    let links = reach::config(args.reach).await?;
    let max_connections = args.viewers.unwrap_or(DEFAULT_VIEWERS).max(1);
    let seeder = Seeder::start(Options {
        hls,
        swarm_id: args.swarm_id,
        families: args.family.iter().map(family).collect(),
        trackers: args.tracker,
        upload: up.map(|bps| u64::from(bps) / 8),
        links: links::Config { max_connections, ..links },
        cache: cache.clone(),
        names: dir.join("names"),
    })
    .await?;
    let seeder = Arc::new(seeder);
    let admin = match args.admin {
        Some(address) => Some(admin(address, &seeder, &cache).await?),
        None => None,
    };
    say!("seeding    {} in {} swarms", args.hls, seeder.stats().await.swarms);
    let mut is_full = false;
    let look = async || {
        let stats = seeder.stats().await;
        if !is_full && stats.listed > 0 && stats.held >= stats.listed {
            is_full = true;
            say!("full       {} segments, {:.1} MB", stats.held, stats.from_origin as f64 / 1e6);
        }
        line(&stats)
    };
    let code = tokio::select! {
        code = stop::requested() => code,
        () = screen.follow(look) => ExitCode::SUCCESS,
    };
    let stats = seeder.stats().await;
    drop(admin);
    seeder.leave().await;
    cache.close().await;
    say!("{}", line(&stats));
    Ok(code)
}

async fn admin(address: SocketAddr, seeder: &Arc<Seeder>, cache: &Cache) -> Result<Admin> {
    let (seeder, cache) = (Arc::downgrade(seeder), cache.clone());
    let look = move || {
        let (seeder, kept) = (seeder.upgrade(), cache.stats());
        async move {
            let stats = match seeder {
                Some(seeder) => seeder.stats().await,
                None => SeedStats::default(),
            };
            figures(&stats, &kept)
        }
    };
    let admin = Admin::open(address, look)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another with --admin ADDRESS:PORT"))
        .map_err(Wrong::wrap)?;
    say!("admin      http://{}/metrics", admin.address());
    Ok(admin)
}

fn figures(stats: &SeedStats, kept: &cache::Stats) -> Vec<Figure> {
    vec![
        Figure::level("seed_segments_held", "Segments held", stats.held),
        Figure::level("seed_segments_listed", "Segments that the playlists list", stats.listed),
        Figure::sum("seed_origin_bytes", "Bytes that came from the origin", stats.from_origin),
        Figure::sum("seed_peers_bytes", "Bytes handed to viewers", stats.to_peers),
        Figure::level("seed_peers", "Viewers connected", stats.peers as u64),
        Figure::level("seed_swarms", "Swarms joined", stats.swarms as u64),
        Figure::level("cache_disk_bytes", "Bytes on disk", kept.disk_bytes),
        Figure::level("cache_entries", "Files on disk", kept.entries),
        Figure::sum("cache_hits", "Files found", kept.hits),
        Figure::sum("cache_misses", "Files not found", kept.misses),
        Figure::sum("cache_rotten", "Files found damaged, and dropped", kept.rotten),
        Figure::sum("cache_evicted", "Files dropped to make room", kept.evicted),
    ]
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
