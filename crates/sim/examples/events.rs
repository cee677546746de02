//! How many events a second the wheel takes, beside a binary heap: `cargo run --release -p braidcast-sim --example events`.
//!
//! The hold model: so many events are pending; each that comes out puts one in, a random time ahead (half of them 5 to 150
//! ms, as what crosses a network, the others up to 2 s, as timers).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::time::Instant;

use sim::rng::Rng;
use sim::wheel::Wheel;
use swarm::Time;

const EVENTS: u32 = 5_000_000;

/// As large as a small event of a simulator.
type Event = [u64; 3];

fn main() {
    println!("{:>9}  {:>12}  {:>12}", "pending", "wheel/s", "heap/s");
    for pending in [1_000, 10_000, 100_000, 1_000_000] {
        println!("{pending:>9}  {:>12.0}  {:>12.0}", wheel(pending), heap(pending));
    }
}

fn ahead(rng: &mut Rng) -> u64 {
    if rng.bits() & 1 == 0 { 5_000 + rng.below(145_000) as u64 } else { rng.below(2_000_000) as u64 }
}

fn wheel(pending: u64) -> f64 {
    let mut rng = Rng::stream(1, 0, "events");
    let mut wheel: Wheel<Event> = Wheel::new();
    for number in 0..pending {
        wheel.push(Time(ahead(&mut rng)), [number; 3]);
    }
    let begun = Instant::now();
    for _ in 0..EVENTS {
        let (at, event) = wheel.pop().expect("one is pushed for each that comes");
        wheel.push(Time(at.0 + ahead(&mut rng)), black_box(event));
    }
    f64::from(EVENTS) / begun.elapsed().as_secs_f64()
}

fn heap(pending: u64) -> f64 {
    let mut rng = Rng::stream(1, 0, "events");
    let mut heap: BinaryHeap<Reverse<(u64, u64, Event)>> = BinaryHeap::new();
    for number in 0..pending {
        heap.push(Reverse((ahead(&mut rng), number, [number; 3])));
    }
    let begun = Instant::now();
    for number in 0..u64::from(EVENTS) {
        let Reverse((at, _, event)) = heap.pop().expect("one is pushed for each that comes");
        heap.push(Reverse((at + ahead(&mut rng), pending + number, black_box(event))));
    }
    f64::from(EVENTS) / begun.elapsed().as_secs_f64()
}
