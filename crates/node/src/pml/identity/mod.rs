//! The names of swarms: which peers of which releases meet for one rendition, and how they number its segments.
//!
//! A swarm is one rendition. Its infohash is 15 bytes of the digest of a string, in base64, and is sent to the tracker as
//! those 20 characters. The string begins with the version of the scheme, so families never meet by chance.
//!
//! The invariant: the same description gives the same name, here and in every release of the family. The names are
//! pinned by vectors made with the releases; a change that moves one of them is a mistake.

mod codecs;
mod fields;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha1::{Digest, Sha1};

use super::wire::SegmentId;

/// Releases that name swarms alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Family {
    /// 2.0.0 to 2.2.2: by position in the manifest.
    A,
    /// 2.3 to 4: by properties, normalised; peak bitrate included.
    B,
    /// 5: by properties as they are written; bitrate only where nothing else tells two renditions apart.
    C,
}

/// What a rendition is in its manifest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Kind {
    /// A variant: what `EXT-X-STREAM-INF` introduces, audio-only ones included.
    #[default]
    Main,
    /// An alternate audio rendition.
    Secondary,
}

/// A rendition as the master playlist describes it, nothing normalised. What is not written is `None`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Variant {
    /// What it is.
    pub kind: Kind,
    /// Its place among the renditions of its kind, from 0. Family A only.
    pub position: u32,
    /// `BANDWIDTH`, in bits a second.
    pub bitrate: Option<u64>,
    /// `CODECS`. Of an audio rendition: that of the first variant that uses its group. Those of the other media are left out
    /// here.
    pub codecs: Option<String>,
    /// In pixels, from `RESOLUTION`.
    pub width: Option<u32>,
    /// In pixels, from `RESOLUTION`.
    pub height: Option<u32>,
    /// `LANGUAGE`.
    pub language: Option<String>,
    /// `CHANNELS`.
    pub channels: Option<String>,
    /// `NAME` of an alternate rendition.
    pub name: Option<String>,
    /// `FRAME-RATE`, in frames a second.
    pub frame_rate: Option<f64>,
    /// `VIDEO-RANGE`.
    pub video_range: Option<String>,
}

/// A name of a swarm as trackers know it: 20 ASCII characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InfoHash([u8; 20]);

impl InfoHash {
    /// The bytes to announce.
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Of the family's digest of a string. Base64 of 15 bytes is 20 characters without padding.
    fn of(family: Family, text: &str) -> Self {
        let mut bytes = [0; 15];
        match family {
            Family::A => bytes.copy_from_slice(&Md5::digest(text)[1..]),
            Family::B | Family::C => bytes.copy_from_slice(&Sha1::digest(text)[..15]),
        }
        let mut hash = [0; 20];
        let written = STANDARD.encode_slice(bytes, &mut hash);
        debug_assert_eq!(written, Ok(20));
        InfoHash(hash)
    }
}

impl fmt::Display for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)))
    }
}

/// The swarm of one rendition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Swarm {
    /// The string that is digested. An operator compares it with what a page logs.
    pub stream_id: String,
    /// What the tracker is told.
    pub info_hash: InfoHash,
}

/// What pages call a stream unless they are configured otherwise: the address of its master playlist without the query.
/// For families A and B it is the address after redirects, for C the one asked for.
pub fn swarm_id(manifest_url: &str) -> &str {
    manifest_url.split('?').next().unwrap_or_default()
}

/// The swarm of each of `variants`, in their order. They are to be all renditions of one manifest, as C looks at the others.
pub fn swarms(family: Family, swarm_id: &str, variants: &[Variant]) -> Vec<Swarm> {
    let streams = match family {
        Family::A => variants.iter().map(|variant| variant.position.to_string()).collect(),
        Family::B | Family::C => identities(family, variants),
    };
    let version = if family == Family::C { "v3" } else { "v2" };
    let named = variants.iter().zip(streams).map(|(variant, stream)| {
        let kind = match variant.kind {
            Kind::Main => "main",
            Kind::Secondary => "secondary",
        };
        let stream_id = format!("{version}-{swarm_id}-{kind}-{stream}");
        Swarm { info_hash: InfoHash::of(family, &stream_id), stream_id }
    });
    named.collect()
}

/// The identities of `variants` in families B and C: 28 characters that stand for the properties. For A they are those of B.
pub fn identities(family: Family, variants: &[Variant]) -> Vec<String> {
    descriptions(family, variants).iter().map(|text| STANDARD.encode(Sha1::digest(text))).collect()
}

/// What [`identities`] digests.
pub fn descriptions(family: Family, variants: &[Variant]) -> Vec<String> {
    if family != Family::C {
        return variants.iter().map(fields::normalised).collect();
    }
    let plain: Vec<String> = variants.iter().map(|variant| fields::as_written(variant, 0)).collect();
    let twin = |i: usize| {
        (0..plain.len()).any(|j| j != i && variants[j].kind == variants[i].kind && plain[j] == plain[i])
    };
    let described = variants.iter().enumerate().map(|(i, variant)| match variant.kind {
        Kind::Main if twin(i) => fields::as_written(variant, variant.bitrate.unwrap_or(0)),
        _ => plain[i].clone(),
    });
    described.collect()
}

/// How a segment of an HLS media playlist is called on the wire. `None` beyond what ids can be.
///
/// `ended` says whether the playlist has its end tag; `sequence` is its media sequence number, `index` the segment's place
/// in it, from 0. A and B count the segments of an ended playlist from 0, whatever its sequence number.
pub fn segment_id(family: Family, ended: bool, sequence: u64, index: u32) -> Option<SegmentId> {
    let from = if ended && family != Family::C { 0 } else { sequence };
    SegmentId::new(i64::try_from(from.checked_add(index.into())?).ok()?)
}
