//! Rows as columns: one function a table, each the list of its columns in the order of the DDL.

mod events;
mod identity;
mod paths;
mod records;
mod table;

pub(crate) use events::{EventRow, Who, ad_spend, conversions, events, touchpoints};
pub(crate) use identity::{commands, conflicts, identifiers, identity_map, links, profiles};
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
    columns.uuid("topic_id", std::iter::repeat_n(raw.topic_id.as_u128(), rows));
    columns.i32("partition", std::iter::repeat_n(raw.partition, rows));
    columns.i64("offset", offsets);
    columns.u16("ordinal", std::iter::repeat_n(0, rows));
    columns.i64("batch_first", std::iter::repeat_n(raw.first, rows));
    columns.i64("batch_end", std::iter::repeat_n(raw.end, rows));
    columns.time("received_at", received_at_ms);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Counts, ExactBatch};
    use schemas::Source;
    use schemas::clickhouse::MIGRATIONS;
    use std::collections::BTreeMap;

    /// `(name, type)` of every column of every table in the DDL; defaults and `lease_until` left out.
    fn ddl() -> BTreeMap<String, Vec<(String, String)>> {
        let mut tables = BTreeMap::new();
        for statement in MIGRATIONS.iter().flat_map(|(.., sql)| sql.split("\nCREATE TABLE ")) {
            let Some((_, rest)) = statement.split_once("{db}.") else { continue };
            let Some((name, body)) = rest.split_once("\n(\n") else { continue };
            let columns = body
                .lines()
                .take_while(|line| !line.starts_with(')'))
                .map(str::trim)
                .filter(|line| !line.starts_with("INDEX") && !line.contains(" DEFAULT "))
                .filter_map(|line| line.split_once(' '))
                .map(|(column, kind)| (column.to_owned(), plain_type(kind)))
                .filter(|(column, _)| column != "lease_until")
                .collect();
            tables.insert(name.to_owned(), columns);
        }
        tables
    }

    /// What a column takes: the type without its comment, and what is inside `SimpleAggregateFunction(f, …)`.
    fn plain_type(text: &str) -> String {
        let text = text.split(" COMMENT ").next().unwrap_or(text);
        let text = text.trim().trim_end_matches(',');
        match text.strip_prefix("SimpleAggregateFunction(") {
            Some(inner) => inner.split_once(", ").unwrap().1.strip_suffix(')').unwrap().to_owned(),
            None => text.to_owned(),
        }
    }

    #[test]
    fn columns_are_those_of_the_ddl() {
        let raw = RawBatch {
            source: Source::Web,
            topic: "t".into(),
            topic_id: uuid::Uuid::nil(),
            partition: 0,
            first: 0,
            end: 0,
            records: vec![],
        };
        let batch = ExactBatch {
            cluster_id: String::new(),
            raw: std::sync::Arc::new(raw.clone()),
            events: vec![],
            rejections: vec![],
            duplicates: 0,
        };
        let key_of = |_: &schemas::EnrichedEvent| schemas::Key::NIL;
        let ddl = ddl();
        for encoded in [
            events(&raw, &[]),
            touchpoints(&raw, &[]),
            conversions(&raw, &[]),
            ad_spend(&raw, &[]),
            dead_letters(&batch, &[]),
            batches(&batch, &Counts::default()),
            identifiers(&[], key_of, &[]),
            profiles(&[], key_of),
            identity_map(&[]),
            links(&[]),
            conflicts(&[]),
            commands(&[]),
            paths(&[]),
        ] {
            let encoded = encoded.unwrap();
            assert_eq!(encoded.columns, ddl[encoded.table], "{}", encoded.table);
        }
    }
}
