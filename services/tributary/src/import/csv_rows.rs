//! Delimited text to rows. The parser is the `csv` crate's; the line numbers are our own, because its count is one
//! short after `\r\n` and does not see blank lines.

use csv::ByteRecord;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Read;
use std::rc::Rc;

use super::reader::{BadRow, Numbered, by_name};

/// Rows of one delimited file.
pub(crate) struct CsvRows {
    reader: csv::Reader<LineStarts>,
    starts: Rc<RefCell<VecDeque<Start>>>,
    record: ByteRecord,
    line: u64,
    failed: bool,
    /// Names of the columns.
    pub(crate) columns: Vec<String>,
}

/// Where a line that is not blank starts.
struct Start {
    byte: u64,
    line: u64,
}

impl CsvRows {
    /// Rows of `input`; the columns have no names yet.
    pub(crate) fn new(input: Box<dyn Read>, delimiter: u8) -> Self {
        let starts = Rc::new(RefCell::new(VecDeque::new()));
        let input = LineStarts { input, starts: Rc::clone(&starts), byte: 0, line: 1, at_start: true };
        let reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(1 << 16)
            .from_reader(input);
        CsvRows { reader, starts, record: ByteRecord::new(), line: 1, failed: false, columns: Vec::new() }
    }

    /// Reads the first row as the columns' names.
    pub(crate) fn header(&mut self) -> Result<Vec<String>, String> {
        self.read().map_err(|error| error.to_string())?;
        let names = texts(&self.record)?;
        Ok(names.iter().map(|name| name.trim().to_owned()).collect())
    }

    fn read(&mut self) -> csv::Result<bool> {
        let byte = self.reader.position().byte();
        let read = self.reader.read_byte_record(&mut self.record);
        let mut starts = self.starts.borrow_mut();
        while starts.front().is_some_and(|start| start.byte < byte) {
            starts.pop_front();
        }
        if let Some(start) = starts.front() {
            self.line = start.line;
        }
        read
    }

    fn spanned_lines(&self) -> u64 {
        let end = self.reader.position().byte();
        self.starts.borrow().iter().take_while(|start| start.byte < end).count() as u64
    }
}

impl Iterator for CsvRows {
    type Item = Result<Numbered, BadRow>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        match self.read() {
            Ok(false) => return None,
            Ok(true) => {}
            // Input that breaks off (a truncated gzip) fails for ever: one bad row, then the end.
            Err(error) => {
                self.failed = true;
                return Some(Err(BadRow {
                    line: self.line,
                    reason: format!("cannot read on: {error}"),
                    raw: String::new(),
                }));
            }
        }
        let line = self.line;
        let row = texts(&self.record).and_then(|values| by_name(line, &self.columns, values));
        Some(row.map_err(|reason| {
            let lines = self.spanned_lines();
            let hint =
                if lines > 100 { format!(" (the row spans {lines} lines: an unclosed quote?)") } else { String::new() };
            BadRow { line, reason: reason + &hint, raw: lossy(&self.record) }
        }))
    }
}

fn texts(record: &ByteRecord) -> Result<Vec<String>, String> {
    record
        .iter()
        .enumerate()
        .map(|(at, field)| {
            std::str::from_utf8(field).map(str::to_owned).map_err(|_| format!("column {} is not UTF-8", at + 1))
        })
        .collect()
}

fn lossy(record: &ByteRecord) -> String {
    let fields: Vec<Value> = record.iter().map(|field| Value::from(String::from_utf8_lossy(field).as_ref())).collect();
    Value::from(fields).to_string()
}

/// Notes where lines start while the bytes pass to the parser.
struct LineStarts {
    input: Box<dyn Read>,
    starts: Rc<RefCell<VecDeque<Start>>>,
    byte: u64,
    line: u64,
    at_start: bool,
}

impl Read for LineStarts {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.input.read(buffer)?;
        let mut starts = self.starts.borrow_mut();
        for (at, byte) in buffer[..count].iter().enumerate() {
            match byte {
                b'\n' => {
                    self.line += 1;
                    self.at_start = true;
                }
                b'\r' => {}
                _ if self.at_start => {
                    starts.push_back(Start { byte: self.byte + at as u64, line: self.line });
                    self.at_start = false;
                }
                _ => {}
            }
        }
        self.byte += count as u64;
        Ok(count)
    }
}
