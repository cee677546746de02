//! How other viewers reach this one, from flags to addresses.

use crate::Wrong;
use crate::args::Reach;
use anyhow::{Context, Result};
use node::links::Config;
use std::net::SocketAddr;
use tokio::net::lookup_host;

/// What the flags come to. Names of STUN servers are looked up now; each must have an address.
pub async fn config(reach: Reach) -> Result<Config> {
    let default = Config::default();
    let bind = reach.bind.unwrap_or(default.bind);
    let mut stun = Vec::with_capacity(reach.stun.len());
    for server in &reach.stun {
        stun.push(resolve(server, bind).await.map_err(Wrong::wrap)?);
    }
    Ok(Config { bind, external: reach.external, tcp: reach.tcp, stun, ..default })
}

/// An address of the family that the socket speaks.
async fn resolve(server: &str, bind: SocketAddr) -> Result<SocketAddr> {
    let help = || format!("--stun {server} has no address; it is to be HOST:PORT, as stun.my.site:3478");
    let mut found = lookup_host(server).await.with_context(help)?;
    found.find(|address| address.is_ipv4() == bind.is_ipv4()).with_context(help)
}
