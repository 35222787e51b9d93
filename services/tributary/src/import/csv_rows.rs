//! Delimited text to rows. The parser is the `csv` crate's; the line numbers are our own, because its count is one
//! short after `\r\n` and does not see blank lines.

use csv::ByteRecord;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::Read;
use std::rc::Rc;

use super::reader::{BadRow, MAX_ROW_BYTES, Numbered, TOO_LONG, by_name};

/// A row of our own after the last one of the input. What follows a quotation mark that is never closed belongs to the
/// value behind it, so this row shows whether one was left open.
const END: &[u8] = b"\n\x04\x17\x04\n";

/// Rows of one delimited file.
pub(crate) struct CsvRows {
    reader: csv::Reader<LineStarts>,
    starts: Rc<RefCell<VecDeque<Start>>>,
    /// Where the row that is being read begins.
    row_start: Rc<Cell<u64>>,
    record: ByteRecord,
    line: u64,
    /// Why the rest of the input cannot be read.
    pub(crate) broken: Option<String>,
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
        let row_start = Rc::new(Cell::new(0));
        let input = LineStarts {
            input,
            starts: Rc::clone(&starts),
            row_start: Rc::clone(&row_start),
            byte: 0,
            line: 1,
            at_start: true,
            left: None,
        };
        let reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(1 << 16)
            .from_reader(input);
        CsvRows { reader, starts, row_start, record: ByteRecord::new(), line: 1, broken: None, columns: Vec::new() }
    }

    /// Reads the first row as the columns' names; `None` when there is none.
    pub(crate) fn header(&mut self) -> Result<Option<Vec<String>>, String> {
        if !self.read()? {
            return Ok(None);
        }
        let names = texts(&self.record)?;
        Ok(Some(names.iter().map(|name| name.trim().to_owned()).collect()))
    }

    /// Reads a row; false when there is none.
    fn read(&mut self) -> Result<bool, String> {
        let read = self.read_record().map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) if error.to_string() == TOO_LONG => {
                format!("line {}: the row is {TOO_LONG}; is a quotation mark in it not closed?", self.line)
            }
            csv::ErrorKind::Io(error) => format!("the file cannot be read to its end: {error}"),
            error => format!("line {}: {error:?}", self.line),
        })?;
        let mark = END.trim_ascii();
        let (fields, last) = (self.record.len(), self.record.iter().next_back().unwrap_or_default());
        if !read || (fields == 1 && last == mark) {
            return Ok(false);
        }
        if last.trim_ascii_end().ends_with(mark) {
            return Err(format!(
                "line {}: a quotation mark opened in this row is never closed, so the rest of the file is no rows",
                self.line
            ));
        }
        Ok(true)
    }

    fn read_record(&mut self) -> csv::Result<bool> {
        let byte = self.reader.position().byte();
        self.row_start.set(byte);
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
        if self.broken.is_some() {
            return None;
        }
        match self.read() {
            Ok(false) => return None,
            Ok(true) => {}
            Err(why) => {
                self.broken = Some(why);
                return None;
            }
        }
        let (line, bytes) = (self.line, self.record.as_slice().len());
        let row = texts(&self.record).and_then(|values| by_name(line, bytes, &self.columns, values));
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

/// Notes where lines start while the bytes pass to the parser, and ends rows that have no end.
struct LineStarts {
    input: Box<dyn Read>,
    starts: Rc<RefCell<VecDeque<Start>>>,
    row_start: Rc<Cell<u64>>,
    byte: u64,
    line: u64,
    at_start: bool,
    /// What is left of our own last row, once the input has ended.
    left: Option<&'static [u8]>,
}

impl LineStarts {
    fn read_on(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left.is_none() {
            let count = self.input.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
        }
        let left = self.left.insert(self.left.unwrap_or(END));
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        *left = &left[count..];
        Ok(count)
    }
}

impl Read for LineStarts {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.byte.saturating_sub(self.row_start.get()) > MAX_ROW_BYTES as u64 {
            return Err(std::io::Error::other(TOO_LONG));
        }
        let count = self.read_on(buffer)?;
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
