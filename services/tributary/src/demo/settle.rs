//! Waiting until every record is accounted for.

use schemas::topics::Topics;
use std::time::Duration;
use stream::Admin;

use crate::config::Config;
use crate::error::Result;

/// What still waits in Kafka.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Source records that are in no finished batch.
    pub events: i64,
    /// Messages of the identity log that are not in ClickHouse.
    pub identity: i64,
    /// Attribution requests that are not answered.
    pub attribution: i64,
}

impl Waiting {
    /// Whether nothing waits.
    pub fn is_nothing(&self) -> bool {
        *self == Waiting::default()
    }
}

/// Reads what waits, in the order in which the pipelines feed one another: when each is empty in turn, all is done, because
/// a pipeline commits only after what it asks of the next one was appended.
pub async fn waiting(admin: &Admin, config: &Config) -> Result<Waiting> {
    let topics = Topics::load_default().with_prefix(&config.kafka.topic_prefix);
    let lag = async |pipeline: &str, names: &[&str]| -> Result<i64> {
        let mut lag = 0;
        for topic in admin.describe_topics(names).await? {
            lag += admin.lag(&config.kafka.group(pipeline), &topic).await?;
        }
        Ok(lag)
    };
    let sources: Vec<&str> = schemas::Source::ALL.iter().map(|source| topics.source(*source).name.as_str()).collect();
    Ok(Waiting {
        events: lag("events", &sources).await?,
        identity: lag("identity", &[&topics.identity_log.name]).await?,
        attribution: lag("attribution", &[&topics.attribution_requests.name]).await?,
    })
}

/// Waits until nothing waits; `progress` is told now and then. `give_up` may end it with an error.
pub async fn until_settled(
    admin: &Admin,
    config: &Config,
    mut progress: impl FnMut(Waiting) -> Result<()>,
) -> Result<()> {
    loop {
        match waiting(admin, config).await {
            Ok(waiting) if waiting.is_nothing() => return Ok(()),
            Ok(waiting) => progress(waiting)?,
            // The broker may be away for a moment, as in a test that kills it.
            Err(error) => tracing::debug!(%error, "what waits could not be read"),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
