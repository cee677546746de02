//! `braidcast tracker`: where viewers meet, as a server of its own.

use crate::args::Tracker as Args;
use crate::config::{DEFAULT_DATA, File, OneOrMany};
use crate::progress::Screen;
use crate::reload::Files;
use crate::{Wrong, admission, links, meeting, operator, say, stop};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tracker::acme::{self, Acme};
use tracker::admin::Admin;
use tracker::listener::{self, Door, Limits};
use tracker::server::Server;
use tracker::tls::Tls;
use tracker::{Config, RESERVED_FILES, Rate, Tracker, bus, cluster, node_id, raise_file_limit};

/// Where it listens until something else is said.
const LISTEN: &str = ":7070";
/// A client has so long for TLS, and so long again for its request.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// Longest request.
const HANDSHAKE_BYTES: usize = 8 << 10;
/// HTTP requests that may be answered beside the WebSockets.
const ASKING: usize = 512;
/// Members say goodbye within so long.
const GOODBYE: Duration = Duration::from_secs(2);

pub async fn run(args: Args, file: &File, screen: &Screen) -> Result<ExitCode> {
    let (tls, acme) = tls(&args, file).map_err(Wrong::wrap)?;
    let key = operator::key(&args, file).map_err(Wrong::wrap)?;
    let (limits, mut config) = limits(&args, file, screen);
    meeting::set(&mut config, &args.meeting, file).map_err(Wrong::wrap)?;
    let sources = admission::set(&mut config, &args.admission, file).await.map_err(Wrong::wrap)?;
    let address = args.listen.as_ref().or(file.listen.as_ref()).map_or(LISTEN, String::as_str);
    let listener = bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another with --listen ADDRESS:PORT"))
        .map_err(Wrong::wrap)?;
    let stop = stop::requested();
    let public_url = args.public_url.as_deref().or(file.public_url.as_deref());
    let (tracker, others) = tracker(config, &args, file, public_url).await.map_err(Wrong::wrap)?;
    admission::name(&tracker, file).and_then(|()| sources.begin(&tracker)).map_err(Wrong::wrap)?;
    tokio::spawn(sources.follow(tracker.clone()));
    let server = Server::new(tracker.clone());
    say!("Braidcast {}", env!("CARGO_PKG_VERSION"));
    for base in links::bases(listener.local_addr()?, public_url) {
        let base = if tls.is_some() { base.replacen("http://", "https://", 1) } else { base };
        say!("tracker    {}", base.replacen("http", "ws", 1));
        say!("figures    {base}/metrics  {base}/stats.json");
    }
    if others > 0 {
        say!("cluster    over {others} NATS server{}", if others == 1 { "" } else { "s" });
    }

    let files = Files::of(&tracker, tls.clone());
    let read_again = files.clone();
    let reload = Arc::new(move || read_again.reload());
    operator::open(Admin::new(server.clone(), limits, key, reload), &args, file)
        .await
        .map_err(Wrong::wrap)?;
    let door = Door { tls, ..server.door() };
    let (stop_serving, stopped) = oneshot::channel::<()>();
    let router = server.router();
    let serving = tokio::spawn(async move {
        let stopped = async {
            stopped.await.ok(); // dropped or sent: both mean stop
        };
        listener::serve(listener, router, limits, door, stopped).await;
    });
    let mut code = tokio::select! {
        code = stop => code,
        () = keep(acme) => ExitCode::SUCCESS,
        () = files.follow() => ExitCode::SUCCESS,
        () = screen.follow(async || line(&tracker)) => ExitCode::SUCCESS,
    };
    // Whoever asks twice does not wait for the clients to be let go one after another.
    server.drain();
    tokio::select! {
        () = tracker.drain() => {}
        again = stop::requested() => code = again,
    }
    drop(stop_serving);
    serving.await.ok(); // it has nothing to say
    if tokio::time::timeout(GOODBYE, tracker.shutdown()).await.is_err() {
        tracing::debug!("some members did not say goodbye");
    }
    Ok(code)
}

/// The tracker, as one of several if there is a cluster, and over how many servers that is.
async fn tracker(
    config: Config,
    args: &Args,
    file: &File,
    public_url: Option<&str>,
) -> Result<(Tracker, usize)> {
    let servers = OneOrMany::under(args.cluster.clone(), file.cluster.as_ref());
    if servers.is_empty() {
        return Ok((Tracker::new(config), 0));
    }
    let servers: Vec<String> = servers.into_iter().map(|server| server.0).collect();
    let url = public_url.map(|url| url.replacen("http", "ws", 1));
    let link = bus::join_nats(&servers, node_id()).await.context("--cluster")?;
    Ok((Tracker::join(config, cluster::Config { url, ..Default::default() }, link), servers.len()))
}

/// Listens; `:PORT` is every address of this machine, of both families where it has both.
async fn bind(address: &str) -> std::io::Result<TcpListener> {
    match address.strip_prefix(':') {
        None => TcpListener::bind(address).await,
        Some(port) => match TcpListener::bind(format!("[::]:{port}")).await {
            Ok(listener) => Ok(listener),
            Err(_) => TcpListener::bind(format!("0.0.0.0:{port}")).await,
        },
    }
}

/// TLS as the settings say: by files, by an ACME server, or none.
fn tls(args: &Args, file: &File) -> Result<(Option<Tls>, Option<Acme>)> {
    let certificate = args.tls_cert.as_ref().or(file.tls_cert.as_ref());
    let key = args.tls_key.as_ref().or(file.tls_key.as_ref());
    let domains = OneOrMany::under(args.acme.clone(), file.acme.as_ref());
    match (certificate, key) {
        (None, None) if domains.is_empty() => Ok((None, None)),
        (None, None) => {
            let config = acme::Config {
                domains,
                contact: OneOrMany::under(args.acme_contact.clone(), file.acme_contact.as_ref()),
                cache: args
                    .acme_cache
                    .as_ref()
                    .or(file.acme_cache.as_ref())
                    .cloned()
                    .unwrap_or_else(|| Path::new(DEFAULT_DATA).join("acme")),
                directory: args
                    .acme_directory
                    .as_ref()
                    .or(file.acme_directory.as_ref())
                    .map_or(acme::LETS_ENCRYPT, String::as_str)
                    .to_owned(),
                ca: args.acme_ca.as_ref().or(file.acme_ca.as_ref()).cloned(),
            };
            let (tls, acme) = Acme::open(config)?;
            Ok((Some(tls), Some(acme)))
        }
        (Some(_), Some(_)) if !domains.is_empty() => {
            bail!(
                "a certificate comes from files (--tls-cert) or from an ACME server (--acme), not from both"
            )
        }
        (Some(certificate), Some(key)) => Ok((Some(Tls::open(certificate, key)?), None)),
        _ => bail!("--tls-cert and --tls-key belong together: a certificate, and the key that is its own"),
    }
}

/// Keeps the certificate of an ACME server young, if there is one.
async fn keep(acme: Option<Acme>) {
    match acme {
        Some(acme) => acme.keep().await,
        None => std::future::pending().await,
    }
}

/// What the settings and the system's limit of open files allow together.
fn limits(args: &Args, file: &File, screen: &Screen) -> (Limits, Config) {
    let mut config = Config::default();
    let asked = args.connections.or(file.connections);
    let allowed = raise_file_limit().map(|files| {
        let room = files.saturating_sub(RESERVED_FILES + ASKING as u64).max(16);
        usize::try_from(room).unwrap_or(usize::MAX)
    });
    config.table.connections = match (asked, allowed) {
        (Some(asked), Some(allowed)) if asked > allowed => {
            screen.line(&format!(
                "the system allows {allowed} connections, not {asked}. Raise the limit for more (`ulimit -n`, or LimitNOFILE= of systemd)"
            ));
            allowed
        }
        (Some(asked), _) => asked.max(1),
        (None, Some(allowed)) => allowed.min(1 << 20),
        (None, None) => config.table.connections,
    };
    let per_net = args.connections_per_net.or(file.connections_per_net).unwrap_or(1024).max(1);
    let newcomers = args.newcomers_per_net.or(file.newcomers_per_net);
    let limits = Limits {
        connections: config.table.connections.saturating_add(ASKING),
        // Who waits with his request holds more than a WebSocket that is idle.
        per_neighbourhood: per_net.div_ceil(4),
        sockets_per_neighbourhood: per_net,
        header_time: HANDSHAKE_TIME,
        header_bytes: HANDSHAKE_BYTES,
        newcomers: newcomers.map_or(Limits::default().newcomers, Rate::per_second),
        ..Limits::default()
    };
    (limits, config)
}

/// What goes on, in a line.
fn line(tracker: &Tracker) -> String {
    let stats = tracker.stats();
    format!(
        "{} connections, {} peers in {} swarms; {} announces, {} offers, {} answers",
        stats.connections, stats.members, stats.swarms, stats.announces, stats.offers, stats.answers
    )
}
