//! How a file is written: format, delimiter, header. Reads its beginning only.

use serde_json::Value;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::import::column::Row;
use crate::import::mapping::{Delimiter, FileFormat, FileSection};
use crate::import::reader::open_text;

/// How much of a file is looked at.
const SAMPLE_BYTES: u64 = 1 << 20;
const SAMPLE_ROWS: usize = 1_000;

/// The beginning of a file, understood.
pub(super) struct Sample {
    pub(super) file: FileSection,
    pub(super) rows: Vec<Row>,
}

/// Looks at the beginning of a file.
pub(super) fn sniff(path: &Path) -> Result<Sample> {
    let mut bytes = Vec::new();
    let read = open_text(path, Arc::default())?.take(SAMPLE_BYTES).read_to_end(&mut bytes);
    read.map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let whole = (bytes.len() as u64) < SAMPLE_BYTES;
    let text = String::from_utf8_lossy(&bytes);
    // The last line may be cut.
    let text = if whole { &text } else { text.rsplit_once('\n').map_or(&*text, |(lines, _)| lines) };
    if text.trim().is_empty() {
        return Err(Error::Import { path: path.to_owned(), message: "is empty".to_owned() });
    }
    if text.contains('\0') {
        let message = "is no text; a mapping can be proposed for CSV and NDJSON".to_owned();
        return Err(Error::Import { path: path.to_owned(), message });
    }
    let sample = if text.trim_start().starts_with('{') { ndjson(text) } else { delimited(text) };
    if sample.rows.is_empty() {
        let message = "has no row that can be read; is it CSV or NDJSON?".to_owned();
        return Err(Error::Import { path: path.to_owned(), message });
    }
    Ok(sample)
}

fn ndjson(text: &str) -> Sample {
    let rows = text.lines().take(SAMPLE_ROWS).filter_map(|line| serde_json::from_str(line).ok().map(Row)).collect();
    Sample { file: FileSection { format: Some(FileFormat::Ndjson), ..FileSection::default() }, rows }
}

fn delimited(text: &str) -> Sample {
    let delimiter = delimiter(text);
    let mut rows = rows_of(text, delimiter);
    let header = rows.first().is_some_and(|first| is_header(first));
    let columns = if header {
        rows.remove(0).iter().map(|name| name.trim().to_owned()).collect()
    } else {
        (1..=rows.first().map_or(0, Vec::len)).map(|at| format!("column_{at}")).collect::<Vec<_>>()
    };
    let named = rows.into_iter().filter(|row| row.len() == columns.len());
    let rows =
        named.map(|row| Row(columns.iter().cloned().zip(row.into_iter().map(Value::String)).collect())).collect();
    let file = FileSection {
        format: Some(FileFormat::Csv),
        delimiter: match delimiter {
            Delimiter::Whitespace => "whitespace".to_owned(),
            Delimiter::Character(b'\t') => "tab".to_owned(),
            Delimiter::Character(byte) => char::from(byte).to_string(),
        },
        header,
        columns: if header { Vec::new() } else { columns },
        ..FileSection::default()
    };
    Sample { file, rows }
}

/// The delimiter that splits the first rows most evenly into most columns.
fn delimiter(text: &str) -> Delimiter {
    let candidates = [b',', b';', b'\t', b'|'].map(Delimiter::Character);
    let score = |delimiter: Delimiter| {
        let rows: Vec<usize> = rows_of(text, delimiter).iter().take(50).map(Vec::len).collect();
        let columns = rows.first().copied().unwrap_or(0);
        let even = rows.iter().filter(|count| **count == columns).count();
        if columns > 1 && even * 10 >= rows.len() * 8 { columns } else { 0 }
    };
    let best = candidates.into_iter().max_by_key(|delimiter| score(*delimiter));
    match best {
        Some(delimiter) if score(delimiter) > 0 => delimiter,
        _ if score(Delimiter::Whitespace) > 0 => Delimiter::Whitespace,
        _ => Delimiter::Character(b','),
    }
}

fn rows_of(text: &str, delimiter: Delimiter) -> Vec<Vec<String>> {
    match delimiter {
        Delimiter::Whitespace => {
            let lines = text.lines().filter(|line| !line.trim().is_empty()).take(SAMPLE_ROWS);
            lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
        }
        Delimiter::Character(byte) => csv::ReaderBuilder::new()
            .delimiter(byte)
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes())
            .records()
            .filter_map(std::result::Result::ok)
            .take(SAMPLE_ROWS)
            .map(|record| record.iter().map(str::to_owned).collect())
            .collect(),
    }
}

/// Names are words, each once; values of a first row usually hold a number, a date or an address.
fn is_header(row: &[String]) -> bool {
    let word = |cell: &String| {
        let cell = cell.trim();
        cell.chars().any(char::is_alphabetic) && !cell.contains(['@', '/', '{']) && cell.len() < 64
    };
    let mut names: Vec<&str> = row.iter().map(|cell| cell.trim()).collect();
    names.sort_unstable();
    names.dedup();
    names.len() == row.len() && row.iter().all(word)
}
