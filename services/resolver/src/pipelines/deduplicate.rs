//! Records whose event id was stored lately are counted and not stored again.

use ::identity::KeyedEvent;
use schemas::Rejection;

use crate::window::EventIdWindow;

/// The events to store, and the number of duplicates left out.
pub(crate) fn fresh(events: Vec<KeyedEvent>, window: &mut EventIdWindow) -> (Vec<KeyedEvent>, u64) {
    let before = events.len();
    if let Some(first) = events.first() {
        window.expire(first.event.position.offset, first.event.received_at_ms);
    }
    let fresh: Vec<_> = events
        .into_iter()
        .filter(|keyed| {
            let event = &keyed.event;
            !window.is_duplicate(&event.event_id, event.position.offset, event.received_at_ms)
        })
        .collect();
    let duplicates = before - fresh.len();
    (fresh, duplicates as u64)
}

/// Both lists of rejections in the order of the log.
pub(crate) fn merge(mut decoding: Vec<Rejection>, identifying: Vec<Rejection>) -> Vec<Rejection> {
    decoding.extend(identifying);
    decoding.sort_by_key(|rejection| rejection.position.offset);
    decoding
}
