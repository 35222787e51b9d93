//! The contracts: what is on the wire, what is in ClickHouse, and the types that stages hand to one another.
//!
//! A record passes through one type per state, in this order:
//! [`RawRecord`] → [`Event`] → [`IdentifiedEvent`] → [`EnrichedEvent`] → rows. A stage takes one of them and returns
//! the next, plus [`Rejection`]s.

mod attribution;
mod enriched;
mod event;
mod identified;
mod record;
mod rejection;
mod source;
mod wire;

pub mod avro;
pub mod clickhouse;
pub mod command;
pub mod conversions;
#[cfg(feature = "examples")]
pub mod examples;
pub mod request;
pub mod topics;

pub use attribution::{AttributionPath, AttributionRequest, Conversion, Model, PathTouch, RequestReason, TouchRow};
pub use command::{Command, Edge, LinkProvenance};
pub use enriched::{
    Agent, Campaign, ClickId, ConversionKind, ConversionName, EnrichedEvent, Session, Touch, TouchKind,
};
pub use event::{Event, IdentifierType, Order, Page, RawIdentifier, Spend, Utm};
pub use identified::{IdentifiedEvent, Identifier, Key, Resolved};
pub use record::{Position, RawBatch, RawRecord};
pub use rejection::{Reason, Rejection};
pub use source::Source;
pub use wire::WireError;

/// A short text owned by an event: up to 24 bytes live inside the value itself.
pub type Text = compact_str::CompactString;
