use crate::{Admin, Result, TopicInfo};

impl Admin {
    /// Records of `topic` that `group` (a full name) has not finished yet. A partition without a commit counts whole.
    pub async fn lag(&self, group: &str, topic: &TopicInfo) -> Result<i64> {
        let mut lag = 0;
        let committed = self.committed(group, &topic.name, topic.partitions).await?;
        for (partition, committed) in (0..).zip(committed) {
            let (low, high) = self.watermarks(&topic.name, partition).await?;
            let finished = committed.map_or(low, |committed| committed.offset.max(low));
            lag += (high - finished).max(0);
        }
        Ok(lag)
    }

    /// Records that `topic` holds: end minus begin offsets.
    pub async fn records(&self, topic: &TopicInfo) -> Result<i64> {
        let mut records = 0;
        for partition in 0..topic.partitions {
            let (low, high) = self.watermarks(&topic.name, partition).await?;
            records += high - low;
        }
        Ok(records)
    }
}
