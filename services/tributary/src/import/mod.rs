//! Exported files into the source topics: a mapping file says which column is what.
//!
//! A row's way: file → `reader` → row → `apply` (with the `mapping`) → record with a deterministic event id →
//! unless ClickHouse `held` it already → Kafka. Everything before the asking is pure but for reading files.

mod apply;
mod column;
mod csv_rows;
mod dry_run;
mod held;
mod infer;
mod mapping;
mod money;
mod progress;
mod reader;
mod record;
mod rejects;
mod send;
mod state;
mod summary;
mod time;
mod wire;

pub use dry_run::dry_run;
pub use infer::infer;
pub use mapping::{FileFormat, FileSection, Mapping};
pub use money::MoneyFormat;
pub use send::{SendOptions, send};
pub use time::TimeSection;

#[cfg(test)]
mod tests;
