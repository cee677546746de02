//! Which rungs a film gets.

use origin::ladder::{Ladder, LadderError, Picture, parse_bitrate};

fn picture(width: u32, height: u32) -> Picture {
    Picture { width, height, bitrate_bps: None }
}

#[test]
fn no_rung_is_ever_larger_than_the_source() {
    for width in (16..=4200).step_by(37) {
        for height in (16..=2400).step_by(41) {
            for bitrate_bps in [None, Some(90_000), Some(1_200_000), Some(30_000_000)] {
                let source = Picture { width, height, bitrate_bps };
                let asked: Ladder = "100:200k,720:2M,2160:20M".parse().unwrap();
                for ladder in [Ladder::for_source(&source), asked.limited_to(&source)] {
                    assert!((1..=4).contains(&ladder.rungs().len()));
                    for rung in ladder.rungs() {
                        let (w, h) = source.scaled(*rung);
                        assert!(w <= width && h <= height, "{source:?} {rung:?} gives {w}x{h}");
                        assert!(w % 2 == 0 && h % 2 == 0 && w >= 2 && h >= 2, "{w}x{h}");
                    }
                    assert!(ladder.rungs().is_sorted_by(|a, b| a.bitrate_bps < b.bitrate_bps));
                }
                for rung in Ladder::for_source(&source).rungs() {
                    let cap = bitrate_bps.map_or(u32::MAX, |bps| (bps / 10 * 11).max(64_000));
                    assert!(rung.bitrate_bps <= cap, "{source:?} {rung:?}");
                }
            }
        }
    }
}

#[test]
fn usual_films_get_usual_ladders() {
    let heights =
        |w, h| Ladder::for_source(&picture(w, h)).rungs().iter().map(|r| r.height).collect::<Vec<_>>();
    assert_eq!(heights(1920, 1080), [270, 360, 720, 1080]);
    assert_eq!(heights(1280, 720), [270, 360, 540, 720]);
    assert_eq!(heights(3840, 2160), [270, 540, 1080, 2160]);
    assert_eq!(heights(854, 480), [270, 360, 480]);
    assert_eq!(heights(160, 90), [90]);
    // A wide film and one held upright are as large as 1080p.
    assert_eq!(heights(1920, 800), [270, 360, 720, 1080]);
    assert_eq!(heights(1080, 1920), [270, 360, 720, 1080]);
    let wide = picture(1920, 800);
    assert_eq!(wide.scaled(Ladder::for_source(&wide).rungs()[2]), (1280, 534));
}

#[test]
fn a_thin_source_is_not_blown_up() {
    let thin = Picture { bitrate_bps: Some(1_000_000), ..picture(1920, 1080) };
    let ladder = Ladder::for_source(&thin);
    assert_eq!(ladder.to_string(), "270:350k,360:750k,1080:1100k");
}

#[test]
fn a_ladder_is_read_as_it_is_written() {
    let ladder: Ladder = "720:2.8M, 270:350k,360:750000".parse().unwrap();
    assert_eq!(ladder.to_string(), "270:350k,360:750k,720:2800k");
    assert_eq!(ladder.to_string().parse::<Ladder>().unwrap(), ladder);
}

#[test]
fn what_is_no_ladder_is_refused_with_a_reason() {
    let error = |text: &str| text.parse::<Ladder>().unwrap_err();
    for text in [
        "",
        "360",
        "360:",
        ":750k",
        "360:75q",
        "360:-5",
        "360:1e3",
        "360:inf",
        "x:750k",
        "360:750k,",
        "360:0.0.1k",
    ] {
        assert!(matches!(error(text), LadderError::Rung(_)), "{text}");
    }
    assert!(matches!(error("10:750k"), LadderError::Range(_)));
    assert!(matches!(error("360:1"), LadderError::Range(_)));
    assert_eq!(error("360:750k,360:800k"), LadderError::Order);
    assert_eq!(error("360:750k,720:700k"), LadderError::Order);
    assert_eq!(error(&["360:750k"; 9].join(",")), LadderError::Count(9));
}

#[test]
fn bitrates_have_units() {
    assert_eq!(parse_bitrate("64000"), Some(64_000));
    assert_eq!(parse_bitrate("128k"), Some(128_000));
    assert_eq!(parse_bitrate("2.5M"), Some(2_500_000));
    for text in ["", "k", "-1k", "NaN", "1e5", "99999999M", "0"] {
        assert_eq!(parse_bitrate(text), None, "{text}");
    }
}
