//! A stack and spaces for tests that break things.

#![allow(dead_code, reason = "each test uses a part of it")]

use loadtest::{Ledger, Scenario};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tributary::demo::{Account, Site, Space, compare, content_digest, offsets, until_settled};

/// Nothing changing for this long fails a test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The executable under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_tributary"))
}

/// A folder for a test's stack; logs of the last run stay there.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Starts an empty stack of the test's own, whatever servers the environment names.
pub(crate) fn site(name: &str) -> Site {
    let folder = folder(name);
    let mut options = Site::options(&folder, binary());
    (options.brokers, options.clickhouse_url) = (None, None);
    options.progress = devstack::Progress::Silent;
    Site::up(options, binary()).unwrap()
}

/// Records of a month that ended at the last midnight.
pub(crate) fn scenario(seed: u64, records: u64, order_free: bool) -> Scenario {
    const DAY_MS: i64 = 86_400_000;
    let now_ms = jiff::Timestamp::now().as_millisecond();
    Scenario { seed, records, now_ms: now_ms - now_ms.rem_euclid(DAY_MS), order_free }
}

/// Waits until all is done, then compares what is in the tables with the ledger, and gives the content digest.
pub(crate) async fn settle_and_compare(site: &Site, space: &Space, ledger: &Ledger) -> BTreeMap<&'static str, String> {
    until_settled(space, PATIENCE, |_| Ok(())).await.unwrap();
    let records = offsets(site, space).unwrap().iter().map(|count| count.records).sum();
    assert_eq!(records, ledger.records, "every record is in Kafka once");
    let account = Account::count(&space.store, records, 0).await.unwrap();
    println!("{}", account.line());
    account.check_conservation().unwrap();
    compare(&space.store, &account, ledger).await.unwrap();
    content_digest(&space.store).await.unwrap()
}
