//! Session descriptions (SDP, RFC 8866) of WebRTC data channels: read into a closed form, and written anew for each receiver.
//!
//! A description names the addresses at which its peer can be reached, and whoever gets it sends something there. Passed on as
//! it came, it would let anybody make a whole swarm send to an address of his choice, and would tell every receiver what the
//! network of the sender looks like inside. So no byte of it is passed on: what is not understood here is left out, the rest is
//! written in one canonical way, and of the candidates each receiver gets those that [`Relation`] lets pass.
//!
//! Understood is what peers with nothing but data channels write: Chromium, Firefox, Safari, simple-peer, libdatachannel and
//! str0m, with one section `m=application`. The invariant: every text that is kept of one consists of characters that mean nothing
//! in SDP nor in JSON, so that writing it needs no escapes.

mod candidate;
mod read;
mod relation;
mod write;

use core::net::IpAddr;
use std::borrow::Cow;

use candidate::{Candidate, Kind};
pub use relation::Relation;
pub(crate) use relation::{host, is_inside, is_same_host};

/// Most lines of a description. Honest ones have about 20, and one for each candidate.
const LINES: usize = 256;
/// Most candidates kept of a description, those of the highest priority: a peer with many interfaces has more than it
/// needs, and which of them may be passed on is not known before the receiver is.
const CANDIDATES_READ: usize = 24;
/// Most candidates given to one receiver.
const CANDIDATES_WRITTEN: usize = 8;
/// Most fingerprints: one, or a few while a peer changes its hash.
const FINGERPRINTS: usize = 4;

/// Why a description is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is not a JSON string of valid Unicode.
    #[error("not a string that can be read")]
    NotText,
    /// It does not begin as session descriptions do.
    #[error("does not begin with v=0")]
    NotSdp,
    /// It is longer than any honest one.
    #[error("more than {LINES} lines")]
    ManyLines,
    /// It has audio, video, or more than one section.
    #[error("must have one m-line, for data channels: an application over DTLS and SCTP")]
    NotData,
    /// Something is missing without which there can be no connection.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Something is not as its RFC has it.
    #[error("{0} cannot be read")]
    Bad(&'static str),
}

/// A description as it goes out, but for the choice of candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its text as it is within a JSON string: what comes before the candidates, what comes behind them, and their lines.
    text: String,
    /// Where the first and the second of these end.
    head: usize,
    tail: usize,
    /// The highest priority first.
    candidates: Vec<Line>,
    end_of_candidates: bool,
}

/// A candidate that is written already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    kind: Kind,
    /// `None` is a name of multicast DNS.
    ip: Option<IpAddr>,
    /// Where in the text its line ends; it begins where the one before ends.
    end: usize,
}

/// What a description says, as far as it is needed to open a data channel.
struct Parts<'a> {
    /// The number of the session in `o=` (RFC 8866, 5.2).
    session: u64,
    /// Whether the section is in a BUNDLE group (RFC 9143): an answer may have one only if its offer has.
    bundle: bool,
    /// Whether the peer makes no checks of its own (RFC 8445, 2.5).
    lite: bool,
    form: Form,
    /// Names and password for the checks (RFC 8839, 5.4): ice-chars only.
    ufrag: &'a str,
    pwd: &'a str,
    /// Whether more candidates may come by other ways (RFC 8840).
    trickle: bool,
    /// Of the peer's certificate: one at least.
    fingerprints: Vec<Fingerprint<'a>>,
    setup: Setup,
    /// Name of the section (RFC 5888): a token.
    mid: &'a str,
    sctp_port: u16,
    /// Longest message the peer takes in, in bytes; 0 is any (RFC 8841, 6).
    max_message_bytes: Option<u64>,
    /// The highest priority first.
    candidates: Vec<Candidate<'a>>,
    end_of_candidates: bool,
    /// Whether the peer also speaks QUIC on the path that ICE finds (`docs/spec/quic.md`).
    quic: bool,
}

/// How the section for data channels is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `m=application 9 UDP/DTLS/SCTP webrtc-datachannel` (RFC 8841).
    Current,
    /// `m=application 9 DTLS/SCTP 5000` with `a=sctpmap`, as browsers wrote it until about 2019: they take an answer in no other form.
    Sctpmap,
}

/// Who begins the DTLS handshake (RFC 8842).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setup {
    Actpass,
    Active,
    Passive,
}

/// Hash of a certificate (RFC 8122). Of hashes that are broken nothing is passed on.
#[derive(Clone, Copy, Debug)]
struct Fingerprint<'a> {
    hash: Hash,
    /// Hexadecimal digits of either case, in pairs with colons between them.
    digest: &'a str,
}

impl PartialEq for Fingerprint<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.digest.eq_ignore_ascii_case(other.digest)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    fn digest_bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl Description {
    /// Reads a description from the JSON string it comes as, quotes included. Unknown lines, and candidates that nobody could
    /// use, are left out.
    ///
    /// # Errors
    /// If it is not the description of one section with data channels, or lacks what a connection needs.
    pub fn parse(json: &str) -> Result<Self, Error> {
        #[derive(serde::Deserialize)]
        struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
        // In one go, unless it turns out on the way that there are other escapes.
        if let Some(mut lines) = read::plain_lines(json)
            && let Ok(parts) = read::parts(lines.by_ref())
            && lines.were_all()
        {
            return Ok(write::description(&parts, json.len()));
        }
        let Text(text) = serde_json::from_str(json).map_err(|_| Error::NotText)?;
        Ok(write::description(&read::parts(read::lines(&text)?)?, json.len()))
    }

    /// As long as its JSON string may become, in bytes.
    pub(crate) fn written_bytes(&self) -> usize {
        self.text.len() + write::END_OF_CANDIDATES.len() + 2
    }

    /// Adds the description to `json` as a JSON string, with the candidates that the receiver may have: 8 at most. It may be
    /// none: a peer that is reached at no address it knows can still make the first check.
    pub fn write_for(&self, json: &mut String, relation: &Relation<'_>) {
        let Self { text, head, tail, candidates, end_of_candidates } = self;
        json.push('"');
        json.push_str(&text[..*head]);
        let (mut begin, mut written) = (*tail, 0);
        for &Line { kind, ip, end } in candidates {
            if written < CANDIDATES_WRITTEN && relation.passes(kind, ip) {
                json.push_str(&text[begin..end]);
                written += 1;
            }
            begin = end;
        }
        // Without a candidate the end would have some peers give up at once, though the other side may make the first check.
        if *end_of_candidates && written > 0 {
            json.push_str(write::END_OF_CANDIDATES);
        }
        json.push_str(&text[*head..*tail]);
        json.push('"');
    }
}
