//! What has been asked of each neighbour. Its invariant: a piece that is in here has been asked for by the core, so
//! whatever else a neighbour sends costs no more than its frame header.

use manifest::SegmentId;
use std::collections::{BTreeMap, VecDeque};
use swarm::Link;

/// Requests remembered per link, answered or not: more than the core ever has open.
const MAX_PER_LINK: usize = 512;

/// Bytes that nobody asked for, in all, before a neighbour is done with: an honest one sends none.
const MAX_UNASKED_BYTES: u32 = 256 * 1024;

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) segment: SegmentId,
    pub(crate) piece: u32,
    /// Whether the leaves were asked for along with the piece.
    pub(crate) leaves: bool,
}

/// The requests of every open link.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    links: BTreeMap<Link, VecDeque<(u32, Request)>>,
    unasked: BTreeMap<Link, u32>,
}

impl Asked {
    pub(crate) fn open(&mut self, link: Link) {
        self.links.entry(link).or_default();
    }

    pub(crate) fn close(&mut self, link: Link) {
        self.links.remove(&link);
        self.unasked.remove(&link);
    }

    pub(crate) fn is_open(&self, link: Link) -> bool {
        self.links.contains_key(&link)
    }

    pub(crate) fn insert(&mut self, link: Link, id: u32, request: Request) {
        if let Some(requests) = self.links.get_mut(&link) {
            if requests.len() == MAX_PER_LINK {
                requests.pop_front();
            }
            requests.push_back((id, request));
        }
    }

    /// Takes the request out that a piece answers. A request that was taken back still counts: the piece may have been
    /// on its way.
    pub(crate) fn take(&mut self, link: Link, id: u32, segment: SegmentId, piece: u32) -> Option<Request> {
        let requests = self.links.get_mut(&link)?;
        let place =
            requests.iter().position(|(i, r)| *i == id && r.segment == segment && r.piece == piece)?;
        requests.remove(place).map(|(_, request)| request)
    }

    /// Counts bytes that nobody asked for; says whether that is more than an honest neighbour could send.
    pub(crate) fn is_too_much(&mut self, link: Link, bytes: u32) -> bool {
        let sum = self.unasked.entry(link).or_default();
        *sum = sum.saturating_add(bytes);
        *sum > MAX_UNASKED_BYTES
    }

    /// Whether leaves of `segment` were asked of `link`.
    pub(crate) fn wants_leaves(&self, link: Link, segment: SegmentId) -> bool {
        self.links.get(&link).is_some_and(|r| r.iter().any(|(_, r)| r.segment == segment && r.leaves))
    }

    /// A segment is lost, and its leaves with it: what still comes of it can be checked no more, through no fault of its sender.
    pub(crate) fn lose(&mut self, segment: SegmentId) {
        let of_it = self.links.values_mut().flatten().filter(|(_, r)| r.segment == segment);
        of_it.for_each(|(_, request)| request.leaves = false);
    }

    /// Forgets a segment that has been dropped from the store.
    pub(crate) fn forget(&mut self, segment: SegmentId) {
        self.links.values_mut().for_each(|requests| requests.retain(|(_, r)| r.segment != segment));
    }
}
