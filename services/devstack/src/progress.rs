//! What the user sees while parts are fetched and started: bars on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How progress is shown. Everything goes to standard error: standard output belongs to answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// A bar that redraws itself.
    Bar,
    /// A line now and then, for logs.
    Lines,
    /// Nothing.
    Silent,
}

impl Progress {
    /// A bar on a terminal, lines elsewhere.
    pub fn auto() -> Self {
        if std::io::stderr().is_terminal() { Self::Bar } else { Self::Lines }
    }

    /// Says one sentence.
    pub fn say(self, sentence: impl std::fmt::Display) {
        if self != Self::Silent {
            eprintln!("{sentence}");
        }
    }

    /// Begins to measure something of `total` bytes.
    pub(crate) fn bytes(self, label: &str, total: u64) -> Meter {
        const BYTES: &str = "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        Meter::new(self, label, total, BYTES)
    }

    /// Begins to measure something of `total` pieces.
    pub(crate) fn pieces(self, label: &str, total: u64) -> Meter {
        Meter::new(self, label, total, "{msg} [{bar:30}] {pos}/{len} {elapsed}")
    }
}

/// One measured piece of work; says that it is done when it is dropped.
pub(crate) struct Meter {
    progress: Progress,
    label: String,
    total: u64,
    bar: Option<ProgressBar>,
    begun: Instant,
    said: Instant,
}

impl Meter {
    fn new(progress: Progress, label: &str, total: u64, template: &str) -> Self {
        let bar = (progress == Progress::Bar).then(|| {
            let bar = ProgressBar::new(total);
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_message(label.to_owned());
            bar
        });
        if progress == Progress::Lines {
            eprintln!("{label} …");
        }
        let now = Instant::now();
        Self { progress, label: label.to_owned(), total, bar, begun: now, said: now }
    }

    /// Says how far the work has come.
    pub(crate) fn set(&mut self, done: u64) {
        const BETWEEN_LINES: Duration = Duration::from_secs(5);
        let done = done.min(self.total);
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        } else if self.progress == Progress::Lines && done < self.total && self.said.elapsed() >= BETWEEN_LINES {
            self.said = Instant::now();
            eprintln!("{} … {} %", self.label, done * 100 / self.total.max(1));
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.progress.say(format_args!("{}: {:.1} s", self.label, self.begun.elapsed().as_secs_f64()));
    }
}
