//! Real Kafka and ClickHouse on one machine, without Docker.
//!
//! [`Stack`] fetches, starts and stops them; [`Cache`] keeps what was fetched. Servers that exist already are used
//! instead when `KAFKA_BROKERS` or `CLICKHOUSE_URL` name them.

mod stack;

mod parts;

mod kafka;

mod clickhouse;

mod external;

mod process;

mod ports;

mod disk;

mod progress;

mod error;

pub use clickhouse::Engine;
pub use error::{Error, Result};
pub use parts::{Cache, Machine};
pub use progress::Progress;
pub use stack::{Endpoints, Options, Part, PartStatus, Stack, State};
