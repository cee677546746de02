//! Runs a program, shows what it prints, and counts the tests it says it ran.
//!
//! Its invariant: a test that was skipped counts as failed, and so does a program that ends badly without a failed test.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, PipeReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Lines kept from before a failure: its message and where it came from.
const LINES_BEFORE: usize = 60;

/// How many of a step's tests held, and what was printed just before one did not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
    pub complaints: Vec<String>,
}

impl Tally {
    /// A step that is one test.
    pub fn one(held: bool) -> Self {
        Tally { passed: u64::from(held), failed: u64::from(!held), complaints: Vec::new() }
    }

    /// No test at all is a mistake in the step, not a success.
    pub fn of_some(mut self) -> Self {
        if self.passed + self.failed == 0 {
            self.failed = 1;
        }
        self
    }

    /// Counts another's tests as well.
    pub fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.complaints.extend(other.complaints);
    }
}

/// Whose way of reporting tests a program has.
#[derive(Clone, Copy)]
pub enum Tests {
    /// None: the program is the test.
    Whole,
    /// `cargo test`.
    Cargo,
    /// `node --test` with the spec reporter.
    Node,
}

/// Runs `command` for at most `limit` and shows what it prints as it comes.
pub fn run(mut command: Command, tests: Tests, limit: Duration) -> Result<Tally> {
    let (output, into) = std::io::pipe()?;
    command.stdout(into);
    let tally = watch(command, output, tests, limit, |line| println!("{line}"))?;
    Ok(tally.of_some())
}

/// Runs `command` for at most `limit`, and keeps what it prints, errors and all.
pub fn run_quietly(mut command: Command, tests: Tests, limit: Duration) -> Result<(Tally, String)> {
    let (output, into) = std::io::pipe()?;
    command.stderr(into.try_clone()?).stdout(into);
    keep(command, output, tests, limit)
}

/// Runs `command`, which is one test, for at most `limit`, and keeps its answer: what it prints that is no error.
pub fn answer(mut command: Command, limit: Duration) -> Result<(Tally, String)> {
    let (output, into) = std::io::pipe()?;
    command.stdout(into);
    keep(command, output, Tests::Whole, limit)
}

fn keep(command: Command, output: PipeReader, tests: Tests, limit: Duration) -> Result<(Tally, String)> {
    let mut printed = String::new();
    let tally = watch(command, output, tests, limit, |line| {
        printed.push_str(line);
        printed.push('\n');
    })?;
    Ok((tally, printed))
}

fn watch(
    mut command: Command,
    output: PipeReader,
    tests: Tests,
    limit: Duration,
    mut show: impl FnMut(&str),
) -> Result<Tally> {
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    // With it our ends of the pipe: the output ends when the program does.
    drop(command);
    let (lines, inbox) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if lines.send(line).is_err() {
                break;
            }
        }
    });

    let mut tally = Tally::default();
    let mut recent = VecDeque::new();
    loop {
        match inbox.recv_timeout(limit.saturating_sub(started.elapsed())) {
            Ok(line) => {
                let text = String::from_utf8_lossy(&line);
                show(&text);
                let failed = tally.failed;
                count(&text, tests, &mut tally);
                if recent.len() == LINES_BEFORE {
                    recent.pop_front();
                }
                recent.push_back(text.into_owned());
                if tally.failed > failed {
                    tally.complaints.extend(recent.drain(..));
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                stop(&mut child);
                show(&format!("xtask: stopped after {} s", limit.as_secs()));
                tally.failed += 1;
                tally.complaints.extend(recent);
                return Ok(tally);
            }
        }
    }
    let good = child.wait()?.success();
    match tests {
        Tests::Whole => tally = Tally::one(good),
        Tests::Cargo | Tests::Node => tally.failed = tally.failed.max(u64::from(!good)),
    }
    // Node tells what failed after it has counted.
    if tally.failed > 0 {
        tally.complaints.extend(recent);
    }
    Ok(tally)
}

/// Asks the child to end, so that it can end its own children; then makes it.
fn stop(child: &mut Child) {
    let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    for _ in 0..50 {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn count(line: &str, tests: Tests, tally: &mut Tally) {
    match tests {
        Tests::Whole => {}
        // test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
        Tests::Cargo => {
            let Some(figures) = line.strip_prefix("test result: ") else { return };
            for figure in figures.split([';', '.']) {
                match figure.trim().split_once(' ') {
                    Some((n, "passed")) => tally.passed += n.parse().unwrap_or(0),
                    Some((n, "failed" | "ignored")) => tally.failed += n.parse().unwrap_or(0),
                    _ => {}
                }
            }
        }
        // ℹ pass 12
        Tests::Node => {
            let Some(figure) = line.strip_prefix("ℹ ") else { return };
            match figure.split_once(' ') {
                Some(("pass", n)) => tally.passed += n.parse().unwrap_or(0),
                Some(("fail" | "cancelled" | "skipped" | "todo", n)) => {
                    tally.failed += n.parse().unwrap_or(0)
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_figures_are_added_up_and_ignored_tests_count_as_failed() {
        let mut tally = Tally::default();
        count(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out",
            Tests::Cargo,
            &mut tally,
        );
        count("test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured", Tests::Cargo, &mut tally);
        assert_eq!((tally.passed, tally.failed), (14, 2));
    }

    #[test]
    fn node_figures_are_added_up_and_skipped_tests_count_as_failed() {
        let mut tally = Tally::default();
        for line in ["ℹ tests 9", "ℹ pass 6", "ℹ fail 1", "ℹ cancelled 0", "ℹ skipped 1", "ℹ todo 1"]
        {
            count(line, Tests::Node, &mut tally);
        }
        assert_eq!((tally.passed, tally.failed), (6, 3));
    }

    #[test]
    fn a_program_that_ends_badly_after_good_tests_has_failed() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo 'test result: ok. 3 passed; 0 failed; 0 ignored'; exit 1"]);
        let tally = run(command, Tests::Cargo, Duration::from_secs(10)).expect("sh starts");
        assert_eq!((tally.passed, tally.failed), (3, 1));
        assert_eq!(tally.complaints, ["test result: ok. 3 passed; 0 failed; 0 ignored"]);
    }

    #[test]
    fn a_step_without_a_test_has_failed() {
        let tally = run(Command::new("true"), Tests::Cargo, Duration::from_secs(10)).expect("it starts");
        assert_eq!((tally.passed, tally.failed), (0, 1));
    }

    #[test]
    fn what_is_run_quietly_is_counted_and_kept_errors_and_all() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; echo 'test result: ok. 3 passed; 0 failed; 0 ignored'"]);
        let (tally, printed) =
            run_quietly(command, Tests::Cargo, Duration::from_secs(10)).expect("sh starts");
        assert_eq!((tally.passed, tally.failed), (3, 0));
        assert_eq!(printed, "one\ntwo\ntest result: ok. 3 passed; 0 failed; 0 ignored\n");
    }

    #[test]
    fn a_program_that_does_not_end_is_stopped_and_has_failed() {
        let mut command = Command::new("sleep");
        command.arg("60");
        let started = Instant::now();
        let tally = run(command, Tests::Whole, Duration::from_millis(200)).expect("sleep starts");
        assert_eq!(tally.failed, 1);
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}
