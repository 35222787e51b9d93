//! What the values of a column look like.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use crate::import::apply::shorten;
use crate::import::column::Row;
use crate::import::time::{TimeReader, TimeSection};

/// How deep objects in a column are opened.
const MAX_DEPTH: usize = 3;
/// Distinct values kept of a column: enough to list event names.
const MAX_DISTINCT: usize = 60;

/// Time formats tried, in this order. Day before month comes after month before day: where both fit, a person decides.
pub(super) const TIME_FORMATS: [&str; 14] = [
    "auto",
    "%Y%m%d",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%Y-%m-%d %H:%M:%S %z",
];

/// What was seen in one column, or in one place inside a JSON column.
pub(super) struct Profile {
    /// Column, or column and path (`event_data.revenue`).
    pub(super) path: String,
    /// Rows that have a value.
    pub(super) filled: usize,
    /// Distinct values, up to a limit.
    pub(super) distinct: BTreeSet<String>,
    /// Whether every value is a list or an object.
    pub(super) nested: bool,
    /// The first of [`TIME_FORMATS`] that reads every value.
    pub(super) time_format: Option<&'static str>,
    /// Whether every value is an amount, and with which decimal sign.
    pub(super) decimal: Option<char>,
}

impl Profile {
    /// A value to show, cut.
    pub(super) fn example(&self) -> String {
        self.distinct.first().map(|value| shorten(value)).unwrap_or_default()
    }

    /// Whether the values are so few that they must be names of something.
    pub(super) fn few_values(&self) -> bool {
        self.distinct.len() < MAX_DISTINCT && self.distinct.len() * 2 <= self.filled.max(2)
    }
}

/// Profiles of all columns, those inside JSON columns under their paths, in the order of the columns.
pub(super) fn profiles(rows: &[Row]) -> Vec<Profile> {
    let mut values: Vec<(String, Vec<Value>)> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows {
        for (column, value) in &row.0 {
            collect(column, value, 0, &mut |path, value| {
                let at = *places.entry(path.to_owned()).or_insert_with(|| {
                    values.push((path.to_owned(), Vec::new()));
                    values.len() - 1
                });
                values[at].1.push(value.clone());
            });
        }
    }
    values.into_iter().map(|(path, values)| profile(path, &values)).collect()
}

/// Leaves of a value. A string that holds a JSON object is opened like one.
fn collect(path: &str, value: &Value, depth: usize, leaf: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Null => {}
        Value::String(text) if text.trim().is_empty() => {}
        Value::String(text) if text.trim_start().starts_with('{') => match serde_json::from_str::<Value>(text) {
            Ok(inner) => collect(path, &inner, depth, leaf),
            Err(_) => leaf(path, value),
        },
        Value::Object(map) if depth < MAX_DEPTH => {
            for (key, inner) in map {
                collect(&format!("{path}.{key}"), inner, depth + 1, leaf);
            }
        }
        _ => leaf(path, value),
    }
}

fn profile(path: String, values: &[Value]) -> Profile {
    let texts: Vec<String> = values
        .iter()
        .map(|value| match value {
            Value::String(text) => text.trim().to_owned(),
            other => other.to_string(),
        })
        .collect();
    let nested = values.iter().all(|value| value.is_array() || value.is_object());
    let mut distinct = BTreeSet::new();
    for text in &texts {
        if distinct.len() < MAX_DISTINCT {
            distinct.insert(text.clone());
        }
    }
    Profile {
        path,
        filled: values.len(),
        time_format: (!nested).then(|| time_format(&texts)).flatten(),
        decimal: (!nested).then(|| decimal(&texts)).flatten(),
        distinct,
        nested,
    }
}

/// The first format that reads every value.
pub(super) fn time_format(texts: &[String]) -> Option<&'static str> {
    TIME_FORMATS.into_iter().find(|format| reads_all(format, texts))
}

/// Whether a format reads every value.
pub(super) fn reads_all(format: &str, texts: &[String]) -> bool {
    let section = TimeSection { format: format.to_owned(), ..TimeSection::default() };
    TimeReader::new(&section).is_ok_and(|reader| texts.iter().all(|text| reader.instant(text).is_ok()))
}

/// The decimal sign of a column of amounts: the sign before the last one to three digits.
fn decimal(texts: &[String]) -> Option<char> {
    let mut comma = false;
    for text in texts {
        let digits: String = text.chars().filter(|c| c.is_ascii_digit() || matches!(c, ',' | '.')).collect();
        let odd = text.chars().filter(|c| c.is_alphabetic()).count();
        if !digits.contains(|c: char| c.is_ascii_digit()) || odd > 3 || text.len() > 24 {
            return None;
        }
        if let Some((_, fraction)) = digits.rsplit_once(',') {
            comma |= fraction.len() <= 2 && !fraction.contains('.');
        }
    }
    Some(if comma { ',' } else { '.' })
}
