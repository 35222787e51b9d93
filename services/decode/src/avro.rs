//! Avro datums into a [`Node`], driven by the writer's schema.
//!
//! Fields are found by name afterwards, as with JSON, so a writer may have fields that ours lacks (they are kept in
//! `properties`), lack those that ours gives a default, and order them as it likes. That the two agree otherwise is
//! checked once per schema, by Avro's rules, when it is learnt ([`crate::SchemaTable`]).

mod plan;
mod reader;

pub(crate) use plan::Plan;
pub(crate) use reader::read;
