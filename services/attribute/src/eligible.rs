use schemas::TouchRow;

use crate::AttributionConfig;

/// The touches that may get credit, ascending by (time, position, ordinal): `t_conversion − lookback ≤ t ≤
/// t_conversion`, both ends included. Of rows that stand at the same place in the log only one is kept, so that a
/// caller that loads a customer's keys in several queries cannot credit a touch twice.
pub(crate) fn eligible<'a>(
    conversion_time_ms: i64,
    touches: &'a [TouchRow],
    config: &AttributionConfig,
) -> Vec<&'a TouchRow> {
    let earliest = conversion_time_ms.saturating_sub(config.lookback_ms());
    let mut path: Vec<&TouchRow> =
        touches.iter().filter(|touch| (earliest..=conversion_time_ms).contains(&touch.touch_time_ms)).collect();
    path.sort_by_key(|touch| place(touch));
    path.dedup_by_key(|touch| place(touch));
    path
}

/// What orders touches: time first, then the place in the log, so that the order never depends on the query.
fn place(touch: &TouchRow) -> (i64, schemas::Position, u16) {
    (touch.touch_time_ms, touch.position, touch.ordinal)
}
