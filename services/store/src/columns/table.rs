use arrow_array::builder::{
    BooleanBuilder, FixedSizeBinaryBuilder, ListBuilder, MapBuilder, MapFieldNames, PrimitiveBuilder, StringBuilder,
    StringDictionaryBuilder, UInt64Builder,
};
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Int32Type, Int64Type, TimestampMillisecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{ArrayRef, BinaryArray, RecordBatch, UInt64Array};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{Field, Schema};
use bytes::Bytes;
use std::sync::Arc;

use crate::{Error, Result};

/// ClickHouse's name of a column's type.
pub(crate) const UUID: &str = "UUID";
const LOW: &str = "LowCardinality(String)";
const TIME: &str = "DateTime64(3, 'UTC')";

/// The columns of the rows of one insert, in the order in which they were added.
pub(crate) struct Columns {
    table: &'static str,
    rows: usize,
    types: Vec<String>,
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

/// An insert's body and how to read it.
pub(crate) struct Encoded {
    pub(crate) table: &'static str,
    pub(crate) rows: usize,
    /// `(name, ClickHouse type)`.
    pub(crate) columns: Vec<(String, String)>,
    /// One record batch as an Arrow stream.
    pub(crate) body: Bytes,
}

impl Columns {
    pub(crate) fn new(table: &'static str, rows: usize) -> Self {
        Self { table, rows, types: Vec::new(), fields: Vec::new(), arrays: Vec::new() }
    }

    /// UUIDs go as 16 bytes, big-endian, which ClickHouse reads as they are written.
    pub(crate) fn uuid(&mut self, name: &str, values: impl Iterator<Item = u128>) {
        self.fixed(name, UUID, values.map(u128::to_be_bytes));
    }

    /// 128-bit numbers go as 16 bytes, little-endian.
    pub(crate) fn u128(&mut self, name: &str, values: impl Iterator<Item = u128>) {
        self.fixed(name, "UInt128", values.map(u128::to_le_bytes));
    }

    pub(crate) fn text<T: AsRef<str>>(&mut self, name: &str, values: impl Iterator<Item = T>) {
        let mut builder = StringBuilder::with_capacity(self.rows, self.rows * 16);
        for value in values {
            builder.append_value(value);
        }
        self.push(name, "String", Arc::new(builder.finish()));
    }

    /// Bytes that need not be UTF-8; ClickHouse's strings are bytes.
    pub(crate) fn bytes<'a>(&mut self, name: &str, values: impl Iterator<Item = &'a [u8]>) {
        self.push(name, "String", Arc::new(BinaryArray::from_iter_values(values)));
    }

    /// Dictionary-encoded: each distinct text travels once.
    pub(crate) fn low<T: AsRef<str>>(&mut self, name: &str, values: impl Iterator<Item = T>) {
        let mut builder = StringDictionaryBuilder::<Int32Type>::new();
        for value in values {
            builder.append_value(value);
        }
        self.push(name, LOW, Arc::new(builder.finish()));
    }

    pub(crate) fn time(&mut self, name: &str, values: impl Iterator<Item = i64>) {
        let mut builder = PrimitiveBuilder::<TimestampMillisecondType>::with_capacity(self.rows);
        builder.extend(values.map(Some));
        self.push(name, TIME, Arc::new(builder.finish().with_timezone("UTC")));
    }

    pub(crate) fn date(&mut self, name: &str, values: impl Iterator<Item = i32>) {
        self.primitive::<Date32Type>(name, "Date", values);
    }

    pub(crate) fn flag(&mut self, name: &str, values: impl Iterator<Item = bool>) {
        let mut builder = BooleanBuilder::with_capacity(self.rows);
        values.for_each(|value| builder.append_value(value));
        self.push(name, "Bool", Arc::new(builder.finish()));
    }

    pub(crate) fn u8(&mut self, name: &str, values: impl Iterator<Item = u8>) {
        self.primitive::<UInt8Type>(name, "UInt8", values);
    }

    pub(crate) fn u16(&mut self, name: &str, values: impl Iterator<Item = u16>) {
        self.primitive::<UInt16Type>(name, "UInt16", values);
    }

    pub(crate) fn u32(&mut self, name: &str, values: impl Iterator<Item = u32>) {
        self.primitive::<UInt32Type>(name, "UInt32", values);
    }

    pub(crate) fn u64(&mut self, name: &str, values: impl Iterator<Item = u64>) {
        self.primitive::<UInt64Type>(name, "UInt64", values);
    }

    pub(crate) fn i32(&mut self, name: &str, values: impl Iterator<Item = i32>) {
        self.primitive::<Int32Type>(name, "Int32", values);
    }

    pub(crate) fn i64(&mut self, name: &str, values: impl Iterator<Item = i64>) {
        self.primitive::<Int64Type>(name, "Int64", values);
    }

    pub(crate) fn nullable_u64(&mut self, name: &str, values: impl Iterator<Item = Option<u64>>) {
        let array: UInt64Array = values.collect();
        self.fields.push(Field::new(name, arrow_schema::DataType::UInt64, true));
        self.types.push("Nullable(UInt64)".into());
        self.arrays.push(Arc::new(array));
    }

    pub(crate) fn text_map<K: AsRef<str>, V: AsRef<str>, M: Iterator<Item = (K, V)>>(
        &mut self,
        name: &str,
        values: impl Iterator<Item = M>,
    ) -> Result<()> {
        let mut builder = MapBuilder::new(map_names(), StringBuilder::new(), StringBuilder::new());
        for map in values {
            for (key, value) in map {
                builder.keys().append_value(key);
                builder.values().append_value(value);
            }
            builder.append(true).map_err(|error| self.error(error))?;
        }
        self.push(name, "Map(LowCardinality(String), String)", Arc::new(builder.finish()));
        Ok(())
    }

    pub(crate) fn count_map<'a, M: Iterator<Item = (&'a str, u64)>>(
        &mut self,
        name: &str,
        values: impl Iterator<Item = M>,
    ) -> Result<()> {
        let mut builder = MapBuilder::new(map_names(), StringBuilder::new(), UInt64Builder::new());
        for map in values {
            for (key, value) in map {
                builder.keys().append_value(key);
                builder.values().append_value(value);
            }
            builder.append(true).map_err(|error| self.error(error))?;
        }
        self.push(name, "Map(LowCardinality(String), UInt64)", Arc::new(builder.finish()));
        Ok(())
    }

    pub(crate) fn uuids<L: Iterator<Item = u128>>(
        &mut self,
        name: &str,
        values: impl Iterator<Item = L>,
    ) -> Result<()> {
        let mut builder = ListBuilder::new(FixedSizeBinaryBuilder::new(16));
        for list in values {
            for value in list {
                let bytes = value.to_be_bytes();
                builder.values().append_value(bytes).map_err(|error| self.error(error))?;
            }
            builder.append(true);
        }
        self.push(name, "Array(UUID)", Arc::new(builder.finish()));
        Ok(())
    }

    pub(crate) fn texts<T: AsRef<str>, L: Iterator<Item = T>>(&mut self, name: &str, values: impl Iterator<Item = L>) {
        let mut builder = ListBuilder::new(StringBuilder::new());
        for list in values {
            list.for_each(|value| builder.values().append_value(value));
            builder.append(true);
        }
        self.push(name, "Array(LowCardinality(String))", Arc::new(builder.finish()));
    }

    pub(crate) fn times<L: Iterator<Item = i64>>(&mut self, name: &str, values: impl Iterator<Item = L>) {
        let utc = PrimitiveBuilder::<TimestampMillisecondType>::new()
            .with_data_type(arrow_schema::DataType::Timestamp(arrow_schema::TimeUnit::Millisecond, Some("UTC".into())));
        self.lists(name, "Array(DateTime64(3, 'UTC'))", utc, values);
    }

    pub(crate) fn i64s<L: Iterator<Item = i64>>(&mut self, name: &str, values: impl Iterator<Item = L>) {
        self.lists(name, "Array(Int64)", PrimitiveBuilder::<Int64Type>::new(), values);
    }

    pub(crate) fn i32s<L: Iterator<Item = i32>>(&mut self, name: &str, values: impl Iterator<Item = L>) {
        self.lists(name, "Array(Int32)", PrimitiveBuilder::<Int32Type>::new(), values);
    }

    pub(crate) fn u32s<L: Iterator<Item = u32>>(&mut self, name: &str, values: impl Iterator<Item = L>) {
        self.lists(name, "Array(UInt32)", PrimitiveBuilder::<UInt32Type>::new(), values);
    }

    pub(crate) fn u16s<L: Iterator<Item = u16>>(&mut self, name: &str, values: impl Iterator<Item = L>) {
        self.lists(name, "Array(UInt16)", PrimitiveBuilder::<UInt16Type>::new(), values);
    }

    /// Everything as one record batch in an Arrow stream, so that the server sees one block.
    pub(crate) fn encode(self) -> Result<Encoded> {
        let table = self.table;
        let failed = |error: arrow_schema::ArrowError| Error::Encode { table, reason: error.to_string() };
        let columns = self.names_and_types();
        let rows = self.rows;
        let schema = Arc::new(Schema::new(self.fields));
        let batch = RecordBatch::try_new(schema.clone(), self.arrays).map_err(failed)?;
        let mut body = Vec::with_capacity(batch.get_array_memory_size() + 4096);
        let mut writer = StreamWriter::try_new(&mut body, &schema).map_err(failed)?;
        writer.write(&batch).map_err(failed)?;
        writer.finish().map_err(failed)?;
        drop(writer);
        Ok(Encoded { table, rows, columns, body: body.into() })
    }

    pub(crate) fn names_and_types(&self) -> Vec<(String, String)> {
        self.fields.iter().map(|field| field.name().clone()).zip(self.types.clone()).collect()
    }

    fn fixed(&mut self, name: &str, kind: &str, values: impl Iterator<Item = [u8; 16]>) {
        let mut bytes = Vec::with_capacity(self.rows * 16);
        values.for_each(|value| bytes.extend_from_slice(&value));
        let array = arrow_array::FixedSizeBinaryArray::new(16, bytes.into(), None);
        self.push(name, kind, Arc::new(array));
    }

    fn primitive<T: ArrowPrimitiveType>(&mut self, name: &str, kind: &str, values: impl Iterator<Item = T::Native>) {
        let mut builder = PrimitiveBuilder::<T>::with_capacity(self.rows);
        builder.extend(values.map(Some));
        self.push(name, kind, Arc::new(builder.finish()));
    }

    fn lists<T: ArrowPrimitiveType, L: Iterator<Item = T::Native>>(
        &mut self,
        name: &str,
        kind: &str,
        values_builder: PrimitiveBuilder<T>,
        values: impl Iterator<Item = L>,
    ) {
        let mut builder = ListBuilder::new(values_builder);
        for list in values {
            list.for_each(|value| builder.values().append_value(value));
            builder.append(true);
        }
        self.push(name, kind, Arc::new(builder.finish()));
    }

    fn push(&mut self, name: &str, kind: &str, array: ArrayRef) {
        debug_assert_eq!(array.len(), self.rows, "column {name} of {}", self.table);
        self.fields.push(Field::new(name, array.data_type().clone(), false));
        self.types.push(kind.to_owned());
        self.arrays.push(array);
    }

    fn error(&self, error: arrow_schema::ArrowError) -> Error {
        Error::Encode { table: self.table, reason: error.to_string() }
    }
}

fn map_names() -> Option<MapFieldNames> {
    Some(MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() })
}
