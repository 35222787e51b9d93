//! The identity log read again from its beginning, into a graph of its own.

use identity::{Graph, Hasher};
use schemas::Command;
use std::collections::BTreeSet;
use std::sync::Arc;
use stream::{Follower, LogApplier, LogProducer, RulesEntry};

use super::Space;
use super::account::lines;
use crate::error::{Error, Result};

struct Applier(Arc<Graph>);

impl LogApplier for Applier {
    fn apply(
        &self,
        offset: i64,
        append_time_ms: i64,
        commands: &[Command],
    ) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.apply(offset, append_time_ms, commands).map(drop).map_err(Into::into)
    }
}

/// The graph that the space's whole log makes.
pub async fn replay(space: &Space) -> Result<Arc<Graph>> {
    let rules = &space.config.identity;
    let hasher = Arc::new(Hasher::new(rules.secret.as_bytes(), rules.clone())?);
    let graph = Arc::new(Graph::new(Arc::clone(&hasher)));
    let topics = space.admin.describe_topics(&[&space.topics.identity_log.name]).await?;
    let log = LogProducer::new(&space.config.kafka, &topics[0])?;
    let entry = RulesEntry { hash: hasher.rules_hash(), rules_json: hasher.rules_json().to_owned() };
    let applier = Arc::new(Applier(Arc::clone(&graph)));
    let follower = Follower::spawn(&space.config.kafka, &topics[0], &log, applier, entry, 0).await?;
    follower.wait_caught_up().await?;
    follower.close().await;
    Ok(graph)
}

/// Compares `identity_map` with a replay of its own log: every key, its customer and its version.
///
/// # Errors
/// The first difference.
pub async fn compare_identity_map(space: &Space) -> Result<Arc<Graph>> {
    let graph = replay(space).await?;
    let components = graph.changed_since(0, usize::MAX).components;
    let rows = components.iter().flat_map(|component| {
        let uuid = schemas::Key::uuid;
        let (customer, version) = (uuid(component.customer_id), component.version);
        component.keys.iter().map(move |member| format!("{} {customer} {version}", uuid(member.key)))
    });
    let expected: BTreeSet<String> = rows.collect();
    let sql = "SELECT concat(toString(identity_key), ' ', toString(customer_id), ' ', toString(version)) \
               FROM {db}.identity_map FINAL";
    let found: BTreeSet<String> = lines(&space.store, sql).await?.into_iter().collect();
    match expected.symmetric_difference(&found).next() {
        None => Ok(graph),
        Some(one) => Err(Error::Unequal {
            what: format!("rows of identity_map, e.g. (key, customer, version) {one}"),
            expected: format!("{} in a replay of the log", expected.len()),
            found: format!("{} in the table", found.len()),
        }),
    }
}
