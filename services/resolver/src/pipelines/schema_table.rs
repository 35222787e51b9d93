//! The Avro schemas known so far; unknown registry ids are fetched before a batch is decoded.

use decode::SchemaTable;
use schemas::RawBatch;
use std::sync::{Arc, PoisonError, RwLock};
use stream::SchemaRegistry;

use crate::Result;

/// One table for all partitions, replaced as a whole when an id is learnt.
pub(crate) struct SharedSchemas {
    registry: Option<SchemaRegistry>,
    table: RwLock<Arc<SchemaTable>>,
}

impl SharedSchemas {
    pub(crate) fn new(registry: Option<SchemaRegistry>, table: SchemaTable) -> Self {
        Self { registry, table: RwLock::new(Arc::new(table)) }
    }

    /// A table that knows every registry id of the batch which the registry knows. A registry that cannot be reached is
    /// waited for: its absence is no reason to reject a record.
    pub(crate) async fn covering(&self, batch: &RawBatch) -> Result<Arc<SchemaTable>> {
        let table = self.current();
        let missing = decode::missing_confluent_ids(batch, &table);
        let Some(registry) = self.registry.as_ref().filter(|_| !missing.is_empty()) else {
            return Ok(table);
        };
        let mut fetched = Vec::with_capacity(missing.len());
        for id in missing {
            if let Some(schema) = registry.schema(id).await? {
                fetched.push((id, schema));
            }
        }
        Ok(self.learn(&fetched))
    }

    fn current(&self) -> Arc<SchemaTable> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn learn(&self, fetched: &[(u32, Arc<str>)]) -> Arc<SchemaTable> {
        let mut current = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let mut table = SchemaTable::clone(&current);
        for (id, schema) in fetched {
            if let Err(error) = table.insert_confluent(*id, schema) {
                // Its records are rejected as `unknown_schema` and can be replayed once the schema is mended.
                tracing::warn!(id, %error, "the registry's schema cannot be used");
            }
        }
        *current = Arc::new(table);
        Arc::clone(&current)
    }
}
