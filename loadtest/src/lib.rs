//! Seeded generator of realistic records of all sources, with a ledger of what must become of each.
//!
//! People visit a shop's site from ad campaigns, leave their address in a form, log in, buy online and at the till with
//! a card or a phone number, call the help desk; sales people follow some of them up. Some share a device, some ids are
//! junk, trackers deliver again, and one record in a hundred is broken. The [`Ledger`] is kept while generating, by
//! rules written separately from the pipeline's.

mod avro;
mod broken;
mod campaigns;
mod journey;
mod ledger;
mod payload;
mod person;
mod scenario;
mod shop;

pub use ledger::{Fate, Ledger};
pub use scenario::{Generator, Scenario};

use schemas::Source;
use serde_json::Value;

/// A record ready to be produced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Decides the topic.
    pub source: Source,
    /// Message key.
    pub key: Vec<u8>,
    /// Message value.
    pub payload: Vec<u8>,
}

impl Record {
    /// A record from its JSON.
    pub(crate) fn json(source: Source, key: &str, value: &Value) -> Self {
        Self { source, key: key.as_bytes().to_vec(), payload: value.to_string().into_bytes() }
    }
}
