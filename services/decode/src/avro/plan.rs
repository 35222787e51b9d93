use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{DecimalSchema, InnerDecimalSchema, Name, RecordSchema, UuidSchema};

/// Index of a [`Step`].
pub(crate) type StepId = usize;

/// A writer's schema as the reader walks it. Steps refer to one another by index, because types may be recursive.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) root: Vec<(Box<str>, StepId)>,
}

/// How to read one value.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Null,
    Bool,
    Int,
    Long,
    /// A finer time than milliseconds, to be divided.
    Time {
        per_ms: i64,
    },
    Float,
    Double,
    Bytes,
    Text,
    Date,
    Fixed {
        size: usize,
    },
    Uuid,
    /// A decimal number; in a `fixed` of that size, else in `bytes`.
    Decimal {
        scale: usize,
        size: Option<usize>,
    },
    Enum(Vec<Box<str>>),
    Array(StepId),
    Map(StepId),
    Union(Vec<StepId>),
    Record(Vec<(Box<str>, StepId)>),
}

impl Plan {
    /// Makes the plan of a writer's schema; the error says what cannot be read.
    pub(crate) fn compile(schema: &Schema) -> Result<Plan, String> {
        let Schema::Record(record) = schema else {
            return Err("the schema is not a record".to_owned());
        };
        let mut compiler = Compiler { steps: Vec::new(), named: HashMap::new() };
        let root_id = compiler.record(record, true)?;
        let Step::Record(root) = compiler.steps[root_id].clone() else {
            return Err("the schema is not a record".to_owned());
        };
        Ok(Plan { steps: compiler.steps, root })
    }
}

struct Compiler {
    steps: Vec<Step>,
    named: HashMap<Name, StepId>,
}

impl Compiler {
    fn push(&mut self, step: Step) -> StepId {
        self.steps.push(step);
        self.steps.len() - 1
    }

    fn record(&mut self, record: &RecordSchema, is_root: bool) -> Result<StepId, String> {
        // The place is taken before the fields are read: they may refer to it.
        let id = self.push(Step::Null);
        self.named.insert(record.name.clone(), id);
        let mut fields = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            let is_event_time = is_root && field.name == "event_time";
            let step = self.compile(&field.schema, is_event_time)?;
            fields.push((field.name.as_str().into(), step));
        }
        self.steps[id] = Step::Record(fields);
        Ok(id)
    }

    fn compile(&mut self, schema: &Schema, is_event_time: bool) -> Result<StepId, String> {
        let step = match schema {
            Schema::Null => Step::Null,
            Schema::Boolean => Step::Bool,
            Schema::Int | Schema::TimeMillis => Step::Int,
            Schema::Long | Schema::TimeMicros | Schema::TimestampMillis => Step::Long,
            Schema::TimestampMicros if is_event_time => Step::Time { per_ms: 1_000 },
            Schema::TimestampNanos if is_event_time => Step::Time { per_ms: 1_000_000 },
            Schema::TimestampMicros | Schema::TimestampNanos => Step::Long,
            Schema::LocalTimestampMillis | Schema::LocalTimestampMicros | Schema::LocalTimestampNanos => {
                if is_event_time {
                    return Err("`event_time` is a local timestamp, which names no time zone".to_owned());
                }
                Step::Long
            }
            Schema::Float => Step::Float,
            Schema::Double => Step::Double,
            Schema::Bytes => Step::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Step::Text,
            Schema::Date => Step::Date,
            Schema::Fixed(fixed) | Schema::Duration(fixed) => Step::Fixed { size: fixed.size },
            Schema::Uuid(_) => Step::Uuid,
            Schema::Decimal(decimal) => decimal_step(decimal),
            Schema::BigDecimal => {
                return Err("the logical type `big-decimal` is not read".to_owned());
            }
            Schema::Enum(symbols) => {
                let step = Step::Enum(symbols.symbols.iter().map(|symbol| symbol.as_str().into()).collect());
                return Ok(self.name(symbols.name.clone(), step));
            }
            Schema::Array(array) => Step::Array(self.compile(&array.items, false)?),
            Schema::Map(map) => Step::Map(self.compile(&map.types, false)?),
            Schema::Union(union) => {
                let branches = union.variants().iter().map(|branch| self.compile(branch, is_event_time));
                Step::Union(branches.collect::<Result<_, _>>()?)
            }
            Schema::Record(record) => return self.record(record, false),
            Schema::Ref { name } => {
                return self.named.get(name).copied().ok_or_else(|| format!("type {name} is not defined"));
            }
        };
        match schema.name() {
            Some(name) => Ok(self.name(name.clone(), step)),
            None => Ok(self.push(step)),
        }
    }

    fn name(&mut self, name: Name, step: Step) -> StepId {
        let id = self.push(step);
        self.named.insert(name, id);
        id
    }
}

fn decimal_step(decimal: &DecimalSchema) -> Step {
    let size = match &decimal.inner {
        InnerDecimalSchema::Bytes => None,
        InnerDecimalSchema::Fixed(fixed) => Some(fixed.size),
    };
    Step::Decimal { scale: decimal.scale, size }
}
