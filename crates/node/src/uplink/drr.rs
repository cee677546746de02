//! Whose turn it is: deficit round robin (Shreedhar and Varghese 1996), first between streams, then between the links of a
//! stream. Its invariants: while two streams, or two links of one, have something waiting, what they were given differs by
//! no more than a quantum and their longest messages; messages of one link keep their order; what waits for a link has a bound.

use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use swarm::Link;

/// What each is given in its turn, bytes.
pub(super) const QUANTUM: usize = 32 * 1024;
/// What may wait for one link, bytes: what the queue of a link takes. A core that heeds the room it is told never has as
/// much under way; whoever hands over more loses the link.
pub(super) const FLOW_BYTES: usize = 1024 * 1024;

/// A stream's name.
pub(super) type StreamId = u64;

/// More waits for a link than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// All that waits.
#[derive(Debug, Default)]
pub(super) struct Scheduler {
    streams: BTreeMap<StreamId, Stream>,
    turns: Turns<StreamId>,
}

/// What waits of one stream.
#[derive(Debug, Default)]
struct Stream {
    flows: BTreeMap<Link, Flow>,
    turns: Turns<Link>,
    bytes: usize,
}

/// What waits for one link.
#[derive(Debug, Default)]
struct Flow {
    messages: VecDeque<Bytes>,
    bytes: usize,
}

impl Scheduler {
    /// Puts a message at the end of its link's.
    pub(super) fn push(&mut self, stream: StreamId, link: Link, message: Bytes) -> Result<(), Full> {
        if self.waiting(stream, link) + message.len() > FLOW_BYTES {
            return Err(Full);
        }
        if !self.streams.contains_key(&stream) {
            self.turns.join(stream);
        }
        let entry = self.streams.entry(stream).or_default();
        if !entry.flows.contains_key(&link) {
            entry.turns.join(link);
        }
        let flow = entry.flows.entry(link).or_default();
        flow.bytes += message.len();
        entry.bytes += message.len();
        flow.messages.push_back(message);
        Ok(())
    }

    /// The message whose turn it is.
    pub(super) fn pop(&mut self) -> Option<(StreamId, Link, Bytes)> {
        let streams = &mut self.streams;
        let stream = self.turns.next(|stream| streams.get_mut(&stream).map_or(0, Stream::next_len))?;
        let entry = self.streams.get_mut(&stream)?;
        let (link, message) = entry.pop()?;
        self.turns.spend(message.len());
        if entry.flows.is_empty() {
            self.streams.remove(&stream);
            self.turns.leave(stream);
        }
        Some((stream, link, message))
    }

    /// Forgets what waits for a link.
    pub(super) fn drop_link(&mut self, stream: StreamId, link: Link) {
        let Some(entry) = self.streams.get_mut(&stream) else { return };
        let Some(flow) = entry.flows.remove(&link) else { return };
        entry.bytes -= flow.bytes;
        entry.turns.leave(link);
        if entry.flows.is_empty() {
            self.drop_stream(stream);
        }
    }

    /// Forgets what waits of a stream.
    pub(super) fn drop_stream(&mut self, stream: StreamId) {
        self.streams.remove(&stream);
        self.turns.leave(stream);
    }

    /// Bytes that wait for a link.
    pub(super) fn waiting(&self, stream: StreamId, link: Link) -> usize {
        self.streams.get(&stream).and_then(|entry| entry.flows.get(&link)).map_or(0, |flow| flow.bytes)
    }

    /// Bytes that wait of a stream.
    pub(super) fn waiting_of(&self, stream: StreamId) -> usize {
        self.streams.get(&stream).map_or(0, |entry| entry.bytes)
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.streams.values().map(|entry| entry.bytes).sum()
    }

    /// Streams of which something waits.
    pub(super) fn streams(&self) -> usize {
        self.streams.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }
}

impl Stream {
    /// How long the message is whose turn it is.
    fn next_len(&mut self) -> usize {
        let flows = &self.flows;
        let len = |link: Link| flows.get(&link).and_then(|flow| flow.messages.front()).map_or(0, Bytes::len);
        self.turns.next(len).map_or(0, len)
    }

    fn pop(&mut self) -> Option<(Link, Bytes)> {
        self.next_len();
        let link = self.turns.first()?;
        let flow = self.flows.get_mut(&link)?;
        let message = flow.messages.pop_front()?;
        flow.bytes -= message.len();
        self.bytes -= message.len();
        self.turns.spend(message.len());
        if flow.messages.is_empty() {
            self.flows.remove(&link);
            self.turns.leave(link);
        }
        Some((link, message))
    }
}

/// Who takes turns, the next one first, with what each may still send of what it was given.
#[derive(Debug)]
struct Turns<K> {
    round: VecDeque<(K, usize)>,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self { round: VecDeque::new() }
    }
}

impl<K: Copy + PartialEq> Turns<K> {
    /// It has something to send from now on.
    fn join(&mut self, who: K) {
        self.round.push_back((who, QUANTUM));
    }

    /// It has nothing any more, and loses what it was given.
    fn leave(&mut self, who: K) {
        self.round.retain(|(other, _)| *other != who);
    }

    fn first(&self) -> Option<K> {
        self.round.front().map(|(who, _)| *who)
    }

    /// Who may send its next message, of the length that `len` tells. It ends, for each turn gives a quantum.
    fn next(&mut self, mut len: impl FnMut(K) -> usize) -> Option<K> {
        loop {
            let (who, left) = self.round.front_mut()?;
            if *left >= len(*who) {
                return Some(*who);
            }
            *left += QUANTUM;
            self.round.rotate_left(1);
        }
    }

    /// The first has sent so much.
    fn spend(&mut self, bytes: usize) {
        if let Some((_, left)) = self.round.front_mut() {
            *left = left.saturating_sub(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(len: usize) -> Bytes {
        Bytes::from(vec![0; len])
    }

    /// Keeps the links of each stream full and takes `count` messages: what each stream and link was given.
    fn served(
        links: &[u32],
        len: impl Fn(StreamId, u32) -> usize,
        count: usize,
    ) -> BTreeMap<(StreamId, u32), usize> {
        let mut drr = Scheduler::default();
        let mut given: BTreeMap<(StreamId, u32), usize> = BTreeMap::new();
        let fill = |drr: &mut Scheduler, stream: StreamId, link: u32| {
            while drr.waiting(stream, Link(link)) < 2 * 163_840 {
                drr.push(stream, Link(link), message(len(stream, link))).unwrap();
            }
        };
        for (stream, links) in (0..).zip(links) {
            (0..*links).for_each(|link| fill(&mut drr, stream, link));
        }
        for _ in 0..count {
            let (stream, Link(link), message) = drr.pop().unwrap();
            *given.entry((stream, link)).or_default() += message.len();
            fill(&mut drr, stream, link);
            let of = |stream| given.range((stream, 0)..(stream + 1, 0)).map(|(_, sum)| sum).sum::<usize>();
            let sums: Vec<usize> = (0..links.len() as u64).map(of).collect();
            let apart = sums.iter().max().unwrap() - sums.iter().min().unwrap();
            assert!(apart <= QUANTUM + 2 * 163_840, "{sums:?}");
        }
        given
    }

    #[test]
    fn streams_share_alike_whatever_the_number_of_their_links() {
        let given = served(&[1, 3, 20], |_, _| 16 * 1024, 6000);
        let of = |stream| given.range((stream, 0)..(stream + 1, 0)).map(|(_, sum)| sum).sum::<usize>();
        let sums = [of(0), of(1), of(2)];
        assert!(sums.iter().max().unwrap() - sums.iter().min().unwrap() <= QUANTUM, "{sums:?}");
        for stream in 0..3 {
            let links: Vec<usize> = given.range((stream, 0)..(stream + 1, 0)).map(|(_, sum)| *sum).collect();
            assert!(links.iter().max().unwrap() - links.iter().min().unwrap() <= QUANTUM, "{links:?}");
        }
    }

    #[test]
    fn the_length_of_messages_buys_nothing() {
        let given =
            served(&[1, 2], |stream, link| [160 * 1024, 700, 65_000][stream as usize + link as usize], 9000);
        let (alone, small, large) = (given[&(0, 0)], given[&(1, 0)], given[&(1, 1)]);
        assert!(alone.abs_diff(small + large) <= QUANTUM + 160 * 1024, "{given:?}");
        assert!(small.abs_diff(large) <= QUANTUM + 65_000, "{given:?}");
    }

    #[test]
    fn who_had_nothing_to_send_has_saved_nothing() {
        let mut drr = Scheduler::default();
        for _ in 0..8 {
            drr.push(1, Link(1), message(QUANTUM)).unwrap();
        }
        (0..4).for_each(|_| drop(drr.pop()));
        for _ in 0..4 {
            drr.push(2, Link(1), message(QUANTUM)).unwrap();
        }
        let order: Vec<StreamId> = std::iter::from_fn(|| drr.pop()).map(|(stream, ..)| stream).collect();
        assert!(order[..4].iter().filter(|stream| **stream == 2).count() <= 3, "{order:?}");
        assert!(drr.is_empty() && drr.turns.round.is_empty());
    }

    #[test]
    fn more_than_a_link_takes_is_refused() {
        let mut drr = Scheduler::default();
        drr.push(1, Link(1), message(FLOW_BYTES)).unwrap();
        assert_eq!(drr.push(1, Link(1), message(1)), Err(Full));
        drr.push(1, Link(2), message(1)).unwrap();
        drr.drop_link(1, Link(1));
        assert_eq!((drr.bytes(), drr.waiting_of(1)), (1, 1));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(StreamId, u32, usize),
        Pop,
        DropLink(StreamId, u32),
        DropStream(StreamId),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0..5u64, 0..5u32, 1..163_840usize).prop_map(|(s, l, n)| Step::Push(s, l, n)),
            6 => Just(Step::Pop),
            1 => (0..5u64, 0..5u32).prop_map(|(s, l)| Step::DropLink(s, l)),
            1 => (0..5u64).prop_map(Step::DropStream),
        ]
    }

    proptest! {
        /// Against a plain list: order within a link, bounds, sums; and nobody starves.
        #[test]
        fn any_operations_keep_order_and_sums(steps in prop::collection::vec(step(), 1..400)) {
            let mut drr = Scheduler::default();
            let mut all: BTreeMap<(StreamId, u32), VecDeque<Bytes>> = BTreeMap::new();
            // How many messages of others have passed since each link began to wait for its next.
            let mut passed: BTreeMap<(StreamId, u32), usize> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Push(stream, link, len) => {
                        let bytes = message(len);
                        let queue = all.entry((stream, link)).or_default();
                        let fits = queue.iter().map(Bytes::len).sum::<usize>() + len <= FLOW_BYTES;
                        prop_assert_eq!(drr.push(stream, Link(link), bytes.clone()).is_ok(), fits);
                        if fits {
                            queue.push_back(bytes);
                        }
                    }
                    Step::Pop => {
                        let popped = drr.pop();
                        prop_assert_eq!(popped.is_none(), all.values().all(VecDeque::is_empty));
                        if let Some((stream, Link(link), bytes)) = popped {
                            let first = all.get_mut(&(stream, link)).and_then(VecDeque::pop_front).unwrap();
                            prop_assert_eq!(first.as_ptr(), bytes.as_ptr(), "the order of a link is kept");
                            passed.insert((stream, link), 0);
                            for (key, queue) in &all {
                                if *key != (stream, link) {
                                    let count = passed.entry(*key).or_default();
                                    *count = if queue.is_empty() { 0 } else { *count + bytes.len() };
                                    // Six turns give the longest message, in a round of 25 links or fewer.
                                    prop_assert!(*count <= 25 * 7 * (QUANTUM + 163_840), "{:?} starves", key);
                                }
                            }
                        }
                    }
                    Step::DropLink(stream, link) => {
                        drr.drop_link(stream, Link(link));
                        all.remove(&(stream, link));
                    }
                    Step::DropStream(stream) => {
                        drr.drop_stream(stream);
                        all.retain(|(of, _), _| *of != stream);
                    }
                }
                let sum: usize = all.values().flatten().map(Bytes::len).sum();
                prop_assert_eq!(drr.bytes(), sum);
                prop_assert_eq!(drr.turns.round.len(), drr.streams());
                for (key, entry) in &drr.streams {
                    prop_assert_eq!(entry.turns.round.len(), entry.flows.len(), "stream {}", key);
                    prop_assert!(entry.turns.round.iter().all(|(_, left)| *left <= QUANTUM + 163_840));
                }
            }
        }
    }
}
