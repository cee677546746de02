//! The wheel gives events in the order of time, then of pushing, whatever is pushed when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use proptest::prelude::*;
use sim::wheel::Wheel;
use swarm::Time;

#[derive(Clone, Debug)]
enum Step {
    /// So far after the last event that came out; before it, if negative.
    Push(i64),
    Pop,
    Peek,
}

fn step() -> impl Strategy<Value = Step> {
    // Of every order of magnitude: within a slot, a block, an era, and beyond; and often at one time.
    let ahead = prop_oneof![
        3 => Just(0i64),
        3 => 0..2_000i64,
        3 => 0..200_000i64,
        2 => 0..10_000_000i64,
        1 => 0..40_000_000_000i64,
        1 => Just(1_024i64),
        1 => Just(1i64 << 22),
        1 => Just(1i64 << 34),
        1 => -5_000..0i64,
    ];
    prop_oneof![5 => ahead.prop_map(Step::Push), 4 => Just(Step::Pop), 1 => Just(Step::Peek)]
}

proptest! {
    #[test]
    fn events_come_as_from_a_heap(steps in prop::collection::vec(step(), 1..400)) {
        let mut wheel = Wheel::new();
        let mut heap = BinaryHeap::new();
        let mut now = 0u64;
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push(ahead) => {
                    let at = now.saturating_add_signed(ahead);
                    wheel.push(Time(at), number);
                    heap.push(Reverse((at.max(now), number)));
                }
                Step::Pop => {
                    let expected = heap.pop().map(|Reverse((at, number))| (Time(at), number));
                    prop_assert_eq!(wheel.pop(), expected);
                    now = expected.map_or(now, |(at, _)| at.0);
                }
                Step::Peek => {
                    prop_assert_eq!(wheel.peek_time(), heap.peek().map(|&Reverse((at, _))| Time(at)));
                }
            }
            prop_assert_eq!(wheel.len(), heap.len());
        }
        while let Some(Reverse((at, number))) = heap.pop() {
            prop_assert_eq!(wheel.pop(), Some((Time(at), number)));
        }
        prop_assert!(wheel.is_empty() && wheel.pop().is_none());
    }
}

#[test]
fn what_was_pushed_first_for_one_time_comes_first() {
    let mut wheel = Wheel::new();
    // The first goes far ahead, the second near, the third to the slot in progress.
    wheel.push(Time(20_000_000_005), 'a');
    wheel.push(Time(20_000_000_004), '-');
    wheel.push(Time(19_999_990_000), '-');
    wheel.pop();
    wheel.push(Time(20_000_000_005), 'b');
    wheel.pop();
    wheel.push(Time(20_000_000_005), 'c');
    let order: Vec<char> = std::iter::from_fn(|| wheel.pop()).map(|(_, event)| event).collect();
    assert_eq!(order, ['a', 'b', 'c']);
}

#[test]
fn an_event_at_the_end_of_time_is_an_event() {
    let mut wheel = Wheel::new();
    wheel.push(Time(u64::MAX), ());
    wheel.push(Time(3), ());
    assert_eq!(wheel.pop(), Some((Time(3), ())));
    assert_eq!(wheel.peek_time(), Some(Time(u64::MAX)));
    assert_eq!(wheel.pop(), Some((Time(u64::MAX), ())));
    assert_eq!(wheel.pop(), None);
}
