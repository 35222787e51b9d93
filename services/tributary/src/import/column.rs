//! Rows of an export and the paths by which mapping files reach into them.

use serde_json::{Map, Value};
use std::borrow::Cow;

/// One row: column names to values, as read. Delimited text gives strings, NDJSON any JSON.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Row(pub(crate) Map<String, Value>);

/// Alternatives by which a value is found: `client_id | clientId`, `event_data.user_email`. The first that is in the
/// row and not null counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnPath {
    alternatives: Vec<String>,
}

/// A column that should hold JSON and does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotJson {
    pub(crate) column: String,
    pub(crate) detail: String,
}

impl ColumnPath {
    /// Reads the text of a mapping file.
    pub(crate) fn parse(text: &str) -> Self {
        ColumnPath { alternatives: text.split('|').map(|part| part.trim().to_owned()).collect() }
    }

    /// The alternatives as written.
    pub(crate) fn alternatives(&self) -> &[String] {
        &self.alternatives
    }

    /// The value in this row; `None` when no alternative has one.
    pub(crate) fn find<'a>(&self, row: &'a Row, nulls: &[String]) -> Result<Option<Cow<'a, Value>>, NotJson> {
        for path in &self.alternatives {
            if let Some(value) = look_up(row, path, nulls)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

/// The column of a path: the whole path if there is a column of that name (exports that flatten), else its first part.
fn look_up<'a>(row: &'a Row, path: &str, nulls: &[String]) -> Result<Option<Cow<'a, Value>>, NotJson> {
    if let Some(value) = row.0.get(path) {
        return Ok(present(value, nulls).then_some(Cow::Borrowed(value)));
    }
    let Some((column, rest)) = path.split_once('.') else {
        return Ok(None);
    };
    match row.0.get(column) {
        Some(Value::String(text)) if present_text(text, nulls) => {
            let parsed: Value = serde_json::from_str(text)
                .map_err(|error| NotJson { column: column.to_owned(), detail: error.to_string() })?;
            Ok(descend(&parsed, rest).filter(|value| present(value, nulls)).map(|value| Cow::Owned(value.clone())))
        }
        Some(value) => Ok(descend(value, rest).filter(|value| present(value, nulls)).map(Cow::Borrowed)),
        None => Ok(None),
    }
}

fn descend<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, part| match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        other => other.get(part),
    })
}

fn present(value: &Value, nulls: &[String]) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => present_text(text, nulls),
        _ => true,
    }
}

fn present_text(text: &str, nulls: &[String]) -> bool {
    let text = text.trim();
    !text.is_empty() && !nulls.iter().any(|null| null == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(value: Value) -> Row {
        Row(value.as_object().unwrap().clone())
    }

    #[track_caller]
    fn check(path: &str, row: &Row, expected: Option<Value>) {
        let nulls = ["".to_owned(), "NULL".to_owned()];
        let found = ColumnPath::parse(path).find(row, &nulls).unwrap().map(Cow::into_owned);
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn alternatives_in_order() {
        let row = row(json!({"client_id": " ", "clientId": "b", "c": "NULL", "d": null}));
        check("client_id | clientId", &row, Some(json!("b")));
        check("clientId|client_id", &row, Some(json!("b")));
        check("c | d | none", &row, None);
    }

    #[test]
    fn reaches_into_json_text_and_objects() {
        let row = row(
            json!({"data": "{\"user\": {\"mail\": \"a\"}, \"items\": [{\"id\": 7}]}", "o": {"x": {"y": 1}}, "flat.name": "f"}),
        );
        check("data.user.mail", &row, Some(json!("a")));
        check("data.items.0.id", &row, Some(json!(7)));
        check("data.nothing", &row, None);
        check("o.x.y", &row, Some(json!(1)));
        check("flat.name", &row, Some(json!("f")));
    }

    #[test]
    fn broken_json_is_named() {
        let row = row(json!({"data": "{oops", "empty": ""}));
        let error = ColumnPath::parse("data.user").find(&row, &[]).unwrap_err();
        assert_eq!(error.column, "data");
        assert_eq!(ColumnPath::parse("empty.user").find(&row, &[]), Ok(None));
    }
}
