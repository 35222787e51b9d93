//! Settings of a request on a connection, and how a session gets its own back afterwards.

use super::engine::Connection;
use super::exception::Exception;
use super::queries::ID_SETTING;
use super::request::Request;

/// A string literal.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A quoted name.
pub(super) fn quote_name(text: &str) -> String {
    format!("`{}`", text.replace('\\', "\\\\").replace('`', "\\`"))
}

/// Sets what the request asks for.
pub(super) fn apply(connection: &Connection, request: &Request) -> Result<(), Exception> {
    let mut changes = vec![format!("{ID_SETTING} = {}", quote(&request.query_id))];
    for (name, value) in &request.settings {
        changes.push(format!("{} = {}", quote_name(name), quote(value)));
    }
    run(connection, &format!("SET {}", changes.join(", ")))?;
    match &request.database {
        Some(database) if !database.is_empty() => run(connection, &format!("USE {}", quote_name(database))),
        _ => Ok(()),
    }
}

/// What a session's connection was set to before a request changed it.
#[derive(Debug, Default)]
pub(super) struct Before {
    settings: Vec<String>,
    database: Option<String>,
}

impl Before {
    /// Reads what [`apply`] is about to change: in ClickHouse a request's own settings do not outlive it.
    pub(super) fn read(connection: &Connection, request: &Request) -> Result<Self, Exception> {
        let mut before = Self::default();
        if !request.settings.is_empty() {
            let names: Vec<String> = request.settings.iter().map(|(name, _)| quote(name)).collect();
            let query = format!(
                "SELECT name, value, toString(changed) FROM system.settings WHERE name IN ({})",
                names.join(", ")
            );
            let outcome = connection.query(&query, "RowBinary", &[])?;
            let mut fields = strings(outcome.data()).into_iter();
            while let (Some(name), Some(value), Some(changed)) = (fields.next(), fields.next(), fields.next()) {
                let value = if changed == "1" { quote(&value) } else { "DEFAULT".into() };
                before.settings.push(format!("{} = {value}", quote_name(&name)));
            }
        }
        if request.database.is_some() {
            let outcome = connection.query("SELECT currentDatabase()", "RowBinary", &[])?;
            before.database = strings(outcome.data()).pop();
        }
        Ok(before)
    }

    /// Puts it back; the database not when the statement was to change it. A failed query stays in the list of running
    /// ones until its connection runs the next, which this does in any case.
    pub(super) fn restore(self, connection: &Connection, keep_database: bool) -> Result<(), Exception> {
        let mut changes = self.settings;
        changes.push(format!("{ID_SETTING} = DEFAULT"));
        run(connection, &format!("SET {}", changes.join(", ")))?;
        match self.database.filter(|_| !keep_database) {
            Some(database) => run(connection, &format!("USE {}", quote_name(&database))),
            None => Ok(()),
        }
    }
}

fn run(connection: &Connection, statement: &str) -> Result<(), Exception> {
    connection.query(statement, "Null", &[]).map(drop)
}

/// The strings of a RowBinary result: each a length in seven-bit groups and its bytes.
fn strings(mut bytes: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let mut length = 0usize;
        let mut shift = 0u32;
        while let Some((byte, rest)) = bytes.split_first() {
            bytes = rest;
            length |= usize::from(byte & 0x7f) << shift.min(56);
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (text, rest) = bytes.split_at(length.min(bytes.len()));
        all.push(String::from_utf8_lossy(text).into_owned());
        bytes = rest;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_cannot_be_left() {
        assert_eq!(quote(r"a'b\"), r"'a\'b\\'");
        assert_eq!(quote_name("a`b"), r"`a\`b`");
    }

    #[test]
    fn strings_of_a_binary_result() {
        let long = "x".repeat(300);
        let bytes = [&[1, b'a', 0, 0xac, 0x02][..], long.as_bytes()].concat();
        assert_eq!(strings(&bytes), ["a", "", &long]);
    }
}
