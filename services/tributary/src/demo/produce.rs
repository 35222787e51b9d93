//! Sending a scenario's records into their topics.

use loadtest::{Generator, Ledger, Scenario};
use stream::{Message, Producer, ProducerLimits};

use super::Space;
use crate::error::Result;

/// A scenario on its way into a space, all at once or in pieces.
pub struct Feed<'a> {
    space: &'a Space,
    producer: Producer,
    generator: Generator,
    sent: u64,
}

impl<'a> Feed<'a> {
    /// Begins a scenario.
    pub fn new(space: &'a Space, scenario: Scenario) -> Result<Self> {
        let producer = Producer::new(&space.config.kafka, ProducerLimits::default())?;
        Ok(Self { space, producer, generator: Generator::new(scenario), sent: 0 })
    }

    /// Sends the next `records` of the scenario, or what is left of it, and waits until Kafka holds them. `progress` is
    /// told how many were sent.
    pub async fn send(&mut self, records: u64, mut progress: impl FnMut(u64)) -> Result<()> {
        const BETWEEN_REPORTS: u64 = 1_000;
        let count = usize::try_from(records).unwrap_or(usize::MAX);
        for record in self.generator.by_ref().take(count) {
            let topic = self.space.topics.source(record.source).name.as_str();
            let message = Message { topic, key: Some(&record.key), payload: &record.payload, headers: &[] };
            self.producer.send(message).await?;
            self.sent += 1;
            if self.sent.is_multiple_of(BETWEEN_REPORTS) {
                progress(self.sent);
            }
        }
        Ok(self.producer.flush().await?)
    }

    /// What must have become of the records sent.
    pub fn into_ledger(self) -> Ledger {
        self.generator.into_ledger()
    }
}
