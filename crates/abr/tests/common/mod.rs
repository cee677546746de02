//! Rules, links and viewings that the stories share.
#![allow(dead_code)]

use abr::environment::{Preset, Session, Step, Trace, Video, watch};
use abr::{Abr, Bola, Caution, Config, Download, Ladder, Mpc, Policy, Prediction, Rung, Source, State};
use std::time::Duration;

pub const VOD: Duration = Duration::from_secs(60);
pub const LIVE: Duration = Duration::from_secs(12);

pub fn throughput() -> Config {
    Config {
        policy: Policy::Throughput { safety: 0.9 },
        prediction: Prediction::Harmonic,
        one_up: false,
        ..Config::default()
    }
}

pub fn bola() -> Config {
    Config { policy: Policy::Bola(Bola::default()), one_up: false, ..Config::default() }
}

pub fn mpc() -> Config {
    Config { policy: Policy::RobustMpc(Mpc::default()), ..Config::default() }
}

/// RobustMPC with nothing of ours.
pub fn published_mpc() -> Config {
    let published = Mpc { caution: Caution::LargestError { factor: 1.0 }, ..Mpc::default() };
    Config {
        policy: Policy::RobustMpc(published),
        prediction: Prediction::Harmonic,
        one_up: false,
        ..Config::default()
    }
}

pub fn every_rule() -> [Config; 4] {
    [throughput(), bola(), mpc(), published_mpc()]
}

/// `(seconds, Mbit/s)` one after the other, then over again.
pub fn link(spans: &[(f64, f64)]) -> Trace {
    let mut end = 0.0;
    let points = spans.iter().map(|&(seconds, mbps)| {
        end += seconds;
        (end, mbps)
    });
    Trace::new(points).unwrap()
}

/// The usual ladder for `segments` segments, each of its rung's average size.
pub fn film(segments: usize) -> Video {
    let usual = Video::usual();
    let sizes = usual.sizes(0)[..usual.ladder().count()].repeat(segments);
    Video::new(usual.ladder().clone(), usual.segment(), sizes).unwrap()
}

/// Every segment of a viewing, and the buffer after it.
pub fn view(config: &Config, video: &Video, trace: &Trace, capacity: Duration) -> Vec<(Step, Duration)> {
    let mut abr = Abr::new(config.clone(), video.ladder().clone());
    let mut session = Session::new(video, trace, capacity);
    let mut steps = Vec::new();
    while let Some(state) = session.state() {
        let step = session.fetch(abr.choose(&state));
        abr.downloaded(Download { bytes: step.bytes.into(), took: step.took, source: Source::Network });
        steps.push((step, session.buffer()));
    }
    steps
}

/// Mean quality over the first `count` traces of a preset.
pub fn mean_quality(config: &Config, preset: &Preset, count: u64, capacity: Duration) -> f64 {
    let video = Video::usual();
    let one = |seed| {
        let mut abr = Abr::new(config.clone(), video.ladder().clone());
        watch(&mut abr, &video, &preset.trace(seed, 320), capacity).quality
    };
    (0..count).map(one).sum::<f64>() / count as f64
}

/// 0.5, 1, 2, 4 Mbit/s.
pub fn doubling() -> Ladder {
    Ladder::new(vec![500_000, 1_000_000, 2_000_000, 4_000_000]).unwrap()
}

/// In the middle of a long film on `current`, nothing known of sizes or neighbours.
pub fn playing(current: Rung, buffer: Duration) -> State<'static> {
    State {
        buffer,
        capacity: VOD,
        segment: Duration::from_secs(4),
        current: Some(current),
        left: usize::MAX,
        sizes: &[],
        holders: &[],
        origin_is_slow: false,
    }
}

/// `times` downloads of a second at `mbps`.
pub fn teach(abr: &mut Abr, mbps: f64, times: usize) {
    for _ in 0..times {
        let bytes = (mbps * 1e6 / 8.0) as u64;
        abr.downloaded(Download { bytes, took: Duration::from_secs(1), source: Source::Network });
    }
}
