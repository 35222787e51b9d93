//! `tributary import --dry-run`: everything but sending.

use std::io::Write;
use std::path::PathBuf;

use super::apply::{Mapped, Occurrences, Outcome, apply};
use super::mapping::Mapping;
use super::reader::{BadRow, Numbered, RowReader};
use super::rejects::Rejects;
use super::summary::Summary;
use crate::error::{Error, Result};

/// Shows the first `show` records of every kind as they would be sent, then the counts, on `out`; bad rows go to `complain`.
pub fn dry_run(
    mapping: &Mapping,
    files: &[PathBuf],
    show: usize,
    out: &mut dyn Write,
    complain: &mut dyn FnMut(&str),
) -> Result<()> {
    let mut summary = Summary::default();
    let mut rejects = Rejects::new(None);
    let mut shown: Vec<(String, usize)> = Vec::new();
    let mut broken = None;
    let max_bytes = decode::Limits::default().max_payload_bytes;
    for path in files {
        let mut reader = RowReader::open(path, mapping)?;
        for absent in &reader.absent {
            complain(&format!("{}: no column {absent}", path.display()));
        }
        let mut occurrences = Occurrences::default();
        for row in reader.by_ref() {
            match mapped(mapping, row, &mut occurrences, max_bytes) {
                Ok(outcome) => {
                    summary.add(&outcome);
                    if let Outcome::Record(record) = &outcome {
                        print(record, show, &mut shown, out).map_err(|source| terminal(path, source))?;
                    }
                }
                Err(bad) => {
                    summary.add_bad();
                    if let Some(message) = rejects.add(path, &bad)? {
                        complain(&message);
                    }
                }
            }
        }
        broken = broken.or_else(|| reader.broken().map(|why| broken_file(path, why)));
    }
    let nowhere = PathBuf::from("standard output");
    writeln!(out, "{}\nDry run: nothing was sent.", summary.render()).map_err(|source| terminal(&nowhere, source))?;
    broken.map_or(Ok(()), Err)
}

/// The error of a file that could be read in part only.
pub(crate) fn broken_file(path: &std::path::Path, why: &str) -> Error {
    Error::Import { path: path.to_owned(), message: format!("{why}; mend the file and import it again") }
}

/// One row through the mapping.
pub(crate) fn mapped(
    mapping: &Mapping,
    row: std::result::Result<Numbered, BadRow>,
    occurrences: &mut Occurrences,
    max_bytes: usize,
) -> std::result::Result<Outcome, BadRow> {
    let Numbered { line, bytes, row } = row?;
    let outcome = apply(mapping, &row, occurrences).and_then(|outcome| {
        // JSON writes some characters with six: only a row this long need be measured.
        let size = if bytes > max_bytes / 8 { outcome.bytes() } else { 0 };
        let why = || format!("makes a record of {size} bytes, at most {max_bytes} are stored");
        if size > max_bytes { Err(why()) } else { Ok(outcome) }
    });
    outcome.map_err(|reason| BadRow { line, reason, raw: serde_json::Value::Object(row.0).to_string() })
}

/// Prints a record unless enough of its kind have been printed.
fn print(record: &Mapped, show: usize, shown: &mut Vec<(String, usize)>, out: &mut dyn Write) -> std::io::Result<()> {
    let event = super::wire::event_field(record.source).and_then(|field| record.record.text(field)).unwrap_or("");
    let kind = format!("{} {event}", record.source);
    let at = shown.iter().position(|(known, _)| *known == kind).unwrap_or_else(|| {
        shown.push((kind.clone(), 0));
        shown.len() - 1
    });
    if shown[at].1 >= show {
        return Ok(());
    }
    shown[at].1 += 1;
    let json = serde_json::to_string_pretty(&record.record.0)?;
    writeln!(out, "── {kind} · key {}\n{json}", record.key)
}

fn terminal(path: &std::path::Path, source: std::io::Error) -> Error {
    Error::Write { path: path.to_owned(), source }
}
