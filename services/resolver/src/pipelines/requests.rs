//! Whose attribution may have changed by what was just stored.

use ::identity::Component;
use rustc_hash::FxHashSet;
use schemas::{AttributionRequest, EnrichedEvent, RawBatch, RawRecord, RequestReason};
use std::time::{SystemTime, UNIX_EPOCH};
use store::{ExactBatch, Written};

use crate::{ResolverError, Result};

/// Requests for the customers of the batch's conversions and of its late touches. Calling a touch late is always safe,
/// so every touch is of a batch that was asked for, or was stored while the clocks disagreed.
pub(crate) fn of_batch(batch: &ExactBatch, written: &Written, late_touch_ms: i64) -> Vec<AttributionRequest> {
    let is_certain = !written.asked && written.clock_skew_ms.abs() <= late_touch_ms;
    let on_time_since = if is_certain { written.acknowledged_at_ms - late_touch_ms } else { i64::MAX };
    let mut asked = FxHashSet::default();
    let reason = |event: &EnrichedEvent| {
        if event.conversion.is_some() {
            Some(RequestReason::Conversion)
        } else if event.touch.is_some() && event.identified.event.event_time_ms < on_time_since {
            Some(RequestReason::LateTouch)
        } else {
            None
        }
    };
    batch
        .events
        .iter()
        .filter_map(|event| Some((event.identified.customer_id, reason(event)?)))
        .filter(|(customer, _)| asked.insert(*customer))
        .map(|(customer, reason)| AttributionRequest { customer, reason })
        .collect()
}

/// Requests for every changed component.
pub(crate) fn of_changes(components: &[Component]) -> Vec<AttributionRequest> {
    let request =
        |component: &Component| AttributionRequest { customer: component.customer_id, reason: RequestReason::Identity };
    components.iter().map(request).collect()
}

/// The clock of this process, ms since the epoch.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Reads one request; only our own processes write them.
pub(crate) fn decode(raw: &RawBatch, record: &RawRecord) -> Result<AttributionRequest> {
    schemas::request::decode_request(record.payload.as_deref().unwrap_or_default()).map_err(|error| {
        ResolverError::Undecodable {
            topic: raw.topic.to_string(),
            partition: raw.partition,
            offset: record.offset,
            detail: error.to_string(),
        }
    })
}
