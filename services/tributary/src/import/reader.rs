//! Files of an export to rows with their line numbers. A row that cannot be read is an item of its own: reading goes on.

use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::column::{ColumnPath, Row};
use super::csv_rows::CsvRows;
use super::mapping::{Delimiter, FileFormat, Mapping};
use crate::error::{Error, Result};
use crate::nearest::nearest;

/// The longest row that is read: far longer than any that can be sent, short enough to be held in memory.
pub(super) const MAX_ROW_BYTES: usize = 16 << 20;
pub(super) const TOO_LONG: &str = "longer than 16 MiB";

/// A row that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadRow {
    /// Line of the file on which the row starts, from 1.
    pub(crate) line: u64,
    /// Why.
    pub(crate) reason: String,
    /// The row as read.
    pub(crate) raw: String,
}

/// A row and the line on which it starts.
pub(crate) struct Numbered {
    pub(crate) line: u64,
    /// Its length in the file, about.
    pub(crate) bytes: usize,
    pub(crate) row: Row,
}

/// Reads one file.
pub(crate) struct RowReader {
    rows: Rows,
    bytes_read: Arc<AtomicU64>,
    /// Columns that the mapping names and this file does not have.
    pub(crate) absent: Vec<String>,
}

enum Rows {
    Csv(CsvRows),
    Blanks { lines: Lines, columns: Vec<String> },
    Ndjson { lines: Lines },
}

impl RowReader {
    /// Opens a file (`.gz` is unpacked) and checks that it has the columns the mapping cannot do without.
    pub(crate) fn open(path: &Path, mapping: &Mapping) -> Result<Self> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let input = open_text(path, Arc::clone(&bytes_read))?;
        let format = mapping.file.format.unwrap_or_else(|| format_of(path));
        let mut columns = mapping.file.columns.clone();
        let rows = match (format, mapping.delimiter) {
            (FileFormat::Ndjson, _) => Rows::Ndjson { lines: Lines::new(input) },
            (FileFormat::Csv, Delimiter::Whitespace) => {
                let mut lines = Lines::new(input);
                if mapping.file.header {
                    let header = lines.next().transpose();
                    let broken = lines.broken.take().map_or(Ok(()), Err);
                    let header = broken.and(header).map_err(|why| unreadable(path, &why))?;
                    columns = split_blanks(&header.ok_or_else(|| empty(path))?.1);
                }
                Rows::Blanks { lines, columns: columns.clone() }
            }
            (FileFormat::Csv, Delimiter::Character(delimiter)) => {
                let mut rows = CsvRows::new(input, delimiter);
                if mapping.file.header {
                    let header = rows.header().map_err(|why| unreadable(path, &why))?;
                    columns = header.ok_or_else(|| empty(path))?;
                }
                rows.columns.clone_from(&columns);
                Rows::Csv(rows)
            }
        };
        let absent = if format == FileFormat::Csv { check_columns(path, mapping, &columns)? } else { Vec::new() };
        Ok(RowReader { rows, bytes_read, absent })
    }

    /// Why the rows after the last one cannot be read, if there are any. No bad row: what comes behind is unknown.
    pub(crate) fn broken(&self) -> Option<&str> {
        match &self.rows {
            Rows::Csv(rows) => rows.broken.as_deref(),
            Rows::Blanks { lines, .. } | Rows::Ndjson { lines } => lines.broken.as_deref(),
        }
    }

    /// Bytes of the file read so far (before unpacking), for the progress bar.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }
}

impl Iterator for RowReader {
    type Item = std::result::Result<Numbered, BadRow>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.rows {
            Rows::Csv(rows) => rows.next(),
            Rows::Blanks { lines, columns } => next_line(lines).map(|line| {
                let (line, text) = line?;
                let values = split_blanks(&text);
                by_name(line, text.len(), columns, values).map_err(|reason| BadRow { line, reason, raw: text })
            }),
            Rows::Ndjson { lines } => next_line(lines).map(|line| {
                let (line, text) = line?;
                match serde_json::from_str::<Map<String, Value>>(&text) {
                    Ok(map) => Ok(Numbered { line, bytes: text.len(), row: Row(map) }),
                    Err(error) => Err(BadRow { line, reason: format!("no JSON object: {error}"), raw: text }),
                }
            }),
        }
    }
}

/// The next line that is not blank.
fn next_line(lines: &mut Lines) -> Option<std::result::Result<(u64, String), BadRow>> {
    loop {
        match lines.next()? {
            Ok((_, text)) if text.trim().is_empty() => {}
            Ok(line) => return Some(Ok(line)),
            Err(reason) => return Some(Err(BadRow { line: lines.line, reason, raw: String::new() })),
        }
    }
}

pub(super) fn by_name(
    line: u64,
    bytes: usize,
    columns: &[String],
    values: Vec<String>,
) -> std::result::Result<Numbered, String> {
    if values.len() != columns.len() {
        return Err(format!("expected {} columns, found {}", columns.len(), values.len()));
    }
    let map = columns.iter().cloned().zip(values.into_iter().map(Value::String)).collect();
    Ok(Numbered { line, bytes, row: Row(map) })
}

fn split_blanks(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Errs when a column without which every row would be bad is missing; lists the others that are.
fn check_columns(path: &Path, mapping: &Mapping, columns: &[String]) -> Result<Vec<String>> {
    let is = |known: &str, name: &str| known == name || Some(known) == name.split('.').next();
    let has =
        |column: &ColumnPath| column.alternatives().iter().any(|name| columns.iter().any(|known| is(known, name)));
    let times: Vec<&str> = mapping.sources().into_iter().map(super::wire::time_field).collect();
    let named = mapping.fields.iter().chain(&mapping.properties);
    let needed = mapping.fields.iter().filter(|(field, _)| times.contains(&field.as_str())).map(|(_, column)| column);
    for column in needed.chain(&mapping.event_column) {
        if !has(column) {
            return Err(no_column(path, column, columns));
        }
    }
    let used: Vec<&ColumnPath> = named.clone().map(|(_, column)| column).chain(&mapping.event_column).collect();
    for (at, known) in columns.iter().enumerate().filter(|(at, known)| columns[..*at].contains(known)) {
        if used.iter().any(|column| column.alternatives().iter().any(|name| is(known, name))) {
            let message = format!("has two columns `{}`, which the mapping uses: rename one", columns[at]);
            return Err(Error::Import { path: path.to_owned(), message });
        }
    }
    Ok(named
        .filter(|(_, column)| !has(column))
        .map(|(field, column)| format!("{} (for {field})", column.alternatives().join(" | ")))
        .collect())
}

fn no_column(path: &Path, column: &ColumnPath, columns: &[String]) -> Error {
    let wanted = column.alternatives().join(" | ");
    let known = columns.join(", ");
    let named = match columns {
        [only] => match [";", "\t", "|", ","].into_iter().find(|delimiter| only.contains(delimiter)) {
            Some(delimiter) => format!("Its only column is `{only}`: set `delimiter = {delimiter:?}` under [file]"),
            None => format!("Its only column is `{only}`"),
        },
        _ => format!("Its columns are: {known}"),
    };
    let hint = match column.alternatives().iter().find_map(|name| nearest(name, columns.iter().map(String::as_str))) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => ".".to_owned(),
    };
    let message = format!("has no column `{wanted}`, which the mapping needs{hint} {named}");
    Error::Import { path: path.to_owned(), message }
}

fn unreadable(path: &Path, why: &str) -> Error {
    Error::Import { path: path.to_owned(), message: format!("cannot read the header: {why}") }
}

fn empty(path: &Path) -> Error {
    Error::Import { path: path.to_owned(), message: "is empty".to_owned() }
}

fn read_error(path: &Path, source: std::io::Error) -> Error {
    Error::Read { path: path.to_owned(), source }
}

/// By the ending, `.gz` left aside.
pub(crate) fn format_of(path: &Path) -> FileFormat {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    match name.rsplit('.').next() {
        Some("ndjson" | "jsonl" | "json") => FileFormat::Ndjson,
        _ => FileFormat::Csv,
    }
}

/// The file's text without a byte-order mark.
pub(crate) fn open_text(path: &Path, bytes_read: Arc<AtomicU64>) -> Result<Box<dyn Read>> {
    let file = File::open(path).map_err(|source| read_error(path, source))?;
    let counted = Counted { inner: file, bytes_read };
    let zipped = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
    let plain: Box<dyn Read> = if zipped { Box::new(MultiGzDecoder::new(counted)) } else { Box::new(counted) };
    let mut buffered = BufReader::with_capacity(1 << 16, plain);
    let start = buffered.fill_buf().map_err(|source| read_error(path, source))?;
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        let message = "is UTF-16; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)".to_owned();
        return Err(Error::Import { path: path.to_owned(), message });
    }
    if start.starts_with(&[0xef, 0xbb, 0xbf]) {
        buffered.consume(3);
    }
    Ok(Box::new(buffered))
}

/// Counts the bytes that pass.
struct Counted {
    inner: File,
    bytes_read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes_read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Lines with their numbers; bytes that are not UTF-8 fail the line, not the file.
struct Lines {
    input: BufReader<Box<dyn Read>>,
    line: u64,
    /// Why the rest cannot be read.
    broken: Option<String>,
}

impl Lines {
    fn new(input: Box<dyn Read>) -> Self {
        Lines { input: BufReader::new(input), line: 0, broken: None }
    }

    /// The next line, or what is wrong with it.
    fn next(&mut self) -> Option<std::result::Result<(u64, String), String>> {
        if self.broken.is_some() {
            return None;
        }
        match self.read() {
            Ok(bytes) if bytes.is_empty() => None,
            Ok(mut bytes) => {
                self.line += 1;
                if bytes.len() > MAX_ROW_BYTES {
                    return Some(Err(TOO_LONG.to_owned()));
                }
                while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                    bytes.pop();
                }
                let text = String::from_utf8(bytes).map_err(|_| "the line is not UTF-8".to_owned());
                Some(text.map(|text| (self.line, text)))
            }
            Err(error) => {
                self.broken = Some(format!("the file cannot be read to its end: {error}"));
                None
            }
        }
    }

    /// A line with its end; of one that is too long no more than shows it. Nothing is left at the end of the input.
    fn read(&mut self) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&mut self.input).take(MAX_ROW_BYTES as u64 + 1).read_until(b'\n', &mut bytes)?;
        if bytes.len() > MAX_ROW_BYTES && bytes.last() != Some(&b'\n') {
            self.input.skip_until(b'\n')?;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
