//! Tasks of the repository: `cargo xtask check | layers | spec [--fix] | words | links`.
//!
//! `check` is the one definition of "checked": the same steps at a desk and in CI. The other verbs are the steps that no
//! other tool has. It builds nothing that is shipped and knows nothing of what the crates do.

mod check;
mod layers;
mod links;
mod programs;
mod spec;
mod step;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

const USAGE: &str = "usage: cargo xtask <task>

  check          everything: format, lints, layers, spec, words, links, tests in Rust, WebAssembly, Node and Chromium
  check NAME...  only the steps whose names begin so (cargo xtask check names lists them)
  layers         who may depend on whom, and what the pure crates may use
  spec [--fix]   documents in docs/spec against the sources they describe; --fix after you have read both
  words          no machine's paths or registries in tracked files
  links          links between the documents lead somewhere
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["check", names @ ..] => root().and_then(|root| check::run(&root, names)),
        ["layers"] => root().and_then(|root| report("layers", layers::check(&root))),
        ["spec"] => root().and_then(|root| report("spec", spec::check(&root, false))),
        ["spec", "--fix"] => root().and_then(|root| report("spec", spec::check(&root, true))),
        ["words"] => root().and_then(|root| report("words", words::check(&root))),
        ["links"] => root().and_then(|root| report("links", links::check(&root))),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints what was found. True when nothing was.
fn report(task: &str, findings: Result<Vec<String>>) -> Result<bool> {
    let findings = findings?;
    for finding in &findings {
        eprintln!("{task}: {finding}");
    }
    Ok(findings.is_empty())
}

/// The repository, from wherever the task was called.
fn root() -> Result<PathBuf> {
    let here = std::env::current_dir().context("no current folder")?;
    for folder in here.ancestors() {
        if folder.join("crates/xtask/Cargo.toml").is_file() {
            return Ok(folder.to_owned());
        }
    }
    bail!("not inside the repository")
}

/// The paths of all tracked files, relative to the root.
fn tracked(root: &std::path::Path) -> Result<Vec<String>> {
    let listed = std::process::Command::new("git").args(["ls-files", "-z"]).current_dir(root).output()?;
    if !listed.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr).trim());
    }
    let text = String::from_utf8(listed.stdout).context("a tracked file's name is not UTF-8")?;
    // A file removed but not yet committed is still listed.
    Ok(text
        .split('\0')
        .filter(|path| !path.is_empty() && root.join(path).is_file())
        .map(str::to_owned)
        .collect())
}
