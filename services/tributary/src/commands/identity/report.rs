//! What a command changed, for people and for programs.

use identity::{Component, EdgeView, IdentifierView};
use schemas::Command;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use super::change::{Change, EdgeChange, IdentifierChange};
use super::names::{Key16, Named, Names};

/// Customers, and identifiers of one, that text shows; `--json` shows all.
const MAX_SHOWN: usize = 20;

/// Everything that is printed of a command.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    command: &'static str,
    named: Vec<Named>,
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
    /// Where it stands in the log; none for a dry run, which wrote nothing.
    log_offset: Option<i64>,
    dry_run: bool,
    /// Whether anything is other than before.
    changed: bool,
    before: Vec<Customer>,
    after: Vec<Customer>,
    edges: Vec<Edge>,
    identifiers: Vec<Mark>,
    conflicts: Vec<ConflictRow>,
}

#[derive(Debug, Serialize)]
struct Customer {
    customer_id: Key16,
    identifiers: Vec<Named>,
}

#[derive(Debug, Serialize)]
struct Edge {
    /// `added`, `removed`, `made active`, `made dormant` or `changed`.
    change: &'static str,
    class: &'static str,
    a: Named,
    b: Named,
    log_offset: i64,
}

/// What is new about an identifier, apart from its edges.
#[derive(Debug, Serialize)]
struct Mark {
    identifier: Named,
    changes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ConflictRow {
    kind: &'static str,
    rule: &'static str,
    a: Named,
    b: Named,
}

impl Report {
    /// Of a command at an offset, or of one that was only tried.
    pub(super) fn new(command: &Command, log_offset: Option<i64>, change: &Change, names: &Names) -> Self {
        let customers =
            |components: &[Component]| components.iter().map(|component| customer(component, names)).collect();
        let conflicts = change.conflicts.iter().map(|conflict| ConflictRow {
            kind: conflict.kind.as_str(),
            rule: conflict.rule.as_str(),
            a: names.of(conflict.a),
            b: names.of(conflict.b),
        });
        Report {
            command: command.name(),
            named: command.operands().map(|identifier| names.of(identifier)).collect(),
            note: command.note().map(ToString::to_string).unwrap_or_default(),
            log_offset,
            dry_run: log_offset.is_none(),
            changed: !change.is_empty(),
            before: customers(&change.before),
            after: customers(&change.after),
            edges: change.edges.iter().filter_map(|change| edge(change, names)).collect(),
            identifiers: change.identifiers.iter().map(|change| mark(change, names)).collect(),
            conflicts: conflicts.collect(),
        }
    }

    /// Prints it.
    pub(super) fn print(&self, json: bool) -> anyhow::Result<ExitCode> {
        let mut out = std::io::stdout().lock();
        match json {
            true => writeln!(out, "{}", serde_json::to_string_pretty(self)?)?,
            false => write!(out, "{}", self.text())?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn text(&self) -> String {
        let named: Vec<String> = self.named.iter().map(ToString::to_string).collect();
        let mut text = format!("{} {}", self.command, named.join(" + ")).trim_end().to_owned();
        text += &match self.log_offset {
            Some(offset) => format!("\nin the log at offset {offset}\n"),
            None => "\ndry run: nothing was written\n".to_owned(),
        };
        if !self.changed {
            return text + "\nnothing changes\n";
        }
        text += &section("customers before", self.before.iter().flat_map(Customer::lines));
        text += &section("customers after", self.after.iter().flat_map(Customer::lines));
        text += &section("edges", self.edges.iter().map(Edge::line));
        text += &section("identifiers", self.identifiers.iter().map(Mark::line));
        let conflict = |row: &ConflictRow| format!("{}: {} – {} ({})", row.kind, row.a, row.b, row.rule);
        text + &section("conflicts", self.conflicts.iter().map(conflict))
    }
}

fn section(title: &str, lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{title}\n");
    for line in lines.iter().take(MAX_SHOWN * 2) {
        // Writing into a text cannot fail.
        let _ = writeln!(text, "  {line}");
    }
    if lines.len() > MAX_SHOWN * 2 {
        let _ = writeln!(text, "  … and {} more lines (--json prints all)", lines.len() - MAX_SHOWN * 2);
    }
    text
}

impl Customer {
    fn lines(&self) -> Vec<String> {
        let count = self.identifiers.len();
        let word = if count == 1 { "identifier" } else { "identifiers" };
        let mut lines = vec![format!("{}  {count} {word}", self.customer_id.0)];
        lines.extend(self.identifiers.iter().take(MAX_SHOWN).map(|identifier| format!("  {identifier}")));
        if count > MAX_SHOWN {
            lines.push(format!("  … and {} more", count - MAX_SHOWN));
        }
        lines
    }
}

impl Edge {
    fn line(&self) -> String {
        format!("{:<12} {:<8} {} – {}  (log offset {})", self.change, self.class, self.a, self.b, self.log_offset)
    }
}

impl Mark {
    fn line(&self) -> String {
        format!("{}: {}", self.identifier, self.changes.join(", "))
    }
}

fn customer(component: &Component, names: &Names) -> Customer {
    Customer {
        customer_id: Key16(component.customer_id),
        identifiers: component.keys.iter().map(|member| names.of(*member)).collect(),
    }
}

fn edge(change: &EdgeChange, names: &Names) -> Option<Edge> {
    let word = match (&change.before, &change.after) {
        (None, Some(EdgeView { active: true, .. })) => "added",
        (None, Some(_)) => "added dormant",
        (Some(_), None) => "removed",
        (Some(EdgeView { active: false, .. }), Some(EdgeView { active: true, .. })) => "made active",
        (Some(EdgeView { active: true, .. }), Some(EdgeView { active: false, .. })) => "made dormant",
        _ => "changed",
    };
    let edge = change.after.or(change.before)?;
    Some(Edge {
        change: word,
        class: edge.class.as_str(),
        a: names.of(edge.a),
        b: names.of(edge.b),
        log_offset: edge.log_offset,
    })
}

fn mark(change: &IdentifierChange, names: &Names) -> Mark {
    let (before, after) = (change.before.as_ref(), change.after.as_ref());
    let mut changes = Vec::new();
    let mut say = |is: bool, was: bool, on: &str, off: &str| {
        if is != was {
            changes.push(if is { on } else { off }.to_owned());
        }
    };
    let flag = |view: Option<&IdentifierView>, of: fn(&IdentifierView) -> bool| view.is_some_and(of);
    say(flag(after, |v| v.shared), flag(before, |v| v.shared), "shared from here on", "no longer shared");
    say(flag(after, |v| v.suppressed), flag(before, |v| v.suppressed), "refused from here on", "no longer refused");
    if after.and_then(|v| v.erased_at_ms) != before.and_then(|v| v.erased_at_ms) {
        changes.push("erased: links of older records are refused".to_owned());
    }
    let generation = |view: Option<&IdentifierView>| view.map_or(0, |view| view.generation);
    if generation(after) != generation(before) {
        changes.push(format!("generation {} closed, generation {} begins", generation(before), generation(after)));
    }
    let vetoes = |view: Option<&IdentifierView>| view.map(|view| view.vetoes.clone()).unwrap_or_default();
    let (had, has) = (vetoes(before), vetoes(after));
    changes.extend(has.iter().filter(|veto| !had.contains(veto)).map(|veto| format!("never with {}", names.of(*veto))));
    changes
        .extend(had.iter().filter(|veto| !has.contains(veto)).map(|veto| format!("may be with {}", names.of(*veto))));
    if before.is_none() && changes.is_empty() {
        changes.push("new to the graph".to_owned());
    }
    Mark { identifier: names.of(change.identifier), changes }
}
