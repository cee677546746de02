//! The environment keeps its own books.

mod common;
use abr::environment::{Preset, Session, Trace, Video, watch};
use abr::{Abr, Config, Ladder, Policy, Rung};
use common::{LIVE, VOD, link, throughput, view};
use std::time::Duration;

/// Three segments of 2 s at 1 and 2 Mbit/s.
fn small() -> Video {
    let ladder = Ladder::new(vec![1_000_000, 2_000_000]).unwrap();
    Video::new(ladder, Duration::from_secs(2), [250_000, 500_000].repeat(3)).unwrap()
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}

#[test]
fn quality_is_what_a_pencil_says() {
    // 2 Mbit/s of payload. The lower rung takes 1 s and the latency of 0.08 s, the higher 2.08 s.
    let (video, trace) = (small(), link(&[(1.0, 2.0 / 0.95)]));
    let mut session = Session::new(&video, &trace, VOD);
    let steps = [0, 1, 1].map(|rung| session.fetch(Rung(rung)));
    // Stalls 1.08 s, 0.08 s, 0.08 s at 2 Mbit/s each; one switch of 1 Mbit/s.
    assert!(near(steps[0].quality, 1.0 - 2.0 * 1.08), "{steps:?}");
    assert!(near(steps[1].quality, 2.0 - 2.0 * 0.08 - 1.0), "{steps:?}");
    assert!(near(steps[2].quality, 2.0 - 2.0 * 0.08), "{steps:?}");

    // A rule that takes 1.2 times the throughput of the first segment, 2 / 1.08 Mbit/s, for enough does just that.
    let bold = Config { policy: Policy::Throughput { safety: 1.2 }, ..throughput() };
    let report = watch(&mut Abr::new(bold, video.ladder().clone()), &video, &trace, VOD);
    assert!(near(report.quality, (0.84 + 1.84) / 2.0), "{report:?}");
    assert!(near(report.stalled_share, 0.16 / 4.0), "{report:?}");
    assert!(near(report.kbps, 2000.0), "{report:?}");
    assert_eq!(report.switches, 1);
}

#[test]
fn every_second_is_played_or_stalled_and_the_buffer_keeps_its_bounds() {
    for preset in Preset::ALL {
        for capacity in [Duration::from_secs(4), LIVE, VOD] {
            for config in common::every_rule() {
                let video = Video::usual();
                let (mut passed, mut stalled) = (0.0, 0.0);
                for (number, (step, buffer)) in
                    view(&config, &video, &preset.trace(3, 320), capacity).iter().enumerate()
                {
                    passed += (step.took + step.waited).as_secs_f64();
                    stalled += step.stalled.as_secs_f64();
                    let fetched = 4.0 * (number + 1) as f64;
                    let buffer = buffer.as_secs_f64();
                    assert!(near(fetched - buffer, passed - stalled), "segment {number} of {}", preset.name);
                    assert!((0.0..=capacity.as_secs_f64()).contains(&buffer));
                    assert!(step.stalled <= step.took);
                }
            }
        }
    }
}

#[test]
fn a_trace_begins_again_where_it_ends() {
    // 0.95 Mbit in the first second, nothing in the second: 2 Mbit of payload take 2 s a 0.95, then 0.1 / 0.95 s more.
    let (video, trace) = (small(), link(&[(1.0, 1.0), (1.0, 0.0)]));
    let took = Session::new(&video, &trace, VOD).fetch(Rung(0)).took.as_secs_f64();
    assert!(near(took, 4.0 + 0.1 / 0.95 + 0.08), "{took}");
}

#[test]
fn a_full_player_waits_in_half_seconds() {
    let (video, trace) = (small(), link(&[(1.0, 1000.0)]));
    let mut session = Session::new(&video, &trace, Duration::from_millis(3200));
    assert_eq!(session.fetch(Rung(0)).waited, Duration::ZERO);
    // 2 s less 0.08 s and a little, and 2 s more: 0.72 s too much.
    assert_eq!(session.fetch(Rung(0)).waited, Duration::from_secs(1));
}

#[test]
fn beyond_the_end_there_is_nothing() {
    let (video, trace) = (small(), link(&[(1.0, 1.0)]));
    let mut session = Session::new(&video, &trace, VOD);
    for _ in 0..3 {
        assert!(session.state().is_some());
        session.fetch(Rung(9));
    }
    assert!(session.state().is_none());
    assert_eq!(session.fetch(Rung(0)).bytes, 0);
}

#[test]
fn traces_that_carry_nothing_or_go_back_are_none() {
    for points in
        [&[][..], &[(1.0, 0.0)], &[(0.0, 1.0)], &[(1.0, -1.0), (2.0, 3.0)], &[(2.0, 1.0), (1.0, 1.0)]]
    {
        assert_eq!(Trace::new(points.iter().copied()), None, "{points:?}");
    }
    assert_eq!(Trace::new([(1.0, f64::NAN)]), None);
    assert_eq!(Trace::new([(f64::NAN, 1.0)]), None);
    assert_eq!(Trace::new([(f64::INFINITY, 1.0)]), None);
    assert_eq!(link(&[(1.0, 2.0)]).scaled(0.0), None);
}

#[test]
fn made_up_traces_have_the_level_they_are_made_for() {
    for preset in Preset::ALL {
        let means: Vec<f64> = (0..200).map(|seed| preset.trace(seed, 320).mean_mbps().ln()).collect();
        let mean = means.iter().sum::<f64>() / means.len() as f64;
        // The mean of a log-normal is above its median; outages take their share.
        let out = preset.outages_per_s * preset.outage_s;
        let expected = preset.mean_ln + preset.sd_within.powi(2) / 2.0 - (1.0 + out).ln();
        assert!((mean - expected).abs() < 0.2, "{}: {mean:.3}, not {expected:.3}", preset.name);
    }
}
