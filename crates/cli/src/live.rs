//! `braidcast live`: the doors for encoders, and what comes of them, served until the program is stopped. Ctrl-C ends every stream, and
//! makes its film, if it is recorded.

mod bucket;
mod doors;

use self::doors::{Doors, WHIP_PORT};
use crate::args::{Live as Args, Making, Secret};
use crate::config::{File, OneOrMany};
use crate::progress::Screen;
use crate::reload::Files;
use crate::{Wrong, links, say, serve, stop};
use anyhow::{Context, Result, bail};
use jiff::SignedDuration;
use origin::http::{Origin, serve_with};
use origin::key;
use origin::library::Library;
use origin::live::{
    ChannelConfig, Config, Figures, Live, PullConfig, Show, Stage, StreamConfig, StreamKey, Targets,
    WhipConfig,
};
use origin::tools::Tools;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinSet};

/// What a stream is called that nobody has named.
const UNNAMED: &str = "live";
/// How far back viewers go until something else is said.
const DEFAULT_DVR: Duration = Duration::from_secs(2 * 3600);
/// How long recordings may take to become films when the program is stopped.
const LAST_FILMS: Duration = Duration::from_secs(600);

pub async fn run(args: Args, file: &File, screen: &Screen) -> Result<ExitCode> {
    let ingest = OneOrMany::under(args.ingest.clone(), file.ingest.as_ref());
    let mut doors = Doors::parse(&ingest).map_err(Wrong::wrap)?;
    let mut keys =
        named_keys(OneOrMany::under(args.key.clone(), file.stream_key.as_ref())).map_err(Wrong::wrap)?;
    let pulls = pulls(&args, file).map_err(Wrong::wrap)?;
    // Who pulls and says nothing of encoders has none.
    let only_pulls = !pulls.is_empty() && keys.is_empty() && ingest.is_empty();
    if only_pulls {
        doors.rtmp = None;
    }
    let made = (keys.is_empty() && !only_pulls).then(new_key).transpose()?;
    keys.extend(made.clone().map(|key| (UNNAMED.to_owned(), key)));
    let mut config = config(&args, file, &doors, &keys).map_err(Wrong::wrap)?;
    config.pulls.clone_from(&pulls);
    let tools = Tools::find();
    if tools.is_none() && config.encoding.transcode && !keys.is_empty() {
        screen.line(
            "ffmpeg was not found: streams go out as they come, in one quality. Install ffmpeg and start again to get a ladder",
        );
        config.encoding.transcode = false;
    }
    let library = Library::open(&file.data(args.data.as_ref()))?;
    let key =
        key::read_or_create(&file.key(args.publisher_key.as_ref()).unwrap_or_else(|| library.key_path()))?;
    let (origin, limits) = serve::origin(&args.serving, file, &key, screen).await?;
    serve::publish_all(&library, &origin, &key, screen)?;
    let public_url = args.serving.public_url.clone().or(file.public_url.clone());
    let shown = channel(&args, file, &config, public_url.clone()).map_err(Wrong::wrap)?;
    let bucket = bucket::open(&args, file, screen).await.map_err(Wrong::wrap)?;
    let listener = serve::listen(&args.serving, file).await?;
    let bases = links::bases(listener.local_addr()?, public_url.as_deref());
    let encoding = config.encoding.clone();
    let stop = stop::requested();
    let mut live = Live::open(config, tools).await.map_err(Wrong::wrap)?;
    announce(&bases, &key, &live, &doors, (&keys, made.is_some()), &pulls);

    let put = doors.http.then(|| live.put_router());
    let further = put.into_iter().chain(live.whip_router()).reduce(|all, door| all.merge(door));
    let (stop_serving, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve_with(listener, origin.clone(), further, limits, async {
        stopped.await.ok(); // dropped or sent: both mean stop
    }));
    let stage = Stage {
        origin: origin.clone(),
        key,
        config: shown,
        encoding,
        bucket: bucket.clone(),
        library: Arc::new(library),
    };
    let stage = Arc::new(stage);
    let mut shows = JoinSet::new();
    let (stop_indexing, indexing) = watch::channel(());
    for pull in pulls.into_iter().filter(|pull| pull.index_only) {
        let (stage, mut stopped) = (Arc::clone(&stage), indexing.clone());
        shows.spawn(async move {
            let stream = pull.name.clone();
            stage.index(pull, async { stopped.changed().await.map_or((), drop) }).await;
            (stream, Show::default())
        });
    }
    let base = bases[0].clone();
    let work = async {
        loop {
            tokio::select! {
                Some(broadcast) = live.next() => {
                    say!("on air     {}  {base}/watch/{}", broadcast.stream, broadcast.stream);
                    let stage = Arc::clone(&stage);
                    shows.spawn(async move {
                        let stream = broadcast.stream.clone();
                        (stream, stage.show(broadcast).await)
                    });
                }
                Some(over) = shows.join_next() => told(over, &base, screen),
            }
        }
    };
    let files = Files::of(origin.tracker(), None);
    let code = tokio::select! {
        code = stop => code,
        () = files.follow() => ExitCode::SUCCESS,
        () = screen.follow(async || line(&origin)) => ExitCode::SUCCESS,
        () = work => ExitCode::SUCCESS,
    };
    // Their feeds end, and with them the shows, which make their films.
    drop(stop_indexing);
    live.close().await;
    let films = async {
        while let Some(over) = shows.join_next().await {
            told(over, &base, screen);
        }
    };
    tokio::select! {
        late = tokio::time::timeout(LAST_FILMS, films) => {
            if late.is_err() {
                screen.line("error: a recording was not made into a film in time");
            }
        }
        _ = stop::requested() => {}
    }
    drop(stop_serving);
    server.await.ok(); // it has nothing to say
    if let Some(bucket) = bucket {
        bucket::clear(bucket, screen).await;
    }
    Ok(code)
}

fn told(over: Result<(String, Show), JoinError>, base: &str, screen: &Screen) {
    if let Ok((stream, show)) = over {
        say!("over       {stream}");
        for why in show.failed {
            screen.line(&format!("error: a recording of {stream} is lost: {why}"));
        }
        for film in show.films {
            say!("recorded   {film}  {base}/watch/{film}");
        }
    }
}

/// Streams and their keys.
fn named_keys(keys: Vec<Secret>) -> Result<Vec<(String, String)>> {
    let named = keys.into_iter().map(|Secret(text)| match text.split_once('=') {
        Some((stream, key)) => (stream.to_owned(), key.to_owned()),
        None => (UNNAMED.to_owned(), text),
    });
    let named: Vec<_> = named.collect();
    for (stream, key) in &named {
        // The key itself is not repeated: it may be on its way into a log.
        StreamKey::new(key.as_str()).with_context(|| format!("--key of {stream}"))?;
    }
    Ok(named)
}

/// Streams of others.
fn pulls(args: &Args, file: &File) -> Result<Vec<PullConfig>> {
    let private = args.pull_private.or(file.pull_private).unwrap_or(false);
    let index_only = args.index_only.or(file.index_only).unwrap_or(false);
    let urls = OneOrMany::under(args.pull.clone(), file.pull.as_ref());
    let parsed = urls.iter().enumerate().map(|(at, Secret(text))| {
        let pull = PullConfig::parse(text, private).with_context(|| format!("--pull, number {}", at + 1))?;
        Ok(PullConfig { index_only, ..pull })
    });
    let pulls: Vec<PullConfig> = parsed.collect::<Result<_>>()?;
    if index_only && pulls.is_empty() {
        bail!(
            "--index-only is of no use without --pull: it leaves the media of another's stream where it is"
        );
    }
    if index_only && args.bucket.as_ref().or(file.bucket.as_ref()).is_some() {
        bail!("--index-only leaves media where it is, and --bucket puts it elsewhere: choose one");
    }
    if index_only && args.record.or(file.record).unwrap_or(false) {
        bail!("--index-only keeps no media, so there is nothing to --record");
    }
    Ok(pulls)
}

fn new_key() -> Result<String> {
    Ok(key::stream_key()?)
}

fn config(args: &Args, file: &File, doors: &Doors, keys: &[(String, String)]) -> Result<Config> {
    let making = Making {
        no_transcode: Some(args.passthrough.or(file.passthrough).unwrap_or(false)),
        ladder: args.ladder.clone(),
        preset: args.preset.clone(),
        audio_bitrate: args.audio_bitrate.clone(),
        key: None,
    };
    let mut streams = Vec::new();
    for (name, key) in keys {
        let first = streams.is_empty();
        let mut srt = doors.srt.iter().filter(|(_, of)| of.as_ref().map_or(first, |of| of == name));
        let address = srt.next().map(|(address, _)| *address);
        if srt.next().is_some() {
            bail!("--ingest: stream {name} has two SRT doors");
        }
        streams.push(StreamConfig { name: name.clone(), key: StreamKey::new(key.as_str())?, srt: address });
    }
    for (_, of) in &doors.srt {
        if let Some(of) = of
            && !keys.iter().any(|(name, _)| name == of)
        {
            bail!("--ingest: there is no stream {of}; name it with --key {of}=KEY");
        }
    }
    let external = OneOrMany::under(args.whip_external.clone(), file.whip_external.as_ref());
    let external = external.iter().map(|text| {
        let port = doors.whip.map_or(WHIP_PORT, |udp| udp.port());
        let found = text.parse().or_else(|_| text.parse().map(|ip| SocketAddr::new(ip, port)));
        found.with_context(|| format!("--whip-external {text}: say an IP address, or one with a UDP port"))
    });
    let external = external.collect::<Result<Vec<SocketAddr>>>()?;
    if doors.whip.is_none() && !external.is_empty() {
        bail!("--whip-external is of no use without --ingest whip://ADDRESS:PORT");
    }
    let mut config = Config {
        streams,
        rtmp: doors.rtmp,
        whip: doors.whip.map(|udp| WhipConfig { udp, external }),
        encoding: file.settings(&making)?,
        segment: time("segment", args.segment.as_ref().or(file.segment.as_ref()), 1000..=6000)?
            .unwrap_or(Duration::from_secs(2)),
        ..Config::default()
    };
    if let Some(bridge) = time("bridge", args.bridge.as_ref().or(file.bridge.as_ref()), 0..=600_000)? {
        config.bridge = bridge;
    }
    Ok(config)
}

/// How streams are cut and kept.
fn channel(args: &Args, file: &File, config: &Config, public_url: Option<String>) -> Result<ChannelConfig> {
    let part = time("part", args.part.as_ref().or(file.part.as_ref()), 200..=500)?;
    let mut targets = Targets::new(config.segment, part.unwrap_or(Duration::from_millis(400)));
    if !config.encoding.transcode {
        // Keyframes come where the encoder puts them.
        targets.target_duration_s *= 2;
    }
    let dvr = time("dvr", args.dvr.as_ref().or(file.dvr.as_ref()), 0..=24 * 3_600_000)?;
    Ok(ChannelConfig {
        targets,
        window: dvr.unwrap_or(DEFAULT_DVR),
        record: args.record.or(file.record).unwrap_or(false),
        public_url,
        ..ChannelConfig::default()
    })
}

/// Reads a time of so many milliseconds.
fn time(
    flag: &str,
    text: Option<&String>,
    within_ms: std::ops::RangeInclusive<u64>,
) -> Result<Option<Duration>> {
    let Some(text) = text else { return Ok(None) };
    let parsed = text.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    let (low, high) = (Duration::from_millis(*within_ms.start()), Duration::from_millis(*within_ms.end()));
    match parsed.filter(|time| (low..=high).contains(time)) {
        Some(time) => Ok(Some(time)),
        None => bail!("--{flag} {text} is no time from {low:?} to {high:?}: say 400ms, 2s, 30m or 2h"),
    }
}

fn announce(
    bases: &[String],
    key: &manifest::SecretKey,
    live: &Live,
    doors: &Doors,
    (keys, made): (&[(String, String)], bool),
    pulls: &[PullConfig],
) {
    let base = &bases[0];
    say!("Braidcast {}", env!("CARGO_PKG_VERSION"));
    for base in bases {
        say!("catalogue  {base}/");
    }
    say!("key        {}", key.public());
    // The name by which this machine is reached, as viewers have it.
    let host = |base: &String| {
        base.split("://").nth(1).map(|at| at.split([':', '/']).next().unwrap_or(at).to_owned())
    };
    let host = bases.iter().rev().find_map(host).unwrap_or_else(|| "localhost".to_owned());
    if let Some(address) = live.rtmp_address() {
        let port = if address.port() == 1935 { String::new() } else { format!(":{}", address.port()) };
        let host = if address.ip().is_loopback() { address.ip().to_string() } else { host.clone() };
        say!("\nIn OBS: Settings, Stream, service Custom");
        say!("  server       rtmp://{host}{port}/live");
    }
    for (stream, secret) in keys {
        // One that the publisher has chosen is known, and is not printed into logs.
        let shown = if made { secret.as_str() } else { "the one that you gave" };
        if doors.rtmp.is_some() {
            say!("  stream key   {shown}   ({stream})");
        }
        if doors.http {
            say!("  CMAF         {base}/ingest/{stream}/TRACK   bearer token: {shown}");
        }
        if let Some(udp) = doors.whip {
            say!(
                "  WHIP         {base}/whip/{stream}   bearer token: {shown}   (media to UDP port {})",
                udp.port()
            );
        }
    }
    for (address, stream) in &doors.srt {
        let stream = stream.as_ref().or(keys.first().map(|(name, _)| name)).map_or("", String::as_str);
        say!("  SRT          srt://{host}:{}?mode=caller   passphrase: the key of {stream}", address.port());
    }
    for pull in pulls {
        let left = if pull.index_only { ", its media stays there" } else { "" };
        say!("pull       {}   ({}{left})", pull.place(), pull.name);
    }
    say!("\nViewers watch at");
    let streams = || keys.iter().map(|(stream, _)| stream).chain(pulls.iter().map(|pull| &pull.name));
    for stream in streams() {
        say!("  {base}/watch/{stream}");
    }
    if let Some(stream) = streams().next() {
        say!("\nTo show it in a page of your own:\n{}\n", links::embed(base, stream, &key.public()));
    }
}

/// What goes on, in a line.
fn line(origin: &Origin) -> String {
    let live = origin.live();
    let streams = live.iter().filter(|channel| !channel.is_over()).map(|channel| {
        let speed = Figures::encoder_speed(&channel.figures)
            .map_or_else(String::new, |x| format!(", encoder {x:.2}x"));
        let (parts, mb) = (channel.parts(), channel.bytes() as f64 / 1e6);
        format!("{}: {parts} parts, {mb:.1} MB{speed}, {} waiting", channel.slug, channel.waiting())
    });
    let streams: Vec<String> = streams.collect();
    let members = origin.tracker().stats().members;
    let served = origin.metrics().media_bytes() as f64 / 1e6;
    match streams.is_empty() {
        true => format!("waiting for a stream; {served:.1} MB served"),
        false => format!("{}; {members} viewers meet here, {served:.1} MB served", streams.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_or_of_the_one_stream() {
        let keys = |texts: &[&str]| named_keys(texts.iter().map(|text| Secret((*text).to_owned())).collect());
        let two = keys(&["stage=first-key-of-all", "second-key-of-all"]).unwrap();
        assert_eq!(two[0], ("stage".to_owned(), "first-key-of-all".to_owned()));
        assert_eq!(two[1].0, UNNAMED);
        let error = format!("{:#}", keys(&["stage=short"]).unwrap_err());
        assert!(error.contains("stage") && !error.contains("short"), "{error}");
    }

    #[test]
    fn times_have_bounds() {
        let part = |text: &str| time("part", Some(&text.to_owned()), 200..=500);
        assert_eq!(part("400ms").unwrap(), Some(Duration::from_millis(400)));
        for text in ["400", "2s", "0s", "-1s", "soon"] {
            assert!(part(text).is_err(), "{text}");
        }
    }
}
