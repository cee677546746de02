//! Whole runs, for stories.

use sim::figures::Run;
use sim::{Scenario, World};

/// The scenario that a text says.
pub fn read(text: &str) -> Scenario {
    let scenario: Scenario = toml::from_str(text).unwrap_or_else(|error| panic!("{error}"));
    scenario.check().unwrap();
    scenario
}

/// Runs it to its end.
pub fn run(scenario: &Scenario, seed: u64, alone: bool) -> Run {
    let mut world = World::new(scenario, seed, alone);
    while world.run(100_000).unwrap_or_else(|broken| panic!("{broken}")) {}
    world.finish()
}
