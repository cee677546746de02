//! What can be said of who may join, of tokens and of takedowns.

use super::Secret;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Who may join a tracker's swarms.
#[derive(Debug, Default, Args)]
pub struct Admission {
    /// Who may join: everybody (open); everybody, to the streams on a list (list); whoever has a token of your server (tokens); whom
    /// another server lets in (hook) [default: open].
    #[arg(long, value_name = "MODE", env = "BRAIDCAST_ADMISSION")]
    pub admission: Option<Mode>,
    /// The list: a file with a stream in each line, by its name, the beginning of names and *, or its swarm's 40 digits. The file is
    /// read again when it changes, and on SIGHUP.
    #[arg(long, value_name = "FILE", env = "BRAIDCAST_ALLOW")]
    pub allow: Option<PathBuf>,
    /// Public keys of the server that signs tokens: a JWK Set or one key, in a file that is read again when it changes, or a JWK Set at a
    /// web address that is fetched again before it is stale.
    #[arg(long, value_name = "FILE|URL", env = "BRAIDCAST_TOKEN_KEYS")]
    pub token_keys: Option<String>,
    /// The server that is asked who may join: http://127.0.0.1:9000/join.
    #[arg(long, value_name = "URL", env = "BRAIDCAST_HOOK")]
    pub hook: Option<String>,
    /// Let everybody in while that server does not answer.
    #[arg(long, env = "BRAIDCAST_HOOK_OPEN", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub hook_open: Option<bool>,
    /// A signed list of streams that were taken down (braidcast revoke), read again when it changes; several may be given.
    #[arg(long, value_name = "FILE", env = "BRAIDCAST_REVOCATIONS", value_delimiter = ',')]
    pub revocations: Vec<PathBuf>,
    /// Public key of whoever may sign such lists; several may be given.
    #[arg(
        long,
        value_name = "KEY",
        env = "BRAIDCAST_REVOCATION_KEY",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub revocation_key: Vec<String>,
}

/// By what people are let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    Open,
    List,
    Tokens,
    Hook,
}

/// What a viewer shows at a tracker that asks for tokens.
#[derive(Debug, Default, Args)]
pub struct Pass {
    /// Where tokens come from, for trackers that ask for them: your server's address, which is posted this viewer's public key and the
    /// swarm, and answers with a token.
    #[arg(long, value_name = "URL", env = "BRAIDCAST_TOKEN_URL", hide_env_values = true)]
    pub token_url: Option<Secret>,
    /// A token instead, for the viewer with the key --viewer-key. It admits once.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "BRAIDCAST_TOKEN",
        hide_env_values = true,
        conflicts_with = "token_url",
        requires = "viewer_key"
    )]
    pub token: Option<Secret>,
    /// The viewer's secret key (braidcast keys new) [default: another one each time].
    #[arg(long, value_name = "FILE", env = "BRAIDCAST_VIEWER_KEY")]
    pub viewer_key: Option<PathBuf>,
}

/// A token for a viewer.
#[derive(Debug, Args)]
pub struct Token {
    /// The secret key that signs it (braidcast keys new); its public key is what the tracker is given as --token-keys.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The stream: its name, the beginning of names and *, or its swarm's 40 digits.
    #[arg(long, value_name = "STREAM")]
    pub stream: String,
    /// The viewer's public key.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub viewer: String,
    /// For how long it admits, as 5m; 10m at most.
    #[arg(long = "for", value_name = "TIME", default_value = "5m")]
    pub life: String,
    /// Site of the viewer's page, as www.example.org.
    #[arg(long, value_name = "HOST")]
    pub site: Option<String>,
    /// What the key is called in the tracker's set; not needed where that has one key.
    #[arg(long, value_name = "KID")]
    pub kid: Option<String>,
}

/// Takedowns.
#[derive(Debug, Args)]
pub struct Revoke {
    /// Streams, each by its name or its swarm's 40 digits. Without any the list is shown.
    #[arg(value_name = "STREAM")]
    pub streams: Vec<String>,
    /// The list.
    #[arg(long, value_name = "FILE")]
    pub list: PathBuf,
    /// The secret key that signs it (braidcast keys new); its public key is what trackers are given as --revocation-key.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Why.
    #[arg(long, value_name = "REASON", default_value = "unsaid")]
    pub reason: Why,
    /// Take the streams from the list again.
    #[arg(long)]
    pub restore: bool,
}

/// Why a stream is taken down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Why {
    Unsaid,
    Withdrawn,
    Copyright,
    Order,
    Privacy,
    Abuse,
}
