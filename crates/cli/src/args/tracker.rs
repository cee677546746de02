//! What `braidcast tracker` can be told.

use super::{Meeting, Secret};
use clap::Args;
use std::net::SocketAddr;
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
    /// Get the certificate from an ACME server such as Let's Encrypt, for this name; several may be given. The server looks at port 443 of the
    /// name, which must lead here. By it you agree to the server's terms.
    #[arg(long, value_name = "DOMAIN", env = "BRAIDCAST_ACME", value_delimiter = ',', conflicts_with_all = ["tls_cert", "tls_key"])]
    pub acme: Vec<String>,
    /// Whom the ACME server writes to, as mailto:me@my.site; several may be given.
    #[arg(long, value_name = "URL", env = "BRAIDCAST_ACME_CONTACT", value_delimiter = ',')]
    pub acme_contact: Vec<String>,
    /// Folder for the account and the certificate [default: acme, in ./braidcast-data].
    #[arg(long, value_name = "DIR", env = "BRAIDCAST_ACME_CACHE")]
    pub acme_cache: Option<PathBuf>,
    /// The ACME server's directory [default: Let's Encrypt's].
    #[arg(long, value_name = "URL", env = "BRAIDCAST_ACME_DIRECTORY")]
    pub acme_directory: Option<String>,
    /// The authority by which a private ACME server itself is known, PEM [default: those of the system].
    #[arg(long, value_name = "FILE", env = "BRAIDCAST_ACME_CA")]
    pub acme_ca: Option<PathBuf>,
    /// Address under which it is reached, for what is printed (behind a proxy, for example), and for other trackers of the cluster to send
    /// viewers to.
    #[arg(long, value_name = "URL", env = "BRAIDCAST_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// Most connections at a time [default: as many as the system lets it open].
    #[arg(long, value_name = "N", env = "BRAIDCAST_CONNECTIONS")]
    pub connections: Option<usize>,
    /// Most connections at a time from one IPv4 /24 or IPv6 /48 [default: 1024]; behind a trusted proxy it is the viewers'.
    #[arg(long, value_name = "N", env = "BRAIDCAST_CONNECTIONS_PER_NET")]
    pub connections_per_net: Option<usize>,
    /// New connections a second from one IPv4 /24 or IPv6 /48, beyond which they are reset [default: 1000]; behind a trusted proxy they are the viewers'.
    #[arg(long, value_name = "N", env = "BRAIDCAST_NEWCOMERS_PER_NET")]
    pub newcomers_per_net: Option<u32>,
    #[command(flatten)]
    pub meeting: Meeting,
    #[command(flatten)]
    pub admission: super::Admission,
    /// Answer the operator here, as 127.0.0.1:7071: swarms, settings, drain, reload; /openapi.json says how. It needs a key [default:
    /// nowhere].
    #[arg(long, value_name = "ADDRESS:PORT", env = "BRAIDCAST_ADMIN")]
    pub admin: Option<SocketAddr>,
    /// The same at a Unix socket, which only this user gets at; without a key whoever gets there is let in.
    #[arg(long, value_name = "FILE", env = "BRAIDCAST_ADMIN_SOCKET")]
    pub admin_socket: Option<PathBuf>,
    /// File with the key that requests to the admin address must have: 16 letters or more.
    #[arg(long, value_name = "FILE", env = "BRAIDCAST_ADMIN_KEY_FILE")]
    pub admin_key_file: Option<PathBuf>,
    /// The key itself; better set in the environment, where other users of this machine do not see it.
    #[arg(long, value_name = "KEY", env = "BRAIDCAST_ADMIN_KEY", hide_env_values = true)]
    pub admin_key: Option<Secret>,
}
