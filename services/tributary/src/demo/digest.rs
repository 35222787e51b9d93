//! The content digest: equal for two runs over the same records, however they were interleaved, batched, interrupted.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use store::Store;

use super::account::text;
use crate::error::Result;

/// A table's content: what it is read from, the columns that belong to a run and not to its records, the key to sort by.
struct Content {
    table: &'static str,
    without: &'static str,
    key: &'static str,
}

/// Where a record stands, in which batch and when it was written, and the customer as it was known then.
const RUN: &str = "topic_id, partition, offset, ordinal, batch_first, batch_end, lease_until, received_at, customer_id, customer_version";
const RUN_NOBODY: &str = "topic_id, partition, offset, ordinal, batch_first, batch_end, lease_until, received_at";

const CONTENTS: [Content; 8] = [
    Content { table: "events", without: RUN, key: "event_id" },
    Content { table: "touchpoints", without: RUN, key: "event_id, kind" },
    Content { table: "conversions", without: RUN, key: "event_id" },
    Content { table: "ad_spend", without: RUN_NOBODY, key: "event_id" },
    Content { table: "dead_letters", without: RUN_NOBODY, key: "record_key, SHA256(payload), reason, detail" },
    Content {
        table: "attribution_paths FINAL",
        without: "topic_id, partition, offset, ordinal, customer_id, version, computed_at, \
                  touch_topic_id, touch_partition, touch_offset, touch_ordinal",
        key: "event_id",
    },
    Content { table: "identifiers FINAL", without: "", key: "identifier_key, identity_key" },
    Content { table: "profiles FINAL", without: "", key: "identity_key" },
];

/// SHA-256 of each table's content, by table. Every customer id is replaced by the smallest identifier key of its
/// component, which does not depend on which of the identifiers came first.
pub async fn content_digest(store: &Store) -> Result<BTreeMap<&'static str, String>> {
    let mut digests = BTreeMap::new();
    for content in &CONTENTS {
        let rows = text(store, &content.sql(), "TabSeparated").await?;
        let digest: String = Sha256::digest(rows.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        digests.insert(content.table, digest);
    }
    Ok(digests)
}

impl Content {
    fn sql(&self) -> String {
        let Content { table, without, key } = self;
        let columns = if without.is_empty() { "*".to_owned() } else { format!("* EXCEPT ({without})") };
        let rows = format!("SELECT {columns} FROM {{db}}.{table}");
        if !self.has_customer() {
            return format!("{rows} ORDER BY {key}");
        }
        // An identifier that was never linked is the only one of its customer.
        format!(
            "SELECT rows.*, ifNull(least_keys.least_key, rows.identity_key) AS customer
             FROM ({rows}) AS rows
             LEFT JOIN
             (
                 SELECT identity_key, toNullable(min(identity_key) OVER (PARTITION BY customer_id)) AS least_key
                 FROM {{db}}.identity_map FINAL
             ) AS least_keys ON rows.identity_key = least_keys.identity_key
             ORDER BY {key}"
        )
    }

    fn has_customer(&self) -> bool {
        !matches!(self.table, "ad_spend" | "dead_letters")
    }
}
