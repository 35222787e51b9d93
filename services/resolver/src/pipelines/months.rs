//! A batch touches at most so many months: ClickHouse partitions, and so blocks of one insert.

use schemas::RawRecord;
use std::collections::BTreeSet;

use super::prepared::Prepared;

/// Keeps the longest head of the batch that touches at most `most` months, and gives back the records of the rest.
pub(crate) fn cut(mut batch: Prepared, most: usize) -> (Prepared, Vec<RawRecord>) {
    let Some(offset) = first_beyond(&batch, most) else {
        return (batch, Vec::new());
    };
    batch.events.retain(|keyed| keyed.event.position.offset < offset);
    batch.rejections.retain(|rejection| rejection.position.offset < offset);
    let at = batch.raw.records.partition_point(|record| record.offset < offset);
    let tail = batch.raw.records.split_off(at);
    batch.raw.end = offset;
    (batch, tail)
}

fn first_beyond(batch: &Prepared, most: usize) -> Option<i64> {
    let mut months = BTreeSet::new();
    batch.events.iter().map(|keyed| &keyed.event).find_map(|event| {
        months.insert(month(event.event_time_ms));
        (months.len() > most).then_some(event.position.offset)
    })
}

/// Months since year 0 of the proleptic Gregorian calendar (Howard Hinnant's `civil_from_days`).
fn month(time_ms: i64) -> i64 {
    let days = time_ms.div_euclid(86_400_000) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // The year begins in March here, so that the leap day is its last.
    (era * 400 + year_of_era) * 12 + (5 * day_of_year + 2) / 153
}

#[cfg(test)]
mod tests {
    use super::month;

    #[test]
    fn months_change_where_the_calendar_says() {
        const DAY: i64 = 86_400_000;
        // 2024-02-28, -29, 03-01, 03-31, 04-01, as days since the epoch.
        let months = [19_781, 19_782, 19_783, 19_813, 19_814].map(|day| month(day * DAY));
        assert_eq!(months[0], months[1]);
        assert_eq!(months[2], months[1] + 1);
        assert_eq!(months[3], months[2]);
        assert_eq!(months[4], months[3] + 1);
        assert_eq!(month(-1), month(0) - 1, "december 1969 and january 1970");
    }
}
