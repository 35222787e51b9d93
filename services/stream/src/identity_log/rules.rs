use serde_json::Value;

/// The rules that a process has, as the first entry of the log says them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesEntry {
    /// Hash over everything that makes the same log the same graph.
    pub hash: [u8; 16],
    /// The rules as JSON.
    pub rules_json: String,
}

/// At most so many differences are told.
const SHOWN: usize = 8;

/// What a person needs to see why two sets of rules are not the same.
pub(super) fn differences(log_json: &str, own_json: &str) -> String {
    let (Ok(log), Ok(own)) = (serde_json::from_str(log_json), serde_json::from_str(own_json)) else {
        return "the log's rules cannot be read".to_owned();
    };
    let mut found = Vec::new();
    compare("", &log, &own, &mut found);
    if found.is_empty() {
        return "the rules read the same, so the secret or the release's way to apply them differs".to_owned();
    }
    let more = found.len().saturating_sub(SHOWN);
    found.truncate(SHOWN);
    let mut text = found.join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    text
}

fn compare(path: &str, log: &Value, own: &Value, found: &mut Vec<String>) {
    match (log, own) {
        (Value::Object(log), Value::Object(own)) => {
            for (key, value) in log {
                compare(&join(path, key), value, own.get(key).unwrap_or(&Value::Null), found);
            }
            for (key, value) in own.iter().filter(|(key, _)| !log.contains_key(*key)) {
                compare(&join(path, key), &Value::Null, value, found);
            }
        }
        (Value::Array(log), Value::Array(own)) => {
            for index in 0..log.len().max(own.len()) {
                let at = |values: &[Value]| values.get(index).cloned().unwrap_or(Value::Null);
                let (log, own) = (at(log), at(own));
                // Entries that have names are told by them.
                let name = log.get("name").or_else(|| own.get("name")).and_then(Value::as_str);
                let path = name.map_or_else(|| format!("{path}[{index}]"), |name| format!("{path}[{name}]"));
                compare(&path, &log, &own, found);
            }
        }
        (log, own) if log == own => {}
        (log, own) => found.push(format!("{path} is {} in the log and {} here", shown(log), shown(own))),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn shown(value: &Value) -> String {
    if value.is_null() { "absent".to_owned() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::differences;

    #[track_caller]
    fn check(log: &str, own: &str, expected: &str) {
        assert_eq!(differences(log, own), expected);
    }

    #[test]
    fn names_the_rule_and_both_values() {
        check(
            r#"{"types":[{"name":"email","max_links":5},{"name":"phone","max_links":3}],"version":1}"#,
            r#"{"types":[{"name":"email","max_links":5},{"name":"phone","max_links":4}],"version":1}"#,
            "types[phone].max_links is 3 in the log and 4 here",
        );
    }

    #[test]
    fn says_what_only_one_side_has() {
        check(
            r#"{"own_domains":["a.example"]}"#,
            r#"{"own_domains":["a.example","b.example"],"region":"DE"}"#,
            "own_domains[1] is absent in the log and \"b.example\" here; region is absent in the log and \"DE\" here",
        );
    }

    #[test]
    fn points_to_the_secret_when_the_rules_read_the_same() {
        let text = differences("{}", "{}");
        assert!(text.contains("secret"), "{text}");
    }

    #[test]
    fn a_long_list_is_cut() {
        let log = serde_json::json!((0..20).collect::<Vec<_>>()).to_string();
        assert!(differences(&log, "[]").ends_with("; and 12 more"));
    }
}
