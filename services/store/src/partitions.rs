use uuid::Uuid;

use crate::{Result, Store};

impl Store {
    /// The number of partitions that this topic had when it was first seen; remembers `partitions` if that is now.
    pub async fn remember_partitions(&self, topic_id: Uuid, name: &str, partitions: i32) -> Result<i32> {
        let table = self.table("topics");
        let known = format!("SELECT partitions FROM {table} FINAL WHERE topic_id = {{topic_id:UUID}} LIMIT 1");
        let before: Option<i32> = self
            .read("reading a topic's partition count", || {
                self.pool().query(&known).param("topic_id", topic_id).fetch_optional()
            })
            .await?;
        if let Some(before) = before {
            return Ok(before);
        }
        let remember = format!("INSERT INTO {table} SELECT {{topic_id:UUID}}, {{name:String}}, {{partitions:Int32}}");
        self.read("remembering a topic's partition count", || {
            self.pool()
                .query(&remember)
                .param("topic_id", topic_id)
                .param("name", name)
                .param("partitions", partitions)
                .execute()
        })
        .await?;
        Ok(partitions)
    }
}
