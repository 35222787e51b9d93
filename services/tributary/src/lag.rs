//! What waits in Kafka for the pipelines.

use serde::Serialize;
use stream::{Admin, Result, TopicInfo};

/// A topic and how far its pipeline has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct TopicLag {
    /// Name.
    pub(crate) topic: String,
    /// Consumer group that reads it.
    pub(crate) group: String,
    /// Records written to it so far, those that retention has deleted included.
    pub(crate) records: i64,
    /// Records not committed yet.
    pub(crate) lag: i64,
}

/// The exclusive ends of a topic's partitions, with their beginnings.
#[derive(Debug, Clone)]
pub(crate) struct Ends {
    topic: TopicInfo,
    bounds: Vec<(i64, i64)>,
}

impl Ends {
    /// Asks Kafka.
    pub(crate) async fn read(admin: &Admin, topic: &TopicInfo) -> Result<Self> {
        let mut bounds = Vec::new();
        for partition in 0..topic.partitions {
            bounds.push(admin.watermarks(&topic.name, partition).await?);
        }
        Ok(Ends { topic: topic.clone(), bounds })
    }

    /// Records below these ends that `group` has not committed.
    pub(crate) async fn behind(&self, admin: &Admin, group: &str) -> Result<i64> {
        let committed = admin.committed(group, &self.topic.name, self.topic.partitions).await?;
        let offsets = committed.into_iter().map(|found| found.map(|found| found.offset));
        Ok(behind(&self.bounds, offsets))
    }

    /// Records written so far.
    pub(crate) fn records(&self) -> i64 {
        self.bounds.iter().map(|(_, high)| high).sum()
    }
}

fn behind(bounds: &[(i64, i64)], committed: impl Iterator<Item = Option<i64>>) -> i64 {
    // What retention has deleted does not wait; without a commit, everything that is there does.
    bounds.iter().zip(committed).map(|((low, high), offset)| (high - offset.unwrap_or(*low).max(*low)).max(0)).sum()
}

/// One line of `status`.
pub(crate) async fn topic_lag(admin: &Admin, group: &str, topic: &TopicInfo) -> Result<TopicLag> {
    let ends = Ends::read(admin, topic).await?;
    let lag = ends.behind(admin, group).await?;
    Ok(TopicLag { topic: topic.name.to_string(), group: group.to_owned(), records: ends.records(), lag })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_counts_what_is_there_and_not_committed() {
        assert_eq!(behind(&[(0, 10), (0, 5)], [Some(4), None].into_iter()), 11);
        assert_eq!(behind(&[(8, 10)], [Some(3)].into_iter()), 2, "offsets 3 to 7 are gone");
        assert_eq!(behind(&[(10, 10)], [None].into_iter()), 0);
        assert_eq!(behind(&[(0, 10)], [Some(12)].into_iter()), 0, "the ends were read before");
    }
}
