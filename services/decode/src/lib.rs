//! Bytes from a source topic to an event, or a rejection. Pure.
//!
//! [`decode`] takes a batch of records as Kafka gave them and returns, for each of them, exactly one [`Event`] or one
//! [`Rejection`]. The way of one record:
//!
//! 1. the first bytes tell the encoding: JSON, Avro single-object, Confluent-framed Avro;
//! 2. `json` or `avro` reads it into a `Node`, a tree that borrows from the payload;
//! 3. the source's file in `sources` takes the fields it knows, and `properties` writes all others as JSON.
//!
//! E-mail addresses, phone numbers and names of persons never reach `properties`, the page's addresses, an id or a
//! rejection's `detail`.

mod avro;
mod fault;
mod json;
mod link;
mod limits;
mod money;
mod node;
mod personal;
mod properties;
mod schema_table;
mod sources;
mod text;
mod time;

pub use limits::Limits;
pub use schema_table::{SchemaError, SchemaTable, missing_confluent_ids};
pub use text::stored_id;

use schemas::{Event, RawBatch, RawRecord, Reason, Rejection};

use crate::fault::Fault;
use crate::node::Member;
use crate::schema_table::Framing;
use crate::sources::Context;

/// Raised whenever the same bytes would meet another fate than before: part of the decision hash that a plan carries.
pub const SEMANTICS_VERSION: u32 = 1;

/// What became of a batch: every record is in one of the two, once. Both ascend by offset.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Records that are events.
    pub events: Vec<Event>,
    /// Records that cannot be stored, with the reason.
    pub rejections: Vec<Rejection>,
}

/// Decodes and validates a batch.
pub fn decode(batch: &RawBatch, schemas: &SchemaTable, limits: &Limits) -> Decoded {
    let mut decoded = Decoded { events: Vec::with_capacity(batch.records.len()), rejections: Vec::new() };
    for record in &batch.records {
        let context = Context {
            source: batch.source,
            position: batch.position(record.offset),
            received_at_ms: record.append_time_ms,
            limits,
        };
        match decode_record(record, schemas, &context) {
            Ok(event) => decoded.events.push(event),
            Err(rejection) => decoded.rejections.push(*rejection),
        }
    }
    decoded
}

fn decode_record(record: &RawRecord, schemas: &SchemaTable, context: &Context) -> Result<Event, Box<Rejection>> {
    let payload = record.payload.as_deref().unwrap_or_default();
    read(payload, schemas, context)
        .map_err(|fault| fault.reject(context.position, Default::default()))
        .and_then(|members| sources::assemble(members, context))
}

/// The members of the record's outermost object, whatever the encoding.
fn read<'a>(payload: &'a [u8], schemas: &'a SchemaTable, context: &Context) -> Result<Vec<Member<'a>>, Fault> {
    if payload.is_empty() {
        return Err(Fault::new(Reason::EmptyPayload, "", "the message has no value"));
    }
    if payload.len() > context.limits.max_payload_bytes {
        let (len, limit) = (payload.len(), context.limits.max_payload_bytes);
        return Err(Fault::new(Reason::TooLarge, "", format!("{len} bytes, at most {limit} are read")));
    }
    match schema_table::framing(payload) {
        Framing::Json => json::parse(payload),
        Framing::SingleObject { fingerprint, datum } => {
            let plan = schemas.single_object(fingerprint, context.source)?;
            avro::read(plan, payload, datum)
        }
        Framing::Confluent { id, datum } => {
            let plan = schemas.confluent(id, context.source)?;
            avro::read(plan, payload, datum)
        }
        Framing::Unknown => Err(unknown_encoding(payload)),
    }
}

fn unknown_encoding(payload: &[u8]) -> Fault {
    let first: Vec<String> = payload.iter().take(2).map(|byte| format!("{byte:02x}")).collect();
    let detail = format!(
        "begins with the bytes {}; expected a JSON object, avro single-object encoding (c3 01) or confluent framing (00)",
        first.join(" ")
    );
    Fault::new(Reason::UnknownEncoding, "", detail).at(0)
}
