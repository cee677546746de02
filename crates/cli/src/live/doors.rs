//! The doors for encoders.

use anyhow::{Context, Result, bail};
use std::net::{SocketAddr, ToSocketAddrs};

/// The UDP port of WebRTC publishers until something else is said.
pub const WHIP_PORT: u16 = 8189;

/// The doors that were asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Doors {
    pub rtmp: Option<SocketAddr>,
    /// With the stream, or the first one.
    pub srt: Vec<(SocketAddr, Option<String>)>,
    pub http: bool,
    /// Where the media of WebRTC publishers goes.
    pub whip: Option<SocketAddr>,
}

impl Doors {
    /// Reads what `--ingest` says; without a word there is RTMP.
    pub fn parse(ingest: &[String]) -> Result<Self> {
        let mut doors = Self::default();
        if ingest.is_empty() {
            doors.rtmp = Some(SocketAddr::from(([0, 0, 0, 0], 1935)));
        }
        for text in ingest {
            if text == "http" {
                doors.http = true;
            } else if let Some(rest) = text.strip_prefix("rtmp://") {
                let address = rest.trim_end_matches('/');
                let address = address.strip_suffix("/live").unwrap_or(address);
                if doors.rtmp.replace(socket(address, 1935)?).is_some() {
                    bail!("--ingest: there is one RTMP door, for all streams");
                }
            } else if let Some(rest) = text.strip_prefix("whip://") {
                let address = socket(rest.trim_end_matches('/'), WHIP_PORT)?;
                if doors.whip.replace(address).is_some() {
                    bail!("--ingest: there is one WHIP door, for all streams");
                }
            } else if let Some(rest) = text.strip_prefix("srt://") {
                let (address, stream) = match rest.split_once('/') {
                    Some((address, stream)) if !stream.is_empty() => (address, Some(stream.to_owned())),
                    _ => (rest.trim_end_matches('/'), None),
                };
                doors.srt.push((socket(address, 9000)?, stream));
            } else {
                bail!(
                    "--ingest {text}: say rtmp://ADDRESS:PORT/live, srt://ADDRESS:PORT/STREAM, whip://ADDRESS:PORT, or http"
                );
            }
        }
        Ok(doors)
    }
}

/// An address to listen on, whose port may be left out.
fn socket(text: &str, port: u16) -> Result<SocketAddr> {
    let found = match text.to_socket_addrs() {
        Ok(mut found) => found.next(),
        Err(_) => (text, port).to_socket_addrs().ok().and_then(|mut found| found.next()),
    };
    found.with_context(|| format!("--ingest: {text} is no address of this machine: say 0.0.0.0:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doors(texts: &[&str]) -> Result<Doors> {
        Doors::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn doors_are_read_as_people_write_them() {
        assert_eq!(doors(&[]).unwrap().rtmp.unwrap().port(), 1935);
        for text in ["rtmp://127.0.0.1:1936/live", "rtmp://127.0.0.1:1936", "rtmp://127.0.0.1:1936/live/"] {
            assert_eq!(doors(&[text]).unwrap().rtmp.unwrap().port(), 1936, "{text}");
        }
        let all =
            doors(&["srt://127.0.0.1:9000/stage", "srt://127.0.0.1:9001", "http", "whip://0.0.0.0"]).unwrap();
        assert!(all.http && all.rtmp.is_none() && all.whip.is_some_and(|udp| udp.port() == WHIP_PORT));
        assert!(doors(&["whip://0.0.0.0:1", "whip://0.0.0.0:2"]).is_err());
        assert_eq!(all.srt[0].1.as_deref(), Some("stage"));
        assert_eq!((all.srt[1].0.port(), &all.srt[1].1), (9001, &None));
        for text in ["rtsp://x", "rtmp://not an address", "", "1935"] {
            assert!(doors(&[text]).is_err(), "{text}");
        }
    }
}
