//! How far a choice goes at once.

mod common;
use abr::environment::{Preset, Video};
use abr::{Abr, Config, Rung};
use common::{LIVE, VOD, doubling, every_rule, playing, teach, view};
use std::time::Duration;

#[test]
fn never_more_than_one_rung_up() {
    for config in every_rule().map(|config| Config { one_up: true, ..config }) {
        for preset in Preset::ALL {
            for capacity in [LIVE, VOD] {
                let steps = view(&config, &Video::usual(), &preset.trace(7, 320), capacity);
                let climbs = steps.windows(2).all(|pair| pair[1].0.rung.0 <= pair[0].0.rung.0 + 1);
                assert!(climbs, "{} {config:?}", preset.name);
            }
        }
    }
}

#[test]
fn down_goes_as_far_as_need_be() {
    let mut abr = Abr::new(common::mpc(), doubling());
    teach(&mut abr, 10.0, 5);
    assert_eq!(abr.choose(&playing(Rung(3), Duration::from_secs(20))), Rung(3));
    teach(&mut abr, 0.4, 3);
    assert_eq!(abr.choose(&playing(Rung(3), Duration::from_secs(2))), Rung(0));
}

#[test]
fn what_is_here_already_is_chosen_when_the_link_cannot_bring_it() {
    let mut abr = Abr::new(common::mpc(), doubling());
    teach(&mut abr, 0.6, 5);
    let state = playing(Rung(2), Duration::from_secs(8));
    assert!(abr.choose(&state) < Rung(2));
    // The next segment at 2 Mbit/s is in the store: 0 bytes are still to come.
    let sizes = [250_000, 500_000, 0, 2_000_000];
    assert_eq!(abr.choose(&abr::State { sizes: &sizes, ..state }), Rung(2));
}
