//! Whatever is said of a player, there is an answer.

mod common;
use abr::{Abr, Download, Ladder, Rung, Source, State};
use common::{VOD, doubling, every_rule, view};
use std::time::Duration;

const TIMES: [Duration; 4] = [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(4), Duration::MAX];

#[test]
fn no_state_and_no_download_makes_a_rule_panic_or_leave_the_ladder() {
    let ladders = [Ladder::new(vec![1]).unwrap(), doubling(), Ladder::new(vec![1, u32::MAX]).unwrap()];
    for (config, ladder) in
        every_rule().into_iter().flat_map(|config| ladders.clone().map(|l| (config.clone(), l)))
    {
        let mut abr = Abr::new(config, ladder.clone());
        for (bytes, took) in [0, 1, u64::MAX].into_iter().flat_map(|bytes| TIMES.map(|took| (bytes, took))) {
            abr.downloaded(Download { bytes, took, source: Source::Network });
            for (buffer, capacity) in TIMES.into_iter().flat_map(|a| TIMES.map(|b| (a, b))) {
                for (current, left) in [(None, 0), (Some(Rung(0)), 1), (Some(Rung(usize::MAX)), usize::MAX)] {
                    for segment in TIMES {
                        let state = State {
                            buffer,
                            capacity,
                            segment,
                            current,
                            left,
                            sizes: &[0, u32::MAX, 7],
                            holders: &[0, 0, 0, 0, 0, 0, 0, 0, 0, u32::MAX],
                            origin_is_slow: true,
                        };
                        assert!(abr.choose(&state) <= ladder.top());
                        let instead = abr.choose_instead(Rung(usize::MAX), &state);
                        assert!(instead.is_none_or(|rung| rung <= ladder.top()));
                    }
                }
            }
            assert!(abr.expected_bps().is_finite() && abr.expected_bps() > 0.0);
            abr.virtual_time(u64::MAX);
        }
    }
}

#[test]
fn a_ladder_ascends_from_above_nothing() {
    for wrong in [&[][..], &[0], &[0, 1], &[2, 1], &[1, 1]] {
        assert_eq!(Ladder::new(wrong.to_vec()), None, "{wrong:?}");
    }
}

#[test]
fn a_ladder_of_one_rung_leaves_no_choice() {
    let ladder = Ladder::new(vec![1_000_000]).unwrap();
    let video = abr::environment::Video::new(ladder, Duration::from_secs(4), vec![500_000; 20]).unwrap();
    for config in every_rule() {
        let steps = view(&config, &video, &common::link(&[(1.0, 3.0)]), VOD);
        assert!(steps.iter().all(|(step, _)| step.rung == Rung(0)));
    }
}
