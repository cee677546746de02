//! `braidcast edge`: a node for an office, a school, a provider.

use crate::args::Edge as Args;
use crate::config::{File, OneOrMany};
use crate::progress::Screen;
use crate::seed::size;
use crate::stop::Asked;
use crate::{Wrong, admin, links as addresses, reach, say, stop, token, uplink};
use anyhow::{Context, Result, anyhow};
use manifest::PublicKey;
use node::admin::Figure;
use node::cache::{self, Cache};
use node::edge::{Edge, EdgeStats, Lan, Options, Upstream};
use node::links;
use node::origin::{Url, is_web};
use node::uplink::{Cap, Uplink};
use origin::check::Target;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

/// Where players ask until something else is said.
const DEFAULT_LISTEN: &str = "0.0.0.0:8081";
/// Disk for segments until something else is said, 50 GB.
const DEFAULT_DISK_BYTES: u64 = 50_000_000_000;
/// Memory for segments that are often asked for, 256 MiB.
const MEMORY_BYTES: u64 = 256 << 20;
/// Viewers of a film until something else is said.
const DEFAULT_VIEWERS: usize = 500;

pub async fn run(args: Args, file: &File, screen: &Screen) -> Result<ExitCode> {
    let upstreams = OneOrMany::under(args.upstream, file.upstream.as_ref());
    if upstreams.is_empty() {
        return Err(Wrong::wrap(anyhow!(
            "nothing to keep: name a film or a Braidcast server with --upstream URL"
        )));
    }
    let upstreams =
        upstreams.iter().map(|text| upstream(text)).collect::<Result<_>>().map_err(Wrong::wrap)?;
    let key = args.key.as_ref().or(file.public_key.as_ref());
    let key = key.map(|text| PublicKey::parse(text)).transpose().context("--key").map_err(Wrong::wrap)?;
    let pass = token::pass(&args.pass, file).map_err(Wrong::wrap)?;
    let plan = uplink::plan("up", &args.up, file.up.as_ref(), Cap::Unlimited, false)?;
    let drain = uplink::drain(args.running.drain.as_ref(), file.drain.as_ref())?;
    let uplink = Uplink::new(plan);
    let listen = args.listen.as_ref().or(file.listen.as_ref()).map_or(DEFAULT_LISTEN, String::as_str);
    let listen: SocketAddr = listen
        .parse()
        .with_context(|| format!("--listen {listen} is to be ADDRESS:PORT, as {DEFAULT_LISTEN}"))
        .map_err(Wrong::wrap)?;
    let disk_bytes = args.cache_size.as_ref().or(file.cache_size.as_ref());
    let disk_bytes = disk_bytes.map(|text| size(text)).transpose().map_err(Wrong::wrap)?;
    let dir = args.cache.or(file.cache.clone()).unwrap_or_else(|| file.data(None).join("edge"));
    let site = args.site.or(file.site.clone());
    let cache = Cache::open(cache::Config {
        dir: dir.clone(),
        disk_bytes: disk_bytes.unwrap_or(DEFAULT_DISK_BYTES),
        memory_bytes: MEMORY_BYTES,
    })
    .await
    .map_err(Wrong::wrap)?;
    let reached = reach::config(args.reach, file).await?;
    let max_connections = args.viewers.or(file.viewers).unwrap_or(DEFAULT_VIEWERS).max(1);
    let edge = Edge::start(Options {
        upstreams,
        cache: cache.clone(),
        dir,
        key,
        trackers: OneOrMany::under(args.tracker, file.tracker.as_ref()),
        pass,
        uplink: uplink.clone(),
        links: links::Config { max_connections, ..reached },
        site: site.clone(),
    })
    .await
    .map_err(Wrong::wrap)?;
    let edge = Arc::new(edge);
    let lan = Lan::open(&edge, listen).await.map_err(Wrong::wrap)?;
    let base = addresses::bases(lan.address(), None).into_iter().next_back().unwrap_or_default();
    let admin = match args.running.admin.or(file.admin) {
        Some(address) => {
            let (edge, cache) = (Arc::downgrade(&edge), cache.clone());
            let figures = move || {
                let (edge, kept, sent) = (edge.upgrade(), cache.stats(), uplink.stats());
                async move {
                    let stats = match edge {
                        Some(edge) => edge.stats().await,
                        None => EdgeStats::default(),
                    };
                    figures(&stats, &kept, &sent)
                }
            };
            Some(admin::open(address, site.clone(), figures).await?)
        }
        None => None,
    };
    let asked = stop::asked();
    say!("keeping    {} for {base}/", site.as_deref().unwrap_or("films"));
    let mut told = BTreeSet::new();
    let look = async || {
        for film in edge.films() {
            if told.insert(film.clone()) {
                say!("film       {base}/s/{film}/master.m3u8");
            }
        }
        line(&edge.stats().await)
    };
    let asked = tokio::select! {
        asked = asked => Some(asked),
        () = screen.follow(look) => None,
    };
    let asked = stop::drained(asked, admin.as_ref(), edge.drain(drain)).await;
    let stats = edge.stats().await;
    drop((admin, lan));
    edge.leave().await;
    cache.close().await;
    say!("{}", line(&stats));
    Ok(asked.map_or(ExitCode::SUCCESS, Asked::code))
}

/// A film's address as `watch` takes it, or a server's root.
fn upstream(text: &str) -> Result<Upstream> {
    let wrong = || format!("--upstream {text} is no web address of a film or a server");
    let url: Url = text.parse().with_context(wrong)?;
    if !is_web(&url) {
        return Err(anyhow!(wrong()));
    }
    if url.path() == "/" {
        return Ok(Upstream::Server(url));
    }
    let Target::Url(base) = Target::parse(text).with_context(wrong)? else { return Err(anyhow!(wrong())) };
    let mut base: Url = base.parse().with_context(wrong)?;
    base.set_query(url.query());
    Ok(Upstream::Film(base))
}

fn figures(stats: &EdgeStats, kept: &cache::Stats, sent: &node::uplink::Stats) -> Vec<Figure> {
    let EdgeStats { films, count, to_players } = stats;
    let mut figures = vec![
        Figure::level("edge_films", "Films that are kept", *count as u64),
        Figure::sum("edge_origin_bytes", "Media bytes that came from the origin", films.from_origin),
        Figure::sum("edge_from_peers_bytes", "Media bytes that came from viewers", films.from_peers),
        Figure::sum("edge_to_peers_bytes", "Media bytes handed to viewers", films.to_peers),
        Figure::sum("edge_to_players_bytes", "Bytes of bodies sent over HTTP", *to_players),
        Figure::sum("edge_wasted_bytes", "Media bytes that came for nothing", films.wasted),
        Figure::sum("edge_refused_bytes", "Media bytes that failed the check", films.refused),
        Figure::level("edge_held_bytes", "Media bytes that viewers may ask for", films.held),
        Figure::level("edge_peers", "Viewers connected", films.peers as u64),
        Figure::level("edge_trackers", "Trackers connected", films.trackers as u64),
    ];
    figures.extend(admin::of_cache(kept));
    figures.extend(uplink::figures(sent));
    figures
}

fn line(stats: &EdgeStats) -> String {
    let mb = |bytes: u64| bytes as f64 / 1e6;
    format!(
        "{} films, {:.1} MB from the origin, {:.1} MB from viewers, {:.1} MB to viewers, {:.1} MB to players; {} connected",
        stats.count,
        mb(stats.films.from_origin),
        mb(stats.films.from_peers),
        mb(stats.films.to_peers),
        mb(stats.to_players),
        stats.films.peers
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_a_film_or_a_server() {
        let film = |url: &str| Upstream::Film(url.parse().unwrap());
        let server = |url: &str| Upstream::Server(url.parse().unwrap());
        for (text, is) in [
            ("https://a.b", server("https://a.b/")),
            ("http://a.b:8080/?token=x", server("http://a.b:8080/?token=x")),
            ("https://a.b/watch/film", film("https://a.b/s/film/")),
            ("https://a.b/s/film/master.m3u8?token=x", film("https://a.b/s/film/?token=x")),
            ("https://cdn.b/x/film", film("https://cdn.b/x/film/")),
        ] {
            assert_eq!(upstream(text).unwrap(), is, "{text}");
        }
        for text in ["", "film.mp4", "ftp://a.b/", "file:///x"] {
            assert!(upstream(text).is_err(), "{text}");
        }
    }
}
