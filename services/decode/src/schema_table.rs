//! Which schema a payload was written with.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::schema_compatibility::SchemaCompatibility;
use schemas::{RawBatch, Reason, Source, avro};

use crate::avro::Plan;
use crate::fault::Fault;

/// Why a schema from the registry cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Not an Avro schema.
    #[error("schema {id} is no avro schema: {detail}")]
    Invalid {
        /// Its id in the registry.
        id: u32,
        /// What the parser says.
        detail: String,
    },
    /// An Avro schema, but no source's records can be read with it.
    #[error("schema {id} cannot be read: {detail}")]
    Unreadable {
        /// Its id in the registry.
        id: u32,
        /// Why.
        detail: String,
    },
}

/// The writer's schemas known so far: ours by fingerprint, and those learnt from the registry by id. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SchemaTable {
    single_object: Arc<HashMap<[u8; 8], Writer>>,
    confluent: HashMap<u32, Result<Arc<Writer>, Arc<str>>>,
}

/// A writer's schema: how to read it, and for which sources.
#[derive(Debug, Clone)]
struct Writer {
    plan: Plan,
    /// By source, in the order of [`Source::ALL`]: why that source cannot be read with it.
    refusals: [Option<String>; Source::ALL.len()],
}

impl Default for SchemaTable {
    /// The schemas of this release and all released ones before it.
    fn default() -> Self {
        let mut single_object = HashMap::new();
        for text in Source::ALL.into_iter().flat_map(|source| avro::of_source(source).released) {
            let writer = Schema::parse_str(text)
                .map_err(|error| error.to_string())
                .and_then(|schema| Writer::new(&schema))
                .expect("every schema in the repository is read by a test");
            let fingerprints = avro::fingerprints(text).expect("every schema in the repository is read by a test");
            single_object.extend(fingerprints.into_iter().map(|fingerprint| (fingerprint, writer.clone())));
        }
        SchemaTable { single_object: Arc::new(single_object), confluent: HashMap::new() }
    }
}

impl SchemaTable {
    /// Learns a schema of the registry. On an error the id counts as known, and its records are rejected as
    /// `unknown_schema` with this reason.
    pub fn insert_confluent(&mut self, id: u32, schema_json: &str) -> Result<(), SchemaError> {
        let writer = Schema::parse_str(schema_json)
            .map_err(|error| SchemaError::Invalid { id, detail: error.to_string() })
            .and_then(|schema| Writer::new(&schema).map_err(|detail| SchemaError::Unreadable { id, detail }));
        match writer {
            Ok(writer) => {
                self.confluent.insert(id, Ok(Arc::new(writer)));
                Ok(())
            }
            Err(error) => {
                self.insert_unusable(id, &error.to_string());
                Err(error)
            }
        }
    }

    /// Notes that the registry has no such schema, or none in Avro: its records are rejected as `unknown_schema` with
    /// this reason, and [`missing_confluent_ids`] no longer names the id.
    pub fn insert_unusable(&mut self, id: u32, why: &str) {
        self.confluent.insert(id, Err(why.into()));
    }

    pub(crate) fn single_object(&self, fingerprint: [u8; 8], source: Source) -> Result<&Plan, Fault> {
        let writer = self.single_object.get(&fingerprint).ok_or_else(|| {
            let fingerprint = u64::from_le_bytes(fingerprint);
            unknown(format!("fingerprint {fingerprint:016x} is no released schema of {source}"), 2)
        })?;
        writer.plan_for(source, 2)
    }

    pub(crate) fn confluent(&self, id: u32, source: Source) -> Result<&Plan, Fault> {
        match self.confluent.get(&id) {
            Some(Ok(writer)) => writer.plan_for(source, 1),
            Some(Err(why)) => Err(unknown(why.to_string(), 1)),
            None => {
                Err(unknown(format!("schema id {id} is not known; is a registry configured (`[registry] url`)?"), 1))
            }
        }
    }
}

/// Registry ids in a batch that the table does not know yet, ascending: to be asked for before [`crate::decode`].
pub fn missing_confluent_ids(batch: &RawBatch, table: &SchemaTable) -> Vec<u32> {
    let payloads = batch.records.iter().filter_map(|record| record.payload.as_deref());
    let ids: BTreeSet<u32> = payloads
        .filter_map(|payload| match framing(payload) {
            Framing::Confluent { id, .. } if !table.confluent.contains_key(&id) => Some(id),
            _ => None,
        })
        .collect();
    ids.into_iter().collect()
}

/// What the first bytes of a payload say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framing<'a> {
    /// Begins as JSON does; an array is JSON too, and told so later.
    Json,
    SingleObject {
        fingerprint: [u8; 8],
        datum: &'a [u8],
    },
    Confluent {
        id: u32,
        datum: &'a [u8],
    },
    Unknown,
}

pub(crate) fn framing(payload: &[u8]) -> Framing<'_> {
    if let Some((fingerprint, datum)) = avro::split_single_object(payload) {
        return Framing::SingleObject { fingerprint, datum };
    }
    match payload {
        [b'{' | b'[' | b' ' | b'\t' | b'\r' | b'\n', ..] | [0xEF, 0xBB, 0xBF, ..] => Framing::Json,
        [0, a, b, c, d, datum @ ..] => Framing::Confluent { id: u32::from_be_bytes([*a, *b, *c, *d]), datum },
        _ => Framing::Unknown,
    }
}

impl Writer {
    fn new(schema: &Schema) -> Result<Writer, String> {
        let plan = Plan::compile(schema)?;
        let refusals = Source::ALL.map(|source| refusal(schema, source));
        if let [Some(refusal), ..] = &refusals
            && refusals.iter().all(Option::is_some)
        {
            return Err(refusal.clone());
        }
        Ok(Writer { plan, refusals })
    }

    fn plan_for(&self, source: Source, at: usize) -> Result<&Plan, Fault> {
        match &self.refusals[source as usize] {
            None => Ok(&self.plan),
            Some(refusal) => Err(unknown(refusal.clone(), at)),
        }
    }
}

/// Why records of a source cannot be read with this writer's schema by Avro's rules, if so. The record's own name may
/// differ: the topic already says what its records are.
fn refusal(writer: &Schema, source: Source) -> Option<String> {
    let reader =
        Schema::parse_str(avro::of_source(source).current).expect("every schema in the repository is read by a test");
    let mut writer = writer.clone();
    if let (Schema::Record(writer), Schema::Record(reader)) = (&mut writer, &reader) {
        writer.name = reader.name.clone();
    }
    SchemaCompatibility::can_read(&writer, &reader)
        .err()
        .map(|error| format!("the writer's schema does not fit {source} records: {error}"))
}

fn unknown(detail: String, at: usize) -> Fault {
    Fault::new(Reason::UnknownSchema, "", detail).at(at)
}
