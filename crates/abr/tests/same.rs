//! The same again, here and elsewhere.

mod common;
use abr::environment::{Preset, Video};
use common::{LIVE, VOD, every_rule, view};

/// FNV-1a over every rung of every rule on every preset.
fn digest() -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for config in every_rule() {
        for preset in Preset::ALL {
            for capacity in [LIVE, VOD] {
                for (step, _) in view(&config, &Video::usual(), &preset.trace(1, 320), capacity) {
                    hash = (hash ^ step.rung.0 as u64).wrapping_mul(0x0000_0100_0000_01b3);
                }
            }
        }
    }
    hash
}

#[test]
fn the_same_downloads_and_states_give_the_same_rungs() {
    assert_eq!(digest(), digest());
}

#[test]
fn every_target_gives_these_rungs() {
    // A change of any rule or of the generator changes this; a change of the machine must not.
    assert_eq!(format!("{:016x}", digest()), "90b750afc67775af");
}
