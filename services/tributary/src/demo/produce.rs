//! Sending a scenario's records into their topics.

use loadtest::{Generator, Ledger, Scenario};
use stream::{Message, Producer, ProducerLimits};

use super::Space;
use crate::error::Result;

/// Sends every record of the scenario and waits until Kafka holds them all. `progress` is told how many were sent.
pub async fn produce(space: &Space, scenario: Scenario, mut progress: impl FnMut(u64)) -> Result<Ledger> {
    const BETWEEN_REPORTS: u64 = 1_000;
    let producer = Producer::new(&space.config.kafka, ProducerLimits::default())?;
    let mut generator = Generator::new(scenario);
    let mut sent = 0;
    for record in generator.by_ref() {
        let topic = space.topics.source(record.source).name.as_str();
        let message = Message { topic, key: Some(&record.key), payload: &record.payload, headers: &[] };
        producer.send(message).await?;
        sent += 1;
        if sent % BETWEEN_REPORTS == 0 {
            progress(sent);
        }
    }
    producer.flush().await?;
    Ok(generator.into_ledger())
}
