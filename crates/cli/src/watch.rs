//! `braidcast watch`: a viewer of a film or a live stream without a browser, and a gateway for the player.

use crate::args::Watch;
use crate::config::{File, OneOrMany};
use crate::progress::Screen;
use crate::stop::Asked;
use crate::{Wrong, admin, reach, say, stop, token, uplink};
use anyhow::{Context, Result, anyhow, bail};
use manifest::PublicKey;
use node::admin::Figure;
use node::film::{Film, OpenFilm};
use node::gateway::Gateway;
use node::live::{Live, OpenLive, Stream};
use node::origin::{Error as OriginError, Origin};
use node::uplink::{Cap, Uplink};
use node::viewer::{Options, Stats, Viewer};
use origin::check::Target;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::process::{Child, Command};

/// Upload until something else is said: 20 Mbit/s.
const DEFAULT_UPLOAD: Cap = Cap::BytesPerSecond(2_500_000);
/// Players that are tried, and what makes them end with the film.
const PLAYERS: [(&str, &[&str]); 3] =
    [("mpv", &[]), ("vlc", &["--play-and-exit"]), ("ffplay", &["-autoexit", "-loglevel", "error"])];

pub async fn run(args: Watch, file: &File, screen: &Screen) -> Result<ExitCode> {
    let Target::Url(base) = Target::parse(&args.url).map_err(Wrong::wrap)? else {
        return Err(Wrong::wrap(anyhow!("{} is no web address of a film", args.url)));
    };
    let key = args
        .key
        .as_deref()
        .or(file.public_key.as_deref())
        .map(PublicKey::parse)
        .transpose()
        .context("--key")
        .map_err(Wrong::wrap)?;
    let metered = args.metered.or(file.metered).unwrap_or(false);
    let plan = uplink::plan("upload", &args.upload, file.upload.as_ref(), DEFAULT_UPLOAD, metered)?;
    let drain = uplink::drain(args.running.drain.as_ref(), file.drain.as_ref())?;
    let player = player(args.player.as_deref().or(file.player.as_deref())).map_err(Wrong::wrap)?;
    let base = base.parse().with_context(|| format!("{base} is no address")).map_err(Wrong::wrap)?;
    let mut trackers = OneOrMany::under(args.tracker, file.tracker.as_ref());
    if trackers.is_empty() {
        trackers.push(node::tracker::beside(&base));
    }
    let pass = token::pass(&args.pass, file).map_err(Wrong::wrap)?;
    let query = args.url.split_once('?').map(|(_, query)| query.to_owned());
    let origin = Origin::new(base, query)?;

    let found = Found::at(&origin, key.as_ref()).await?;
    let links = reach::config(args.reach, file).await?;
    let uplink = Uplink::new(plan);
    let options = Options { trackers, pass, uplink: uplink.clone(), metered, links, keeps: None };
    let port = args.port.or(file.gateway_port).unwrap_or(0);
    let (watched, gateway) = match found {
        Found::Film(film) => {
            let viewer = Viewer::join(film, origin.clone(), options).await?;
            let gateway = Gateway::open(viewer.clone(), origin, port).await;
            (Watched::Film(viewer), gateway)
        }
        Found::Live(stream) => {
            let live = Live::join(stream, origin, key, options).await?;
            let gateway = Gateway::open_live(live.clone(), port).await;
            (Watched::Live(live), gateway)
        }
    };
    let gateway = gateway.map_err(Wrong::wrap)?;
    let admin = match args.running.admin.or(file.admin) {
        Some(address) => {
            let watched = watched.clone();
            let figures = move || {
                let (watched, uplink) = (watched.clone(), uplink.clone());
                async move { figures(&watched.stats().await, &uplink.stats()) }
            };
            Some(admin::open(address, None, figures).await?)
        }
        None => None,
    };
    let asked = stop::asked();
    say!("HLS   {}", gateway.hls());
    if let Some(dash) = gateway.dash() {
        say!("DASH  {dash}");
    }
    if let Some(movie) = gateway.movie() {
        say!("MP4   {movie}");
    }
    let mut child = player.map(|player| player.start(&gateway.hls())).transpose()?;
    let asked = tokio::select! {
        asked = asked => Some(asked),
        ended = ended(child.as_mut()) => match ended?.code() {
            Some(0) => None,
            code => bail!("the player ended with {code:?}"),
        },
        () = screen.follow(async || line(&watched.stats().await)) => None,
    };
    let asked = stop::drained(asked, admin.as_ref(), watched.drain(drain)).await;
    if let Some(mut child) = child {
        let _ = child.kill().await; // it may have ended
    }
    let stats = watched.stats().await;
    watched.leave().await;
    say!("{}", line(&stats));
    Ok(asked.map_or(ExitCode::SUCCESS, Asked::code))
}

/// What is under an address.
enum Found {
    Film(Film),
    Live(Stream),
}

impl Found {
    /// A film, or a live stream where there is no index.
    async fn at(origin: &Origin, key: Option<&PublicKey>) -> Result<Self> {
        match Film::open(origin, key).await {
            Ok(film) => Ok(Self::Film(film)),
            Err(OpenFilm::NoIndex(why @ OriginError::Status { status: 404, .. })) => {
                match Stream::open(origin, key).await {
                    Ok(stream) => Ok(Self::Live(stream)),
                    Err(OpenLive::NoDescription(OriginError::Status { status: 404, .. })) => {
                        Err(OpenFilm::NoIndex(why).into())
                    }
                    Err(why) => Err(why.into()),
                }
            }
            Err(why) => Err(why.into()),
        }
    }
}

/// What is watched.
#[derive(Clone)]
enum Watched {
    Film(Viewer),
    Live(Live),
}

impl Watched {
    async fn stats(&self) -> Stats {
        match self {
            Self::Film(viewer) => viewer.stats().await,
            Self::Live(live) => live.stats().await,
        }
    }

    async fn drain(&self, within: Duration) {
        match self {
            Self::Film(viewer) => viewer.drain(within).await,
            Self::Live(live) => live.drain(within).await,
        }
    }

    async fn leave(&self) {
        match self {
            Self::Film(viewer) => viewer.leave().await,
            Self::Live(live) => live.leave().await,
        }
    }
}

fn figures(stats: &Stats, uplink: &node::uplink::Stats) -> Vec<Figure> {
    let mut figures = vec![
        Figure::sum("watch_origin_bytes", "Bytes of media that came from the origin", stats.from_origin),
        Figure::sum("watch_from_peers_bytes", "Bytes of media that came from neighbours", stats.from_peers),
        Figure::sum("watch_to_peers_bytes", "Bytes of media handed to neighbours", stats.to_peers),
        Figure::sum("watch_refused_bytes", "Bytes of media that failed the check", stats.refused),
        Figure::sum("watch_wasted_bytes", "Bytes of media that came for nothing", stats.wasted),
        Figure::level("watch_held_bytes", "Bytes of media held", stats.held),
        Figure::level("watch_peers", "Neighbours connected", stats.peers as u64),
        Figure::level("watch_trackers", "Trackers connected", stats.trackers as u64),
    ];
    figures.extend(uplink::figures(uplink));
    figures
}

struct Player {
    program: PathBuf,
    arguments: &'static [&'static str],
}

impl Player {
    fn start(&self, url: &str) -> Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(self.arguments).arg(url).kill_on_drop(true);
        command.spawn().with_context(|| format!("cannot start {}", self.program.display()))
    }
}

/// The player that was named, or else the first that is installed.
fn player(named: Option<&str>) -> Result<Option<Player>> {
    let known = |name: &str| {
        let (_, arguments) = PLAYERS.iter().find(|(known, _)| *known == name)?;
        let path = std::env::var_os("PATH")?;
        let program = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())?;
        Some(Player { program, arguments })
    };
    match named {
        None => Ok(PLAYERS.iter().find_map(|(name, _)| known(name))),
        Some("none") => Ok(None),
        Some(name) if PLAYERS.iter().all(|(known, _)| *known != name) => {
            bail!(
                "--player {name} is none of mpv, vlc, ffplay, none; give any other the address that is printed"
            )
        }
        Some(name) => known(name)
            .map(Some)
            .with_context(|| format!("{name} is not installed; --player none needs no player")),
    }
}

/// Waits for the player; without one, for ever.
async fn ended(child: Option<&mut Child>) -> Result<std::process::ExitStatus> {
    match child {
        Some(child) => child.wait().await.context("the player"),
        None => std::future::pending().await,
    }
}

fn line(stats: &Stats) -> String {
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let received = stats.from_origin + stats.from_peers;
    let share = if received == 0 { 0.0 } else { stats.from_peers as f64 / received as f64 * 100.0 };
    let mut text = format!(
        "{:.1} MB from viewers ({share:.0} %), {:.1} MB from the origin, {:.1} MB to viewers; {} connected",
        mb(stats.from_peers),
        mb(stats.from_origin),
        mb(stats.to_peers),
        stats.peers
    );
    if stats.refused > 0 {
        text += &format!("; {:.1} MB refused, for they were not the publisher's", mb(stats.refused));
    }
    text
}
