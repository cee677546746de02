//! Which rule is better than which, on links made up after recorded ones. Only orders that hold with room to spare.

mod common;
use abr::environment::Preset;
use common::{LIVE, VOD, mean_quality, mpc, published_mpc, throughput};

#[test]
fn planning_is_better_than_following_throughput_on_a_mobile_link() {
    for capacity in [VOD, LIVE] {
        let planned = mean_quality(&mpc(), &Preset::NORWAY3G, 100, capacity);
        let followed = mean_quality(&throughput(), &Preset::NORWAY3G, 100, capacity);
        assert!(planned > followed, "{planned} against {followed} with {capacity:?}");
    }
}

#[test]
fn on_links_that_vary_caution_is_better_than_none() {
    for preset in [Preset::NORWAY3G, Preset::PUFFER2021] {
        let (ours, published) =
            (mean_quality(&mpc(), &preset, 60, VOD), mean_quality(&published_mpc(), &preset, 60, VOD));
        assert!(ours > published, "{}: {ours} against {published}", preset.name);
    }
}

#[test]
fn on_no_kind_of_link_does_caution_cost_much() {
    // Links slow enough for the ladder: on faster ones the climb by single rungs at the start decides.
    for preset in [Preset::NORWAY3G, Preset::FCC, Preset::OBOE, Preset::PUFFER2021, Preset::PUFFER2022] {
        for capacity in [VOD, LIVE] {
            let (ours, published) = (
                mean_quality(&mpc(), &preset, 60, capacity),
                mean_quality(&published_mpc(), &preset, 60, capacity),
            );
            assert!(ours > published - 0.05, "{}, {capacity:?}: {ours} against {published}", preset.name);
        }
    }
}
