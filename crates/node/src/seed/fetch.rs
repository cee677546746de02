//! Files of somebody else's origin. Its invariant: nothing is longer than it may be, and a segment is whole or an error.

use super::hls::Segment;
use crate::origin;
use bytes::{Bytes, BytesMut};
use reqwest::{Client, StatusCode, Url, header};
use std::time::Duration;
use thiserror::Error;

/// Largest segment, 64 MiB.
const MAX_SEGMENT_BYTES: usize = 64 << 20;
/// An origin that says nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(10);

/// Why a file does not come. None of them holds an address, which may have a secret in it.
#[derive(Debug, Error)]
pub enum Error {
    /// No answer, or one that broke off.
    #[error("the origin does not answer")]
    Silent,
    /// It answers something else.
    #[error("the origin answers {0}")]
    Status(StatusCode),
    /// More than it may be.
    #[error("the file is longer than {0} bytes")]
    TooLong(usize),
    /// No bytes, or not as many as were asked for.
    #[error("the segment is not whole")]
    NotWhole,
    /// Its form is neither that of MPEG-TS nor of MP4 nor of packed sound.
    #[error("the segment is damaged: it has the form of no media")]
    Damaged,
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        error.status().map_or(Self::Silent, Self::Status)
    }
}

/// The client for all of this.
pub(super) fn client() -> Result<Client, reqwest::Error> {
    origin::client().read_timeout(SILENCE).build()
}

/// A file of at most `max` bytes, and where it was in the end.
pub(super) async fn text(client: &Client, url: &Url, max: usize) -> Result<(Bytes, Url), Error> {
    let answer = client.get(url.clone()).send().await?.error_for_status()?;
    let found_at = answer.url().clone();
    Ok((read(answer, max).await?, found_at))
}

/// The tag under which the origin has a segment now, if it gives any.
pub(super) async fn tag(client: &Client, segment: &Segment) -> Result<Option<String>, Error> {
    let answer = client.head(segment.url.clone()).send().await?.error_for_status()?;
    Ok(tag_of(answer.headers()))
}

fn tag_of(headers: &header::HeaderMap) -> Option<String> {
    let tag = headers.get(header::ETAG).or_else(|| headers.get(header::LAST_MODIFIED))?;
    tag.to_str().ok().map(str::to_owned)
}

/// A whole segment, which has the form of media, and its tag.
pub(super) async fn segment(client: &Client, segment: &Segment) -> Result<(Bytes, Option<String>), Error> {
    let mut request = client.get(segment.url.clone());
    let mut max = MAX_SEGMENT_BYTES;
    if let Some(range) = &segment.range {
        let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        if len == 0 || len > max {
            return Err(Error::TooLong(max));
        }
        max = len;
        request = request.header(header::RANGE, format!("bytes={}-{}", range.start, range.end - 1));
    }
    let answer = request.send().await?.error_for_status()?;
    if segment.range.is_some() && answer.status() != StatusCode::PARTIAL_CONTENT {
        return Err(Error::Status(answer.status()));
    }
    let (promised, tag) = (answer.content_length(), tag_of(answer.headers()));
    let bytes = read(answer, max).await?;
    let whole = segment.range.as_ref().map(|range| range.end - range.start).or(promised);
    if bytes.is_empty() || whole.is_some_and(|whole| whole != bytes.len() as u64) {
        return Err(Error::NotWhole);
    }
    if segment.is_sealed || has_form(&bytes) { Ok((bytes, tag)) } else { Err(Error::Damaged) }
}

async fn read(mut answer: reqwest::Response, max: usize) -> Result<Bytes, Error> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = answer.chunk().await? {
        if bytes.len() + chunk.len() > max {
            return Err(Error::TooLong(max));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// Whether these bytes are built as MPEG-TS (ISO/IEC 13818-1), as ISO BMFF, or as sound with an ID3 tag or an ADTS or AC-3
/// head, from the first to the last.
fn has_form(bytes: &[u8]) -> bool {
    const PACKET: usize = 188;
    let is_ts = bytes.len().is_multiple_of(PACKET) && bytes.chunks(PACKET).all(|packet| packet[0] == 0x47);
    let is_sound = bytes.starts_with(b"ID3")
        || matches!(bytes, [0xff, b, ..] if b & 0xf0 == 0xf0)
        || bytes.starts_with(b"\x0bw");
    is_ts || is_sound || is_boxes(bytes)
}

/// Whether these bytes are boxes, one after the other, with media in them.
fn is_boxes(mut rest: &[u8]) -> bool {
    let mut has_media = false;
    while !rest.is_empty() {
        let Some((size, kind)) = rest.first_chunk::<4>().zip(rest.get(4..8)) else { return false };
        let len = match u32::from_be_bytes(*size) {
            0 => rest.len() as u64,
            1 => match rest.get(8..16).and_then(|long| long.try_into().ok()) {
                Some(long) => u64::from_be_bytes(long),
                None => return false,
            },
            len => u64::from(len),
        };
        has_media |= kind == b"mdat";
        match usize::try_from(len).ok().filter(|len| *len >= 8).and_then(|len| rest.get(len..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    has_media
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_is_known_by_its_form() {
        let packet = |first: u8| [&[first][..], &[0; 187]].concat();
        let boxed = |kind: &[u8; 4], len: u32| [&len.to_be_bytes()[..], kind, &[0; 8]].concat();
        assert!(has_form(&[packet(0x47), packet(0x47)].concat()));
        assert!(!has_form(&[packet(0x47), packet(0x48)].concat()));
        assert!(!has_form(&packet(0x47)[..187]));
        assert!(has_form(&[boxed(b"moof", 16), boxed(b"mdat", 16)].concat()));
        assert!(!has_form(&[boxed(b"moof", 16), boxed(b"mdat", 17)].concat()), "longer than it is");
        assert!(!has_form(&boxed(b"moof", 16)), "no media");
        assert!(!has_form(&[boxed(b"mdat", 4)].concat()), "shorter than its own head");
        assert!(
            has_form(b"ID3\x04") && has_form(&[0xff, 0xf1, 0x50]) && !has_form(b"<html>no such file</html>")
        );
    }
}
