//! The operator's address of a tracker: its API, at a port of its own or a Unix socket.

use crate::args::Tracker as Args;
use crate::config::File;
use crate::say;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;
use tracker::admin::{self, Admin, Key};
use tracker::listener::{self, Door};

/// Reads the key, from the environment or a file.
pub fn key(args: &Args, file: &File) -> Result<Option<Key>> {
    let given = args.admin_key.as_ref().or(file.admin_key.as_ref()).map(|key| key.0.clone());
    let from = args.admin_key_file.as_ref().or(file.admin_key_file.as_ref());
    let text = match (given, from) {
        (Some(key), _) => Some(key),
        (None, Some(path)) => {
            Some(fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?)
        }
        (None, None) => None,
    };
    let key = text.map(|text| Key::new(&text)).transpose()?;
    if args.admin.or(file.admin).is_some() && key.is_none() {
        bail!("--admin needs a key: --admin-key-file FILE, or BRAIDCAST_ADMIN_KEY");
    }
    Ok(key)
}

/// Opens what was asked for. It stays open for as long as the program runs.
pub async fn open(admin: Admin, args: &Args, file: &File) -> Result<()> {
    if let Some(address) = args.admin.or(file.admin) {
        let choose = || format!("cannot listen on {address}; choose another with --admin ADDRESS:PORT");
        let listener = TcpListener::bind(address).await.with_context(choose)?;
        say!("admin      http://{}/openapi.json", listener.local_addr()?);
        let serving = listener::serve(
            listener,
            admin.router(),
            admin::limits(),
            Door::default(),
            std::future::pending(),
        );
        tokio::spawn(serving);
    }
    if let Some(path) = args.admin_socket.as_ref().or(file.admin_socket.as_ref()) {
        at_socket(path.clone(), admin)?;
        say!("admin      {}", path.display());
    }
    Ok(())
}

#[cfg(unix)]
fn at_socket(path: PathBuf, admin: Admin) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let listener = bind(&path).with_context(|| format!("cannot listen on {}", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    tokio::spawn(admin.serve_unix(listener));
    Ok(())
}

/// In place of a socket that a program which is gone has left behind; one at which somebody listens stays.
#[cfg(unix)]
fn bind(path: &Path) -> std::io::Result<tokio::net::UnixListener> {
    use std::os::unix::net::UnixStream;
    match tokio::net::UnixListener::bind(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && UnixStream::connect(path).is_err() => {
            fs::remove_file(path)?;
            tokio::net::UnixListener::bind(path)
        }
        bound => bound,
    }
}

#[cfg(not(unix))]
fn at_socket(_: PathBuf, _: Admin) -> Result<()> {
    bail!("this system has no Unix sockets; use --admin")
}
