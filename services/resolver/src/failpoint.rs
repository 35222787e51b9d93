//! Places where a test makes this process kill itself.
//!
//! `TRIBUTARY_CRASH_AT=store.after.events:3` sends SIGKILL to the process the third time it passes that place. Nothing
//! is flushed or said, as in a real kill -9. Without the variable the hook costs one load of a cell.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

struct CrashAt {
    place: String,
    passes_left: AtomicU64,
}

static CRASH_AT: OnceLock<Option<CrashAt>> = OnceLock::new();

/// Passes a place; kills the process if a test asked for that.
pub(crate) fn failpoint(place: &str) {
    let Some(crash_at) = CRASH_AT.get_or_init(read_environment) else {
        return;
    };
    if crash_at.place == place && crash_at.passes_left.fetch_sub(1, Ordering::Relaxed) == 1 {
        eprintln!("failpoint {place}: killing this process");
        // SAFETY: kill and getpid take no pointers and have no preconditions.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    }
}

fn read_environment() -> Option<CrashAt> {
    let value = std::env::var("TRIBUTARY_CRASH_AT").ok()?;
    let (place, passes) = value.split_once(':').unwrap_or((&value, "1"));
    Some(CrashAt { place: place.to_owned(), passes_left: AtomicU64::new(passes.parse().unwrap_or(1)) })
}
