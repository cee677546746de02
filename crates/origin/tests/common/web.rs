//! An origin on a real socket, and a client that sends exactly what it is told.

use origin::http::{Limits, Origin, serve};
use origin::library::Library;
use origin::slug::Slug;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A served package.
pub struct Site {
    pub address: SocketAddr,
    pub origin: Origin,
    pub package: PathBuf,
    pub temp: TempDir,
}

/// Serves a small film called `film`.
pub async fn site(limits: Limits) -> Site {
    let temp = tempfile::tempdir().unwrap();
    let film = super::clip(temp.path(), super::PICTURE_AND_TONE, "film.mp4");
    let library = Library::open(&temp.path().join("data")).unwrap();
    let (package, _) = super::make(&library, &film, &super::quick(), None).await.unwrap();
    let origin = Origin::new(super::secret().public(), 64 << 20, Default::default());
    origin.publish(&package, &Slug::parse("film").unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, origin.clone(), limits, std::future::pending()));
    Site { address, origin, package, temp }
}

/// A response, with header names in lower case.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

impl Site {
    /// GET with further header lines.
    pub async fn get(&self, path: &str, headers: &[&str]) -> Reply {
        self.ask("GET", path, headers).await
    }

    pub async fn ask(&self, method: &str, path: &str, headers: &[&str]) -> Reply {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        headers.iter().for_each(|h| text += &format!("{h}\r\n"));
        text += "\r\n";
        let address = self.address;
        tokio::task::spawn_blocking(move || raw(address, text.as_bytes())).await.unwrap().expect("an answer")
    }

    pub fn file(&self, name: impl AsRef<Path>) -> Vec<u8> {
        std::fs::read(self.package.join(name)).unwrap()
    }
}

/// Sends `request` as it is; `None` where the server hangs up without an answer.
pub fn raw(address: SocketAddr, request: &[u8]) -> Option<Reply> {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.write_all(request).ok()?;
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).ok()?;
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers =
        lines.filter_map(|l| l.split_once(':')).map(|(n, v)| (n.to_lowercase(), v.trim().to_owned()));
    Some(Reply { status, headers: headers.collect(), body: bytes[end + 4..].to_vec() })
}
