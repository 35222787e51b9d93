//! The dictionary over `identity_map`: loaded again after changes, no more often than a bound.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Reloads the dictionary when asked, and knows how far it is. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct DictionaryReloader {
    asked: Arc<Notify>,
    /// The map is complete up to this version.
    written: Arc<AtomicU64>,
    /// The dictionary is complete up to this version.
    loaded: watch::Sender<u64>,
}

impl Default for DictionaryReloader {
    fn default() -> Self {
        Self { asked: Arc::default(), written: Arc::default(), loaded: watch::Sender::new(0) }
    }
}

impl DictionaryReloader {
    /// The map changed, or may have: it is complete up to this version.
    pub(crate) fn ask(&self, written: u64) {
        self.written.fetch_max(written, Ordering::AcqRel);
        self.asked.notify_one();
    }

    /// The version up to which the dictionary is complete.
    pub(crate) fn loaded(&self) -> watch::Receiver<u64> {
        self.loaded.subscribe()
    }

    /// Reloads whenever asked, with at least this long between two reloads. What is asked meanwhile is one reload.
    pub(crate) async fn run<F, E>(self, reload: impl Fn() -> F, least: Duration)
    where
        F: Future<Output = Result<(), E>>,
        E: std::fmt::Display,
    {
        loop {
            self.asked.notified().await;
            // Read before: what is written while the dictionary loads may be in it or not.
            let written = self.written.load(Ordering::Acquire);
            match reload().await {
                Ok(()) => self.loaded.send_modify(|loaded| *loaded = written.max(*loaded)),
                Err(error) => {
                    tracing::warn!(%error, "the identity dictionary was not reloaded, trying again");
                    self.asked.notify_one();
                }
            }
            tokio::time::sleep(least).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;
    use tokio::time::Instant;

    const LEAST: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_thousand_changes_a_second_are_one_reload_in_ten() {
        let reloads = Arc::new(AtomicU32::new(0));
        let dictionary = DictionaryReloader::default();
        let counted = Arc::clone(&reloads);
        let reload = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok::<(), String>(()))
        };
        tokio::spawn(dictionary.clone().run(reload, LEAST));
        let begun = Instant::now();
        let mut version = 0;
        while begun.elapsed() < Duration::from_secs(100) {
            version += 1;
            dictionary.ask(version);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let count = reloads.load(Ordering::Relaxed);
        assert!((10..=11).contains(&count), "{count} reloads in 100 s");
        tokio::time::sleep(LEAST * 3).await;
        assert_eq!(*dictionary.loaded().borrow(), version, "the last change is loaded, too");
        let settled = reloads.load(Ordering::Relaxed);
        tokio::time::sleep(LEAST * 10).await;
        assert_eq!(reloads.load(Ordering::Relaxed), settled, "nothing changed, nothing is loaded");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_reload_is_tried_again_and_does_not_count() {
        let tries = Arc::new(AtomicU32::new(0));
        let dictionary = DictionaryReloader::default();
        let counted = Arc::clone(&tries);
        let reload = move || {
            let result = if counted.fetch_add(1, Ordering::Relaxed) < 2 { Err("away") } else { Ok(()) };
            std::future::ready(result)
        };
        tokio::spawn(dictionary.clone().run(reload, LEAST));
        dictionary.ask(7);
        tokio::time::sleep(LEAST + LEAST / 2).await;
        assert_eq!((tries.load(Ordering::Relaxed), *dictionary.loaded().borrow()), (2, 0));
        tokio::time::sleep(LEAST).await;
        assert_eq!((tries.load(Ordering::Relaxed), *dictionary.loaded().borrow()), (3, 7));
    }
}
