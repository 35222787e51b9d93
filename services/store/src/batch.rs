use schemas::{EnrichedEvent, RawBatch, Rejection, Source};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Error, Result};

/// A batch whose records' fates are all decided: what is written as one unit.
#[derive(Debug, Clone)]
pub struct ExactBatch {
    /// Kafka's cluster id: part of every token, so that two clusters cannot shadow one another.
    pub cluster_id: String,
    /// The records as read.
    pub raw: Arc<RawBatch>,
    /// Those to be stored, ascending by offset.
    pub events: Vec<EnrichedEvent>,
    /// Those that cannot be, ascending by offset.
    pub rejections: Vec<Rejection>,
    /// How many were known already.
    pub duplicates: u64,
}

/// What is known of a batch before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing of it was ever sent.
    First,
    /// Some of it may have been sent, with these boundaries and the same decisions.
    Replay,
    /// Some of it may have been sent with other boundaries or other decisions: positions that are present keep their
    /// fate, the others are filled.
    Fill {
        /// Hash of everything that decides a record's fate now.
        decision_hash: u64,
    },
}

/// What a finished write did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Records of the batch that stand in the primary table.
    pub stored: u64,
    /// Records that were known already.
    pub duplicate: u64,
    /// Records that stand in `dead_letters`, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Whether ClickHouse had to be asked for blocks: the touches of such a batch count as late.
    pub asked: bool,
    /// Server's time when the last exact table was acknowledged, ms since the epoch.
    pub acknowledged_at_ms: i64,
    /// Server's clock minus ours, in ms.
    pub clock_skew_ms: i64,
    /// Bytes of insert bodies sent, before compression.
    pub bytes: u64,
}

/// The row of `batches`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) records: u64,
    pub(crate) stored: u64,
    pub(crate) duplicate: u64,
    pub(crate) rejected: BTreeMap<String, u64>,
}

impl ExactBatch {
    /// ST-1: `records in = stored + duplicate + rejected`, and each side names records of this batch.
    pub(crate) fn check_balance(&self) -> Result<()> {
        let raw = &self.raw;
        let counts = self.counts();
        let rejected = self.rejections.len() as u64;
        if counts.records == counts.stored + counts.duplicate + rejected {
            return Ok(());
        }
        Err(Error::Unbalanced {
            topic: raw.topic.to_string(),
            partition: raw.partition,
            first: raw.first,
            end: raw.end,
            records: counts.records,
            stored: counts.stored,
            duplicate: counts.duplicate,
            rejected,
        })
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut rejected = BTreeMap::new();
        for rejection in &self.rejections {
            *rejected.entry(rejection.reason.as_str().to_owned()).or_default() += 1;
        }
        Counts {
            records: self.raw.records.len() as u64,
            stored: self.events.len() as u64,
            duplicate: self.duplicates,
            rejected,
        }
    }

    /// Append time of the first record; what every ask is bounded by.
    pub(crate) fn first_append_ms(&self) -> i64 {
        self.raw.records.iter().map(|record| record.append_time_ms).min().unwrap_or(0)
    }
}

/// A table in which each row stands exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ExactTable {
    Events,
    AdSpend,
    Touchpoints,
    Conversions,
    DeadLetters,
    Batches,
}

impl ExactTable {
    pub(crate) const ALL: [ExactTable; 6] = [
        ExactTable::Events,
        ExactTable::AdSpend,
        ExactTable::Touchpoints,
        ExactTable::Conversions,
        ExactTable::DeadLetters,
        ExactTable::Batches,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            ExactTable::Events => "events",
            ExactTable::AdSpend => "ad_spend",
            ExactTable::Touchpoints => "touchpoints",
            ExactTable::Conversions => "conversions",
            ExactTable::DeadLetters => "dead_letters",
            ExactTable::Batches => "batches",
        }
    }

    /// The table with one row for every stored record of a source.
    pub(crate) const fn primary(source: Source) -> ExactTable {
        match source {
            Source::AdSpend => ExactTable::AdSpend,
            _ => ExactTable::Events,
        }
    }

    /// The tables that records of a source can have rows in, in the order in which they are sent, `batches` last.
    pub(crate) const fn of(source: Source) -> &'static [ExactTable] {
        match source {
            Source::AdSpend => &[ExactTable::AdSpend, ExactTable::DeadLetters, ExactTable::Batches],
            _ => &[
                ExactTable::Events,
                ExactTable::Touchpoints,
                ExactTable::Conversions,
                ExactTable::DeadLetters,
                ExactTable::Batches,
            ],
        }
    }
}

/// One row's place: which record it comes from, and in which partition of its table it ends up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Index into the batch's events or rejections.
    pub(crate) index: usize,
    pub(crate) offset: i64,
    /// `toYYYYMM` of the row's time.
    pub(crate) month: u32,
}

/// The rows that a batch has in a table. Depends on stored inputs alone, never on the resolved customer.
pub(crate) fn places(table: ExactTable, batch: &ExactBatch) -> Vec<Place> {
    let events = || batch.events.iter().enumerate();
    let place = |(index, event): (usize, &EnrichedEvent)| {
        let event = &event.identified.event;
        Place { index, offset: event.position.offset, month: month_of(event.event_time_ms) }
    };
    match table {
        ExactTable::Events | ExactTable::AdSpend => events().map(place).collect(),
        ExactTable::Touchpoints => events().filter(|(_, event)| event.touch.is_some()).map(place).collect(),
        ExactTable::Conversions => events().filter(|(_, event)| event.conversion.is_some()).map(place).collect(),
        ExactTable::DeadLetters => batch
            .rejections
            .iter()
            .enumerate()
            .map(|(index, rejection)| {
                let offset = rejection.position.offset;
                let append_ms = record(batch, offset).map_or(0, |record| record.append_time_ms);
                Place { index, offset, month: month_of(append_ms) }
            })
            .collect(),
        ExactTable::Batches if batch.raw.records.is_empty() => Vec::new(),
        ExactTable::Batches => {
            vec![Place { index: 0, offset: batch.raw.first, month: month_of(batch.first_append_ms()) }]
        }
    }
}

/// The record at an offset.
pub(crate) fn record(batch: &ExactBatch, offset: i64) -> Option<&schemas::RawRecord> {
    let records = &batch.raw.records;
    records.binary_search_by_key(&offset, |record| record.offset).ok().map(|index| &records[index])
}

/// ClickHouse's `toYYYYMM` of a time in UTC.
fn month_of(ms: i64) -> u32 {
    // Days to civil date, counted in 400-year eras that begin on 1 March.
    let days = ms.div_euclid(86_400_000) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year_of_era + era * 400 + carry;
    u32::try_from(year * 100 + month).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::month_of;

    #[test]
    fn months_are_those_of_clickhouse() {
        for (ms, month) in [
            (0, 197_001),
            (951_782_400_000, 200_002), // 2000-02-29
            (951_868_800_000, 200_003),
            (1_704_067_199_999, 202_312),
            (1_704_067_200_000, 202_401),
            (4_107_542_399_999, 210_002),
            (-1, 196_912),
        ] {
            assert_eq!(month_of(ms), month, "{ms}");
        }
    }
}
