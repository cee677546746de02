//! `braidcast sim`: answers a scenario's question, in virtual time.
//!
//! Each seed runs twice, with Braidcast and with the origin alone, on as many threads as the machine has cores. What is printed
//! does not depend on how many those are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use indicatif::ProgressBar;
use sim::figures::Run;
use sim::report::{Baseline, Summary, html, table};
use sim::{Scenario, World};

use crate::Wrong;
use crate::args;
use crate::progress::Screen;

/// Events between two looks at the progress.
const STRIDE: u64 = 50_000;

/// Runs the verb.
pub fn run(args: args::Sim, screen: &Screen) -> Result<ExitCode> {
    let named = args.scenarios.iter().map(|path| read(path, &args)).collect::<Result<Vec<_>>>()?;
    let other = args.compare.as_deref().map(|path| read(path, &args)).transpose()?;
    let baseline = args.baseline.as_deref().map(read_baseline).transpose()?.flatten();
    if args.html.is_some() && named.len() != 1 {
        return Err(Wrong::wrap(anyhow!("--html draws one scenario: name one")));
    }

    let mut summaries = Vec::new();
    let mut broken = 0;
    for one in &named {
        let (summary, runs) = answer(one, &args, screen)?;
        println!("{}", table::table(&summary));
        broken += summary.broken().count();
        if let Some(other) = &other {
            let (second, _) = answer(other, &args, screen)?;
            println!("{}", table::compare(&summary, &second));
        }
        if let Some(path) = &args.html {
            let classes: Vec<String> =
                one.scenario.population().access.into_iter().map(|class| class.name).collect();
            write(path, &html::page(&summary, &runs, &classes))?;
            screen.line(&format!("report: {}", path.display()));
        }
        summaries.push(summary);
    }

    if let Some(baseline) = &baseline {
        println!("{}", baseline.diff(&summaries).text);
    }
    if let (Some(path), true) = (&args.baseline, args.renew || baseline.is_none()) {
        let mut kept = baseline.unwrap_or_else(|| Baseline::of([]));
        kept.renew(&summaries);
        write(path, &kept.to_json())?;
        screen.line(&format!("baseline: {}", path.display()));
    }
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// A scenario by the name of its file.
struct Named {
    name: String,
    path: PathBuf,
    scenario: Scenario,
}

fn read(path: &Path, args: &args::Sim) -> Result<Named> {
    let read = || -> Result<Scenario> {
        let text = fs::read_to_string(path)?;
        let mut scenario: Scenario = toml::from_str(&text)?;
        if let Some(viewers) = args.peers {
            scenario = scenario.with_viewers(viewers);
        }
        scenario.check()?;
        Ok(scenario)
    };
    let scenario =
        read().with_context(|| format!("{} is no scenario", path.display())).map_err(Wrong::wrap)?;
    let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    Ok(Named { name, path: path.to_owned(), scenario })
}

/// `None` where there is none yet.
fn read_baseline(path: &Path) -> Result<Option<Baseline>> {
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let baseline =
        Baseline::from_json(&text).with_context(|| path.display().to_string()).map_err(Wrong::wrap)?;
    Ok(Some(baseline))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Runs all seeds of a scenario.
fn answer(named: &Named, args: &args::Sim, screen: &Screen) -> Result<(Summary, Vec<Run>)> {
    let jobs: Vec<(u64, bool)> = (0..args.seeds)
        .flat_map(|n| [(args.seed.wrapping_add(n), false), (args.seed.wrapping_add(n), true)])
        .collect();
    let bar = screen.work(&named.name, jobs.len() as u64 * 1000);
    let done: Vec<AtomicUsize> = jobs.iter().map(|_| AtomicUsize::new(0)).collect();
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let runs: Mutex<Vec<Option<Result<Run>>>> = Mutex::new(jobs.iter().map(|_| None).collect());
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into));
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, jobs.len()) {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&(seed, alone)) = jobs.get(number) else { break };
                    let tell = |permille: usize, present: usize| {
                        done[number].store(permille, Ordering::Relaxed);
                        let sum: usize = done.iter().map(|done| done.load(Ordering::Relaxed)).sum();
                        bar.set_position(sum as u64);
                        bar.set_message(format!("seed {seed}: {present} viewers"));
                    };
                    let run = one(named, seed, alone, &failed, tell).transpose();
                    failed.fetch_or(matches!(run, Some(Err(_))), Ordering::Relaxed);
                    if let Ok(mut runs) = runs.lock() {
                        runs[number] = run;
                    }
                }
            });
        }
    });
    bar.finish_and_clear();
    let runs = runs.into_inner().map_err(|_| anyhow!("a run ended badly"))?;
    // Those that never ran were stopped by one that failed, which says why.
    let mut finished = Vec::new();
    for run in runs.into_iter().flatten() {
        finished.push(run?);
    }
    let Scenario { question, origin, bounds, .. } = &named.scenario;
    let summary = Summary::of(&named.name, question, &finished).priced_in(&origin.currency).held_to(bounds);
    Ok((summary, finished))
}

/// One seed to its end; `None` if another has failed meanwhile.
fn one(
    named: &Named,
    seed: u64,
    alone: bool,
    failed: &AtomicBool,
    tell: impl Fn(usize, usize),
) -> Result<Option<Run>> {
    let started = Instant::now();
    let mut world = World::new(&named.scenario, seed, alone);
    while world.run(STRIDE).with_context(|| replay(named, seed))? {
        tell((world.progress() * 1000.0) as usize, world.present());
        if failed.load(Ordering::Relaxed) {
            return Ok(None);
        }
    }
    tell(1000, 0);
    Ok(Some(Run { wall_s: started.elapsed().as_secs_f64(), ..world.finish() }))
}

/// The line that shows it again.
fn replay(named: &Named, seed: u64) -> String {
    let viewers = named.scenario.audience.viewers;
    format!(
        "what must always hold did not; it happens again with\n  braidcast sim {} --seed {seed} --seeds 1 --peers {viewers}\n",
        named.path.display()
    )
}

impl Screen {
    fn work(&self, name: &str, steps: u64) -> ProgressBar {
        let bar = self.bar("{spinner} {prefix} {bar:30} {percent:>3}% {msg} {eta}");
        bar.set_prefix(name.to_owned());
        bar.set_length(steps);
        bar
    }
}
