//! The report as one screen.

use comfy_table::{Cell, CellAlignment, Table};
use std::fmt::Write;

use super::super::dev::parts_table;
use super::{Process, Report};

/// The screen.
pub(super) fn render(report: &Report) -> String {
    let waiting: i64 = report.topics.iter().map(|topic| topic.lag).sum();
    let verdict = match (report.caught_up, report.problems.is_empty()) {
        (true, _) => "caught up: nothing waits".to_owned(),
        (false, true) => format!("working: {waiting} records wait"),
        (false, false) => "not working as it should".to_owned(),
    };
    let mut text = format!("{verdict}\n");
    for problem in &report.problems {
        line(&mut text, &format!("  ! {problem}"));
    }
    text += &format!("\n{}\n\n", parts_table(&report.stack).trim_fmt());
    text += &topics(report);
    text += &outcomes(report);
    for process in &report.resolvers {
        text += &resolver(process);
    }
    text
}

fn line(text: &mut String, content: &str) {
    writeln!(text, "{content}").expect("writing to a string does not fail");
}

fn numbers(table: &mut Table, name: &str, values: &[String]) {
    let cells = values.iter().map(|value| Cell::new(value).set_alignment(CellAlignment::Right));
    table.add_row(std::iter::once(Cell::new(name)).chain(cells));
}

fn plain_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header(header);
    table
}

fn topics(report: &Report) -> String {
    if report.topics.is_empty() {
        return String::new();
    }
    let mut table = plain_table(&["topic", "records", "waiting"]);
    for topic in &report.topics {
        numbers(&mut table, &topic.topic, &[topic.records.to_string(), topic.lag.to_string()]);
    }
    format!("{}\n\n", table.trim_fmt())
}

fn outcomes(report: &Report) -> String {
    if report.outcomes.is_empty() {
        return String::new();
    }
    let mut table = plain_table(&["source", "in", "stored", "duplicate", "rejected"]);
    let mut sums = [0; 4];
    for outcome in &report.outcomes {
        let values = [outcome.records, outcome.stored, outcome.duplicate, outcome.rejected];
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        numbers(&mut table, &outcome.source, &values.map(|value| value.to_string()));
    }
    numbers(&mut table, "all", &sums.map(|value| value.to_string()));
    format!("{}\n\n", table.trim_fmt())
}

fn resolver(process: &Process) -> String {
    let Some(report) = &process.report else {
        return format!("resolver {}: does not answer\n", process.address);
    };
    let owned: Vec<String> = report.partitions.iter().map(|(pipeline, count)| format!("{pipeline} {count}")).collect();
    let state = if report.ready { "ready" } else { "not ready" };
    let graph = &report.graph;
    format!(
        "resolver {}: {state}, pid {}, partitions: {}\n  since its start: {} stored, {} duplicate, {} rejected in {} batches\n  \
         graph: {} identifiers linked into {} customers, {} merges, {} conflicts, log offset {} ({} to go)\n",
        process.address,
        report.pid,
        owned.join(", "),
        report.records.stored,
        report.records.duplicate,
        report.records.rejected,
        report.records.batches,
        graph.identifiers,
        graph.components,
        graph.merges,
        graph.conflicts,
        graph.applied_offset,
        graph.log_lag,
    )
}
