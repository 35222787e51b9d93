use std::time::Duration;

/// Jittered exponential waits between tries: 50 ms doubling to 5 s, each shortened by up to half at random, so that
/// processes which failed together do not come back together.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(50);
    const LAST: Duration = Duration::from_secs(5);

    pub(crate) fn new() -> Self {
        Self { next: Self::FIRST }
    }

    pub(crate) async fn wait(&mut self) {
        let shortened = self.next.mul_f64(1.0 - rand::random::<f64>() / 2.0);
        tokio::time::sleep(shortened).await;
        self.next = (self.next * 2).min(Self::LAST);
    }
}

/// Asks Kafka until it answers; what does not pass by itself is returned.
pub(crate) async fn until_answered<T, F>(doing: &str, ask: impl Fn() -> F) -> stream::Result<T>
where
    F: Future<Output = stream::Result<T>>,
{
    let mut backoff = Backoff::new();
    loop {
        match ask().await {
            Err(error) if error.is_retriable() => {
                tracing::warn!(%error, "kafka is away while {doing}, trying again");
                backoff.wait().await;
            }
            other => return other,
        }
    }
}
