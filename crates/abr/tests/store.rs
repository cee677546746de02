//! Segments that were here before they were asked for.

mod common;
use abr::environment::{Preset, Session, Video};
use abr::{Abr, Config, Download, Source};
use common::{VOD, doubling, published_mpc, teach};
use std::time::Duration;

/// A megabyte in a millisecond.
const HELD: Download = Download { bytes: 1_000_000, took: Duration::from_millis(1), source: Source::Store };

#[test]
fn held_segments_do_not_inflate_the_estimate() {
    for config in common::every_rule() {
        let mut abr = Abr::new(config, doubling());
        teach(&mut abr, 2.0, 3);
        let before = abr.expected_bps();
        for _ in 0..10 {
            abr.downloaded(HELD);
        }
        assert_eq!(abr.expected_bps(), before);
        abr.downloaded(Download { source: Source::Network, ..HELD });
        assert!(abr.expected_bps() > before);
    }
}

#[test]
fn what_came_at_once_or_not_at_all_is_no_measurement() {
    let mut abr = Abr::new(Config::default(), doubling());
    let start = abr.expected_bps();
    abr.downloaded(Download { took: Duration::ZERO, source: Source::Network, ..HELD });
    abr.downloaded(Download { bytes: 0, source: Source::Network, ..HELD });
    assert_eq!(abr.expected_bps(), start);
}

#[test]
fn a_player_that_measures_by_itself_can_be_told_an_honest_time() {
    let mut abr = Abr::new(Config::default(), doubling());
    assert_eq!(abr.virtual_time(125_000), Duration::from_secs(1), "1 Mbit/s is expected at the start");
    teach(&mut abr, 2.0, 5);
    let told = abr.virtual_time(500_000).as_secs_f64();
    assert!((told - 2.0).abs() < 1e-9, "{told}");
}

#[test]
fn viewers_with_half_of_the_film_at_hand_do_better_without_counting_it() {
    // Every other segment is held at whatever rung is chosen.
    let quality = |source: Source, seed: u64| {
        let (video, trace) = (Video::usual(), Preset::NORWAY3G.trace(seed, 320));
        let mut abr = Abr::new(published_mpc(), video.ladder().clone());
        let mut session = Session::new(&video, &trace, VOD);
        let mut sum = 0.0;
        while let Some(state) = session.state() {
            let rung = abr.choose(&state);
            if state.left % 2 == 0 {
                sum += session.take_held(rung).quality;
                abr.downloaded(Download { source, ..HELD });
            } else {
                let step = session.fetch(rung);
                sum += step.quality;
                abr.downloaded(Download {
                    bytes: step.bytes.into(),
                    took: step.took,
                    source: Source::Network,
                });
            }
        }
        sum
    };
    let mean = |source| (0..40).map(|seed| quality(source, seed)).sum::<f64>() / 40.0;
    let (apart, counted) = (mean(Source::Store), mean(Source::Network));
    assert!(apart > counted, "{apart} against {counted}");
}
