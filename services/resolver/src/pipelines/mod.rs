//! The three pipelines, each read top to bottom in its file.

pub(crate) mod events;
pub(crate) mod identity;
pub(crate) mod attribution;

mod deduplicate;
mod months;
mod paths;
mod requests;
pub(crate) mod schema_table;
