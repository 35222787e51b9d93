//! Sending a scenario's records into their topics.

use loadtest::{Generator, Ledger, Scenario};
use schemas::topics::Topics;
use stream::{Message, Producer, ProducerLimits};

use crate::config::Config;
use crate::error::Result;

/// Sends every record of the scenario and waits until Kafka holds them all. `progress` is told how many were sent.
pub async fn produce(config: &Config, scenario: Scenario, mut progress: impl FnMut(u64)) -> Result<Ledger> {
    let topics = Topics::load_default().with_prefix(&config.kafka.topic_prefix);
    let producer = Producer::new(&config.kafka, ProducerLimits::default())?;
    let mut generator = Generator::new(scenario);
    let mut sent = 0;
    for record in generator.by_ref() {
        let topic = topics.source(record.source).name.as_str();
        let message = Message { topic, key: Some(&record.key), payload: &record.payload, headers: &[] };
        // The delivery's own future is not needed: `flush` fails if any was not acknowledged.
        drop(producer.send(message).await?);
        sent += 1;
        if sent % 1_000 == 0 {
            progress(sent);
        }
    }
    producer.flush().await?;
    Ok(generator.into_ledger())
}
