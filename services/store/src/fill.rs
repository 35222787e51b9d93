//! Filling a range by offset: positions that stand in ClickHouse keep their fate, whatever it would be decided now.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::Result;
use crate::ask::{self, Range};
use crate::batch::{Counts, ExactBatch, ExactTable, Place};
use crate::session::Session;

/// What has become of the positions of a range.
pub(crate) struct Fates {
    /// Ranges of which every row of every table has been acknowledged.
    finished: Vec<Range>,
    stored: HashSet<i64>,
    rejected: HashMap<i64, String>,
}

impl Fates {
    pub(crate) async fn load(session: &Session, batch: &ExactBatch) -> Result<Self> {
        let primary = ExactTable::primary(batch.raw.source);
        Ok(Self {
            finished: ask::finished_ranges(session, batch).await?,
            stored: ask::offsets(session, primary, batch).await?,
            rejected: ask::reasons(session, batch).await?,
        })
    }

    /// Whether no row of this position may be added to this table.
    pub(crate) fn is_settled(&self, table: ExactTable, offset: i64) -> bool {
        let otherwise = match table {
            ExactTable::DeadLetters => self.stored.contains(&offset),
            _ => self.rejected.contains_key(&offset),
        };
        otherwise || self.is_finished(offset)
    }

    /// ST-1 for the positions that no row of `batches` counts yet, from what the tables hold.
    pub(crate) fn counts(&self, batch: &ExactBatch) -> Counts {
        let mut counts = Counts { rejected: BTreeMap::new(), ..Counts::default() };
        for record in &batch.raw.records {
            if self.is_finished(record.offset) {
                continue;
            }
            counts.records += 1;
            if self.stored.contains(&record.offset) {
                counts.stored += 1;
            } else if let Some(reason) = self.rejected.get(&record.offset) {
                *counts.rejected.entry(reason.clone()).or_default() += 1;
            } else {
                counts.duplicate += 1;
            }
        }
        counts
    }

    fn is_finished(&self, offset: i64) -> bool {
        self.finished.iter().any(|range| (range.batch_first..range.batch_end).contains(&offset))
    }
}

/// Part of a fill's token: other decisions or other rows need another one, the same rows the same.
pub(crate) fn hash(decision_hash: u64, rows: &[Place]) -> u64 {
    let offsets = rows.iter().flat_map(|row| row.offset.to_le_bytes());
    crate::fnv::fnv1a(decision_hash.to_le_bytes().into_iter().chain(offsets))
}
