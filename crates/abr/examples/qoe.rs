//! Judges the rules: `qoe [--buffer SECONDS] [--sizes DIR] [TRACES.csv ...]` prints, for each file of traces or, without
//! any, for each preset of the generator, what every rule makes of it.
//!
//! A file of traces has lines `trace_id,t_end_s,mbps`, those of a trace together, times from its start; a rate holds since
//! the line before. DIR has a file `video_size_R` for each rung R, one line of bytes a segment; without it every segment
//! has its rung's average.

use abr::environment::{Preset, Report, Trace, Video, watch};
use abr::{Abr, Bola, Caution, Config, Mpc, Policy, Prediction};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("qoe: {why}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut buffer = 60.0;
    let mut sizes = None;
    let mut files = Vec::new();
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value =
            || arguments.next().ok_or("usage: qoe [--buffer SECONDS] [--sizes DIR] [TRACES.csv ...]");
        match argument.to_str() {
            Some("--buffer") => buffer = value()?.to_string_lossy().parse()?,
            Some("--sizes") => sizes = Some(PathBuf::from(value()?)),
            _ => files.push(PathBuf::from(argument)),
        }
    }
    let video = sizes.as_deref().map_or(Ok(Video::usual()), read_sizes)?;
    let buffer = Duration::try_from_secs_f64(buffer)?;
    for file in &files {
        print(&file.display().to_string(), &read_traces(file)?, &video, buffer);
    }
    if files.is_empty() {
        for preset in Preset::ALL {
            let traces: Vec<_> = (0..GENERATED).map(|seed| generated(&preset, seed)).collect();
            print(preset.name, &traces, &video, buffer);
        }
    }
    Ok(())
}

/// Traces that are made of a preset.
const GENERATED: u64 = 100;
/// How long each is: a viewing that hardly stalls is over before it repeats.
const GENERATED_S: u32 = 320;

/// The rules, the one that the others are compared with first.
fn rules() -> Vec<(&'static str, Config)> {
    let rule = |policy, prediction, one_up| Config { policy, prediction, one_up, ..Config::default() };
    let mpc = |caution| Policy::RobustMpc(Mpc { caution, ..Mpc::default() });
    let fixed = Bola { low_share: 1.0, high_share: f64::INFINITY, ..Bola::default() };
    vec![
        ("RobustMPC", rule(mpc(Caution::LargestError { factor: 1.0 }), Prediction::Harmonic, false)),
        ("RobustMPC x0.8 +1", rule(mpc(Caution::LargestError { factor: 0.8 }), Prediction::Harmonic, true)),
        ("throughput", rule(Policy::Throughput { safety: 0.9 }, Prediction::Harmonic, false)),
        ("BOLA 10/30", rule(Policy::Bola(fixed), Prediction::Harmonic, false)),
        ("BOLA", rule(Policy::Bola(Bola::default()), Prediction::Harmonic, false)),
        ("default, harmonic", rule(mpc(Caution::default()), Prediction::Harmonic, true)),
        ("default", Config::default()),
    ]
}

fn print(name: &str, traces: &[Trace], video: &Video, buffer: Duration) {
    println!("{name}: {} traces, buffer {} s", traces.len(), buffer.as_secs_f64());
    println!(
        "{:<18} {:>7} {:>18} {:>9} {:>7} {:>9}",
        "rule", "QoE", "to the first", "stalled", "kbit/s", "switches"
    );
    let mut first: Option<Vec<Report>> = None;
    for (rule, config) in rules() {
        let report =
            |trace| watch(&mut Abr::new(config.clone(), video.ladder().clone()), video, trace, buffer);
        let reports: Vec<Report> = traces.iter().map(report).collect();
        let first = first.get_or_insert_with(|| reports.clone());
        let differences: Vec<f64> = reports.iter().zip(first).map(|(a, b)| a.quality - b.quality).collect();
        let (low, high) = interval(&differences);
        let mean =
            |figure: fn(&Report) -> f64| reports.iter().map(figure).sum::<f64>() / reports.len() as f64;
        println!(
            "{rule:<18} {:>7.3} {:>18} {:>8.2}% {:>7.0} {:>9.1}",
            mean(|report| report.quality),
            format!("[{low:+.3}, {high:+.3}]"),
            mean(|report| report.stalled_share) * 100.0,
            mean(|report| report.kbps),
            mean(|report| f64::from(report.switches)),
        );
    }
    println!();
}

/// Where the mean of the differences lies with 95 %: 2000 bootstrap samples, the same for every rule.
fn interval(differences: &[f64]) -> (f64, f64) {
    let count = differences.len() as u64;
    let mut state = 0u64;
    let mut pick = || {
        // Knuth's multiplicative generator; its high bits are good enough to pick with.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        differences[((state >> 32) % count) as usize]
    };
    let mut means: Vec<f64> =
        (0..2000).map(|_| (0..count).map(|_| pick()).sum::<f64>() / count as f64).collect();
    means.sort_by(f64::total_cmp);
    (means[49], means[1949])
}

/// A trace of the preset, slowed down to the usual ladder if the links are those of 4G or 5G.
fn generated(preset: &Preset, seed: u64) -> Trace {
    let times_as_fast = match preset.name {
        "belgium4g" | "lumos4g" | "irish5g" => 9.3,
        "lumos5g" => 37.2,
        _ => 1.0,
    };
    preset.trace(seed, GENERATED_S).scaled(1.0 / times_as_fast).expect("the factor is above 0")
}

fn read_traces(file: &Path) -> Result<Vec<Trace>, Box<dyn Error>> {
    let text = std::fs::read_to_string(file).map_err(|why| format!("{}: {why}", file.display()))?;
    let mut traces: Vec<(&str, Vec<(f64, f64)>)> = Vec::new();
    for (number, line) in text.lines().enumerate().skip(1) {
        let wrong = || format!("{}:{}: no trace_id,t_end_s,mbps", file.display(), number + 1);
        let mut fields = line.split(',');
        let (Some(id), Some(end), Some(mbps)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(wrong().into());
        };
        let point = (end.parse().map_err(|_| wrong())?, mbps.parse().map_err(|_| wrong())?);
        match traces.last_mut() {
            Some((last, points)) if *last == id => points.push(point),
            _ => traces.push((id, vec![point])),
        }
    }
    if traces.is_empty() {
        return Err(format!("{} has no trace", file.display()).into());
    }
    let trace =
        |(id, points)| Trace::new(points).ok_or(format!("{}: trace {id} is none", file.display()).into());
    traces.into_iter().map(trace).collect()
}

fn read_sizes(folder: &Path) -> Result<Video, Box<dyn Error>> {
    let usual = Video::usual();
    let mut rungs: Vec<Vec<u32>> = Vec::new();
    for rung in usual.ladder().rungs() {
        let file = folder.join(format!("video_size_{}", rung.0));
        let text = std::fs::read_to_string(&file).map_err(|why| format!("{}: {why}", file.display()))?;
        rungs.push(text.lines().map(|line| line.trim().parse()).collect::<Result<_, _>>()?);
    }
    // What follows the segments of the usual film is its end, which nobody's published results count.
    let segments = rungs.iter().map(Vec::len).min().unwrap_or(0).min(usual.segments());
    let sizes = (0..segments).flat_map(|segment| rungs.iter().map(move |sizes| sizes[segment])).collect();
    Video::new(usual.ladder().clone(), usual.segment(), sizes).ok_or("no sizes".into())
}
