//! The addresses that are printed for people.

use manifest::PublicKey;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Where viewers reach the server, best first: what the publisher said, else this machine by its names.
pub fn bases(listening: SocketAddr, public: Option<&str>) -> Vec<String> {
    if let Some(url) = public {
        return vec![url.trim_end_matches('/').to_owned()];
    }
    let at = |ip: IpAddr| format!("http://{}", SocketAddr::new(ip, listening.port()));
    if !listening.ip().is_unspecified() {
        return vec![at(listening.ip())];
    }
    let mut bases = vec![format!("http://localhost:{}", listening.port())];
    bases.extend(own_address().map(at));
    bases
}

/// What to put into a page of one's own.
pub fn embed(base: &str, slug: &str, key: &PublicKey) -> String {
    format!(
        "<script src=\"{base}/player/braidcast-player.js\"></script>\n\
         <braidcast-player src=\"{base}/s/{slug}/master.m3u8\" key=\"{key}\" controls></braidcast-player>"
    )
}

/// The address from which this machine would speak to the world. Connecting a UDP socket sends nothing.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).ok()?;
    socket.connect(("192.0.2.1", 9)).ok()?; // TEST-NET-1, RFC 5737
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified() && !ip.is_loopback())
}
