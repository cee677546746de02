//! What nodes say to each other, as bytes: `docs/spec/cluster.md`.
//!
//! All numbers are big-endian. What does not read as one of these is nothing, and is counted.

use core::net::{IpAddr, Ipv6Addr};

use super::{
    notices::{Part, TOPICS, Topic, Wanted},
    place::{Cell, Level, NodeId},
};
use crate::{InfoHash, Locality, PeerId, TokenId};

const VERSION: u8 = 2;
/// Most nodes of a cluster, and most that one says it hears.
pub(crate) const NODES: usize = 64;
/// Longest address of a node, bytes.
pub(crate) const URL_BYTES: usize = 256;
/// Most tokens that one envelope tells of.
pub(crate) const TOKENS: usize = 1000;
/// Most split swarms that one node tells of.
pub(crate) const SPLIT: usize = 2048;

/// What is to be done with a message that is relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Carry it out and reply to the client.
    Reply,
    /// Carry it out, an announce that the client does not know of; only a failure is of interest.
    Join,
    /// Carry it out and say nothing.
    Quiet,
}

/// What a node says of itself, to all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Beat {
    pub(crate) draining: bool,
    /// Where clients reach it; empty if that is not known.
    pub(crate) url: String,
    /// Of whom it has heard lately.
    pub(crate) hears: Vec<NodeId>,
    /// Which documents it has.
    pub(crate) notices: Vec<(Topic, u64)>,
    /// The swarms whose first cell it has and that are split, and how far.
    pub(crate) levels: Vec<(InfoHash, Level)>,
}

/// A token has let somebody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) token: TokenId,
    pub(crate) until_unix_secs: u64,
}

/// A message for a connection's memberships.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said<'a> {
    pub(crate) conn: u64,
    pub(crate) cell: Cell,
    pub(crate) ask: Ask,
    pub(crate) locality: Locality,
    /// Which membership it is about, and under which name; none of a scrape.
    pub(crate) about: Option<(InfoHash, PeerId)>,
    pub(crate) text: &'a [u8],
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply<'a> {
    pub(crate) conn: u64,
    pub(crate) cell: Cell,
    pub(crate) about: Option<InfoHash>,
    pub(crate) standing: Standing,
    /// For the client, if there is anything.
    pub(crate) text: &'a str,
}

/// Whether a connection is in a swarm after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Member,
    Stranger,
    /// The name was another's.
    Taken,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Envelope<'a> {
    Beat(Beat),
    Said(Said<'a>),
    /// A connection has ended.
    Gone {
        conn: u64,
    },
    Reply(Reply<'a>),
    /// What another peer sends.
    Pass {
        conn: u64,
        text: &'a str,
    },
    /// To who has the first cell of a swarm, of another cell.
    Size {
        info_hash: InfoHash,
        cell: Cell,
        members: u32,
    },
    /// The ids of all connections that the other side should know of, mixed and taken together by exclusive or.
    Sum(u64),
    /// The other side knew of others: it has forgotten all, and is to be told again.
    Again,
    Used(Vec<Used>),
    /// A part of a document is wanted.
    Fetch(Wanted),
    Part(Part<'a>),
}

impl Envelope<'_> {
    pub(crate) fn write(&self, from: NodeId) -> Vec<u8> {
        let mut out = vec![VERSION, self.kind()];
        out.extend(from.0.to_be_bytes());
        match self {
            Self::Beat(beat) => {
                out.push(u8::from(beat.draining));
                put_all(&mut out, beat.url.as_bytes());
                out.push(beat.hears.len().min(NODES) as u8);
                beat.hears.iter().take(NODES).for_each(|node| out.extend(node.0.to_be_bytes()));
                out.push(beat.notices.len().min(TOPICS) as u8);
                for (topic, number) in beat.notices.iter().take(TOPICS) {
                    out.extend(topic);
                    out.extend(number.to_be_bytes());
                }
                for (info_hash, level) in beat.levels.iter().take(SPLIT) {
                    out.extend(info_hash.0);
                    out.push(level.get());
                }
            }
            Self::Said(said) => {
                out.extend(said.conn.to_be_bytes());
                out.extend(said.cell.0.to_be_bytes());
                out.push(said.ask as u8);
                let address = match said.locality.address {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                    IpAddr::V6(ip) => ip,
                };
                out.extend(address.octets());
                out.extend(said.locality.asn.unwrap_or(0).to_be_bytes());
                out.push(u8::from(said.about.is_some()));
                if let Some((info_hash, peer)) = said.about {
                    out.extend(info_hash.0);
                    out.extend(peer.0);
                }
                out.extend(said.text);
            }
            Self::Gone { conn } => out.extend(conn.to_be_bytes()),
            Self::Reply(reply) => {
                out.extend(reply.conn.to_be_bytes());
                out.extend(reply.cell.0.to_be_bytes());
                out.push(reply.standing as u8);
                out.push(u8::from(reply.about.is_some()));
                out.extend(reply.about.iter().flat_map(|info_hash| info_hash.0));
                out.extend(reply.text.as_bytes());
            }
            Self::Pass { conn, text } => {
                out.extend(conn.to_be_bytes());
                out.extend(text.as_bytes());
            }
            Self::Size { info_hash, cell, members } => {
                out.extend(info_hash.0);
                out.extend(cell.0.to_be_bytes());
                out.extend(members.to_be_bytes());
            }
            Self::Sum(sum) => out.extend(sum.to_be_bytes()),
            Self::Again => {}
            Self::Used(all) => {
                for used in all.iter().take(TOKENS) {
                    out.extend(used.token.0);
                    out.extend(used.until_unix_secs.to_be_bytes());
                }
            }
            Self::Fetch(wanted) => put_wanted(&mut out, wanted),
            Self::Part(part) => {
                put_wanted(&mut out, &part.wanted);
                out.extend(part.total.to_be_bytes());
                out.extend(part.bytes);
            }
        }
        out
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Beat(_) => 0,
            Self::Said(_) => 1,
            Self::Gone { .. } => 2,
            Self::Reply(_) => 3,
            Self::Pass { .. } => 4,
            Self::Size { .. } => 5,
            Self::Sum(_) => 6,
            Self::Again => 7,
            Self::Used(_) => 8,
            Self::Fetch(_) => 9,
            Self::Part(_) => 10,
        }
    }
}

/// Reads what came, and from whom.
pub(crate) fn read(bytes: &[u8]) -> Option<(NodeId, Envelope<'_>)> {
    let mut rest = Rest(bytes);
    if rest.byte()? != VERSION {
        return None;
    }
    let kind = rest.byte()?;
    let from = NodeId(rest.u64()?);
    let envelope = match kind {
        0 => Envelope::Beat(beat(&mut rest)?),
        1 => Envelope::Said(Said {
            conn: rest.u64()?,
            cell: rest.cell()?,
            ask: match rest.byte()? {
                0 => Ask::Reply,
                1 => Ask::Join,
                2 => Ask::Quiet,
                _ => return None,
            },
            locality: Locality {
                address: IpAddr::V6(Ipv6Addr::from(rest.array::<16>()?)).to_canonical(),
                asn: Some(rest.u32()?).filter(|&asn| asn != 0),
            },
            about: match rest.flag()? {
                true => Some((InfoHash(rest.array()?), PeerId(rest.array()?))),
                false => None,
            },
            text: rest.all(),
        }),
        2 => Envelope::Gone { conn: rest.u64()? },
        3 => Envelope::Reply(Reply {
            conn: rest.u64()?,
            cell: rest.cell()?,
            standing: match rest.byte()? {
                0 => Standing::Member,
                1 => Standing::Stranger,
                2 => Standing::Taken,
                _ => return None,
            },
            about: if rest.flag()? { Some(InfoHash(rest.array()?)) } else { None },
            text: str::from_utf8(rest.all()).ok()?,
        }),
        4 => Envelope::Pass { conn: rest.u64()?, text: str::from_utf8(rest.all()).ok()? },
        5 => Envelope::Size { info_hash: InfoHash(rest.array()?), cell: rest.cell()?, members: rest.u32()? },
        6 => Envelope::Sum(rest.u64()?),
        7 => Envelope::Again,
        8 => Envelope::Used(used(&mut rest)?),
        9 => Envelope::Fetch(wanted(&mut rest)?),
        10 => Envelope::Part(Part { wanted: wanted(&mut rest)?, total: rest.u32()?, bytes: rest.all() }),
        _ => return None,
    };
    rest.0.is_empty().then_some((from, envelope))
}

fn beat(rest: &mut Rest<'_>) -> Option<Beat> {
    let draining = rest.flag()?;
    let len = usize::from(rest.u16()?);
    let url = str::from_utf8(rest.take(len)?).ok().filter(|url| url.len() <= URL_BYTES)?.to_owned();
    let count = usize::from(rest.byte()?);
    let hears = (0..count).map(|_| rest.u64().map(NodeId)).collect::<Option<Vec<_>>>()?;
    let count = usize::from(rest.byte()?);
    let notices = (0..count).map(|_| Some((rest.array()?, rest.u64()?))).collect::<Option<Vec<_>>>()?;
    let mut levels = Vec::new();
    while !rest.0.is_empty() {
        levels.push((InfoHash(rest.array()?), Level::new(rest.byte()?)?));
    }
    let fits = hears.len() <= NODES && notices.len() <= TOPICS && levels.len() <= SPLIT;
    fits.then_some(Beat { draining, url, hears, notices, levels })
}

fn used(rest: &mut Rest<'_>) -> Option<Vec<Used>> {
    let mut all = Vec::new();
    while !rest.0.is_empty() {
        all.push(Used { token: TokenId(rest.array()?), until_unix_secs: rest.u64()? });
    }
    (all.len() <= TOKENS).then_some(all)
}

fn wanted(rest: &mut Rest<'_>) -> Option<Wanted> {
    Some(Wanted { topic: rest.array()?, number: rest.u64()?, offset: rest.u32()? })
}

fn put_wanted(out: &mut Vec<u8>, wanted: &Wanted) {
    out.extend(wanted.topic);
    out.extend(wanted.number.to_be_bytes());
    out.extend(wanted.offset.to_be_bytes());
}

/// An address that is too long is left out.
fn put_all(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = if bytes.len() <= URL_BYTES { bytes } else { &[] };
    out.extend((bytes.len() as u16).to_be_bytes());
    out.extend(bytes);
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn all(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }

    fn array<const LEN: usize>(&mut self) -> Option<[u8; LEN]> {
        self.take(LEN)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn cell(&mut self) -> Option<Cell> {
        self.u16().map(Cell).filter(|cell| usize::from(cell.0) < Level::most_cells())
    }
}

#[cfg(test)]
mod tests;
