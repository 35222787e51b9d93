//! What an attribution request waits for before it is answered.

use std::time::Duration;
use stream::{Follower, LogProducer};

use super::requests;
use crate::Result;
use crate::backoff::until_answered;

/// A request is answered no sooner than `delay_ms` after its append, so that a touch is either stored by then, or late and
/// asks by itself.
pub(super) async fn for_touches(last_append_ms: i64, delay_ms: i64) {
    let wait_ms = last_append_ms + delay_ms - requests::now_ms();
    // A broker whose clock is ahead must not stop the pipeline.
    let wait_ms = wait_ms.clamp(0, 2 * delay_ms);
    tokio::time::sleep(Duration::from_millis(wait_ms.unsigned_abs())).await;
}

/// Waits until the graph holds every change that was logged before the rows are loaded.
pub(super) async fn for_graph(log: &LogProducer, follower: &Follower) -> Result<()> {
    let end = until_answered("reading the identity log's end", || log.end_offset()).await?;
    if end > 0 {
        follower.wait_applied(end - 1).await?;
    }
    Ok(())
}
