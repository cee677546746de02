//! Old, new, forked, forged and spoilt heads in any order, against a model of what a viewer may take.

use crate::stream::*;
use manifest::live::*;
use manifest::{Hash, SecretKey, SegmentId};
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % sides
    }
}

#[derive(Clone)]
enum What {
    /// Its epoch, and from when on it counts.
    Delegation(u32, u64),
    /// Signed by the epoch's session key, be it the true next one or a fork.
    Head { head: Head, digest: Hash, fork: bool },
    /// Signed by nobody who may, or not as it is.
    False,
}

#[derive(Clone)]
struct Item {
    bytes: Vec<u8>,
    what: What,
}

/// A publisher, a thief of its session key, a forger, and a viewer who is told what they made in any order.
struct World {
    dice: Dice,
    now_ms: u64,
    /// The viewer's clock, which is late at times.
    clock_ms: u64,
    signer: Signer,
    epoch: u32,
    sequence: u32,
    /// What can be delivered; the newest last.
    pool: VecDeque<Item>,
    old: Vec<Item>,
    chain: Chain,
    // What the viewer must know.
    delegated: Option<u32>,
    taken: Vec<(u64, Hash)>,
    at_ms: u64,
    forked: bool,
    /// What came of everything that was delivered.
    met: BTreeMap<String, u64>,
    /// After each refusal, whether all state is compared, or what can be asked.
    thorough: bool,
}

impl World {
    fn new(seed: u64, thorough: bool) -> Self {
        let mut world = Self {
            dice: Dice(seed),
            now_ms: START_MS,
            clock_ms: START_MS,
            signer: signer(1),
            epoch: 1,
            sequence: 0,
            pool: VecDeque::new(),
            old: Vec::new(),
            chain: stranger(),
            delegated: None,
            taken: Vec::new(),
            at_ms: 0,
            forked: false,
            met: BTreeMap::new(),
            thorough,
        };
        world.put(delegation(1), What::Delegation(1, START_MS));
        world
    }

    fn put(&mut self, bytes: Vec<u8>, what: What) {
        self.pool.push_back(Item { bytes, what });
        if self.pool.len() > 200 {
            let item = self.pool.pop_front().unwrap();
            if self.dice.roll(20) == 0 {
                self.old.push(item);
            }
        }
    }

    fn entries(&mut self) -> Vec<Entry> {
        (0..self.dice.roll(3))
            .map(|_| {
                self.sequence += 1;
                self.entry(SegmentId::new(0, self.sequence))
            })
            .collect()
    }

    fn entry(&mut self, segment: SegmentId) -> Entry {
        let pieces = 1 + self.dice.roll(3) as u32;
        let leaves = (0..pieces).map(|_| Hash([self.dice.roll(256) as u8; 32])).collect();
        Entry {
            segment,
            cut: Cut { independent: pieces == 1, ends_segment: pieces == 2, is_marked: pieces == 3 },
            start_ms: segment.sequence * 330,
            duration_ms: 330,
            size: pieces * PIECE_LEN,
            leaves,
        }
    }

    fn signed(&mut self, bytes: Vec<u8>, fork: bool) {
        let head = Head::peek(&bytes).unwrap();
        let digest = head.digest();
        self.put(bytes, What::Head { head, digest, fork });
    }

    fn publish(&mut self) {
        let first = [self.sequence.saturating_sub(50).max(1), 1];
        let entries = self.entries();
        let bytes = self.signer.publish(self.now_ms, &first, entries).unwrap();
        self.signed(bytes, false);
    }

    /// The thief goes on from where the publisher is, for one to three heads.
    fn fork(&mut self) {
        let mut thief = self.signer.clone();
        for i in 0..=self.dice.roll(3) as u32 {
            let entry = self.entry(SegmentId::new(0, self.sequence + 1 + i));
            let first = [self.sequence.saturating_sub(50).max(1), 1];
            let bytes = thief.publish(self.now_ms, &first, vec![entry]).unwrap();
            self.signed(bytes, true);
        }
    }

    fn renew(&mut self) {
        self.epoch += 1;
        let terms = Delegation {
            not_before_ms: self.now_ms,
            expires_ms: self.now_ms + 24 * HOUR_MS,
            ..terms(self.epoch)
        };
        let bytes = terms.seal(&publisher());
        let mut chain = stranger();
        chain.accept_delegation(self.now_ms, &bytes).unwrap();
        self.signer = Signer::new(chain, session(self.epoch), LIFETIME_MS).unwrap();
        self.put(bytes, What::Delegation(self.epoch, self.now_ms));
    }

    fn pick(&mut self) -> Item {
        let from_old = !self.old.is_empty() && self.dice.roll(16) == 0;
        if from_old {
            let at = self.dice.roll(self.old.len() as u64) as usize;
            return self.old[at].clone();
        }
        let reach = if self.dice.roll(2) == 0 { 6 } else { 200 }.min(self.pool.len() as u64);
        let at = self.pool.len() - 1 - self.dice.roll(reach) as usize;
        self.pool[at].clone()
    }

    /// Something like `item` that nobody may take.
    fn spoil(&mut self, item: Item) -> Item {
        if matches!(item.what, What::False) {
            return item; // spoilt twice may be whole again
        }
        let Item { mut bytes, what } = item;
        let thief = SecretKey::from_seed([66; 32]);
        let head = Head::peek(&bytes).ok();
        match (self.dice.roll(8), head) {
            (0, _) => bytes.truncate(self.dice.roll(bytes.len() as u64) as usize),
            (1, _) => bytes.push(0),
            (2, Some(mut head)) => {
                head.number += self.dice.roll(3);
                head.previous = Hash([7; 32]);
                head.number = head.number.max(2);
                bytes = head.seal(&thief);
            }
            // The publisher's own key signs no heads.
            (3, Some(head)) => bytes = head.seal(&publisher()),
            (4, Some(mut head)) => {
                head.stream[0] ^= 1;
                bytes = head.seal(&session(head.epoch));
            }
            // The key of one epoch for another one.
            (5, Some(mut head)) => {
                let key = session(head.epoch);
                head.epoch = if self.dice.roll(2) == 0 { head.epoch + 1 } else { head.epoch - 1 };
                bytes = head.seal(&key);
            }
            (6, None) if matches!(what, What::Delegation(..)) => bytes = terms(self.epoch + 1).seal(&thief),
            _ if bytes.is_empty() => {}
            _ => {
                let bit = self.dice.roll(bytes.len() as u64 * 8) as usize;
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
        Item { bytes, what: What::False }
    }

    /// What must come of a head; `None` where only its contents decide, because the viewer has taken a fork.
    fn expected(&self, head: &Head, digest: &Hash) -> Option<Result<(), Refused>> {
        let Some(epoch) = self.delegated else { return Some(Err(Refused::NoDelegation)) };
        if head.epoch != epoch {
            return Some(Err(if head.epoch < epoch { Refused::OldEpoch } else { Refused::NoDelegation }));
        }
        let recent = &self.taken[self.taken.len().saturating_sub(RECENT_HEADS)..];
        let same = recent.iter().find(|(number, _)| *number == head.number);
        let refused = match (same, self.taken.last()) {
            (Some((_, known)), _) if known == digest => Some(Refused::Known),
            (Some(_), _) => Some(Refused::Equivocation),
            (_, Some((last, _))) if head.number < *last => Some(Refused::Rollback),
            (_, Some((last, known))) if head.number == last + 1 && head.previous != *known => {
                Some(Refused::Forked)
            }
            _ if head.expires_ms <= self.clock_ms => Some(Refused::Expired),
            _ if head.at_ms > self.clock_ms + CLOCK_TOLERANCE_MS => Some(Refused::Early),
            _ if head.at_ms < self.at_ms => Some(Refused::TimeBackwards),
            _ => None,
        };
        match refused {
            Some(refused) => Some(Err(refused)),
            None if self.forked => None,
            None => Some(Ok(())),
        }
    }

    fn step(&mut self) {
        self.now_ms += self.dice.roll(50);
        if self.dice.roll(400) == 0 {
            self.now_ms += LIFETIME_MS; // nothing was published, or came, for a while
        }
        let late = self.dice.roll(40) == 0;
        self.clock_ms = self.now_ms - if late { CLOCK_TOLERANCE_MS + self.dice.roll(5000) } else { 0 };
        match self.dice.roll(256) {
            0..32 => self.publish(),
            32..34 => self.fork(),
            _ => {}
        }
        if self.dice.roll(1500) == 0 {
            self.renew();
        }
        let mut item = self.pick();
        if self.dice.roll(5) == 0 {
            let item = self.spoil(item.clone());
            self.put(item.bytes, item.what);
        }
        if self.dice.roll(5) == 0 {
            item = self.spoil(item);
        }
        self.deliver(&item);
    }

    fn deliver(&mut self, item: &Item) {
        let before = (self.chain.position(), self.chain.newest().map(<[u8]>::to_vec));
        let all_before = self.thorough.then(|| state(&self.chain));
        let taken = match &item.what {
            What::Delegation(epoch, from_ms) => {
                let result = self.chain.accept_delegation(self.clock_ms, &item.bytes);
                self.meet(&result);
                let expected = match self.delegated {
                    Some(known) if *epoch < known => Err(Refused::Rollback),
                    Some(known) if *epoch == known => Err(Refused::Known),
                    _ if *from_ms > self.clock_ms + CLOCK_TOLERANCE_MS => Err(Refused::Early),
                    _ => Ok(()),
                };
                assert_eq!(result, expected, "the delegation of epoch {epoch}");
                if result.is_ok() {
                    self.delegated = Some(*epoch);
                    self.taken.clear();
                    (self.at_ms, self.forked) = (0, false);
                }
                result.is_ok()
            }
            What::Head { head, digest, fork } => {
                let result = self.chain.accept(self.clock_ms, &item.bytes);
                self.meet(&result);
                let short = result.as_ref().map(|_| ()).map_err(|why| *why);
                match self.expected(head, digest) {
                    Some(expected) => assert_eq!(short, expected, "{head:?}"),
                    None => assert!(
                        matches!(short, Ok(()) | Err(Refused::Contradiction(_) | Refused::Backwards(_))),
                        "{short:?}"
                    ),
                }
                if let Ok(accepted) = result {
                    assert_eq!(accepted.head, *head);
                    self.taken.push((head.number, *digest));
                    self.at_ms = head.at_ms;
                    self.forked |= *fork;
                }
                short.is_ok()
            }
            What::False => {
                let as_head = self.chain.accept(self.clock_ms, &item.bytes).map(|_| ());
                let as_delegation = self.chain.accept_delegation(self.clock_ms, &item.bytes);
                for result in [as_head, as_delegation] {
                    self.meet(&result);
                    // Never taken for signed, not even for something to refuse by its place.
                    let placed = [Refused::Known, Refused::Rollback, Refused::Equivocation, Refused::Forked];
                    assert!(result.is_err_and(|why| !placed.contains(&why)), "{result:?}");
                }
                false
            }
        };
        let after = (self.chain.position(), self.chain.newest().map(<[u8]>::to_vec));
        if taken {
            assert!(after.0 > before.0, "{:?} after {:?}", after.0, before.0);
        } else {
            assert_eq!(after, before);
            assert_eq!(all_before, self.thorough.then(|| state(&self.chain)));
        }
    }

    fn meet<T>(&mut self, result: &Result<T, Refused>) {
        let name = match result {
            Ok(_) => "taken".to_owned(),
            Err(why) => format!("{why:?}").split('(').next().unwrap_or_default().to_owned(),
        };
        *self.met.entry(name).or_default() += 1;
    }

    fn end(&self) {
        if let Some(evidence) = self.chain.evidence() {
            assert!(evidence.proves(&publisher().public(), &STREAM));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn state_never_goes_back_in_any_order(seed in any::<u64>(), steps in 1usize..300) {
        let mut world = World::new(seed, true);
        (0..steps).for_each(|_| world.step());
        world.end();
    }
}

/// `BRAIDCAST_HEAD_STEPS=1000000 cargo test --release --package braidcast-manifest --test live -- long` takes its time.
#[test]
fn state_never_goes_back_in_a_long_run() {
    let steps = std::env::var("BRAIDCAST_HEAD_STEPS").map_or(6000, |steps| steps.parse().expect("a number"));
    let mut world = World::new(7, false);
    (0..steps).for_each(|_| world.step());
    world.end();
    println!("{steps} steps, {} epochs, at {:?}: {:?}", world.epoch, world.chain.position(), world.met);
    let usual = "taken Known Rollback OldEpoch NoDelegation BadSignature OtherStream Malformed Equivocation Forked Expired Early";
    let missing: Vec<_> = usual.split(' ').filter(|name| !world.met.contains_key(*name)).collect();
    assert!(missing.is_empty(), "never met: {missing:?}");
    assert!(world.met["taken"] > steps / 40, "the viewer was left behind");
    assert!(world.chain.evidence().is_some());
}
