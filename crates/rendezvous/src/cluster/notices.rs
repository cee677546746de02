//! Documents that every node is to have, such as lists of takedowns: whoever was given a newer one is asked for it by all others.
//!
//! A node says in its beats which number it has of each topic. So it does not matter to whom a document was given, what was lost on the way,
//! or who was away: a node that hears of a newer one than its own fetches it, part by part.
//!
//! The invariant: a node offers only what its owner has found to be good, and one document is fetched at a time.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use super::place::NodeId;

/// Longest document, bytes.
pub const NOTICE_BYTES: usize = 8 << 20;
/// Most topics of a node, each as long as a public key.
pub(crate) const TOPICS: usize = 64;
/// Of a document so much is sent at a time: NATS takes up to 1 MiB.
const PART_BYTES: usize = 256 << 10;

/// What a document is about: the key of whoever signs it, as a rule.
pub type Topic = [u8; 32];

/// A document. The higher its number, the newer it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub topic: Topic,
    /// Which of its topic it is.
    pub number: u64,
    /// Its contents, up to [`NOTICE_BYTES`].
    pub bytes: Arc<[u8]>,
}

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notice({}, {} bytes)", self.number, self.bytes.len())
    }
}

/// A part that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) topic: Topic,
    pub(crate) number: u64,
    pub(crate) offset: u32,
}

/// A part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) wanted: Wanted,
    /// Bytes of the whole.
    pub(crate) total: u32,
    pub(crate) bytes: &'a [u8],
}

/// What follows from a part.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    More(Wanted),
    Whole(Notice),
}

#[derive(Debug)]
struct Fetch {
    from: NodeId,
    topic: Topic,
    number: u64,
    got: Vec<u8>,
    /// When the last part was asked for.
    asked: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Notices {
    followed: BTreeMap<Topic, Option<Notice>>,
    fetch: Option<Fetch>,
    /// What came whole, from whom: if it was no good there it is not fetched again.
    tried: BTreeMap<(NodeId, Topic), u64>,
}

impl Notices {
    pub(crate) fn follow(&mut self, topic: Topic) {
        if self.followed.len() < TOPICS {
            self.followed.entry(topic).or_default();
        }
    }

    /// Offers a document to others. Whether it is news.
    pub(crate) fn keep(&mut self, notice: Notice) -> bool {
        let number = self.number(&notice.topic);
        match self.followed.get_mut(&notice.topic) {
            Some(held) if number.is_none_or(|number| number < notice.number) => {
                *held = Some(notice);
                true
            }
            _ => false,
        }
    }

    /// What there is of each topic.
    pub(crate) fn held(&self) -> impl Iterator<Item = (Topic, u64)> {
        self.followed.values().flatten().map(|held| (held.topic, held.number))
    }

    fn number(&self, topic: &Topic) -> Option<u64> {
        self.followed.get(topic)?.as_ref().map(|held| held.number)
    }

    /// What a node has; what it is to be asked for. A fetch that has come to nothing for `patience` is given up.
    pub(crate) fn handle_told(
        &mut self,
        now: Duration,
        patience: Duration,
        from: NodeId,
        told: &[(Topic, u64)],
    ) -> Option<Wanted> {
        if self.fetch.as_ref().is_some_and(|fetch| now.saturating_sub(fetch.asked) < patience) {
            return None;
        }
        self.fetch = None;
        let &(topic, number) = told.iter().find(|(topic, number)| {
            self.followed.contains_key(topic)
                && self.number(topic).is_none_or(|held| held < *number)
                && self.tried.get(&(from, *topic)) != Some(number)
        })?;
        self.fetch = Some(Fetch { from, topic, number, got: Vec::new(), asked: now });
        Some(Wanted { topic, number, offset: 0 })
    }

    /// The part that another node asks for, if it is of what is held here.
    pub(crate) fn part(&self, wanted: Wanted) -> Option<Part<'_>> {
        let held = self.followed.get(&wanted.topic)?.as_ref().filter(|held| held.number == wanted.number)?;
        let rest = held.bytes.get(wanted.offset as usize..).filter(|rest| !rest.is_empty())?;
        let bytes = &rest[..rest.len().min(PART_BYTES)];
        Some(Part { wanted, total: u32::try_from(held.bytes.len()).ok()?, bytes })
    }

    /// A part has come. What is not the one that was asked for is left.
    pub(crate) fn handle_part(&mut self, now: Duration, from: NodeId, part: &Part<'_>) -> Option<Progress> {
        let Part { wanted, total, bytes } = *part;
        let fetch = self.fetch.as_mut().filter(|fetch| {
            let asked = Wanted { topic: fetch.topic, number: fetch.number, offset: fetch.got.len() as u32 };
            fetch.from == from && asked == wanted
        })?;
        let total = (total as usize).min(NOTICE_BYTES);
        if bytes.is_empty() || fetch.got.len() + bytes.len() > total {
            self.fetch = None;
            return None;
        }
        fetch.got.extend_from_slice(bytes);
        fetch.asked = now;
        if fetch.got.len() < total {
            return Some(Progress::More(Wanted { offset: fetch.got.len() as u32, ..wanted }));
        }
        let bytes = std::mem::take(&mut fetch.got).into();
        self.fetch = None;
        self.tried.insert((from, wanted.topic), wanted.number);
        Some(Progress::Whole(Notice { topic: wanted.topic, number: wanted.number, bytes }))
    }

    pub(crate) fn forget(&mut self, node: NodeId) {
        self.tried.retain(|one, _| one.0 != node);
        self.fetch.take_if(|fetch| fetch.from == node);
    }
}
