mod common;
use common::{Manner::*, World};
use std::time::Duration;
#[test]
fn probe() {
    let mut world = World::new(30);
    world.origin_bps = 3_400_000;
    let mut seen = 0;
    for t in 0..4500 {
        if t % 200 == 0 && t < 2000 {
            world.join(Honest);
        }
        world.run_for(Duration::from_millis(10));
        while seen < world.fetched.len() {
            println!(
                "{:?} {:?}  (v0 pos {:?} stalled {:?})",
                world.now, world.fetched[seen], world.viewers[0].position, world.viewers[0].stalled
            );
            seen += 1;
        }
        if t % 100 == 0 {
            println!(
                "{:?} v0 pos {:?} stalled {:?} {:?}",
                world.now,
                world.viewers[0].position,
                world.viewers[0].stalled,
                world.viewers[0].core.snapshot().fetching
            );
        }
    }
}
