//! The records in `schemas/examples`, for tests: every stage snapshots what it makes of them.
//!
//! | file | payload |
//! |---|---|
//! | `*.json` | the file's bytes without the last line's end |
//! | `*.hex` | bytes in hex; lines that begin with `#` are comments |
//! | `*.avro.json` | a datum of the source's own schema, written as single-object encoding |
//! | `*.confluent.json` | a datum of another writer's schema, written with Confluent's framing |

use std::collections::HashMap;
use std::path::Path;

use apache_avro::Schema;
use apache_avro::schema::{Name, RecordSchema};
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::Value as Json;

use crate::{Source, avro};

/// When the examples are received: 2026-03-01T12:00:00Z.
pub const RECEIVED_AT_MS: i64 = 1_772_366_400_000;

/// One example record.
#[derive(Debug, Clone)]
pub struct Example {
    /// Which source's topic it is on.
    pub source: Source,
    /// File name without its ending.
    pub name: String,
    /// Whether it becomes an event.
    pub is_valid: bool,
    /// The message's value.
    pub payload: Vec<u8>,
    /// The registry's id and schema that the payload refers to, if it does and the registry has it.
    pub registered: Option<(u32, String)>,
}

/// All examples, by source, validity and name.
///
/// # Panics
/// When a file cannot be read: this is for tests.
pub fn load() -> Vec<Example> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut examples = Vec::new();
    for source in Source::ALL {
        for (folder, is_valid) in [("valid", true), ("invalid", false)] {
            let folder = root.join(folder).join(source.as_str());
            let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            let mut files: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
            files.sort();
            examples.extend(files.iter().map(|file| read(file, source, is_valid)));
        }
    }
    examples
}

fn read(file: &Path, source: Source, is_valid: bool) -> Example {
    let name = file.file_name().and_then(|name| name.to_str()).expect("file names are UTF-8");
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let json = || serde_json::from_str::<Json>(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut registered = None;
    let (name, payload) = if let Some(name) = name.strip_suffix(".avro.json") {
        (name, single_object(source, &json()))
    } else if let Some(name) = name.strip_suffix(".confluent.json") {
        let (id, schema, payload) = confluent(&json());
        registered = Some((id, schema));
        (name, payload)
    } else if let Some(name) = name.strip_suffix(".hex") {
        let digits = text.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
        (name, digits.map(|digits| u8::from_str_radix(digits, 16).expect("two hex digits")).collect())
    } else if let Some(name) = name.strip_suffix(".json") {
        (name, text.trim_end_matches('\n').as_bytes().to_vec())
    } else {
        panic!("{} has an unknown ending", file.display());
    };
    Example { source, name: name.to_owned(), is_valid, payload, registered }
}

/// A datum as it is, or `{"datum": …}` beside `cut_bytes` (taken off the end) or `extra_byte` (put there).
fn single_object(source: Source, json: &Json) -> Vec<u8> {
    let text = avro::of_source(source).current;
    let schema = Schema::parse_str(text).expect("a schema of ours");
    let fingerprint = avro::fingerprints(text).expect("a schema of ours")[0];
    let mut payload = avro::single_object_header(fingerprint).to_vec();
    payload.extend(datum(&schema, json.get("datum").unwrap_or(json)));
    let cut_bytes = json.get("cut_bytes").and_then(Json::as_u64).unwrap_or(0);
    payload.truncate(payload.len() - cut_bytes as usize);
    payload.extend(json.get("extra_byte").and_then(Json::as_u64).map(|byte| byte as u8));
    payload
}

fn confluent(json: &Json) -> (u32, String, Vec<u8>) {
    let id = json["schema_id"].as_u64().and_then(|id| u32::try_from(id).ok()).expect("a schema id");
    let schema = Schema::parse(&json["schema"]).expect("a schema");
    let mut payload = vec![0];
    payload.extend(id.to_be_bytes());
    payload.extend(datum(&schema, &json["datum"]));
    (id, json["schema"].to_string(), payload)
}

/// Encodes plain JSON with a schema: no type tags around a union's value, defaults for absent fields.
pub fn datum(schema: &Schema, json: &Json) -> Vec<u8> {
    let value = to_avro(schema, json, &mut HashMap::new()).expect("the JSON fits the schema");
    let writer = GenericDatumWriter::builder(schema).build().expect("a complete schema");
    writer.write_value_to_vec(value).expect("the value fits the schema")
}

/// The value, or `None` when the JSON does not fit.
fn to_avro(schema: &Schema, json: &Json, named: &mut HashMap<Name, RecordSchema>) -> Option<Value> {
    Some(match (schema, json) {
        (Schema::Null, Json::Null) => Value::Null,
        (Schema::Boolean, Json::Bool(value)) => Value::Boolean(*value),
        (Schema::Int, Json::Number(_)) => Value::Int(i32::try_from(json.as_i64()?).ok()?),
        (Schema::Date, Json::Number(_)) => Value::Date(i32::try_from(json.as_i64()?).ok()?),
        (Schema::Long, Json::Number(_)) => Value::Long(json.as_i64()?),
        (Schema::TimestampMillis, Json::Number(_)) => Value::TimestampMillis(json.as_i64()?),
        (Schema::TimestampMicros, Json::Number(_)) => Value::TimestampMicros(json.as_i64()?),
        (Schema::Float, Json::Number(_)) => Value::Float(json.as_f64()? as f32),
        (Schema::Double, Json::Number(_)) => Value::Double(json.as_f64()?),
        (Schema::String, Json::String(text)) => Value::String(text.clone()),
        (Schema::Bytes, Json::Array(_)) => Value::Bytes(bytes(json)?),
        (Schema::Decimal(_), Json::Array(_)) => Value::Decimal(bytes(json)?.into()),
        (Schema::Fixed(fixed), Json::Array(_)) => Value::Fixed(fixed.size, bytes(json)?),
        (Schema::Enum(symbols), Json::String(text)) => {
            let index = symbols.symbols.iter().position(|symbol| symbol == text)?;
            Value::Enum(u32::try_from(index).ok()?, text.clone())
        }
        (Schema::Array(array), Json::Array(items)) => {
            Value::Array(items.iter().map(|item| to_avro(&array.items, item, named)).collect::<Option<_>>()?)
        }
        (Schema::Map(map), Json::Object(members)) => {
            let entry = |(name, value): (&String, &Json)| Some((name.clone(), to_avro(&map.types, value, named)?));
            Value::Map(members.iter().map(entry).collect::<Option<_>>()?)
        }
        (Schema::Union(union), _) => {
            let mut branches = union.variants().iter().enumerate();
            let (index, value) = branches.find_map(|(index, branch)| Some((index, to_avro(branch, json, named)?)))?;
            Value::Union(u32::try_from(index).ok()?, Box::new(value))
        }
        (Schema::Record(record), Json::Object(members)) => {
            named.insert(record.name.clone(), record.clone());
            if members.keys().any(|name| !record.lookup.contains_key(name)) {
                return None;
            }
            let field = |field: &apache_avro::schema::RecordField| {
                let json = members.get(&field.name).or(field.default.as_ref())?;
                Some((field.name.clone(), to_avro(&field.schema, json, named)?))
            };
            Value::Record(record.fields.iter().map(field).collect::<Option<_>>()?)
        }
        (Schema::Ref { name }, _) => {
            let record = named.get(name)?.clone();
            to_avro(&Schema::Record(record), json, named)?
        }
        _ => return None,
    })
}

fn bytes(json: &Json) -> Option<Vec<u8>> {
    json.as_array()?.iter().map(|byte| u8::try_from(byte.as_u64()?).ok()).collect()
}
