use serde_json::Value;

/// One line for every setting in which two rules differ, for the person who has to decide which is right.
pub(crate) fn difference(ours: &str, logged: &str) -> Vec<String> {
    let mut lines = Vec::new();
    match (serde_json::from_str(ours), serde_json::from_str(logged)) {
        (Ok(ours), Ok(logged)) => compare("", &ours, &logged, &mut lines),
        _ => lines.push("the rules in the log cannot be read".to_owned()),
    }
    lines
}

fn compare(path: &str, ours: &Value, logged: &Value, lines: &mut Vec<String>) {
    let join = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match (ours, logged) {
        _ if ours == logged => {}
        (Value::Object(a), Value::Object(b)) => {
            for (name, value) in a {
                compare(
                    &join(name),
                    value,
                    b.get(name).unwrap_or(&Value::Null),
                    lines,
                );
            }
            for (name, value) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
                compare(&join(name), &Value::Null, value, lines);
            }
        }
        _ if path == "secret_check" => lines.push("the secret is another one".to_owned()),
        _ => lines.push(format!("{path}: here {ours}, in the log {logged}")),
    }
}
