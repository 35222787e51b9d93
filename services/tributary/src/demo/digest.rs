//! The content digest: equal for two runs over the same records, however they were interleaved, batched, interrupted.
//!
//! Each table sorted by its natural key, without what belongs to a run (positions, batches, leases, receipt and
//! insertion times, versions, log offsets, provenance); every customer id replaced by the smallest identifier key of
//! its component.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use store::Store;

use super::account::text;
use crate::error::Result;

const CUSTOMER: &str = "ifNull(least_key.least, identity_key)";

/// Columns that make up the content of each table, and the key to sort by.
const TABLES: [(&str, &str, &str); 5] = [
    (
        "events",
        "event_id, identity_key, anonymous_key, source, event_type, event_time, page_url, referrer_host, campaign_source, \
         campaign_medium, campaign, click_ids, channel, browser, os, device, is_bot, session_id, session_started_at, \
         session_last_at, order_id, value_minor, currency, properties",
        "event_id",
    ),
    (
        "touchpoints",
        "event_id, identity_key, touch_time, kind, source, session_id, channel, campaign_source, campaign, click_ids, landing_page",
        "event_id, kind",
    ),
    (
        "conversions",
        "event_id, identity_key, conversion_time, name, kind, source, order_id, value_minor, currency",
        "event_id",
    ),
    ("dead_letters", "reason, field, detail, hex(SHA256(payload)) AS digest", "digest, reason, detail"),
    (
        "attribution_paths",
        "event_id, identity_key, conversion_time, value_minor, touch_time, touch_kind, touch_channel, touch_source, \
         touch_campaign, credit_first, credit_last, credit_last_non_direct, credit_linear, credit_time_decay, credit_position",
        "event_id",
    ),
];

/// SHA-256 of each table's content, by table.
pub async fn content_digest(store: &Store) -> Result<BTreeMap<&'static str, String>> {
    let mut digests = BTreeMap::new();
    for (table, columns, key) in TABLES {
        let has_customer = table != "dead_letters";
        let last = if table == "attribution_paths" { "FINAL" } else { "" };
        let least = "SELECT identity_key AS k, min(identity_key) OVER (PARTITION BY customer_id) AS least \
                     FROM {db}.identity_map FINAL";
        let sql = if has_customer {
            format!(
                "SELECT {columns}, {CUSTOMER} AS customer FROM {{db}}.{table} {last} \
                 LEFT JOIN (SELECT k, toNullable(least) AS least FROM ({least})) AS least_key ON identity_key = least_key.k \
                 ORDER BY {key}"
            )
        } else {
            format!("SELECT {columns} FROM {{db}}.{table} ORDER BY {key}")
        };
        let content = text(store, &sql, "TabSeparated").await?;
        let digest: String = Sha256::digest(content.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        digests.insert(table, digest);
    }
    Ok(digests)
}
