use schemas::{Event, Identifier, Key, Reason, Rejection, Source};
use smallvec::SmallVec;

use crate::Hasher;

/// Name of the type that sessions are kept by.
const ANONYMOUS_ID: &str = "anonymous_id";

/// Name of the type that anonymous sales are kept by.
const TRANSACTION_ID: &str = "transaction_id";

/// An event whose identifiers are keys.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyedEvent {
    /// The event.
    pub event: Event,
    /// Its usable identifiers, strongest first; empty only for sources that name no person.
    pub identifiers: SmallVec<[Identifier; 4]>,
    /// Key of the anonymous id, if it has a usable one.
    pub anonymous_key: Option<Key>,
}

/// Gives every event its keys. Events that say nothing about whose they are come back as rejections; advertising cost
/// names no person and passes.
pub fn key_events(events: Vec<Event>, hasher: &Hasher) -> (Vec<KeyedEvent>, Vec<Rejection>) {
    let anonymous = hasher.rules().type_index(ANONYMOUS_ID);
    let mut keyed = Vec::with_capacity(events.len());
    let mut rejections = Vec::new();
    for event in events {
        let mut identifiers = hasher.identifiers(&event.identifiers);
        if identifiers.is_empty() {
            identifiers.extend(of_the_sale(&event, hasher));
        }
        if identifiers.is_empty() && event.source != Source::AdSpend {
            rejections.push(rejection(&event));
            continue;
        }
        let anonymous_key = identifiers.iter().find(|i| Some(i.kind) == anonymous).map(|i| i.key);
        keyed.push(KeyedEvent { event, identifiers, anonymous_key });
    }
    (keyed, rejections)
}

/// Money counts even when nobody knows whose it was: a till record whose person was a placeholder stands for itself, and
/// a refund for the sale it takes back.
fn of_the_sale(event: &Event, hasher: &Hasher) -> Option<Identifier> {
    let order = event.order.as_ref().filter(|_| event.source == Source::Pos)?;
    hasher.key(TRANSACTION_ID, &order.order_id)
}

fn rejection(event: &Event) -> Rejection {
    let kinds: Vec<&str> = event.identifiers.iter().map(|identifier| identifier.kind.as_str()).collect();
    let detail = if kinds.is_empty() {
        "the record names no identifier".to_owned()
    } else {
        format!("no usable value in {}: a placeholder, malformed, too long or of an unknown type", kinds.join(", "))
    };
    Rejection {
        position: event.position,
        reason: Reason::NoIdentifier,
        field: kinds.first().copied().unwrap_or_default().into(),
        byte_offset: None,
        detail,
        event_id: event.event_id.clone(),
    }
}
