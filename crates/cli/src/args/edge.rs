//! What `braidcast edge` can be told.

use super::{Pass, Reach, Running};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Edge {
    /// Where films come from; several may be given: a film (its watch page, its folder or a file in it), or the root of a
    /// Braidcast server, whose films are all kept, new ones too.
    #[arg(long, value_name = "URL", env = "BRAIDCAST_UPSTREAM", value_delimiter = ',')]
    pub upstream: Vec<String>,
    /// Folder for what is kept [default: edge, in ./braidcast-data].
    #[arg(long, value_name = "DIR", env = "BRAIDCAST_CACHE")]
    pub cache: Option<PathBuf>,
    /// Disk for segments, as 50GB or 800MB; the longest unused go first [default: 50GB].
    #[arg(long, value_name = "SIZE", env = "BRAIDCAST_CACHE_SIZE")]
    pub cache_size: Option<String>,
    /// Most to upload to all viewers together, as 200M or 800k bits a second, unlimited, or 0; with hours of the day where it is
    /// to be another, as 22:00-06:00=20M. Several may be given; the first whose hours it is holds [default: unlimited].
    #[arg(long, value_name = "[HH:MM-HH:MM=]RATE", env = "BRAIDCAST_UP", value_delimiter = ',')]
    pub up: Vec<String>,
    /// What this node is called in its figures and its list of films, as berlin-office.
    #[arg(long, value_name = "NAME", env = "BRAIDCAST_SITE")]
    pub site: Option<String>,
    /// Address and port where players ask over plain HTTP: http://HERE/s/FILM/master.m3u8 [default: 0.0.0.0:8081].
    #[arg(long, value_name = "ADDRESS:PORT", env = "BRAIDCAST_LISTEN")]
    pub listen: Option<String>,
    /// Tracker to meet viewers at; several may be given [default: /tracker of each film's server].
    #[arg(long, value_name = "URL", env = "BRAIDCAST_TRACKER", value_delimiter = ',')]
    pub tracker: Vec<String>,
    /// The publisher's public key: nothing but what it signed is kept.
    #[arg(long, value_name = "KEY", env = "BRAIDCAST_PUBLISHER", allow_hyphen_values = true)]
    pub key: Option<String>,
    /// Most viewers of a film at a time [default: 500].
    #[arg(long, value_name = "N", env = "BRAIDCAST_VIEWERS")]
    pub viewers: Option<usize>,
    #[command(flatten)]
    pub pass: Pass,
    #[command(flatten)]
    pub reach: Reach,
    #[command(flatten)]
    pub running: Running,
}
