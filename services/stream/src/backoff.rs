use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Delays that double from a first to a greatest one, each drawn from the upper half of its range, so that many who
/// failed together do not come back together.
pub(crate) struct Backoff {
    next: Duration,
    greatest: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, greatest: Duration) -> Self {
        Self { next: first, greatest }
    }

    pub(crate) fn next_delay(&mut self) -> Duration {
        let delay = self.next;
        self.next = (delay * 2).min(self.greatest);
        delay.mul_f64(0.5 + jitter() / 2.0)
    }
}

/// Between 0 and 1. The keys of the standard library's hash maps are random: enough for delays.
fn jitter() -> f64 {
    f64::from(u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_the_greatest() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
        for expected in [100, 200, 350, 350] {
            let delay = backoff.next_delay().as_millis();
            assert!((expected / 2..=expected).contains(&delay), "{delay} for {expected}");
        }
    }
}
