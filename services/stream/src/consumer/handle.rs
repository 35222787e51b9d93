use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use tokio::sync::oneshot;

use super::{Epoch, PartitionId};
use crate::native::Queue;
use crate::{Result, StreamError};

/// What the thread is asked to do.
pub(super) enum Request {
    Start { partition: PartitionId, epoch: Epoch, offset: i64 },
    Hold { partition: PartitionId, epoch: Epoch, hold: bool },
    Consumed { partition: PartitionId, epoch: Epoch, bytes: usize },
    Commit(CommitRequest),
    LookedUp(super::lookup::Found),
    Close,
}

/// A commit, and where its outcome goes.
pub(super) struct CommitRequest {
    pub(super) partition: PartitionId,
    pub(super) epoch: Epoch,
    pub(super) offset: i64,
    pub(super) metadata: String,
    pub(super) outcome: oneshot::Sender<Result<()>>,
}

/// Wakes the thread out of its poll; empty once the consumer is gone.
pub(super) type Waker = Arc<Mutex<Option<Queue>>>;

/// Steers a consumer. Cheap to clone. When the last clone is dropped the consumer leaves its group.
#[derive(Clone)]
pub struct ConsumerHandle {
    shared: Arc<Shared>,
}

struct Shared {
    requests: Sender<Request>,
    waker: Waker,
    ended: tokio::sync::watch::Receiver<bool>,
}

impl ConsumerHandle {
    pub(super) fn new(requests: Sender<Request>, waker: Waker, ended: tokio::sync::watch::Receiver<bool>) -> Self {
        Self { shared: Arc::new(Shared { requests, waker, ended }) }
    }

    /// Reads the partition from `offset` on; if it is already being read, what was not yet handed over is dropped and
    /// reading goes on from there. Ignored in a past epoch.
    pub fn start(&self, partition: PartitionId, epoch: Epoch, offset: i64) {
        self.shared.ask(Request::Start { partition, epoch, offset });
    }

    /// Stops reading the partition until [`ConsumerHandle::resume`]. A few records may still come.
    pub fn pause(&self, partition: PartitionId, epoch: Epoch) {
        self.shared.ask(Request::Hold { partition, epoch, hold: true });
    }

    /// Ends [`ConsumerHandle::pause`].
    pub fn resume(&self, partition: PartitionId, epoch: Epoch) {
        self.shared.ask(Request::Hold { partition, epoch, hold: false });
    }

    /// Gives back the bytes of records that no longer occupy memory.
    pub fn consumed(&self, partition: PartitionId, epoch: Epoch, bytes: usize) {
        self.shared.ask(Request::Consumed { partition, epoch, bytes });
    }

    /// Commits `offset`, the next one to read, with `metadata` beside it, and waits for the broker's answer.
    ///
    /// [`StreamError::NotAssigned`]: the epoch is over. [`StreamError::CommitTimeout`]: nobody knows whether it
    /// happened; commit again. Other errors are the broker's.
    pub async fn commit(&self, partition: PartitionId, epoch: Epoch, offset: i64, metadata: String) -> Result<()> {
        let (outcome, answer) = oneshot::channel();
        self.shared.ask(Request::Commit(CommitRequest { partition, epoch, offset, metadata, outcome }));
        answer.await.unwrap_or(Err(StreamError::Closed))
    }

    /// Leaves the group, so that others get its partitions at once, and waits until that is done.
    pub async fn close(&self) -> Result<()> {
        self.shared.ask(Request::Close);
        let mut ended = self.shared.ended.clone();
        // An error means that the thread is gone, which is what is waited for.
        let _ = ended.wait_for(|ended| *ended).await;
        Ok(())
    }
}

impl Shared {
    /// A request to a consumer that has ended goes nowhere: its receiver has told so.
    fn ask(&self, request: Request) {
        if self.requests.send(request).is_ok()
            && let Some(queue) = &*self.waker.lock()
        {
            queue.wake();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.ask(Request::Close);
    }
}
