//! What an import found: counted the same way in a dry run and in a real one.

use comfy_table::{Cell, CellAlignment, Table};
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use super::apply::{Mapped, Outcome};
use super::wire;

/// Identifier fields that a summary counts distinct values of.
const IDENTIFIERS: [&str; 8] =
    ["anonymous_id", "user_id", "email", "phone", "loyalty_id", "crm_id", "lead_id", "requester.email"];

/// Counts of one import.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// Rows read, good or bad.
    pub(crate) rows: u64,
    /// Rows that became records.
    pub(crate) records: u64,
    /// Rows that cannot be used.
    pub(crate) bad: u64,
    /// Records that name nobody: the pipeline counts them as rejected.
    pub(crate) without_identifier: u64,
    by_event: BTreeMap<(String, String), u64>,
    skipped: BTreeMap<String, u64>,
    identifiers: BTreeMap<&'static str, HashSet<u64>>,
    amounts: BTreeMap<String, (u64, i128)>,
    times: Option<(String, String)>,
}

impl Summary {
    /// Counts a row's outcome.
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        self.rows += 1;
        match outcome {
            Outcome::Record(mapped) => self.record(mapped),
            Outcome::Skipped(name) => *self.skipped.entry(name.clone()).or_insert(0) += 1,
        }
    }

    /// Counts a bad row.
    pub(crate) fn add_bad(&mut self) {
        self.rows += 1;
        self.bad += 1;
    }

    fn record(&mut self, mapped: &Mapped) {
        self.records += 1;
        let record = &mapped.record;
        let event = wire::event_field(mapped.source).and_then(|field| record.text(field)).unwrap_or("");
        *self.by_event.entry((mapped.source.to_string(), event.to_owned())).or_insert(0) += 1;
        let mut named = record.get("identifiers").is_some() || mapped.source == schemas::Source::AdSpend;
        for path in IDENTIFIERS {
            if let Some(value) = record.text(path) {
                named = true;
                self.identifiers.entry(path).or_default().insert(first_8(blake3::hash(value.as_bytes())));
            }
        }
        self.without_identifier += u64::from(!named);
        if let Some((minor, currency)) = wire::amount(mapped.source, record) {
            let sum = self.amounts.entry(currency.to_owned()).or_insert((0, 0));
            *sum = (sum.0 + 1, sum.1 + i128::from(minor));
        }
        if let Some(time) = record.text(wire::time_field(mapped.source)) {
            let (first, last) = self.times.get_or_insert_with(|| (time.to_owned(), time.to_owned()));
            if time < first.as_str() {
                time.clone_into(first);
            }
            if time > last.as_str() {
                time.clone_into(last);
            }
        }
    }

    /// The counts as text for a terminal.
    pub(crate) fn render(&self) -> String {
        let mut table = Table::new();
        table.load_preset(crate::table::LINES).set_header(["source", "event", "records"]);
        for ((source, event), count) in &self.by_event {
            table.add_row([Cell::new(source), Cell::new(event), Cell::new(count).set_alignment(CellAlignment::Right)]);
        }
        let mut text = format!("{}\n", table.trim_fmt());
        let mut line = |label: &str, value: String| {
            writeln!(text, "{label:<24}{value}").expect("writing to a string does not fail");
        };
        line("rows", self.rows.to_string());
        line("records", self.records.to_string());
        line("bad rows", self.bad.to_string());
        if self.without_identifier > 0 {
            line(
                "without identifier",
                format!("{} (the pipeline will count them as rejected)", self.without_identifier),
            );
        }
        for (name, count) in &self.skipped {
            line("left out", format!("{count} × {name}"));
        }
        for (path, values) in &self.identifiers {
            line(&format!("distinct {path}"), values.len().to_string());
        }
        for (currency, (count, sum)) in &self.amounts {
            line(&format!("amounts in {currency}"), format!("{count}, together {sum} minor units"));
        }
        if let Some((first, last)) = &self.times {
            line("from", first.clone());
            line("to", last.clone());
        }
        text
    }
}

fn first_8(hash: blake3::Hash) -> u64 {
    let mut bytes = [0u8; 8];
    bytes.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_be_bytes(bytes)
}
