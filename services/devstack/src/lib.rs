//! Real Kafka and ClickHouse on one machine, without Docker.
//!
//! [`Stack`] fetches, starts and stops them; [`Cache`] keeps what was fetched. Servers that exist already are used
//! instead when `KAFKA_BROKERS` or `CLICKHOUSE_URL` name them.

pub mod front;
mod stack;
mod options;
mod part;
mod parts;
mod kafka;
mod clickhouse;
mod external;
mod memory;
mod process;
mod ports;
mod disk;
mod progress;
mod error;

pub use error::{Error, Result};
pub use options::Options;
pub use part::{Endpoints, Part, PartStatus, State};
pub use parts::{Cache, Machine};
pub use progress::Progress;
pub use stack::Stack;
