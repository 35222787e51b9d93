use serde_json::{Map, Value};

/// One line for every setting in which two rules differ, for the person who has to decide which is right.
pub(crate) fn difference(ours: &str, logged: &str) -> Vec<String> {
    let mut lines = Vec::new();
    match (serde_json::from_str(ours), serde_json::from_str(logged)) {
        (Ok(ours), Ok(logged)) => compare("", &ours, &logged, &mut lines),
        _ => lines.push("the rules in the log cannot be read".to_owned()),
    }
    if lines.is_empty() && ours != logged {
        lines.push("rules.types: the same types in another order".to_owned());
    }
    lines
}

fn compare(path: &str, ours: &Value, logged: &Value, lines: &mut Vec<String>) {
    match (ours, logged) {
        _ if ours == logged => {}
        (Value::Object(ours), Value::Object(logged)) => compare_fields(path, ours, logged, lines),
        (Value::Array(a), Value::Array(b)) => match (by_name(a), by_name(b)) {
            (Some(ours), Some(logged)) => compare_fields(path, &ours, &logged, lines),
            _ => compare_lists(path, a, b, lines),
        },
        _ if path == "secret_check" => lines.push("the secret is another one".to_owned()),
        _ => lines.push(format!("{path}: here {ours}, in the log {logged}")),
    }
}

fn compare_fields(path: &str, ours: &Map<String, Value>, logged: &Map<String, Value>, lines: &mut Vec<String>) {
    let join = |name: &str| {
        if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
    };
    for (name, value) in ours {
        compare(&join(name), value, logged.get(name).unwrap_or(&Value::Null), lines);
    }
    for (name, value) in logged.iter().filter(|(name, _)| !ours.contains_key(*name)) {
        compare(&join(name), &Value::Null, value, lines);
    }
}

fn compare_lists(path: &str, ours: &[Value], logged: &[Value], lines: &mut Vec<String>) {
    for (only, others, place) in [(ours, logged, "here"), (logged, ours, "in the log")] {
        let only: Vec<String> = only.iter().filter(|value| !others.contains(value)).map(Value::to_string).collect();
        if !only.is_empty() {
            lines.push(format!("{path}: only {place} {}", only.join(", ")));
        }
    }
}

/// A list of things with names, such as types.
fn by_name(list: &[Value]) -> Option<Map<String, Value>> {
    list.iter().map(|value| Some((value.get("name")?.as_str()?.to_owned(), value.clone()))).collect()
}
