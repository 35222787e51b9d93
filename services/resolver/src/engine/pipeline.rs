use schemas::{RawBatch, RawRecord, Source};
use stream::{Plan, TopicInfo};
use uuid::Uuid;

use crate::Result;

/// A partition that was dealt to this process.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    /// Its topic.
    pub(crate) topic: TopicInfo,
    /// Place of the topic in the group's list.
    pub(crate) topic_index: u16,
    /// Partition number.
    pub(crate) partition: i32,
    /// What its records are; `Web` for topics of our own, which do not ask.
    pub(crate) source: Source,
}

/// How a batch is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendMode {
    /// Announced by us just now: nobody can have sent any of it.
    First,
    /// Announced earlier: parts of it may be stored, so ask before sending.
    Replay,
    /// Announced under rules that decided the records' fate differently: what is stored keeps its fate, the rest is filled in.
    Fill {
        /// Hash of the rules in force now.
        decision_hash: u64,
    },
}

/// What runs on the engine. One value serves all partitions; what belongs to one partition is in `State`.
pub(crate) trait Pipeline: Send + Sync + 'static {
    /// What is kept between the batches of one partition.
    type State: Send;
    /// A batch after the stages that need no state.
    type Prepared: Send;

    /// Name in logs and metrics.
    const NAME: &'static str;

    /// Hash of everything that decides a record's fate; `None` for pipelines that are idempotent by version and so
    /// announce nothing.
    fn decision_hash(&self) -> Option<u64>;

    /// The same as it was when this batch was prepared.
    fn decided_under(&self, _prepared: &Self::Prepared) -> Option<u64> {
        self.decision_hash()
    }

    /// Loads the state of a partition as it was at `next`, the offset of the first batch, whose first record was
    /// appended at `append_ms`.
    fn open(
        &self,
        assignment: &Assignment,
        next: i64,
        append_ms: i64,
    ) -> impl Future<Output = Result<Self::State>> + Send;

    /// Stages without state. When the batch is not announced yet (`may_cut`), it may take less than the whole and gives
    /// back the rest.
    fn prepare(
        &self,
        batch: RawBatch,
        may_cut: bool,
    ) -> impl Future<Output = Result<(Self::Prepared, Vec<RawRecord>)>> + Send;

    /// The other stages. When it returns, every table and topic has acknowledged.
    fn process(
        &self,
        state: &mut Self::State,
        batch: Self::Prepared,
        send: SendMode,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// The announcement of the batches `[offset, ends[0])`, `[ends[0], ends[1])`, …
pub(crate) fn plan(topic_id: Uuid, decision_hash: u64, lease_ms: i64, ends: Vec<i64>) -> Plan {
    Plan { topic_id, lease_ms: lease_ms.unsigned_abs(), decision_hash, ends }
}
