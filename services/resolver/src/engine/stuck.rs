use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use stream::PartitionId;

/// Partitions whose next record the client cannot read, such as one that unpacks to more than it may hold. It keeps
/// trying; a person must know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stuck(Arc<Mutex<BTreeMap<(&'static str, PartitionId), String>>>);

impl Stuck {
    /// The sentences, one a partition.
    pub(crate) fn sentences(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Reports a partition; says so in the log the first time.
    pub(super) fn set(&self, pipeline: &'static str, partition: PartitionId, sentence: String) {
        let mut stuck = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if stuck.insert((pipeline, partition), sentence.clone()).is_none() {
            tracing::warn!(pipeline, "{sentence}");
        }
    }

    /// The partition was read, or is another's now.
    pub(super) fn clear(&self, pipeline: &'static str, partition: PartitionId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(pipeline, partition));
    }
}
