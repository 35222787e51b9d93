//! Tables that the demo prints.

use comfy_table::{Cell, CellAlignment, Table};
use schemas::Source;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use store::Store;

use super::account::text;
use super::offsets::TopicCount;
use super::questions::Question;
use crate::error::{Error, Result};
use crate::table::{FORMAT, TypedRows};

/// Outcomes of one source's records, counted from the tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Outcomes {
    stored: u64,
    duplicate: u64,
    rejected: u64,
}

/// What came in and what became of it, per source. Fails when a source's outcomes do not add up to what Kafka holds.
pub(super) async fn in_and_out(store: &Store, counts: &[TopicCount]) -> Result<Table> {
    let outcomes = outcomes(store).await?;
    let mut table = Table::new();
    table.load_preset(crate::table::LINES);
    table.set_header(["source", "in", "stored", "duplicate", "rejected"]);
    for TopicCount { source, records } in counts {
        let of = outcomes.get(source.as_str()).copied().unwrap_or_default();
        let accounted = of.stored + of.duplicate + of.rejected;
        if *records != accounted {
            return Err(Error::Unequal {
                what: format!("records of {source}"),
                expected: format!("{records} (end minus begin offsets)"),
                found: format!("{accounted} stored, duplicate or rejected"),
            });
        }
        let number = |number: u64| Cell::new(number).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(source),
            number(*records),
            number(of.stored),
            number(of.duplicate),
            number(of.rejected),
        ]);
    }
    Ok(table)
}

async fn outcomes(store: &Store) -> Result<BTreeMap<String, Outcomes>> {
    let ad_spend = Source::AdSpend.as_str();
    let sql = format!(
        "SELECT source, sum(s), sum(d), sum(r) FROM (
            SELECT source, count() AS s, 0 AS d, 0 AS r FROM {{db}}.events GROUP BY source
            UNION ALL SELECT '{ad_spend}', count(), 0, 0 FROM {{db}}.ad_spend
            UNION ALL SELECT source, 0, sum(duplicate), 0 FROM {{db}}.batches GROUP BY source
            UNION ALL SELECT source, 0, 0, count() FROM {{db}}.dead_letters GROUP BY source
        ) GROUP BY source"
    );
    let text = text(store, &sql, "TabSeparated").await?;
    let line = |line: &str| {
        let mut cells = line.split('\t');
        let source = cells.next()?.to_owned();
        let mut number = || cells.next()?.parse().ok();
        Some((source, Outcomes { stored: number()?, duplicate: number()?, rejected: number()? }))
    };
    text.lines().map(line).collect::<Option<_>>().ok_or_else(|| Error::Unequal {
        what: "outcomes by source".to_owned(),
        expected: "a name and three numbers".to_owned(),
        found: text.clone(),
    })
}

/// Prints a question, the query that answers it and the answer.
pub(super) async fn answer(store: &Store, number: usize, question: &Question) -> Result<()> {
    println!("\n── {number}. {} ──\n", question.title);
    println!("{}\n", question.sql);
    let rows = TypedRows::parse(&store.query_text(question.sql, FORMAT, &[]).await?);
    println!("{}", rows.table(width()));
    Ok(())
}

/// Columns of the terminal; none for a pipe, which has no edge.
fn width() -> Option<u16> {
    if std::io::stdout().is_terminal() { Table::new().width() } else { None }
}
