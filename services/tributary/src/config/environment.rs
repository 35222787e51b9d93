//! Environment variables over the file: `TRIBUTARY_<SECTION>_<KEY>`, plus the two names that everybody uses.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::toml_error::explain;

const PREFIX: &str = "TRIBUTARY_";

/// Variables of ours that are no keys of the configuration.
const NOT_KEYS: [&str; 5] =
    ["TRIBUTARY_CONFIG", "TRIBUTARY_TEST_", "TRIBUTARY_DEV_", "TRIBUTARY_CACHE", "TRIBUTARY_CRASH_AT"];

/// Names that other tools use as well; the long name wins over them.
const SHORT: [(&str, &str, &str); 2] = [("KAFKA_BROKERS", "kafka", "brokers"), ("CLICKHOUSE_URL", "clickhouse", "url")];

/// One variable that sets one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Override {
    pub(super) variable: String,
    path: Vec<String>,
    value: String,
}

/// The variables that set keys, in the order in which they apply.
pub(super) fn overrides(environment: impl Iterator<Item = (String, String)>) -> Result<Vec<Override>> {
    let mut short = Vec::new();
    let mut long = Vec::new();
    for (variable, value) in environment {
        if let Some((_, section, key)) = SHORT.iter().find(|(name, _, _)| *name == variable) {
            if !value.is_empty() {
                short.push(Override { variable, path: vec![(*section).to_owned(), (*key).to_owned()], value });
            }
            continue;
        }
        let Some(rest) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        if NOT_KEYS.iter().any(|name| variable.starts_with(name)) {
            continue;
        }
        let Some((section, key)) = rest.split_once('_').filter(|(section, key)| !section.is_empty() && !key.is_empty())
        else {
            return Err(Error::Environment { variable, message: "expected TRIBUTARY_<SECTION>_<KEY>".to_owned() });
        };
        // Two underscores lead into a table: TRIBUTARY_CLICKHOUSE_TTL_DAYS__EVENTS is clickhouse.ttl_days.events.
        let path = std::iter::once(section).chain(key.split("__")).map(str::to_lowercase).collect();
        long.push(Override { variable, path, value });
    }
    short.sort_by(|a, b| a.variable.cmp(&b.variable));
    long.sort_by(|a, b| a.variable.cmp(&b.variable));
    short.extend(long);
    Ok(short)
}

/// The table with the override in it, and what it means. A value is text where the key takes text, else TOML.
pub(super) fn apply<C: DeserializeOwned>(table: Table, found: &Override) -> Result<(Table, C)> {
    let candidates = [Some(Value::String(found.value.clone())), as_toml(&found.value)];
    let mut failure = String::new();
    for value in candidates.into_iter().flatten() {
        let mut changed = table.clone();
        set(&mut changed, &found.path, value);
        match Value::Table(changed.clone()).try_into::<C>() {
            Ok(config) => return Ok((changed, config)),
            Err(error) => failure = explain(error.message()),
        }
    }
    Err(Error::Environment { variable: found.variable.clone(), message: failure })
}

fn as_toml(text: &str) -> Option<Value> {
    let table: Table = toml::from_str(&format!("value = {text}")).ok()?;
    table.into_iter().next().map(|(_, value)| value)
}

fn set(table: &mut Table, path: &[String], value: Value) {
    let [first, rest @ ..] = path else { return };
    if rest.is_empty() {
        table.insert(first.clone(), value);
        return;
    }
    let slot = table.entry(first.clone()).or_insert_with(|| Value::Table(Table::new()));
    if !slot.is_table() {
        *slot = Value::Table(Table::new());
    }
    if let Value::Table(inner) = slot {
        set(inner, rest, value);
    }
}
