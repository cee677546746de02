//! How far a film is, on stderr: a bar on a terminal, a line every few seconds elsewhere.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use origin::package::{Report, Step};
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing_subscriber::fmt::MakeWriter;

/// Between two lines about one film, where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Between two looks at what goes on without an end.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many of them make a line, where there is no terminal.
const LOOKS_A_LINE: u64 = 10;

/// All that is written to stderr goes through here, so that lines do not tear bars.
#[derive(Clone, Debug)]
pub struct Screen {
    bars: MultiProgress,
    terminal: bool,
}

impl Screen {
    /// The program's stderr.
    pub fn new() -> Self {
        Self { bars: MultiProgress::new(), terminal: io::stderr().is_terminal() }
    }

    /// Writes a line above all bars.
    pub fn line(&self, text: &str) {
        // Where stderr is gone there is nobody to tell.
        self.bars.suspend(|| writeln!(io::stderr(), "{text}").ok());
    }

    /// A line that changes, for work of unknown length; nothing where there is no terminal.
    pub fn spinner(&self) -> ProgressBar {
        let bar =
            if self.terminal { self.bars.add(ProgressBar::new_spinner()) } else { ProgressBar::hidden() };
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    /// A bar that looks as `template` says; nothing where there is no terminal.
    pub fn bar(&self, template: &str) -> ProgressBar {
        let bar = if self.terminal { self.bars.add(ProgressBar::new(0)) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.expect("the template is well formed"));
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    /// Shows the line that `look` gives, every second: where there is no terminal, every tenth. Never ends.
    pub async fn follow(&self, mut look: impl AsyncFnMut() -> String) {
        let spinner = self.spinner();
        let mut every = tokio::time::interval(LOOK_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for second in 1u64.. {
            every.tick().await;
            let text = look().await;
            if !self.terminal && second.is_multiple_of(LOOKS_A_LINE) {
                self.line(&text);
            }
            spinner.set_message(text);
        }
    }

    /// Takes in the steps of the film called `title`.
    pub fn film(&self, title: &str) -> (Film, Report) {
        let bar = self.bar("{spinner} {prefix:30!} {bar:30} {percent:>3}% {msg}");
        bar.set_prefix(title.to_owned());
        let screen = self.clone();
        let (title, shown) = (title.to_owned(), bar.clone());
        let last_line = Mutex::new(Instant::now());
        let report = move |step: Step| match step {
            Step::Note(note) => screen.line(&format!("{title}: {note}")),
            Step::Extras => shown.set_message("poster, previews, subtitles"),
            Step::Finishing => shown.set_message("writing"),
            Step::Encoding { done, length, speed } => {
                let speed = speed.map_or_else(String::new, |x| format!("{x:.1}x"));
                shown.set_length(length.as_millis() as u64);
                shown.set_position(done.as_millis() as u64);
                shown.set_message(speed.clone());
                if !screen.terminal && !length.is_zero() {
                    let mut last = last_line.lock().unwrap_or_else(PoisonError::into_inner);
                    if last.elapsed() >= LINE_EVERY {
                        *last = Instant::now();
                        let percent = done.as_secs_f64() / length.as_secs_f64() * 100.0;
                        writeln!(io::stderr(), "{title}: {percent:.0} % {speed}").ok(); // as above
                    }
                }
            }
        };
        (Film { bars: self.bars.clone(), bar }, Arc::new(report))
    }
}

/// The bar of one film; it goes when this is dropped.
#[derive(Debug)]
pub struct Film {
    bars: MultiProgress,
    bar: ProgressBar,
}

impl Drop for Film {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.bars.remove(&self.bar);
    }
}

/// A log line on its way to stderr.
#[derive(Debug)]
pub struct Line {
    screen: Screen,
    text: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Where stderr is gone there is nobody to tell.
        self.screen.bars.suspend(|| io::stderr().write_all(&self.text).ok());
    }
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { screen: self.clone(), text: Vec::new() }
    }
}
