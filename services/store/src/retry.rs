use rand::Rng;
use std::time::Duration;
use tokio::sync::watch;

use crate::{ClickHouseConfig, Error};

/// How ClickHouse looks from here; what readiness shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Operations that wait to be tried again at this moment; above zero means not ready.
    pub retrying: u32,
    /// Retries since the start.
    pub retries: u64,
    /// The last error that caused one.
    pub last_error: Option<String>,
}

/// Pauses that double up to a bound, with jitter, so that many writers do not come back at once.
pub(crate) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) fn new(config: &ClickHouseConfig) -> Self {
        Self { next: Duration::from_millis(config.retry_min_ms), max: Duration::from_millis(config.retry_max_ms) }
    }

    pub(crate) async fn pause(&mut self) {
        let pause = self.next.mul_f64(rand::rng().random_range(0.5..1.0));
        self.next = (self.next * 2).min(self.max);
        tokio::time::sleep(pause).await;
    }
}

/// Shows in [`Health`] that something is being tried again, from the first failure until it is dropped.
pub(crate) struct Trouble<'a> {
    health: &'a watch::Sender<Health>,
    counted: bool,
}

impl<'a> Trouble<'a> {
    pub(crate) fn none(health: &'a watch::Sender<Health>) -> Self {
        Self { health, counted: false }
    }

    pub(crate) fn with(&mut self, error: &Error) {
        let first = !std::mem::replace(&mut self.counted, true);
        self.health.send_modify(|health| {
            health.retrying += u32::from(first);
            health.retries += 1;
            health.last_error = Some(error.to_string());
        });
    }
}

impl Drop for Trouble<'_> {
    fn drop(&mut self) {
        if self.counted {
            self.health.send_modify(|health| health.retrying -= 1);
        }
    }
}
