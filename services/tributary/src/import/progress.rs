//! How far an import has come: a bar on a terminal, a line now and then elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Between two lines where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);

/// Shows progress on standard error.
pub(crate) struct Progress {
    bar: ProgressBar,
    terminal: bool,
    said: Instant,
}

impl Progress {
    /// For files of this many bytes together.
    pub(crate) fn new(bytes: u64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = if terminal { ProgressBar::new(bytes) } else { ProgressBar::hidden() };
        let template = "{bar:30} {percent:>3} %  {msg}  {elapsed} (about {eta} to go)";
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        Progress { bar, terminal, said: Instant::now() }
    }

    /// Sets how far it is.
    pub(crate) fn at(&mut self, bytes: u64, message: impl FnOnce() -> String) {
        if self.terminal {
            self.bar.set_position(bytes);
            self.bar.set_message(message());
        } else if self.said.elapsed() > EVERY {
            self.said = Instant::now();
            eprintln!("{}", message());
        }
    }

    /// Says something without tearing the bar.
    pub(crate) fn say(&self, sentence: &str) {
        self.bar.suspend(|| eprintln!("{sentence}"));
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
