//! One small run, for whoever wants to know that runs are the same everywhere.

use crate::{Scenario, World};

const SCENARIO: &str = r#"{
    "question": "Is it the same everywhere?", "seconds": 60, "film": { "seconds": 40 },
    "audience": { "viewers": 12, "come": [[0, 1], [15, 1]] },
    "faults": { "forgers": 0.1, "drips": 0.1, "crash": [{ "at_s": 30, "share": 0.2 }] }
}"#;

/// The digest of a run of a made-up scenario on a seed. A WebAssembly module made of this crate exports it.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn run_digest(seed: u32) -> u64 {
    let scenario: Scenario = serde_json::from_str(SCENARIO).expect("the scenario is well formed");
    let mut world = World::new(&scenario, u64::from(seed), false);
    while world.run(10_000).expect("what must always hold, holds") {}
    world.digest()
}
