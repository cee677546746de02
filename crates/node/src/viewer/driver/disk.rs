//! The segments of a keeper on disk: what is whole goes there and leaves memory, and is read when somebody wants it. Its
//! invariant: the session holds a segment exactly while its pieces are in memory or its root was on the shelf when it was last
//! looked at; and nothing here waits for the disk.

use super::Driver;
use crate::cache;
use crate::shelf::{Found, Shelf};
use bytes::{BufMut, Bytes, BytesMut};
use manifest::SegmentId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use swarm::Link;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Pieces for neighbours that may wait for the disk; beyond it they are refused. At 64 KiB each, 32 MiB.
const DUE_MAX: usize = 512;
/// Segments being written, above which no more is taken from the origin: a disk that is slower than the line must not fill
/// the memory.
const PUTS_MAX: usize = 16;
/// What the disk does not take is served from memory: so many bytes of it.
const UNSHELVED_MAX_BYTES: u64 = 64 << 20;
/// Segments that are looked for at a time: whether the cache still has them.
const LOOK_AT: usize = 1024;
/// Segments that come before anybody asks, at most.
const AHEAD_MAX: usize = 64;
/// How long such a wish holds.
const AHEAD_FOR: Duration = Duration::from_secs(30);
/// News that may wait.
const NEWS_MAX: usize = 64;

/// The shelf, and what is under way between it and the driver.
pub(super) struct Disk {
    shelf: Shelf,
    /// On the shelf, as the session was told.
    held: BTreeSet<SegmentId>,
    /// The last one that was looked for.
    looked_at: Option<SegmentId>,
    /// Being read, and the pieces of them that neighbours wait for.
    reads: BTreeMap<SegmentId, Vec<Due>>,
    /// How many those are, and their bytes by link.
    due: usize,
    due_bytes: BTreeMap<Link, u32>,
    /// Requests that cannot be answered.
    absent: Vec<(Link, u32)>,
    puts: usize,
    /// In memory, for the disk did not take them; the oldest first.
    unshelved: VecDeque<(SegmentId, u64)>,
    /// Wanted before anybody asked, and until when.
    ahead: BTreeMap<SegmentId, Instant>,
    news: mpsc::Sender<News>,
}

/// A piece that a neighbour waits for.
struct Due {
    link: Link,
    id: u32,
    head: Vec<u8>,
    piece: u32,
    len: u32,
}

/// News of the disk.
#[derive(Debug)]
pub(super) enum News {
    Put(SegmentId, Result<(), cache::Error>),
    Read(SegmentId, Option<Bytes>),
    /// Leaves were made anew of a segment that was there.
    Proven(SegmentId, Vec<manifest::Hash>),
}

impl Disk {
    /// Makes leaves anew for the segments that `found` has none of.
    pub(super) fn new(shelf: Shelf, found: &Found) -> (Self, mpsc::Receiver<News>) {
        let (news, told) = mpsc::channel(NEWS_MAX);
        if !found.unproven.is_empty() {
            let (shelf, news, unproven) = (shelf.clone(), news.clone(), found.unproven.clone());
            tokio::spawn(async move {
                for segment in unproven {
                    if let Some(leaves) = shelf.prove(segment).await
                        && news.send(News::Proven(segment, leaves)).await.is_err()
                    {
                        break;
                    }
                }
            });
        }
        let disk = Self {
            shelf,
            held: BTreeSet::new(),
            looked_at: None,
            reads: BTreeMap::new(),
            due: 0,
            due_bytes: BTreeMap::new(),
            absent: Vec::new(),
            puts: 0,
            unshelved: VecDeque::new(),
            ahead: BTreeMap::new(),
            news,
        };
        (disk, told)
    }

    /// Whether what comes from the origin has to wait for the disk.
    pub(super) fn is_behind(&self) -> bool {
        self.puts >= PUTS_MAX
    }

    /// Bytes for a link that are on their way from the disk.
    pub(super) fn due_bytes(&self, link: Link) -> u32 {
        self.due_bytes.get(&link).copied().unwrap_or(0)
    }

    /// A request that cannot be answered, which the session is to hear of.
    pub(super) fn next_absent(&mut self) -> Option<(Link, u32)> {
        self.absent.pop()
    }

    pub(super) fn is_ahead(&self, segment: SegmentId) -> bool {
        self.ahead.contains_key(&segment)
    }

    fn read(&mut self, segment: SegmentId) -> &mut Vec<Due> {
        self.reads.entry(segment).or_insert_with(|| {
            let (shelf, news) = (self.shelf.clone(), self.news.clone());
            tokio::spawn(async move {
                let bytes = shelf.get(segment).await;
                let _ = news.send(News::Read(segment, bytes)).await; // the driver may have left
            });
            Vec::new()
        })
    }

    fn take_due(&mut self, segment: SegmentId) -> Vec<Due> {
        let due = self.reads.remove(&segment).unwrap_or_default();
        self.due -= due.len();
        for Due { link, len, .. } in &due {
            if let Some(bytes) = self.due_bytes.get_mut(link) {
                *bytes -= len;
                if *bytes == 0 {
                    self.due_bytes.remove(link);
                }
            }
        }
        due
    }

    /// Some of what is held but not on the shelf any more.
    async fn gone(&mut self) -> Vec<SegmentId> {
        let after = self.looked_at.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let some: Vec<_> =
            self.held.range((after, std::ops::Bound::Unbounded)).take(LOOK_AT).copied().collect();
        // At the end it begins anew.
        self.looked_at = some.last().copied().filter(|_| some.len() == LOOK_AT);
        let mut gone = Vec::new();
        for segment in some {
            if !self.reads.contains_key(&segment) && !self.shelf.contains(segment).await {
                self.held.remove(&segment);
                gone.push(segment);
            }
        }
        gone
    }
}

impl Driver {
    /// Tells the session what was found on disk.
    pub(super) fn hold(&mut self, found: Found) {
        for (segment, leaves) in found.proven {
            self.hold_one(segment, leaves);
        }
    }

    fn hold_one(&mut self, segment: SegmentId, leaves: Vec<manifest::Hash>) {
        let now = self.now();
        let is_good = self.session.held(now, segment, leaves);
        self.carry_out(&Bytes::new());
        if let Some(disk) = self.disk.as_mut().filter(|_| is_good) {
            disk.held.insert(segment);
            self.store.drop(segment);
        }
    }

    /// Puts a segment on the shelf if it is whole.
    pub(super) fn shelve(&mut self, segment: SegmentId) {
        let Some(disk) = &mut self.disk else { return };
        let Some(size) = self.watched.size(segment) else { return };
        let Some(bytes) = self.store.whole(segment, size) else { return };
        let leaves = self.session.leaves(segment).map(<[_]>::to_vec).unwrap_or_default();
        disk.puts += 1;
        let (shelf, news) = (disk.shelf.clone(), disk.news.clone());
        tokio::spawn(async move {
            let put = shelf.put(segment, bytes, leaves).await;
            let _ = news.send(News::Put(segment, put)).await; // the driver may have left
        });
    }

    /// Reads a piece that is not in memory, to be sent then. Other messages before it do not wait.
    pub(super) fn send_from_disk(
        &mut self,
        link: Link,
        id: u32,
        head: &[u8],
        segment: SegmentId,
        piece: u32,
    ) {
        let Some(range) = self.watched.piece_range(segment, piece) else { return };
        let Some(disk) = &mut self.disk else { return };
        let (before, head) = head.split_at(own_part(head));
        if !before.is_empty() {
            self.stream.send(link, Bytes::copy_from_slice(before));
        }
        if disk.due >= DUE_MAX || !(disk.held.contains(&segment) || disk.reads.contains_key(&segment)) {
            disk.absent.push((link, id));
            return;
        }
        let len = range.end - range.start;
        disk.due += 1;
        *disk.due_bytes.entry(link).or_default() += len;
        disk.read(segment).push(Due { link, id, head: head.to_vec(), piece, len });
    }

    /// Reads a segment that players wait for and that is not in memory.
    pub(super) fn deliver_from_disk(&mut self, segment: SegmentId) {
        let Some(disk) = &mut self.disk else { return };
        disk.ahead.remove(&segment);
        if self.waiting.is_for(segment) && disk.held.contains(&segment) {
            disk.read(segment);
        }
    }

    /// A player will ask for a segment soon.
    pub(super) fn want_ahead(&mut self, segment: SegmentId) {
        let Some(disk) = &mut self.disk else { return };
        let is_known = self.watched.size(segment).is_some();
        if is_known && !disk.held.contains(&segment) && disk.ahead.len() < AHEAD_MAX {
            disk.ahead.insert(segment, Instant::now() + AHEAD_FOR);
            self.feed(|session, now| session.want(now, segment));
        }
    }

    pub(super) fn disk_news(&mut self, news: News) {
        match news {
            News::Put(segment, put) => self.put(segment, put),
            News::Read(segment, Some(bytes)) => self.read(segment, &bytes),
            News::Read(segment, None) => self.unreadable(segment),
            News::Proven(segment, leaves) => self.hold_one(segment, leaves),
        }
    }

    fn put(&mut self, segment: SegmentId, put: Result<(), cache::Error>) {
        let Some(disk) = &mut self.disk else { return };
        disk.puts -= 1;
        match put {
            Ok(()) => {
                disk.held.insert(segment);
                self.store.drop(segment);
            }
            Err(error) => {
                tracing::warn!(%error, "a segment stays in memory");
                let size = self.watched.size(segment).map_or(0, u64::from);
                disk.unshelved.push_back((segment, size));
                let mut lost = Vec::new();
                while disk.unshelved.iter().map(|(_, size)| size).sum::<u64>() > UNSHELVED_MAX_BYTES {
                    lost.extend(disk.unshelved.pop_front());
                }
                for (segment, _) in lost {
                    self.store.drop(segment);
                    self.feed(|session, now| session.lost(now, segment));
                }
            }
        }
    }

    fn read(&mut self, segment: SegmentId, whole: &Bytes) {
        let Some(disk) = &mut self.disk else { return };
        for Due { link, head, piece, .. } in disk.take_due(segment) {
            let Some(range) = self.watched.piece_range(segment, piece) else { continue };
            let payload = &whole[range.start as usize..range.end as usize];
            let mut bytes = BytesMut::with_capacity(head.len() + payload.len());
            bytes.put_slice(&head);
            bytes.put_slice(payload);
            self.stats.to_peers += payload.len() as u64;
            self.stream.send(link, bytes.freeze());
        }
        self.waiting.answer(segment, &Ok(whole.clone()));
    }

    /// What was on the shelf is not, or is damaged: whoever waits for it learns so, and it may be fetched anew.
    fn unreadable(&mut self, segment: SegmentId) {
        let Some(disk) = &mut self.disk else { return };
        disk.held.remove(&segment);
        let due = disk.take_due(segment);
        self.feed(|session, now| session.lost(now, segment));
        for Due { link, id, .. } in due {
            self.feed(|session, now| session.absent(now, link, id));
            let room = self.room(link);
            self.feed(|session, now| session.link_room(now, link, room));
        }
        if self.waiting.is_for(segment) {
            self.feed(|session, now| session.want(now, segment));
        }
    }

    /// Notices what the cache has dropped, and forgets what nobody came for.
    pub(super) async fn look_at_disk(&mut self) {
        let Some(disk) = &mut self.disk else { return };
        for segment in disk.gone().await {
            self.feed(|session, now| session.lost(now, segment));
        }
        let (Some(disk), now) = (&mut self.disk, Instant::now()) else { return };
        let late: Vec<_> =
            disk.ahead.iter().filter(|(_, until)| now > **until).map(|(one, _)| *one).collect();
        for segment in late {
            self.disk.as_mut().map(|disk| disk.ahead.remove(&segment));
            if !self.waiting.is_for(segment) {
                self.feed(|session, now| session.unwant(now, segment));
            }
        }
    }
}

/// Where in what goes before a piece its own part begins: its leaves, if they are with it, and its frame, whose end is to come.
fn own_part(head: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let mut rest = wire::Bytes(&head[at..]);
        let (Ok(_), Ok(len)) = (rest.u8(), rest.varint()) else { return at };
        if rest.take(len as usize).is_err() {
            return at;
        }
        let end = head.len() - rest.0.len();
        let leaves = matches!(wire::Frames::new(&head[at..end]).next(), Some(Ok(wire::Frame::Leaves { .. })));
        if leaves {
            return at;
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifest::Hash;
    use wire::Message;

    #[test]
    fn messages_before_a_piece_are_told_from_what_belongs_to_it() {
        let segment = SegmentId::new(1, 7);
        let mut before = Vec::new();
        wire::put_message(&mut before, &Message::Goodbye);
        wire::put_message(&mut before, &Message::Cancel { id: 300 });
        let mut leaves = Vec::new();
        wire::put_leaves(&mut leaves, segment, &[Hash([9; 32]); 3]);
        let mut piece = Vec::new();
        wire::put_piece(&mut piece, 5, segment, 2, &[7; 1000]);
        let head = &piece[..piece.len() - 1000];
        assert_eq!(own_part(&[&before, &leaves[..], head].concat()), before.len());
        assert_eq!(own_part(&[&before, head].concat()), before.len());
        assert_eq!(own_part(head), 0);
    }
}
