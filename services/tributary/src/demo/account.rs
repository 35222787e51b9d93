//! Counting what became of every record, and comparing it with the generator's ledger.

use loadtest::Ledger;
use std::collections::{BTreeMap, BTreeSet};
use store::Store;

use crate::error::{Error, Result};

/// The demo's last line, counted from the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the number of that name in the last line")]
pub struct Account {
    pub records: u64,
    pub stored: u64,
    pub duplicate: u64,
    pub rejected: u64,
    pub customers: u64,
    pub merges: u64,
    pub conflicts: u64,
    pub conversions: u64,
    pub revenue_minor: i64,
    pub attribution_rows: u64,
}

impl Account {
    /// Counts; `records` comes from Kafka, `merges` from the resolver's graph.
    pub async fn count(store: &Store, records: u64, merges: u64) -> Result<Self> {
        let number = async |sql: &str| number(store, sql).await;
        let signed = number("SELECT sum(value_minor) FROM {db}.counted_conversions").await?;
        let unsigned = async |sql: &str| number(sql).await.map(i64::unsigned_abs);
        Ok(Self {
            records,
            stored: unsigned("SELECT (SELECT count() FROM {db}.events) + (SELECT count() FROM {db}.ad_spend)").await?,
            duplicate: unsigned("SELECT sum(duplicate) FROM {db}.batches").await?,
            rejected: unsigned("SELECT count() FROM {db}.dead_letters").await?,
            customers: unsigned("SELECT count() FROM {db}.customers").await?,
            merges,
            conflicts: unsigned("SELECT count() FROM {db}.identity_conflicts FINAL").await?,
            conversions: unsigned("SELECT count() FROM {db}.counted_conversions WHERE kind = 'conversion'").await?,
            revenue_minor: signed,
            attribution_rows: unsigned("SELECT count() FROM {db}.attribution").await?,
        })
    }

    /// `demo: in=… stored=… …`
    pub fn line(&self) -> String {
        format!(
            "demo: in={} stored={} duplicate={} rejected={} customers={} merges={} conflicts={} conversions={} revenue={} \
             attribution_rows={}",
            self.records,
            self.stored,
            self.duplicate,
            self.rejected,
            self.customers,
            self.merges,
            self.conflicts,
            self.conversions,
            self.revenue_minor,
            self.attribution_rows
        )
    }

    /// ST-1: nothing disappears uncounted.
    pub fn check_conservation(&self) -> Result<()> {
        let accounted = self.stored + self.duplicate + self.rejected;
        if self.records == accounted {
            return Ok(());
        }
        let (records, stored, duplicate, rejected) = (self.records, self.stored, self.duplicate, self.rejected);
        Err(Error::Unequal {
            what: "records in (end minus begin offsets)".to_owned(),
            expected: records.to_string(),
            found: format!("{stored} stored + {duplicate} duplicate + {rejected} rejected = {accounted}"),
        })
    }
}

/// Compares the tables with the ledger: the set of stored event ids, rejections with their reasons, duplicates,
/// conversions and revenue.
///
/// # Errors
/// The first difference, with an example.
pub async fn compare(store: &Store, account: &Account, ledger: &Ledger) -> Result<()> {
    let sql = "SELECT event_id FROM {db}.events UNION ALL SELECT event_id FROM {db}.ad_spend";
    let stored = lines(store, sql).await?;
    let count = stored.len();
    let stored: BTreeSet<String> = stored.into_iter().collect();
    equal("rows with an event id of their own", stored.len(), count)?;
    if let Some(id) = ledger.stored.symmetric_difference(&stored).next() {
        return Err(Error::Unequal {
            what: format!("event ids stored, e.g. {id}"),
            expected: format!("{} in the ledger", ledger.stored.len()),
            found: format!("{} in the tables", stored.len()),
        });
    }
    let sql = "SELECT concat(reason, ' ', hex(SHA256(payload)), ' ', toString(count())) FROM {db}.dead_letters \
               GROUP BY reason, payload";
    let rejected: BTreeSet<String> = lines(store, sql).await?.into_iter().collect();
    let expected: BTreeSet<String> =
        ledger.rejected.iter().map(|((reason, digest), count)| format!("{reason} {digest} {count}")).collect();
    if let Some(one) = expected.symmetric_difference(&rejected).next() {
        return Err(Error::Unequal {
            what: format!("rejections (reason, digest of the payload, count), e.g. {one}"),
            expected: format!("{:?}", ledger.rejected_by_reason()),
            found: format!("{:?}", reasons(store).await?),
        });
    }
    equal("duplicates", account.duplicate, ledger.duplicate)?;
    equal("conversions", account.conversions, ledger.conversions)?;
    equal("revenue in minor units", account.revenue_minor, ledger.revenue_minor)
}

async fn reasons(store: &Store) -> Result<BTreeMap<String, String>> {
    let sql = "SELECT concat(reason, ' ', toString(count())) FROM {db}.dead_letters GROUP BY reason";
    let pairs = lines(store, sql).await?;
    Ok(pairs.iter().filter_map(|line| line.split_once(' ')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect())
}

fn equal<T: PartialEq + ToString>(what: &str, found: T, expected: T) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Unequal { what: what.to_owned(), expected: expected.to_string(), found: found.to_string() })
}

/// The one number that a query gives.
pub async fn number(store: &Store, sql: &str) -> Result<i64> {
    let text = text(store, sql, "TabSeparated").await?;
    text.trim().parse().map_err(|_| Error::Unequal {
        what: sql.to_owned(),
        expected: "one number".to_owned(),
        found: text.trim().to_owned(),
    })
}

/// The lines of a query with one column of text.
pub async fn lines(store: &Store, sql: &str) -> Result<Vec<String>> {
    Ok(text(store, sql, "TabSeparated").await?.lines().map(str::to_owned).collect())
}

/// The answer to a query in a format of ClickHouse. `{db}` stands for the database.
pub(super) async fn text(store: &Store, sql: &str, format: &str) -> Result<String> {
    let sql = sql.replace("{db}", store.database());
    Ok(store.query_text(&sql, format, &[]).await?)
}
