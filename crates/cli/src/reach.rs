//! How other viewers reach this one, from flags to addresses.

use crate::Wrong;
use crate::args::{Reach, Secret};
use crate::config::{File, OneOrMany};
use anyhow::{Context, Result, anyhow, bail};
use node::links::{Config, TurnServer};
use std::net::SocketAddr;
use tokio::net::lookup_host;

/// The port of a TURN server that names none (RFC 7065, 3.1).
const TURN_PORT: &str = "3478";
/// The longest user name, bytes (RFC 8489, 14.3).
const USER_BYTES: usize = 508;

/// What flags and config file come to. Names of STUN and TURN servers are looked up now; each must have an address.
pub async fn config(reach: Reach, file: &File) -> Result<Config> {
    let default = Config::default();
    let bind = reach.bind.or(file.bind).unwrap_or(default.bind);
    let servers = OneOrMany::under(reach.stun.clone(), file.stun.as_ref());
    let mut stun = Vec::with_capacity(servers.len());
    for server in &servers {
        let help = || format!("--stun {server} has no address; it is to be HOST:PORT, as stun.my.site:3478");
        stun.push(resolve(server, bind).await.with_context(help).map_err(Wrong::wrap)?);
    }
    let relay_only = reach.relay_only.or(file.relay_only).unwrap_or(false);
    let turn = turn(&reach, file, bind).await.map_err(Wrong::wrap)?;
    if relay_only && turn.is_empty() {
        return Err(Wrong::wrap(anyhow!("--relay-only needs a relay: --turn turn:HOST:PORT")));
    }
    let external = OneOrMany::under(reach.external, file.external.as_ref());
    Ok(Config {
        bind,
        // Whoever says that a public address leads here says that everything sent there arrives.
        lite: reach.ice_lite.or(file.ice_lite).unwrap_or(!external.is_empty()),
        external,
        tcp: reach.tcp.or(file.tcp),
        stun,
        turn,
        relay_only,
        quic: !reach.no_quic.or(file.no_quic).unwrap_or(!default.quic),
        ..default
    })
}

async fn turn(reach: &Reach, file: &File, bind: SocketAddr) -> Result<Vec<TurnServer>> {
    let named = OneOrMany::under(reach.turn.clone(), file.turn.as_ref());
    let user = reach.turn_user.clone().or(file.turn_user.clone()).unwrap_or_default();
    if user.len() > USER_BYTES {
        bail!("--turn-user is longer than {USER_BYTES} bytes");
    }
    let password = reach.turn_password.as_ref().or(file.turn_password.as_ref());
    let password = password.map(|Secret(text)| text.clone()).unwrap_or_default();
    let mut servers = Vec::with_capacity(named.len());
    for text in &named {
        let help =
            || format!("--turn {text} has no address; it is to be turn:HOST:PORT, as turn:turn.my.site:3478");
        let address = resolve(&turn_host(text)?, bind).await.with_context(help)?;
        servers.push(TurnServer { address, user: user.clone(), password: password.clone() });
    }
    Ok(servers)
}

/// Host and port of a TURN URI (RFC 7065). `turn:` may be left out.
fn turn_host(text: &str) -> Result<String> {
    if text.starts_with("turns:") {
        bail!("--turn {text} asks for TLS; only turn: by UDP is known");
    }
    let (host, query) = text.split_once('?').unwrap_or((text, ""));
    if !matches!(query, "" | "transport=udp") {
        bail!("--turn {text}: only transport=udp is known");
    }
    let host = host.strip_prefix("turn:").unwrap_or(host);
    // An IPv6 address is in brackets; what comes after them is the port.
    let has_port = host.rsplit_once(']').map_or(host, |(_, rest)| rest).contains(':');
    Ok(if has_port { host.to_owned() } else { format!("{host}:{TURN_PORT}") })
}

/// An address of the family that the socket speaks.
async fn resolve(server: &str, bind: SocketAddr) -> Result<SocketAddr> {
    let mut found = lookup_host(server).await?;
    found.find(|address| address.is_ipv4() == bind.is_ipv4()).context("none of this kind of network")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turn_servers_are_named_by_their_uris() {
        let host = |text| turn_host(text).ok();
        assert_eq!(host("turn:turn.my.site:5000").as_deref(), Some("turn.my.site:5000"));
        assert_eq!(host("turn:turn.my.site").as_deref(), Some("turn.my.site:3478"));
        assert_eq!(host("turn.my.site:3478?transport=udp").as_deref(), Some("turn.my.site:3478"));
        assert_eq!(host("turn:[2001:db8::7]").as_deref(), Some("[2001:db8::7]:3478"));
        assert_eq!(host("turns:turn.my.site"), None);
        assert_eq!(host("turn:turn.my.site?transport=tcp"), None);
    }
}
