//! The three pipelines, each read top to bottom in its file.

pub(crate) mod events;
pub(crate) mod identity;
pub(crate) mod attribution;

mod partition_state;
mod prepared;
pub(crate) mod decisions;
mod deduplicate;
mod links;
mod months;
mod log_entry;
mod wait;
mod paths;
mod requests;
pub(crate) mod schema_table;
