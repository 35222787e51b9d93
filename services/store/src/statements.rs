//! A migration's text as single statements, its placeholders filled: ClickHouse takes one statement a request.

use crate::ClickHouseConfig;

/// A `{ttl:column:table}` placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ttl {
    pub(crate) column: String,
    pub(crate) table: String,
}

impl Ttl {
    /// The expression for a number of days.
    pub(crate) fn expression(&self, days: u32) -> String {
        format!("toDateTime({}) + toIntervalDay({days})", self.column)
    }
}

/// The statements of a migration, ready to run.
pub(crate) fn statements(sql: &str, config: &ClickHouseConfig) -> Vec<String> {
    let mut text =
        sql.replace("{db}", &config.database).replace("{dictionary_credentials}", &dictionary_credentials(config));
    for (placeholder, ttl) in ttl_placeholders(sql) {
        let days = config.ttl_days.get(&ttl.table);
        let clause = days.map_or(String::new(), |days| format!("TTL {}", ttl.expression(*days)));
        text = text.replace(&placeholder, &clause);
    }
    split(&text)
}

/// Every TTL placeholder of a migration.
pub(crate) fn ttls(sql: &str) -> Vec<Ttl> {
    ttl_placeholders(sql).into_iter().map(|(_, ttl)| ttl).collect()
}

fn ttl_placeholders(sql: &str) -> Vec<(String, Ttl)> {
    let mut found = Vec::new();
    for (start, _) in sql.match_indices("{ttl:") {
        let inner = &sql[start + "{ttl:".len()..];
        let Some((body, _)) = inner.split_once('}') else {
            continue;
        };
        let Some((column, table)) = body.split_once(':') else {
            continue;
        };
        let ttl = Ttl { column: column.to_owned(), table: table.to_owned() };
        found.push((format!("{{ttl:{body}}}"), ttl));
    }
    found
}

/// The dictionary reads its table as a user of its own; the default user without password need not be named.
fn dictionary_credentials(config: &ClickHouseConfig) -> String {
    if config.user == "default" && config.password.is_empty() {
        return String::new();
    }
    format!("USER {} PASSWORD {}", quoted(&config.user), quoted(&config.password))
}

pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Splits at semicolons that are neither in a string nor in a comment, and drops comments between statements.
fn split(sql: &str) -> Vec<String> {
    let mut statements = vec![String::new()];
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        let (kept, len) = if rest.starts_with("--") {
            ("", rest.find('\n').unwrap_or(rest.len()))
        } else if c == '\'' {
            let len = quoted_len(rest);
            (&rest[..len], len)
        } else if c == ';' {
            statements.push(String::new());
            ("", 1)
        } else {
            (&rest[..c.len_utf8()], c.len_utf8())
        };
        if let Some(last) = statements.last_mut() {
            last.push_str(kept);
        }
        rest = &rest[len..];
    }
    statements.iter().map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect()
}

/// Length of the string literal that a text begins with.
fn quoted_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'\'' if bytes.get(at + 1) == Some(&b'\'') => at += 2,
            b'\'' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_comments_do_not_split() {
        let sql = "-- a; b\nSELECT 'x;\\'y;''z'; -- more\n\nSELECT 2 -- end; \n;";
        assert_eq!(split(sql), ["SELECT 'x;\\'y;''z'", "SELECT 2"]);
    }

    #[test]
    fn placeholders_are_filled() {
        let mut config = ClickHouseConfig { database: "shop".into(), ..Default::default() };
        let sql = "CREATE TABLE {db}.events {ttl:event_time:events} SETTINGS x = 1";
        assert_eq!(statements(sql, &config), ["CREATE TABLE shop.events  SETTINGS x = 1"]);
        config.ttl_days.insert("events".into(), 30);
        assert_eq!(
            statements(sql, &config),
            ["CREATE TABLE shop.events TTL toDateTime(event_time) + toIntervalDay(30) SETTINGS x = 1"]
        );
        assert_eq!(ttls(sql), [Ttl { column: "event_time".into(), table: "events".into() }]);
    }

    #[test]
    fn credentials_are_quoted() {
        let config = ClickHouseConfig { user: "a'b".into(), password: "p\\".into(), ..Default::default() };
        assert_eq!(statements("D {dictionary_credentials}", &config), ["D USER 'a\\'b' PASSWORD 'p\\\\'"]);
    }
}
