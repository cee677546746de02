//! How a stream is named: by the swarm id that the tracker knows it by, or by the name that its site knows it by.
//!
//! A site's backend cannot know a swarm id beforehand: it is derived from the signed index, and another one when the film is
//! packaged anew. What a backend knows is the name in the stream's address.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Longest name of a stream, in bytes.
pub const MAX_NAME_LEN: usize = 64;
/// Most patterns of a [`Streams`].
pub const MAX_STREAMS: usize = 65_536;
/// Most patterns of a [`Streams`] that end with `*`.
pub const MAX_PREFIXES: usize = 64;

/// The tracker's `info_hash`, 20 bytes; written as 40 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SwarmId(pub [u8; 20]);

impl SwarmId {
    /// Reads the 40 digits, lower case only.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |c: u8| match c {
            b'0'..=b'9' => Some(c - b'0'),
            b'a'..=b'f' => Some(c - b'a' + 10),
            _ => None,
        };
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
        let bytes = pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?));
        bytes.collect::<Option<Vec<u8>>>()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for SwarmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SwarmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A stream as a tracker knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream<'a> {
    /// Whose peers meet.
    pub swarm: SwarmId,
    /// What the operator calls it, where the tracker was told: `big-buck-bunny` of `/big-buck-bunny/master.m3u8`. Never what a
    /// client says.
    pub name: Option<&'a str>,
}

/// Names one stream, or several: `film`, `acme-*`, `*`, or the 40 digits of a swarm id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// Names that begin so. Empty, it is every stream, those without a name too.
    Prefix(String),
    Name(String),
    Swarm(SwarmId),
}

/// Text that names no stream, or too many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Characters that no name has, or too many of them.
    #[error(
        "a stream is named by 1 to 64 letters, digits, - or _, by a beginning of these and *, or by 40 hexadecimal digits"
    )]
    Text,
    /// More than [`MAX_STREAMS`].
    #[error("more than {MAX_STREAMS} streams are named")]
    TooMany,
    /// More than [`MAX_PREFIXES`].
    #[error("more than {MAX_PREFIXES} of the streams named end with *")]
    TooManyPrefixes,
}

impl Pattern {
    /// Every stream: `*`.
    pub const fn any() -> Self {
        Self(Kind::Prefix(String::new()))
    }

    /// Reads what [`Display`](fmt::Display) writes. Forty hexadecimal digits are always a swarm id, never a name.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if let Some(swarm) = SwarmId::parse(text) {
            return Ok(Self(Kind::Swarm(swarm)));
        }
        let prefix = text.strip_suffix('*');
        let name = prefix.unwrap_or(text);
        if name.len() > MAX_NAME_LEN || !name.bytes().all(is_of_name) || text.is_empty() {
            return Err(PatternError::Text);
        }
        Ok(Self(if prefix.is_some() { Kind::Prefix(name.to_owned()) } else { Kind::Name(name.to_owned()) }))
    }

    /// Whether `stream` is among those that are named.
    pub fn matches(&self, stream: &Stream<'_>) -> bool {
        match &self.0 {
            Kind::Prefix(prefix) => begins(stream, prefix),
            Kind::Name(name) => stream.name == Some(name),
            Kind::Swarm(swarm) => stream.swarm == *swarm,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Prefix(prefix) => write!(f, "{prefix}*"),
            Kind::Name(name) => f.write_str(name),
            Kind::Swarm(swarm) => swarm.fmt(f),
        }
    }
}

/// A bounded set of [`Pattern`]s, quick to ask however many they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    names: BTreeSet<String>,
    swarms: BTreeSet<SwarmId>,
    prefixes: Vec<String>,
}

impl Streams {
    /// What any of `patterns` names. None at all is no stream.
    pub fn new(patterns: impl IntoIterator<Item = Pattern>) -> Result<Self, PatternError> {
        let mut streams = Self::default();
        for pattern in patterns {
            if streams.names.len() + streams.swarms.len() + streams.prefixes.len() == MAX_STREAMS {
                return Err(PatternError::TooMany);
            }
            match pattern.0 {
                Kind::Prefix(_) if streams.prefixes.len() == MAX_PREFIXES => {
                    return Err(PatternError::TooManyPrefixes);
                }
                Kind::Prefix(prefix) => streams.prefixes.push(prefix),
                Kind::Name(name) => _ = streams.names.insert(name),
                Kind::Swarm(swarm) => _ = streams.swarms.insert(swarm),
            }
        }
        Ok(streams)
    }

    /// Reads one pattern after the other.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, PatternError> {
        let mut patterns = Vec::new();
        for text in texts {
            if patterns.len() == MAX_STREAMS {
                return Err(PatternError::TooMany);
            }
            patterns.push(Pattern::parse(text)?);
        }
        Self::new(patterns)
    }

    /// Whether `stream` is among those that are named.
    pub fn matches(&self, stream: &Stream<'_>) -> bool {
        self.swarms.contains(&stream.swarm)
            || stream.name.is_some_and(|name| self.names.contains(name))
            || self.prefixes.iter().any(|prefix| begins(stream, prefix))
    }
}

fn begins(stream: &Stream<'_>, prefix: &str) -> bool {
    prefix.is_empty() || stream.name.is_some_and(|name| name.starts_with(prefix))
}

/// Whether `name` can be that of a stream: not the digits of a swarm id either.
pub fn is_name(name: &str) -> bool {
    matches!(Pattern::parse(name), Ok(Pattern(Kind::Name(_))))
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}
