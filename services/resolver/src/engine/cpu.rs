use std::sync::Arc;
use tokio::sync::Semaphore;

/// Runs CPU-bound stages off the async runtime, no more of them at once than there are slots.
#[derive(Debug, Clone)]
pub(crate) struct Cpu {
    slots: Arc<Semaphore>,
}

impl Cpu {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(slots)) }
    }

    /// Waits for a slot and runs `work`; the runtime moves its other tasks to another thread meanwhile.
    pub(crate) async fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        // The semaphore is never closed, so there is always a permit in the end.
        let _permit = self.slots.acquire().await;
        tokio::task::block_in_place(work)
    }
}
