//! What the user sees while the demo works: numbered steps, each with its time.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::error::Result;

/// Between two lines where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

/// Numbers the steps and takes their time.
pub(super) struct Steps {
    number: usize,
    begun: Instant,
}

impl Steps {
    pub(super) fn new() -> Self {
        Self { number: 0, begun: Instant::now() }
    }

    /// Does one step.
    pub(super) fn step<T>(&mut self, title: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let begun = self.begin(title);
        let done = work()?;
        end(begun);
        Ok(done)
    }

    /// Does one step that waits for others.
    pub(super) async fn step_async<T>(&mut self, title: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let begun = self.begin(title);
        let done = work.await?;
        end(begun);
        Ok(done)
    }

    /// How many there were.
    pub(super) fn count(&self) -> usize {
        self.number
    }

    /// Time since the first step.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    fn begin(&mut self, title: &str) -> Instant {
        self.number += 1;
        println!("{}. {title}", self.number);
        flush();
        Instant::now()
    }
}

fn end(begun: Instant) {
    println!("   done in {:.1} s", begun.elapsed().as_secs_f64());
    flush();
}

/// Standard output goes through a buffer when it is a file; a reader of the file should see each step as it happens.
fn flush() {
    // Nobody reads any more: the next line that matters fails by itself.
    let _ = std::io::stdout().flush();
}

/// How far a step is: a bar on a terminal, a line now and then elsewhere.
pub(super) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    said: Instant,
}

impl Progress {
    /// For work of a known size.
    pub(super) fn of(total: u64) -> Self {
        Self::new(ProgressBar::new(total), "   {bar:30} {percent:>3} %  {msg}  {elapsed} (about {eta} to go)")
    }

    /// For work of unknown size.
    pub(super) fn spinner() -> Self {
        Self::new(ProgressBar::new_spinner(), "   {spinner} {msg}  {elapsed}")
    }

    fn new(bar: ProgressBar, template: &str) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        if !is_terminal {
            bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, is_terminal, said: Instant::now() }
    }

    /// Says where it is.
    pub(super) fn at(&mut self, position: u64, message: impl FnOnce() -> String) {
        if self.is_terminal {
            self.bar.set_position(position);
            self.bar.set_message(message());
            self.bar.tick();
        } else if self.said.elapsed() >= EVERY {
            self.said = Instant::now();
            eprintln!("   {}", message());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
