//! Rows as columns: one function a table, each the list of its columns in the order of the DDL.

mod events;
mod identity;
mod paths;
mod records;
mod table;

pub(crate) use events::{EventRow, Who, ad_spend, conversions, events, touchpoints};
pub(crate) use identity::{conflicts, identifiers, identity_map, links, profiles};
pub(crate) use paths::paths;
pub(crate) use records::{batches, dead_letters};
pub(crate) use table::{Columns, Encoded};

use schemas::RawBatch;

/// The columns that every exact table ends with, but for `lease_until`, which the insert adds.
fn provenance(
    columns: &mut Columns,
    raw: &RawBatch,
    rows: usize,
    offsets: impl Iterator<Item = i64>,
    received_at_ms: impl Iterator<Item = i64>,
) {
    columns.uuid(
        "topic_id",
        std::iter::repeat_n(raw.topic_id.as_u128(), rows),
    );
    columns.i32("partition", std::iter::repeat_n(raw.partition, rows));
    columns.i64("offset", offsets);
    columns.u16("ordinal", std::iter::repeat_n(0, rows));
    columns.i64("batch_first", std::iter::repeat_n(raw.first, rows));
    columns.i64("batch_end", std::iter::repeat_n(raw.end, rows));
    columns.time("received_at", received_at_ms);
}
