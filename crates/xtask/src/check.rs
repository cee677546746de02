//! The one definition of "checked".
//!
//! Its invariant: there is no way to leave a step out that does not show in the closing line. A tool that is missing fails
//! the step that needs it; it never skips it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::step::{self, Tally, Tests};
use crate::{layers, links, programs, spec, words};

/// Longer than any step takes from nothing on two slow cores.
const BUILD: Duration = Duration::from_secs(20 * 60);
const TEST: Duration = Duration::from_secs(15 * 60);

/// Runs every step, or those whose names begin with one of `names`, and prints `N passed, N failed` last.
/// True when none failed.
pub fn run(root: &Path, names: &[&str]) -> Result<bool> {
    let mut done: Vec<(&str, Tally, Duration)> = Vec::new();
    for (name, work) in STEPS {
        if !names.is_empty() && !names.iter().any(|wanted| name.starts_with(wanted)) {
            continue;
        }
        println!("\n=== {name}");
        let started = Instant::now();
        let tally = work(root).unwrap_or_else(|error| {
            eprintln!("xtask: {error:#}");
            Tally::one(false)
        });
        done.push((name, tally, started.elapsed()));
    }
    if done.is_empty() {
        let all: Vec<&str> = STEPS.iter().map(|(name, _)| *name).collect();
        bail!("no such step; there are: {}", all.join(", "));
    }

    for (name, tally, _) in done.iter().filter(|(_, tally, _)| !tally.complaints.is_empty()) {
        println!("\n=== {name} failed:\n{}", tally.complaints.join("\n"));
    }
    println!();
    for (name, tally, took) in &done {
        let verdict = if tally.failed == 0 { "ok" } else { "FAILED" };
        println!(
            "{name:<16} {:>5} passed {:>4} failed {:>6.1} s  {verdict}",
            tally.passed,
            tally.failed,
            took.as_secs_f32()
        );
    }
    let passed: u64 = done.iter().map(|(_, tally, _)| tally.passed).sum();
    let failed: u64 = done.iter().map(|(_, tally, _)| tally.failed).sum();
    println!("\n{passed} passed, {failed} failed");
    Ok(failed == 0)
}

type Step = fn(&Path) -> Result<Tally>;

/// Cheap ones first.
const STEPS: &[(&str, Step)] = &[
    ("tools", tools),
    ("layers", |root| found("layers", layers::check(root)?)),
    ("spec", |root| found("spec", spec::check(root, false)?)),
    ("words", |root| found("words", words::check(root)?)),
    ("links", |root| found("links", links::check(root)?)),
    ("format", |root| step::run(cargo(root, &["fmt", "--all", "--check"]), Tests::Whole, BUILD)),
    ("fuzz-format", |root| step::run(cargo(&root.join("fuzz"), &["fmt", "--check"]), Tests::Whole, BUILD)),
    ("lints", |root| {
        let clippy =
            ["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"];
        step::run(cargo(root, &clippy), Tests::Whole, BUILD)
    }),
    ("wasm", wasm),
    ("player-build", |root| step::run(npm(root, &["run", "--silent", "build"]), Tests::Whole, BUILD)),
    ("player-types", |root| step::run(npm(root, &["run", "--silent", "types"]), Tests::Whole, BUILD)),
    ("binaries", binaries),
    ("player", |root| node_tests(root, "player", "test")),
    ("rust", |root| programs::test(root, BUILD, TEST)),
    // A run is the same natively and in WebAssembly.
    ("sim-wasm", sim_wasm),
    // The questions of scenarios/small. Bounds and oracles decide; what has changed since the figures that are kept is only told.
    ("scenarios", |root| {
        let mut command = Command::new(built(root, "braidcast")?);
        command.arg("sim").args(scenarios(root)?).current_dir(root);
        command.args(["--seeds", "2", "--baseline", "scenarios/small/baseline.json"]);
        step::run(command, Tests::Whole, TEST)
    }),
    ("docs", |root| {
        let mut doc = cargo(root, &["doc", "--workspace", "--no-deps", "--locked", "--quiet"]);
        doc.env("RUSTDOCFLAGS", "-D warnings");
        step::run(doc, Tests::Whole, BUILD)
    }),
    ("fuzz-lints", |root| {
        let clippy = ["clippy", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"];
        step::run(fuzz(root, &clippy), Tests::Whole, BUILD)
    }),
    // Every decoder over its committed corpus.
    ("fuzz", |root| step::run(fuzz(root, &["test", "--locked", "--quiet"]), Tests::Cargo, BUILD)),
    ("tracker-clients", |root| node_tests(root, "e2e", "tracker")),
    // Real Chromiums against the real binary.
    ("browsers", |root| node_tests(root, "e2e", ".")),
];

fn found(task: &str, findings: Vec<String>) -> Result<Tally> {
    for finding in &findings {
        println!("{task}: {finding}");
    }
    Ok(Tally { passed: u64::from(findings.is_empty()), failed: findings.len() as u64, complaints: findings })
}

/// Everything the later steps start.
fn tools(root: &Path) -> Result<Tally> {
    let mut findings = Vec::new();
    for (tool, argument) in [
        ("ffmpeg", "-version"),
        ("ffprobe", "-version"),
        ("mpv", "--version"),
        ("xmllint", "--version"),
        ("ip", "-Version"),
        ("node", "--version"),
        ("npm", "--version"),
    ] {
        if !Command::new(tool).arg(argument).output().is_ok_and(|output| output.status.success()) {
            findings.push(format!("{tool} is missing; `make setup` installs it"));
        }
    }
    // With it the guide's Python signs tokens.
    let signs = |python| {
        let imported = Command::new(python).args(["-c", "import cryptography"]).output();
        imported.is_ok_and(|output| output.status.success())
    };
    if !["python3", "/usr/bin/python3"].into_iter().any(signs) {
        findings.push("no python3 has cryptography; `make setup` installs it".to_owned());
    }
    for folder in ["player", "e2e"] {
        if !root.join(folder).join("node_modules").is_dir() {
            findings.push(format!("{folder}/node_modules is missing; `make setup` installs it"));
        }
    }
    found("tools", findings)
}

/// The browser's module builds, and asks nothing of the page: no clock, no randomness, no I/O can come in.
fn wasm(root: &Path) -> Result<Tally> {
    let Some(path) = built_wasm(root, "web")? else { return Ok(Tally::one(false)) };
    let mut node = Command::new("node");
    let script = "const asked = WebAssembly.Module.imports(new WebAssembly.Module(require('fs').readFileSync(process.argv[1])));
        console.log(`${process.argv[1]}: ${asked.length} imports`);
        for (const { module, name } of asked) console.log(`  ${module}.${name}`);
        process.exit(asked.length ? 1 : 0)";
    node.args(["-e", script, &path]);
    step::run(node, Tests::Whole, TEST)
}

/// Runs the simulator's example natively and in WebAssembly.
fn sim_wasm(root: &Path) -> Result<Tally> {
    let native =
        Command::new(built(root, "examples/same")?).stderr(std::process::Stdio::inherit()).output()?;
    let Some(path) = built_wasm(root, "sim")?.filter(|_| native.status.success()) else {
        return Ok(Tally::one(false));
    };
    let mut node = Command::new("node");
    let script = "const module = new WebAssembly.Module(require('fs').readFileSync(process.argv[1]));
        const digest = BigInt.asUintN(64, new WebAssembly.Instance(module, {}).exports.run_digest(7)).toString();
        console.log(`natively ${process.argv[2]}, in WebAssembly ${digest}`);
        process.exit(digest === process.argv[2] ? 0 : 1)";
    node.args(["-e", script, &path, String::from_utf8_lossy(&native.stdout).trim()]);
    step::run(node, Tests::Whole, TEST)
}

/// Where `scripts/wasm.sh` has put what it built; `None` if it could not.
fn built_wasm(root: &Path, what: &str) -> Result<Option<String>> {
    let built = Command::new(root.join("scripts/wasm.sh"))
        .arg(what)
        .current_dir(root)
        .stderr(std::process::Stdio::inherit())
        .output()?;
    let path = String::from_utf8_lossy(&built.stdout).trim().to_owned();
    Ok(built.status.success().then_some(path))
}

/// The scenarios that are small enough to be run at every check.
fn scenarios(root: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries = std::fs::read_dir(root.join("scenarios/small"))?;
    let mut paths: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    paths.sort();
    Ok(paths)
}

/// Every program and example, as the tests build them too: built for one package alone, with only the features that it asks
/// for, much that it depends on would be built again.
fn binaries(root: &Path) -> Result<Tally> {
    let build = ["build", "--workspace", "--bins", "--examples", "--locked", "--quiet"];
    step::run(cargo(root, &build), Tests::Whole, BUILD)
}

/// A program, or the folder of the examples, as `binaries` has built them; here they are built if they were not.
fn built(root: &Path, name: &str) -> Result<PathBuf> {
    if binaries(root)?.failed > 0 {
        bail!("the programs cannot be built");
    }
    Ok(target(root).join("debug").join(name))
}

/// Where cargo puts what it builds.
fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder))
}

pub fn cargo(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(folder);
    command
}

/// The fuzz workspace shares the target folder, and so what was already built.
fn fuzz(root: &Path, arguments: &[&str]) -> Command {
    let mut command = cargo(&root.join("fuzz"), arguments);
    command.env("CARGO_TARGET_DIR", target(root));
    command
}

fn npm(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(root.join("player"));
    command
}

/// Every `*.test.mjs` of a package's folder, one file at a time: they measure time.
fn node_tests(root: &Path, package: &str, inside: &str) -> Result<Tally> {
    let folder = root.join(package);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder.join(inside))? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".test.mjs") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        bail!("no *.test.mjs in {}", folder.display());
    }
    let mut command = Command::new("node");
    command
        .args(["--test", "--test-reporter=spec", "--test-concurrency=1"])
        .args(&files)
        .current_dir(&folder);
    for (variable, program) in [("BRAIDCAST_BIN", "braidcast"), ("BRAIDCAST_EXAMPLES", "examples")] {
        if std::env::var_os(variable).is_none() {
            command.env(variable, built(root, program)?);
        }
    }
    step::run(command, Tests::Node, TEST)
}
