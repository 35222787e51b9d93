//! Waiting until every record is accounted for.

use schemas::Source;
use std::fmt;
use std::time::{Duration, Instant};
use stream::TopicInfo;

use super::Space;
use crate::error::{Error, Result};

const POLL: Duration = Duration::from_millis(300);

/// What still waits in Kafka.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Source records that are in no finished batch.
    pub events: i64,
    /// Messages of the identity log that are not in ClickHouse.
    pub identity: i64,
    /// Attribution requests that are not answered.
    pub attribution: i64,
    /// Messages that were ever written to these topics.
    written: i64,
}

impl Waiting {
    /// Whether nothing waits.
    pub fn is_nothing(&self) -> bool {
        (self.events, self.identity, self.attribution) == (0, 0, 0)
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, identity, attribution, .. } = self;
        write!(f, "waiting: {events} records, {identity} identity messages, {attribution} attribution requests")
    }
}

/// Waits until nothing waits, then lets the views see it. `on_wait` is told what waits and may give up; nothing changing
/// for `patience` is an error.
///
/// The pipelines are asked in the order in which they feed one another, and each commits only after what it asks of the
/// next was appended. One pass that finds nothing is not enough, because attribution hands requests on among its own
/// partitions: two passes in a row must, with nothing written between them.
pub async fn until_settled(
    space: &Space,
    patience: Duration,
    mut on_wait: impl FnMut(Waiting) -> Result<()>,
) -> Result<()> {
    let (mut last, mut changed) = (None, Instant::now());
    loop {
        match waiting(space).await {
            Ok(now) => {
                if now.is_nothing() && last == Some(now) {
                    break;
                }
                if last.replace(now) != Some(now) {
                    changed = Instant::now();
                }
                on_wait(now)?;
            }
            // The broker may be away for a moment, as in a test that kills it.
            Err(error) => tracing::debug!(%error, "what waits could not be read"),
        }
        if changed.elapsed() > patience {
            let waiting = last.map_or_else(|| "what waits cannot be read".to_owned(), |last| last.to_string());
            return Err(Error::Stalled { seconds: patience.as_secs(), waiting });
        }
        tokio::time::sleep(POLL).await;
    }
    space.store.reload_dictionary().await?;
    Ok(())
}

async fn waiting(space: &Space) -> Result<Waiting> {
    let topics = &space.topics;
    let sources: Vec<&str> = Source::ALL.iter().map(|source| topics.source(*source).name.as_str()).collect();
    let mut waiting = Waiting::default();
    waiting.events = lag(space, "events", &sources, &mut waiting.written).await?;
    waiting.identity = lag(space, "identity", &[&topics.identity_log.name], &mut waiting.written).await?;
    waiting.attribution = lag(space, "attribution", &[&topics.attribution_requests.name], &mut waiting.written).await?;
    Ok(waiting)
}

async fn lag(space: &Space, pipeline: &str, names: &[&str], written: &mut i64) -> Result<i64> {
    let group = space.config.kafka.group(pipeline);
    let topics: Vec<TopicInfo> = space.admin.describe_topics(names).await?;
    let mut lag = 0;
    for topic in &topics {
        lag += space.admin.lag(&group, topic).await?;
        *written += space.admin.records(topic).await?;
    }
    Ok(lag)
}
