use schemas::Rejection;

use super::{Columns, Encoded, provenance};
use crate::Result;
use crate::batch::{Counts, ExactBatch, record};

pub(crate) fn dead_letters(batch: &ExactBatch, rows: &[&Rejection]) -> Result<Encoded> {
    let source = batch.raw.source.as_str();
    let bytes_of = |rejection: &Rejection, key: bool| {
        let record = record(batch, rejection.position.offset)?;
        if key { record.key.as_deref() } else { record.payload.as_deref() }
    };
    let received =
        |rejection: &Rejection| record(batch, rejection.position.offset).map_or(0, |record| record.append_time_ms);
    let mut c = Columns::new("dead_letters", rows.len());
    c.low("source", std::iter::repeat_n(source, rows.len()));
    c.low("reason", rows.iter().map(|r| r.reason.as_str()));
    c.text("field", rows.iter().map(|r| &r.field));
    c.nullable_u64("byte_offset", rows.iter().map(|r| r.byte_offset));
    c.text("detail", rows.iter().map(|r| &r.detail));
    c.text("event_id", rows.iter().map(|r| &r.event_id));
    c.bytes("record_key", rows.iter().map(|r| bytes_of(r, true).unwrap_or_default()));
    c.bytes("payload", rows.iter().map(|r| bytes_of(r, false).unwrap_or_default()));
    let offsets = rows.iter().map(|r| r.position.offset);
    provenance(&mut c, &batch.raw, rows.len(), offsets, rows.iter().map(|r| received(r)));
    c.encode()
}

pub(crate) fn batches(batch: &ExactBatch, counts: &Counts) -> Result<Encoded> {
    let once = std::iter::once::<u64>;
    let mut c = Columns::new("batches", 1);
    c.low("source", std::iter::once(batch.raw.source.as_str()));
    c.u64("records", once(counts.records));
    c.u64("stored", once(counts.stored));
    c.u64("duplicate", once(counts.duplicate));
    let rejected = counts.rejected.iter().map(|(reason, count)| (reason.as_str(), *count));
    c.count_map("rejected", std::iter::once(rejected))?;
    let first = std::iter::once(batch.raw.first);
    provenance(&mut c, &batch.raw, 1, first, std::iter::once(batch.first_append_ms()));
    c.encode()
}
