//! What a run costs: events a second, time for a second of one viewer, memory for one peer.
//!
//!     cargo run --release -p braidcast-sim --example speed -- scenarios/evening.toml [viewers]...
//!
//! Memory is what is allocated at the moment when the most viewers are there, divided by their number: peer, player, network
//! and the events to come.

use std::alloc::{GlobalAlloc, Layout, System};
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use sim::{Scenario, World};

/// The system's allocator, and how many bytes it has given.
struct Counting;

static GIVEN: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        GIVEN.fetch_add(layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        GIVEN.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        GIVEN.fetch_add(size, Relaxed);
        GIVEN.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("which scenario?")?;
    let mut scenario: Scenario = toml::from_str(&std::fs::read_to_string(path)?)?;
    let mut audiences = arguments.map(|text| text.parse()).collect::<Result<Vec<u32>, _>>()?;
    if audiences.is_empty() {
        audiences.push(scenario.audience.viewers);
    }
    println!(
        "{:>8} {:>10} {:>9} {:>10} {:>18} {:>11}  digest",
        "viewers", "events", "seconds", "events/s", "us a viewer-second", "bytes a peer"
    );
    for viewers in audiences {
        scenario.audience.viewers = viewers;
        measure(&scenario)?;
    }
    Ok(())
}

fn measure(scenario: &Scenario) -> Result<(), Box<dyn Error>> {
    scenario.check()?;
    let before = GIVEN.load(Relaxed);
    let mut world = World::new(scenario, 1, false);
    let (mut most, mut given) = (0, 0);
    let begun = Instant::now();
    while world.run(1_000)? {
        if world.present() >= most {
            (most, given) = (world.present(), GIVEN.load(Relaxed) - before);
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let run = world.finish();
    let watched: f64 = run.viewers.iter().map(|seen| seen.stayed_s).sum();
    println!(
        "{:>8} {:>10} {seconds:>9.2} {:>10.0} {:>18.1} {:>11}  {}",
        run.viewers.len(),
        run.events,
        run.events as f64 / seconds,
        seconds * 1e6 / watched,
        given / most.max(1),
        run.trace
    );
    Ok(())
}
