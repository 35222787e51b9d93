//! Links that the graph does not know yet: into the log, and back into the graph.

use ::identity::KeyedEvent;

use super::events::Events;
use crate::Result;
use crate::metrics::Stage;

/// A record's own links are applied before the record is resolved.
pub(super) async fn apply(pipeline: &Events, events: &[KeyedEvent]) -> Result<()> {
    let _timer = pipeline.recorder.time(Stage::Identify);
    let links = pipeline.cpu.run(|| pipeline.graph.missing_links(events)).await;
    if let Some(offset) = pipeline.log.append(&links).await? {
        pipeline.follower.wait_applied(offset).await?;
    }
    Ok(())
}
