//! Kafka: batches and plans, the identity log, dead letters, attribution requests.
