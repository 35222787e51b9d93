//! Real Kafka and ClickHouse on one machine, without Docker.
