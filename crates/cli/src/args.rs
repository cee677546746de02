//! The command line. Every setting that a config file can hold is an `Option` here, so that a default never hides what the
//! file says: defaults < file < environment < flags.

mod admission;
mod edge;
mod live;
mod meeting;
mod secret;
mod tracker;

pub use admission::{Admission, Mode, Pass, Revoke, Token, Why};
pub use edge::Edge;
pub use live::Live;
pub use meeting::Meeting;
pub use secret::Secret;
pub use tracker::Tracker;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  braidcast serve film.mp4                          package a film and serve it on port 8080
  braidcast serve *.mp4 --ladder 360:750k,720:2.5M  several films, two qualities each
  braidcast live                                    take a stream from OBS or ffmpeg, and serve it
  braidcast package film.mp4 --out site/film        files for a web server or CDN
  braidcast watch http://localhost:8080/watch/film  watch it in VLC, mpv or ffplay, as one of its viewers
  braidcast seed --hls https://my.site/film/master.m3u8 --tracker wss://tracker.my.site
                                                    give it to the p2p-media-loader pages that play it
  braidcast edge --upstream https://video.my.site/  keep what an office watches, and fetch it once
  braidcast check http://localhost:8080/watch/film  is it what players and viewers may expect?
  braidcast sim scenarios/evening.toml --html r.html  what would an audience like this save?

Settings can also stand in ./braidcast.toml or ~/.config/braidcast/config.toml (the same names, without the dashes in \
front) and in the environment (BRAIDCAST_LISTEN for --listen). Flags win over the environment, that over the file.";

/// Peer-to-peer video streaming: viewers pass the film on, every byte is checked, the origin fills every gap.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP, propagate_version = true)]
pub struct Cli {
    /// Config file instead of ./braidcast.toml or ~/.config/braidcast/config.toml.
    #[arg(long, global = true, value_name = "FILE", env = "BRAIDCAST_CONFIG")]
    pub config: Option<PathBuf>,
    /// What to log on stderr: error, warn, info, debug, trace, or a filter such as origin=debug [default: warn].
    #[arg(long, global = true, value_name = "LEVEL", env = "BRAIDCAST_LOG")]
    pub log: Option<String>,
    /// How log lines look [default: text].
    #[arg(long, global = true, value_name = "FORMAT", env = "BRAIDCAST_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Package films and serve them, with player, tracker and catalogue.
    Serve(Serve),
    /// Take live streams from OBS, ffmpeg or any encoder, and serve them, with player, tracker and catalogue.
    Live(Live),
    /// Make a film into files for a web server or CDN.
    Package(Package),
    /// Watch a film or a live stream without a browser: joins its viewers, and gives it to VLC, mpv or any player.
    Watch(Watch),
    /// Give somebody else's HLS stream to the viewers of its p2p-media-loader pages, as one more of them.
    Seed(Seed),
    /// Keep what an office, a school or a provider's customers watch: fetch it once, give it to viewers and plain players.
    Edge(Edge),
    /// Be where viewers meet: Braidcast's, WebTorrent's and p2p-media-loader's.
    Tracker(Tracker),
    /// Make a token for a viewer, as a site's own server would: for trackers that ask for tokens.
    Token(Token),
    /// Take streams down: make or change the signed list of those that must not be shared any more.
    Revoke(Revoke),
    /// Show or make the publisher's key.
    #[command(subcommand)]
    Keys(Keys),
    /// Judge a package: playlists, segments, and every byte against the signed index.
    Check(Check),
    /// Print completions for a shell: braidcast completions bash > /etc/bash_completion.d/braidcast
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write a man page for the program, and one for each verb, into a folder.
    Man {
        /// The folder.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Ask what an audience would save, and what it would see: the program's own peers on a modelled network.
    Sim(Sim),
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Films. Without any, all that were packaged before are served.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Folder for packages and key [default: ./braidcast-data].
    #[arg(long, value_name = "DIR", env = "BRAIDCAST_DATA")]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub serving: Serving,
    #[command(flatten)]
    pub making: Making,
}

/// How viewers are served.
#[derive(Debug, Args)]
pub struct Serving {
    /// Address and port for viewers [default: 0.0.0.0:8080].
    #[arg(long, value_name = "ADDRESS:PORT", env = "BRAIDCAST_LISTEN")]
    pub listen: Option<String>,
    /// Address under which viewers reach this server, for the links that are printed (behind a proxy, for example).
    #[arg(long, value_name = "URL", env = "BRAIDCAST_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// Memory for files that are often asked for, MiB [default: 256].
    #[arg(long, value_name = "MIB", env = "BRAIDCAST_CACHE_MIB")]
    pub cache_mib: Option<u64>,
    /// Most HTTP connections at a time [default: 8192].
    #[arg(long, value_name = "N", env = "BRAIDCAST_CONNECTIONS")]
    pub connections: Option<usize>,
    /// Most HTTP connections at a time from one IPv4 /24 or IPv6 /48 [default: 256]; the tracker takes four times as many. Raise it behind a CDN.
    #[arg(long, value_name = "N", env = "BRAIDCAST_CONNECTIONS_PER_NET")]
    pub connections_per_net: Option<usize>,
    /// New connections a second from one IPv4 /24 or IPv6 /48, beyond which they are reset [default: 1000].
    #[arg(long, value_name = "N", env = "BRAIDCAST_NEWCOMERS_PER_NET")]
    pub newcomers_per_net: Option<u32>,
    #[command(flatten)]
    pub meeting: Meeting,
    #[command(flatten)]
    pub admission: Admission,
}

#[derive(Debug, Args)]
pub struct Watch {
    /// Address of the film or live stream: its watch page, its folder, or a file in it such as master.m3u8.
    pub url: String,
    /// Player to start: mpv, vlc, ffplay, or none to be given the addresses only [default: the first that is installed].
    #[arg(long, value_name = "PLAYER", env = "BRAIDCAST_PLAYER")]
    pub player: Option<String>,
    /// Port of this machine for the player; nobody else can reach it [default: any that is free].
    #[arg(long, value_name = "PORT", env = "BRAIDCAST_GATEWAY_PORT")]
    pub port: Option<u16>,
    /// Most to upload to other viewers, as 5M or 800k bits a second, unlimited, or 0 to share nothing; with hours of the day
    /// where it is to be another, as 22:00-06:00=unlimited. Several may be given; the first whose hours it is holds [default: 20M].
    #[arg(
        long,
        visible_alias = "up",
        value_name = "[HH:MM-HH:MM=]RATE",
        env = "BRAIDCAST_UPLOAD",
        value_delimiter = ','
    )]
    pub upload: Vec<String>,
    /// The line is paid by the byte: nothing is fetched that the player has not asked for, and nothing is shared but in hours
    /// that --upload names.
    #[arg(long, env = "BRAIDCAST_METERED", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub metered: Option<bool>,
    /// The publisher's public key: nothing but what it signed is played. In the config file: public-key.
    #[arg(long, value_name = "KEY", env = "BRAIDCAST_PUBLIC_KEY", allow_hyphen_values = true)]
    pub key: Option<String>,
    /// Tracker to meet the others at; several may be given [default: /tracker of the film's server].
    #[arg(long, value_name = "URL", env = "BRAIDCAST_TRACKER", value_delimiter = ',')]
    pub tracker: Vec<String>,
    #[command(flatten)]
    pub pass: Pass,
    #[command(flatten)]
    pub reach: Reach,
    #[command(flatten)]
    pub running: Running,
}

#[derive(Debug, Args)]
pub struct Seed {
    /// The playlist that the pages play, by the same address.
    #[arg(long, value_name = "URL", env = "BRAIDCAST_HLS")]
    pub hls: Option<String>,
    /// What the pages run [default: p2p-media-loader].
    #[arg(long, value_name = "SYSTEM", env = "BRAIDCAST_COMPAT")]
    pub compat: Option<Compat>,
    /// Tracker that the pages use; several may be given. It must be one that may know of this stream: some block who guesses.
    #[arg(long, value_name = "URL", env = "BRAIDCAST_TRACKER", value_delimiter = ',')]
    pub tracker: Vec<String>,
    /// Releases to meet: a is 2.0 to 2.2, b 2.3 to 4, c 5 [default: a,b,c].
    #[arg(long, value_name = "FAMILY", env = "BRAIDCAST_FAMILY", value_delimiter = ',')]
    pub family: Vec<ReleaseFamily>,
    /// What the pages call the stream, if they set swarmId [default: the address of the playlist].
    #[arg(long, value_name = "ID", env = "BRAIDCAST_SWARM_ID")]
    pub swarm_id: Option<String>,
    /// Folder for the segments [default: seed, in ./braidcast-data].
    #[arg(long, value_name = "DIR", env = "BRAIDCAST_CACHE")]
    pub cache: Option<PathBuf>,
    /// Disk for them, as 50GB or 800MB [default: 10GB].
    #[arg(long, value_name = "SIZE", env = "BRAIDCAST_CACHE_SIZE")]
    pub cache_size: Option<String>,
    /// Most to upload to all viewers together, as 200M or 800k bits a second, unlimited, or 0; with hours of the day where it is
    /// to be another, as 22:00-06:00=20M. Several may be given; the first whose hours it is holds [default: unlimited].
    #[arg(long, value_name = "[HH:MM-HH:MM=]RATE", env = "BRAIDCAST_UP", value_delimiter = ',')]
    pub up: Vec<String>,
    /// The line is paid by the byte: nothing is fetched or given but in hours that --up names.
    #[arg(long, env = "BRAIDCAST_METERED", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub metered: Option<bool>,
    #[command(flatten)]
    pub pass: Pass,
    #[command(flatten)]
    pub reach: Reach,
    #[command(flatten)]
    pub running: Running,
    /// Most viewers at a time [default: 500].
    #[arg(long, value_name = "N", env = "BRAIDCAST_VIEWERS")]
    pub viewers: Option<usize>,
}

/// How it is looked after.
#[derive(Debug, Args)]
pub struct Running {
    /// Answer /healthz and /metrics (Prometheus) here, as 127.0.0.1:9464 [default: nowhere].
    #[arg(long, value_name = "ADDRESS:PORT", env = "BRAIDCAST_ADMIN")]
    pub admin: Option<SocketAddr>,
    /// After SIGTERM, finish what is being sent for so long at most, as 10s or 2m; a second signal ends it at once [default: 10s].
    #[arg(long, value_name = "TIME", env = "BRAIDCAST_DRAIN")]
    pub drain: Option<String>,
}

/// How other viewers reach this one.
#[derive(Debug, Default, Args)]
pub struct Reach {
    /// Address and UDP port for other viewers [default: 0.0.0.0 and any port].
    #[arg(long, value_name = "ADDRESS:PORT", env = "BRAIDCAST_BIND")]
    pub bind: Option<SocketAddr>,
    /// Public address of this machine, if it is none of its own interfaces; several may be given.
    #[arg(long, value_name = "ADDRESS", env = "BRAIDCAST_EXTERNAL", value_delimiter = ',')]
    pub external: Vec<IpAddr>,
    /// STUN server that is asked how this machine looks from outside, as stun.my.site:3478; several may be given.
    #[arg(long, value_name = "HOST:PORT", env = "BRAIDCAST_STUN", value_delimiter = ',')]
    pub stun: Vec<String>,
    /// TURN server that passes everything on to viewers no other way leads to, as turn:turn.my.site:3478; several may be given.
    #[arg(long, value_name = "turn:HOST:PORT", env = "BRAIDCAST_TURN", value_delimiter = ',')]
    pub turn: Vec<String>,
    /// User name at the TURN servers.
    #[arg(long, value_name = "NAME", env = "BRAIDCAST_TURN_USER")]
    pub turn_user: Option<String>,
    /// Password there; better set in the environment, where other users of this machine do not see it.
    #[arg(long, value_name = "PASSWORD", env = "BRAIDCAST_TURN_PASSWORD", hide_env_values = true)]
    pub turn_password: Option<Secret>,
    /// Be reached through the TURN server alone, so that other viewers do not learn this machine's address.
    #[arg(long, env = "BRAIDCAST_RELAY_ONLY", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub relay_only: Option<bool>,
    /// Answer as ICE-lite: only where every UDP packet from anybody gets here [default: true if --external is given].
    #[arg(long, env = "BRAIDCAST_ICE_LITE", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub ice_lite: Option<bool>,
    /// Listen here for viewers whose networks let no UDP pass, as 0.0.0.0:443.
    #[arg(long, value_name = "ADDRESS:PORT", env = "BRAIDCAST_TCP")]
    pub tcp: Option<SocketAddr>,
    /// Speak WebRTC with all, and QUIC with nobody; else with viewers that have no browser either.
    #[arg(long, env = "BRAIDCAST_NO_QUIC", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_quic: Option<bool>,
}

/// Whose pages are met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compat {
    /// Pages that run p2p-media-loader 2.0 or later.
    P2pMediaLoader,
}

/// Releases that name their swarms alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseFamily {
    /// 2.0 to 2.2.
    A,
    /// 2.3 to 4.
    B,
    /// 5.
    C,
}

#[derive(Debug, Args)]
pub struct Package {
    /// The film.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Folder that becomes the package; one made of an older film or with other settings is replaced.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Folder of the key, if no --key is given [default: ./braidcast-data].
    #[arg(long, value_name = "DIR", env = "BRAIDCAST_DATA")]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub making: Making,
}

/// How films are made into packages.
#[derive(Debug, Default, Args)]
pub struct Making {
    /// Send the film's own tracks (H.264 and AAC in MP4 or MOV) instead of encoding a ladder.
    #[arg(long, env = "BRAIDCAST_NO_TRANSCODE", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_transcode: Option<bool>,
    /// Qualities as HEIGHT:BITRATE,... [default: up to four that suit the film].
    #[arg(long, value_name = "LADDER", env = "BRAIDCAST_LADDER")]
    pub ladder: Option<String>,
    /// Speed of the encoder: ultrafast ... veryslow [default: veryfast].
    #[arg(long, value_name = "PRESET", env = "BRAIDCAST_PRESET")]
    pub preset: Option<String>,
    /// Bitrate of each sound track [default: 128k].
    #[arg(long, value_name = "BITRATE", env = "BRAIDCAST_AUDIO_BITRATE")]
    pub audio_bitrate: Option<String>,
    /// The publisher's secret key [default: publisher.key in the data folder, made on first use].
    #[arg(long, value_name = "FILE", env = "BRAIDCAST_KEY")]
    pub key: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Print the public key, which viewers are given.
    Show(KeyPlace),
    /// Make a new key where there is none, and print its public half.
    New(KeyPlace),
}

#[derive(Debug, Args)]
pub struct KeyPlace {
    /// The key file [default: publisher.key in the data folder].
    #[arg(long, value_name = "FILE", env = "BRAIDCAST_KEY")]
    pub key: Option<PathBuf>,
    /// The data folder [default: ./braidcast-data].
    #[arg(long, value_name = "DIR", env = "BRAIDCAST_DATA")]
    pub data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Check {
    /// Folder of a package, its address, or the address of its watch page.
    #[arg(value_name = "URL|DIR")]
    pub target: String,
    /// The publisher's public key (43 characters): the index must be signed by it.
    #[arg(long, value_name = "PUBLIC KEY", allow_hyphen_values = true)]
    pub key: Option<String>,
}

#[derive(Debug, Args)]
pub struct Sim {
    /// Scenarios: the folder scenarios/ has one for each question, and docs/guides/simulate.md says how to write one.
    #[arg(value_name = "SCENARIO", required = true)]
    pub scenarios: Vec<PathBuf>,
    /// How many seeds to run; each with Braidcast and with the origin alone.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub seeds: u64,
    /// The first seed.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub seed: u64,
    /// How many viewers come, instead of what the scenario says.
    #[arg(long, value_name = "N")]
    pub peers: Option<u32>,
    /// Draw a report into this file: one page that needs nothing else.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Run another scenario too, and put both side by side.
    #[arg(long, value_name = "SCENARIO")]
    pub compare: Option<PathBuf>,
    /// Print what differs from the figures in this file. Where it is missing it is written.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Put the new figures into the baseline.
    #[arg(long, requires = "baseline")]
    pub renew: bool,
    /// Runs at a time [default: one a core].
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}
