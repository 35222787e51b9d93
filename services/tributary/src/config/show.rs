//! The configuration in force as text that may be shown to others.

use serde::Serialize;
use toml::Value;

/// Parts of key names whose values are secrets.
const SECRET: [&str; 4] = ["password", "secret", "token", "private_key"];
const HIDDEN: &str = "(set, not shown)";

/// TOML with every secret replaced.
pub fn redacted<C: Serialize>(config: &C) -> Result<String, toml::ser::Error> {
    let mut value = Value::try_from(config)?;
    hide(&mut value);
    toml::to_string_pretty(&value)
}

fn hide(value: &mut Value) {
    match value {
        Value::Table(table) => {
            for (key, value) in table.iter_mut() {
                let secret = SECRET.iter().any(|part| key.to_lowercase().contains(part));
                match value {
                    Value::String(text) if secret && !text.is_empty() => HIDDEN.clone_into(text),
                    Value::String(text) => hide_userinfo(text),
                    other => hide(other),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(hide),
        _ => {}
    }
}

/// `https://user:password@host` keeps the user and the host.
fn hide_userinfo(text: &mut String) {
    let Some(scheme) = text.find("://") else {
        return;
    };
    let authority = &text[scheme + 3..];
    let authority = &authority[..authority.find('/').unwrap_or(authority.len())];
    let Some((user, _)) = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')) else {
        return;
    };
    let start = scheme + 3 + user.len() + 1;
    let Some(at) = text[start..].find('@') else {
        return;
    };
    text.replace_range(start..start + at, "…");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let written: toml::Table = toml::from_str(
            "[kafka]\nbrokers = \"b:1\"\nsasl_password = \"hush\"\n[kafka.properties]\n\"ssl.key.password\" = \"hush\"\n[clickhouse]\npassword = \"\"\nurl = \"http://me:hush@h:1/x\"\n[identity]\nsecret = \"hush\"\n[[list]]\ntoken = \"hush\"\n",
        )
        .unwrap();
        let shown = redacted(&written).unwrap();
        assert!(!shown.contains("hush"), "{shown}");
        assert!(shown.contains("brokers = \"b:1\"") && shown.contains("http://me:…@h:1/x"), "{shown}");
        assert!(shown.contains("password = \"\""), "an empty secret is not a secret: {shown}");
    }
}
