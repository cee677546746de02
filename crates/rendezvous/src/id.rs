//! The 20-byte names of the protocol and their form in JSON: a string of 20 code points, one per byte.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// Length of every name, in bytes.
const LEN: usize = 20;

/// A string that is no name: not 20 code points, or one above U+00FF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a string of 20 code points, none above U+00FF")]
pub struct NotBinary;

fn bytes_of(text: &str) -> Result<[u8; LEN], NotBinary> {
    let mut bytes = [0; LEN];
    let mut chars = text.chars();
    for byte in &mut bytes {
        *byte = chars.next().and_then(|c| u8::try_from(c).ok()).ok_or(NotBinary)?;
    }
    chars.next().is_none().then_some(bytes).ok_or(NotBinary)
}

fn push_json(bytes: &[u8; LEN], json: &mut String) {
    json.push('"');
    // Most have nothing to escape.
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if let Ok(text) = str::from_utf8(bytes)
        && bytes.iter().all(is_plain)
    {
        json.push_str(text);
        json.push('"');
        return;
    }
    for &byte in bytes {
        match byte {
            b'"' => json.push_str("\\\""),
            b'\\' => json.push_str("\\\\"),
            0..0x20 => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                json.push_str("\\u00");
                json.push(char::from(HEX[usize::from(byte >> 4)]));
                json.push(char::from(HEX[usize::from(byte & 15)]));
            }
            _ => json.push(char::from(byte)),
        }
    }
    json.push('"');
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = [u8; LEN];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&NotBinary, f)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<[u8; LEN], E> {
        bytes_of(text).map_err(E::custom)
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; LEN]);

        impl $name {
            /// Reads a string (already unescaped) of 20 code points, one per byte.
            pub fn from_binary(text: &str) -> Result<Self, NotBinary> {
                bytes_of(text).map(Self)
            }

            /// Appends the name as a JSON string, quotes included.
            pub fn push_json(&self, json: &mut String) {
                push_json(&self.0, json);
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
                source.deserialize_str(Bytes).map(Self)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.escape_ascii())
            }
        }
    };
}

name! {
    /// Names a swarm.
    InfoHash
}
name! {
    /// Names a peer within a swarm. Peers choose it themselves: it is no proof of anything.
    PeerId
}
name! {
    /// Names an offer, so that its answer can be matched.
    OfferId
}
