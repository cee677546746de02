//! The admin address of nodes that run for long, and the figures that several of them have.

use crate::Wrong;
use anyhow::{Context, Result};
use node::admin::{Admin, Figure};
use node::cache::Stats;
use std::net::SocketAddr;

/// Opens the admin address; every figure has the label `site` if there is one.
pub async fn open<F>(
    address: SocketAddr,
    site: Option<String>,
    figures: impl Fn() -> F + Send + Sync + 'static,
) -> Result<Admin>
where
    F: Future<Output = Vec<Figure>> + Send + 'static,
{
    let admin = Admin::open(address, site, figures)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another with --admin ADDRESS:PORT"))
        .map_err(Wrong::wrap)?;
    crate::say!("admin      http://{}/metrics", admin.address());
    Ok(admin)
}

/// Figures of a disk cache.
pub fn of_cache(kept: &Stats) -> [Figure; 6] {
    [
        Figure::level("cache_disk_bytes", "Bytes on disk", kept.disk_bytes),
        Figure::level("cache_entries", "Files on disk", kept.entries),
        Figure::sum("cache_hits", "Files found", kept.hits),
        Figure::sum("cache_misses", "Files not found", kept.misses),
        Figure::sum("cache_rotten", "Files found damaged, and dropped", kept.rotten),
        Figure::sum("cache_evicted", "Files dropped to make room", kept.evicted),
    ]
}
