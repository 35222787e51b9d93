//! Records of people, and what the tables say of them.

use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use stream::{Message, Producer, ProducerLimits};

use crate::support::Space;

static RECORDS: AtomicU32 = AtomicU32::new(0);

/// Sends one page view that names these identifiers, and waits until it is stored.
pub(crate) fn seen(space: &Space, identifiers: &[(&str, &str)]) {
    send(space, &[identifiers]);
    space.settle();
}

/// Sends page views that name these identifiers each.
pub(crate) fn send(space: &Space, records: &[&[(&str, &str)]]) {
    let config = space.config();
    let topic = format!("{}events.web", config.kafka.topic_prefix);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let producer = Producer::new(&config.kafka, ProducerLimits::default()).unwrap();
        for identifiers in records {
            let number = RECORDS.fetch_add(1, Ordering::Relaxed);
            let mut record: Map<String, Value> =
                identifiers.iter().map(|(kind, value)| ((*kind).to_owned(), json!(value))).collect();
            record.insert("event_id".to_owned(), json!(format!("page-{number}")));
            record.insert("event".to_owned(), json!("page_viewed"));
            record.insert("event_time".to_owned(), json!(jiff::Timestamp::now().to_string()));
            record
                .insert("page".to_owned(), json!({ "url": "https://shop.example/?utm_source=news&utm_medium=email" }));
            let payload = serde_json::to_vec(&record).unwrap();
            let key = identifiers[0].1.as_bytes();
            let message = Message { topic: &topic, key: Some(key), payload: &payload, headers: &[] };
            producer.send(message).await.unwrap();
        }
        producer.flush().await.unwrap();
    });
}
