//! Everything that talks to ClickHouse: batches written exactly once, rows of which the greatest version wins,
//! look-ups, migrations.
//!
//! A batch's way in: [`ExactBatch`] → places (which rows, in which ClickHouse partition) → columns → one Arrow record
//! batch → one insert per table. [`ExactWriter`] is the door; `delivery` holds the order and the rules for sending
//! again.

mod ask;
mod batch;
mod columns;
mod config;
mod connection;
mod delivery;
mod error;
mod failpoint;
mod fill;
mod fnv;
mod identity_rows;
mod lookups;
mod migrate;
mod partitions;
mod retry;
mod session;
mod squash;
mod statements;
mod store;
mod writer;

pub use batch::{ExactBatch, Mode, Written};
pub use config::ClickHouseConfig;
pub use error::{Error, Result};
pub use failpoint::set_failpoint_hook;
pub use identity_rows::{CommandRow, ConflictRow, IdentityMapRow, LinkEnd, LinkRow};
pub use lookups::{HeldSlice, SessionRow, Slice, TextCursor};
pub use retry::Health;
pub use squash::{SquashMethod, SquashProgress, SquashRow};
pub use store::Store;
pub use writer::ExactWriter;
