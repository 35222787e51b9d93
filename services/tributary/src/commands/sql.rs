//! `tributary sql`

use anyhow::Context;
use std::io::{IsTerminal, Read, Write};
use store::{Store, TextCursor};

use crate::cli::{RowFormat, SqlArgs};
use crate::config::Config;
use crate::table::{FORMAT, TypedRows};

/// Rows of a table that are held in memory and laid out; beyond, the other formats stream.
const MAX_TABLE_ROWS: usize = 10_000;

/// Runs one statement and prints its rows.
pub(super) async fn run(config: Config, args: SqlArgs) -> anyhow::Result<()> {
    let query = if args.query == "-" { from_stdin()? } else { args.query };
    let store = Store::connect(&config.clickhouse).await?;
    let params: Vec<(&str, &str)> = args.params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let own_format = names_a_format(&query);
    let format = match args.format {
        RowFormat::Table => FORMAT,
        RowFormat::Csv => "CSVWithNames",
        RowFormat::Json => "JSONEachRow",
    };
    let cursor = store.query(&query, format, &params).map_err(plain)?;
    match args.format {
        RowFormat::Table if !own_format => print_table(cursor, args.wide).await,
        RowFormat::Json if !own_format => print_json(cursor).await,
        _ => stream(cursor).await,
    }
}

/// ClickHouse's own words about a statement of the user's. Its list of what a parser would have taken fills screens.
fn plain(error: store::Error) -> anyhow::Error {
    let store::Error::Server { message, .. } = error else {
        return error.into();
    };
    let Some((before, rest)) = message.split_once("Expected one of: ") else {
        return anyhow::Error::msg(message);
    };
    let (list, after) = rest.split_once(". (").unwrap_or((rest, ""));
    let few: Vec<&str> = list.split(", ").take(6).collect();
    let more = if list.split(", ").count() > few.len() { ", …" } else { "" };
    let after = if after.is_empty() { String::new() } else { format!(". ({after}") };
    anyhow::Error::msg(format!("{before}Expected one of: {}{more}{after}", few.join(", ")))
}

fn from_stdin() -> anyhow::Result<String> {
    let mut query = String::new();
    std::io::stdin().read_to_string(&mut query).context("cannot read the query from standard input")?;
    Ok(query)
}

/// Whether the statement ends in `FORMAT x` (and so knows better than we do).
fn names_a_format(query: &str) -> bool {
    let query = query.trim_end().trim_end_matches(';');
    let mut words = query.split_whitespace().rev();
    let name = words.next().unwrap_or_default();
    name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && words.next().is_some_and(|word| word.eq_ignore_ascii_case("format"))
}

async fn stream(mut cursor: TextCursor) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    while let Some(piece) = cursor.next().await.map_err(plain)? {
        out.write_all(&piece)?;
    }
    Ok(out.flush()?)
}

/// One object a line, made into one array.
async fn print_json(mut cursor: TextCursor) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut line_ended = false;
    out.write_all(b"[")?;
    while let Some(piece) = cursor.next().await.map_err(plain)? {
        for line in piece.split_inclusive(|byte| *byte == b'\n') {
            if line_ended {
                out.write_all(b",\n")?;
            }
            line_ended = line.ends_with(b"\n");
            out.write_all(line.strip_suffix(b"\n").unwrap_or(line))?;
        }
    }
    out.write_all(b"]\n")?;
    Ok(out.flush()?)
}

async fn print_table(mut cursor: TextCursor, wide: bool) -> anyhow::Result<()> {
    let mut text = Vec::new();
    let mut lines = 0;
    let mut more = false;
    while let Some(piece) = cursor.next().await.map_err(plain)? {
        lines += piece.iter().filter(|byte| **byte == b'\n').count();
        text.extend_from_slice(&piece);
        if lines > MAX_TABLE_ROWS + 2 {
            more = true;
            break;
        }
    }
    let mut rows = TypedRows::parse(&String::from_utf8_lossy(&text));
    let mut out = std::io::stdout().lock();
    if rows.names.is_empty() {
        writeln!(out, "done")?;
        return Ok(());
    }
    rows.rows.truncate(MAX_TABLE_ROWS);
    writeln!(out, "{}", rows.render(width(wide)))?;
    let count = rows.rows.len();
    let note = if more { " shown; there are more (--format csv or json prints all)" } else { "" };
    writeln!(out, "{count} {}{note}", if count == 1 { "row" } else { "rows" })?;
    Ok(())
}

/// Columns of the terminal; none for a pipe, which has no edge.
pub(super) fn width(wide: bool) -> Option<u16> {
    if wide || !std::io::stdout().is_terminal() {
        return None;
    }
    comfy_table::Table::new().width()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_in_few_words() {
        let message = format!(
            "Code: 62. Syntax error: SELEC. Expected one of: {}. (SYNTAX_ERROR) (version 26)",
            ["X"; 100].join(", ")
        );
        let error = store::Error::Server { doing: "the query".to_owned(), code: Some(62), message };
        assert_eq!(
            plain(error).to_string(),
            "Code: 62. Syntax error: SELEC. Expected one of: X, X, X, X, X, X, …. (SYNTAX_ERROR) (version 26)"
        );
    }

    #[test]
    fn own_formats_are_seen() {
        assert!(names_a_format("SELECT 1 FORMAT Vertical;\n"));
        assert!(names_a_format("select 1 format JSON"));
        assert!(!names_a_format("SELECT format('{}', 1)"));
        assert!(!names_a_format("SELECT 1"));
        assert!(!names_a_format(""));
    }
}
