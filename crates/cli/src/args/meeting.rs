//! Who meets whom at a tracker, be it one of its own or beside a film.

use clap::Args;
use std::path::PathBuf;

/// What the tracker knows of where viewers are.
#[derive(Debug, Default, Args)]
pub struct Meeting {
    /// A TURN server through which viewers may be reached, by the address from which it relays, or a network of them
    /// (203.0.113.0/28); several may be given [default: none: the tracker passes on no relay's address].
    #[arg(long, value_name = "ADDRESS", env = "BRAIDCAST_RELAY", value_delimiter = ',')]
    pub relay: Vec<String>,
    /// A proxy in front that is believed when it says in Forwarded or X-Forwarded-For for whom it asks, by its address or a network of
    /// them; several may be given [default: none: such headers are not looked at].
    #[arg(long, value_name = "ADDRESS", env = "BRAIDCAST_TRUSTED_PROXY", value_delimiter = ',')]
    pub trusted_proxy: Vec<String>,
    /// Which autonomous system an address is of, in MaxMind's format (GeoLite2-ASN): viewers of one are near each other. The file is
    /// read again on SIGHUP, and once an hour.
    #[arg(long, value_name = "FILE", env = "BRAIDCAST_ASN")]
    pub asn: Option<PathBuf>,
}
