//! Settings from the config file, and what they come to together with flags and environment (which clap merges).

use crate::args::{Compat, LogFormat, Making, Mode, ReleaseFamily, Secret};
use anyhow::{Context, Result, bail};
use origin::ladder::{Ladder, parse_bitrate};
use origin::package::{DEFAULT_PRESET, PRESETS, Settings};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Where films, packages and the key are kept when nobody says otherwise.
pub const DEFAULT_DATA: &str = "braidcast-data";

/// What a config file may hold.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    pub log: Option<String>,
    pub log_format: Option<LogFormat>,
    pub listen: Option<String>,
    pub data: Option<PathBuf>,
    pub public_url: Option<String>,
    pub cluster: Option<OneOrMany<Secret>>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub acme: Option<OneOrMany<String>>,
    pub acme_contact: Option<OneOrMany<String>>,
    pub acme_cache: Option<PathBuf>,
    pub acme_directory: Option<String>,
    pub acme_ca: Option<PathBuf>,
    pub cache_mib: Option<u64>,
    pub connections: Option<usize>,
    pub connections_per_net: Option<usize>,
    pub newcomers_per_net: Option<u32>,
    pub relay: Option<OneOrMany<String>>,
    pub trusted_proxy: Option<OneOrMany<String>>,
    pub asn: Option<PathBuf>,
    pub sites: Vec<Site>,
    pub vpn: Option<OneOrMany<String>>,
    pub no_transcode: Option<bool>,
    pub ladder: Option<String>,
    pub preset: Option<String>,
    pub audio_bitrate: Option<String>,
    pub key: Option<PathBuf>,
    pub player: Option<String>,
    pub gateway_port: Option<u16>,
    pub upload: Option<OneOrMany<String>>,
    pub public_key: Option<String>,
    pub tracker: Option<OneOrMany<String>>,
    pub bind: Option<SocketAddr>,
    pub external: Option<OneOrMany<IpAddr>>,
    pub stun: Option<OneOrMany<String>>,
    pub tcp: Option<SocketAddr>,
    pub turn: Option<OneOrMany<String>>,
    pub turn_user: Option<String>,
    pub turn_password: Option<Secret>,
    pub relay_only: Option<bool>,
    pub ice_lite: Option<bool>,
    pub no_quic: Option<bool>,
    pub metered: Option<bool>,
    pub admin: Option<SocketAddr>,
    pub admin_socket: Option<PathBuf>,
    pub admin_key_file: Option<PathBuf>,
    pub admin_key: Option<Secret>,
    pub drain: Option<String>,
    pub hls: Option<String>,
    pub compat: Option<Compat>,
    pub family: Option<OneOrMany<ReleaseFamily>>,
    pub swarm_id: Option<String>,
    pub upstream: Option<OneOrMany<String>>,
    pub site: Option<String>,
    pub cache: Option<PathBuf>,
    pub cache_size: Option<String>,
    pub up: Option<OneOrMany<String>>,
    pub viewers: Option<usize>,
    pub ingest: Option<OneOrMany<String>>,
    pub whip_external: Option<OneOrMany<String>>,
    pub stream_key: Option<OneOrMany<Secret>>,
    pub pull: Option<OneOrMany<Secret>>,
    pub pull_private: Option<bool>,
    pub index_only: Option<bool>,
    pub passthrough: Option<bool>,
    pub segment: Option<String>,
    pub part: Option<String>,
    pub dvr: Option<String>,
    pub record: Option<bool>,
    pub bridge: Option<String>,
    pub bucket: Option<String>,
    pub bucket_url: Option<String>,
    pub admission: Option<Mode>,
    pub allow: Option<PathBuf>,
    pub token_keys: Option<String>,
    pub hook: Option<String>,
    pub hook_open: Option<bool>,
    pub revocations: Option<OneOrMany<PathBuf>>,
    pub revocation_key: Option<OneOrMany<String>>,
    pub token_url: Option<Secret>,
    pub viewer_key: Option<PathBuf>,
    /// Of a tracker on its own: what streams are called, and their swarms.
    pub streams: BTreeMap<String, OneOrMany<String>>,
}

/// A place with many viewers behind one line, as the tracker's operator describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Site {
    pub name: String,
    pub networks: Vec<String>,
    pub mode: SiteMode,
}

/// Whom its people meet.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SiteMode {
    On,
    Off,
    LeechOnly,
    Wan,
}

/// What may be said once or several times.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "neither such a value nor a list of them")]
pub enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T: Clone> OneOrMany<T> {
    /// All of them.
    pub fn list(&self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one.clone()],
            Self::Many(many) => many.clone(),
        }
    }

    /// What the flags say, or else the file.
    pub fn under(flags: Vec<T>, file: Option<&Self>) -> Vec<T> {
        if flags.is_empty() { file.map(Self::list).unwrap_or_default() } else { flags }
    }
}

impl File {
    /// Reads `named`, which must be there, or else the first of the usual places that is.
    pub fn read(named: Option<&Path>) -> Result<Self> {
        if let Some(path) = named {
            let text = fs::read_to_string(path)
                .with_context(|| format!("cannot read the config {}", path.display()))?;
            return Self::parse(&text, path);
        }
        for path in usual_places() {
            match fs::read_to_string(&path) {
                Ok(text) => return Self::parse(&text, &path),
                Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(e) => {
                    return Err(e).with_context(|| format!("cannot read the config {}", path.display()));
                }
            }
        }
        Ok(Self::default())
    }

    fn parse(text: &str, path: &Path) -> Result<Self> {
        toml::from_str(text).with_context(|| format!("the config {} is wrong", path.display()))
    }

    /// How films are made into packages.
    pub fn settings(&self, flags: &Making) -> Result<Settings> {
        let ladder = flags.ladder.as_ref().or(self.ladder.as_ref());
        let ladder = ladder.map(|text| text.parse::<Ladder>()).transpose().context("--ladder")?;
        let preset = flags.preset.as_ref().or(self.preset.as_ref()).map_or(DEFAULT_PRESET, String::as_str);
        if !PRESETS.contains(&preset) {
            bail!("--preset {preset} is none of {}", PRESETS.join(", "));
        }
        let mut settings = Settings { ladder, preset: preset.to_owned(), ..Settings::default() };
        if let Some(text) = flags.audio_bitrate.as_ref().or(self.audio_bitrate.as_ref()) {
            settings.audio_bitrate_bps =
                parse_bitrate(text)
                    .filter(|bps| (16_000..=512_000).contains(bps))
                    .with_context(|| format!("--audio-bitrate {text} is not between 16k and 512k"))?;
        }
        settings.transcode = !flags.no_transcode.or(self.no_transcode).unwrap_or(false);
        Ok(settings)
    }

    /// The data folder.
    pub fn data(&self, flag: Option<&PathBuf>) -> PathBuf {
        flag.or(self.data.as_ref()).cloned().unwrap_or_else(|| DEFAULT_DATA.into())
    }

    /// The key file, if one is named.
    pub fn key(&self, flag: Option<&PathBuf>) -> Option<PathBuf> {
        flag.or(self.key.as_ref()).cloned()
    }
}

fn usual_places() -> Vec<PathBuf> {
    let mut places = vec![PathBuf::from("braidcast.toml")];
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".config"));
    if let Some(dir) = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|p| p.is_absolute()).or(home)
    {
        places.push(dir.join("braidcast/config.toml"));
    }
    places
}
