//! What `braidcast tracker` can be told.

use super::Secret;
use clap::Args;
use std::path::PathBuf;

const AFTER_TRACKER: &str = "\
Examples:
  braidcast tracker                                 on port 7070, without TLS
  braidcast tracker --listen :443 --tls-cert fullchain.pem --tls-key privkey.pem
                                                    wss://, with the certificate of this host
  braidcast tracker --admission tokens --token-keys keys.json
                                                    for those alone to whom your own server gives tokens
  braidcast tracker --cluster nats://10.0.0.5,nats://10.0.0.6 --public-url https://a.example
                                                    one of several that are one
  braidcast watch URL --tracker ws://localhost:7070 a viewer who meets others there

Pages name it by its address, with any path: WebTorrent's and p2p-media-loader's as one of their trackers (announce), \
<braidcast-player> by its attribute tracker. /healthz, /metrics (Prometheus) and /stats.json are on the same port.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_TRACKER)]
pub struct Tracker {
    /// Address and port; :PORT for all addresses of this machine [default: :7070].
    #[arg(long, value_name = "ADDRESS:PORT", env = "BRAIDCAST_LISTEN")]
    pub listen: Option<String>,
    /// Certificates for wss://, the server's first, PEM. The file is read again on SIGHUP, and once an hour.
    #[arg(long, value_name = "FILE", env = "BRAIDCAST_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// The key of the certificate, PEM.
    #[arg(long, value_name = "FILE", env = "BRAIDCAST_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// NATS servers through which this tracker and others are one; several may be given. With user:password@ where they ask for it.
    #[arg(
        long,
        value_name = "nats://HOST:PORT",
        env = "BRAIDCAST_CLUSTER",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub cluster: Vec<Secret>,
    /// Address under which it is reached, for what is printed (behind a proxy, for example), and for other trackers of the cluster to send
    /// viewers to.
    #[arg(long, value_name = "URL", env = "BRAIDCAST_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// Most connections at a time [default: as many as the system lets it open].
    #[arg(long, value_name = "N", env = "BRAIDCAST_CONNECTIONS")]
    pub connections: Option<usize>,
    /// Most connections at a time from one IPv4 /24 or IPv6 /48 [default: 1024]. Raise it behind a proxy.
    #[arg(long, value_name = "N", env = "BRAIDCAST_CONNECTIONS_PER_NET")]
    pub connections_per_net: Option<usize>,
    /// A TURN server through which viewers may be reached, by the address from which it relays, or a network of them
    /// (203.0.113.0/28); several may be given [default: none: no relay's address is passed on].
    #[arg(long, value_name = "ADDRESS", env = "BRAIDCAST_RELAY", value_delimiter = ',')]
    pub relay: Vec<String>,
    #[command(flatten)]
    pub admission: super::Admission,
}
