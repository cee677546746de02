//! The tests in Rust: builds all their programs, then runs some of them side by side.
//!
//! Its invariant: what is run is what `cargo test` runs, each program in its package's folder. Only the order differs, and
//! what a program prints is shown in one piece when it has ended.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::check::cargo;
use crate::step::{self, Tally, Tests};

/// Most of their time goes by while they wait for a socket or a clock, and each runs its own tests on all cores.
const SIDE_BY_SIDE: usize = 3;

/// Programs that have the machine to themselves, when all others have ended.
const ALONE: &[&str] = &["netlab lab", "node nat"];

/// What takes longest of all the others begins first.
const FIRST: &[&str] = &["node links"];

/// One program of tests.
#[derive(Debug, PartialEq)]
struct Program {
    /// The package's folder and the target: `node links`.
    name: String,
    path: PathBuf,
    folder: PathBuf,
}

/// Builds for at most `build`, then runs each program for at most `limit`.
pub fn test(root: &Path, build: Duration, limit: Duration) -> Result<Tally> {
    let mut command = cargo(root, &["test", "--workspace", "--locked", "--quiet", "--no-run"]);
    command.arg("--message-format=json-render-diagnostics");
    let started = Instant::now();
    let (tally, messages) = step::answer(command, build)?;
    if tally.failed > 0 {
        return Ok(tally);
    }
    let mut jobs = programs(&messages)?;
    println!("{} programs, built in {:.1} s", jobs.len(), started.elapsed().as_secs_f32());

    let alone = jobs.extract_if(.., |job| ALONE.contains(&job.name.as_str())).collect::<Vec<_>>();
    jobs.sort_by_key(|job| !FIRST.contains(&job.name.as_str()));
    let mut jobs: Vec<_> = jobs.iter().map(Program::command).collect();
    // Built while others run.
    let docs = cargo(root, &["test", "--workspace", "--locked", "--quiet", "--no-fail-fast", "--doc"]);
    jobs.insert(0, ("in the documentation".to_owned(), docs));
    let mut tally = side_by_side(jobs, SIDE_BY_SIDE, limit)?;
    tally.add(side_by_side(alone.iter().map(Program::command).collect(), 1, limit)?);
    Ok(tally.of_some())
}

impl Program {
    fn command(&self) -> (String, Command) {
        let mut command = Command::new(&self.path);
        command.arg("--quiet").current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        (self.name.clone(), command)
    }
}

/// The programs of tests among what cargo says it has built.
fn programs(messages: &str) -> Result<Vec<Program>> {
    let mut found = Vec::new();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).with_context(|| format!("cargo said {line}"))?;
        if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
            continue;
        }
        let Some(path) = message["executable"].as_str() else { continue };
        let manifest = message["manifest_path"].as_str().context("an artifact without a manifest")?;
        let folder = Path::new(manifest).parent().context("a manifest in no folder")?;
        let package = folder.file_name().unwrap_or_default().to_string_lossy();
        let target = message["target"]["name"].as_str().unwrap_or_default();
        found.push(Program {
            name: format!("{package} {target}"),
            path: path.into(),
            folder: folder.to_owned(),
        });
    }
    Ok(found)
}

/// Runs `jobs` in their order, `at_once` at any time.
fn side_by_side(jobs: Vec<(String, Command)>, at_once: usize, limit: Duration) -> Result<Tally> {
    let jobs = Mutex::new(jobs.into_iter());
    let total = Mutex::new(Tally::default());
    let next = || jobs.lock().expect("nobody panics").next();
    let work = || -> Result<()> {
        while let Some((name, command)) = next() {
            let started = Instant::now();
            let (tally, printed) = step::run_quietly(command, Tests::Cargo, limit)?;
            // Held while it prints, so that nothing comes between.
            let mut total = total.lock().expect("nobody panics");
            print!("\n--- {name}, {:.1} s\n{printed}", started.elapsed().as_secs_f32());
            total.add(tally);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("nobody panics"))
    })?;
    Ok(total.into_inner().expect("nobody panics"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_tests_are_told_from_all_else_that_is_built() {
        let artifact = |target: &str, test: bool, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/r/crates/node/Cargo.toml","target":{{"name":"{target}"}},"profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let messages = [
            artifact("node", false, "null"),
            artifact("braidcast", false, r#""/r/target/debug/braidcast""#),
            artifact("links", true, r#""/r/target/debug/deps/links-1""#),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ];
        let links = Program {
            name: "node links".to_owned(),
            path: "/r/target/debug/deps/links-1".into(),
            folder: "/r/crates/node".into(),
        };
        assert_eq!(programs(&messages.join("\n")).expect("as cargo says it"), [links]);
    }

    #[test]
    fn every_job_is_run_and_counted_once() {
        let job = |n: u64| {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("echo 'test result: ok. {n} passed; {} failed'", n % 2)]);
            (n.to_string(), command)
        };
        let tally = side_by_side((0..10).map(job).collect(), 3, Duration::from_secs(10)).expect("sh starts");
        assert_eq!((tally.passed, tally.failed), (45, 5));
    }
}
