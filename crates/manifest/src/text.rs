//! Texts beside the media: captions and subtitles as WebVTT files (W3C), each of which ends with its publisher's signature. Spec:
//! `docs/spec/text.md`.
//!
//! The invariant: what [`open`] gives is what the publisher has signed as the file of that name in that film or live stream.
//!
//! The publisher's own key signs, of a live stream too: a text is read for as long as viewers may go back, and the delegation of a session
//! key may be over by then.

use crate::digest;
use crate::key::{PublicKey, SecretKey, base64url, base64url_decode};
use alloc::vec::Vec;

/// So that a signature over a text is none over anything else.
const CONTEXT: &[u8] = b"braidcast text v1\n";
/// Begins a comment, which players pass over (WebVTT section 4.1).
const NOTE: &[u8] = b"NOTE braidcast v1 ";
/// Characters of each half of a signature, which are written as keys are.
const HALF: usize = 43;

/// Bytes that a signature adds to a text, one or two line ends apart.
pub const TEXT_SEAL_BYTES: usize = NOTE.len() + 2 * HALF + 1;

/// Why a text is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextRefused {
    /// It does not end with a signature.
    Unsigned,
    /// Its signature is by another key, over another text, or for another name, film or live stream.
    BadSignature,
}

impl core::fmt::Display for TextRefused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Unsigned => "the text is not signed",
            Self::BadSignature => "the text's signature does not fit it, its name, or what it belongs to",
        })
    }
}

impl core::error::Error for TextRefused {}

/// The file `name`, such as `t0/17.vtt`, of the film or live stream with the swarm id `swarm`: `text`, signed by `key`.
pub fn seal(text: &[u8], swarm: &[u8; 20], name: &str, key: &SecretKey) -> Vec<u8> {
    let mut out = text.to_vec();
    // A comment is a block of its own.
    while !out.ends_with(b"\n\n") {
        out.push(b'\n');
    }
    let signature = key.sign(&message(&out, swarm, name));
    out.extend_from_slice(NOTE);
    for half in signature.as_chunks().0 {
        out.extend_from_slice(base64url(half).as_bytes());
    }
    out.push(b'\n');
    out
}

/// The text of a file that [`seal`] made, if `key` has signed it as this file.
///
/// # Errors
/// [`TextRefused`].
pub fn open<'a>(
    sealed: &'a [u8],
    swarm: &[u8; 20],
    name: &str,
    key: &PublicKey,
) -> Result<&'a [u8], TextRefused> {
    let (text, signature) = split(sealed).ok_or(TextRefused::Unsigned)?;
    let is_signed = key.verifies(&message(text, swarm, name), &signature);
    if is_signed { Ok(text) } else { Err(TextRefused::BadSignature) }
}

/// A text without the signature, if it has one, whoever made that: to be signed anew.
pub fn strip(bytes: &[u8]) -> &[u8] {
    split(bytes).map_or(bytes, |(text, _)| text)
}

fn split(sealed: &[u8]) -> Option<(&[u8], [u8; 64])> {
    let (text, note) = sealed.split_at_checked(sealed.len().checked_sub(TEXT_SEAL_BYTES)?)?;
    let halves = note.strip_prefix(NOTE)?.strip_suffix(b"\n")?;
    let mut signature = [0; 64];
    for (half, to) in halves.chunks(HALF).zip(signature.as_chunks_mut().0) {
        *to = base64url_decode(core::str::from_utf8(half).ok()?)?;
    }
    Some((text, signature))
}

/// What is signed. All but the name has a fixed length.
fn message(text: &[u8], swarm: &[u8; 20], name: &str) -> Vec<u8> {
    [CONTEXT, swarm, &digest::root(text).0, name.as_bytes()].concat()
}
