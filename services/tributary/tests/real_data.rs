//! Three days of one real shop's site events, as exported and in a disguise, imported once and again.
//!
//! The data is no part of this repository: without `../shared/data` these tests say so and pass.

#![allow(clippy::unwrap_used)] // A panic is how a test fails, in its helper functions too.

mod support;
#[path = "support/export.rs"]
mod export;

use export::{Counts, Export};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::PATIENCE;
use tributary::demo::{Account, Site, Space, number, until_settled};

const MAPPING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/imports/shop_clickstream.toml");
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/clickstream");

#[tokio::test(flavor = "multi_thread")]
async fn three_real_days_once_and_again() {
    if !Path::new(DATA).exists() {
        println!("skipped: {DATA} is absent");
        return;
    }
    let site = support::site("real_data");
    let files = support::folder("real_data_files");
    let _ = std::fs::remove_dir_all(&files);
    let original = Export::read(Path::new(DATA));

    let disguised = original.disguised(20_250_223);
    let space = Space::create(&site, "disguised", "disguised.", "", "").await.unwrap();
    let mut resolver = site.start_resolver("disguised", &space.file, &[]).unwrap();
    import(&site, &space, &disguised.write(&files.join("disguised")));
    assert_eq!(counts(&space).await, disguised.counts(), "a permutation with other ids and prices");
    resolver.stop(PATIENCE).unwrap();

    let expected = Counts {
        records: 11_001,
        rejected: 356,
        customers: 8_600,
        conversions: 61,
        revenue_minor: 4_837_200,
        quality: 1,
    };
    assert_eq!(original.counts(), expected, "the naive script");
    let space = Space::create(&site, "real", "real.", "", "").await.unwrap();
    let mut resolver = site.start_resolver("real", &space.file, &[]).unwrap();
    let exported = original.write(&files.join("exported"));
    import(&site, &space, &exported);
    assert_eq!(counts(&space).await, expected, "as exported");

    let again = [
        ("the same files", exported.clone()),
        ("shuffled", original.shuffled(1).write(&files.join("shuffled"))),
        ("split in two", original.split().write(&files.join("split"))),
        ("renamed", original.write(&files.join("renamed to something else"))),
    ];
    for (how, files) in &again {
        import(&site, &space, files);
        assert_eq!(counts(&space).await, expected, "imported again: {how}");
    }

    resolver.stop(PATIENCE).unwrap();
    site.stack().down().unwrap();
    up_a_day_later(&site);
    let mut resolver = site.start_resolver("real", &space.file, &[]).unwrap();
    import(&site, &space, &exported);
    assert_eq!(counts(&space).await, expected, "imported again after a restart, a day later");
    import(&site, &space, &original.with_one_more_row().write(&files.join("one more")));
    assert_eq!(counts(&space).await, Counts { records: 11_002, ..expected }, "one row is new");
    let later = "SELECT dateDiff('hour', min(received_at), max(received_at)) FROM {db}.events";
    assert!(number(&space.store, later).await.unwrap() >= 24, "Kafka's clock had moved on by a day");
    resolver.stop(PATIENCE).unwrap();
    site.down().unwrap();
}

/// `tributary import`, as a user calls it.
fn import(site: &Site, space: &Space, files: &[PathBuf]) {
    let state = site.folder().join("imports");
    let output = site
        .command(&space.file)
        .args(["import", "--wait", "--strict", "--state-dir"])
        .arg(state)
        .arg(MAPPING)
        .args(files)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// What is in the tables once everything is accounted for.
async fn counts(space: &Space) -> Counts {
    until_settled(space, PATIENCE, |_| Ok(())).await.unwrap();
    let mut records = 0;
    for source in schemas::Source::ALL {
        let topic = space.admin.describe_topics(&[&space.topics.source(source).name]).await.unwrap();
        records += space.admin.records(&topic[0]).await.unwrap().unsigned_abs();
    }
    let account = Account::count(&space.store, records, 0).await.unwrap();
    println!("{}", account.line());
    account.check_conservation().unwrap();
    let reason = "SELECT count() FROM {db}.dead_letters WHERE reason != 'no_identifier'";
    assert_eq!(number(&space.store, reason).await.unwrap(), 0, "nothing else is rejected");
    let quality = number(&space.store, "SELECT count() FROM {db}.data_quality").await.unwrap();
    Counts {
        records,
        rejected: account.rejected,
        customers: account.customers,
        conversions: account.conversions,
        revenue_minor: account.revenue_minor,
        quality: quality.unsigned_abs(),
    }
}

/// Starts the stack again with its servers' clocks moved on by 25 hours. They are the clocks that matter: Kafka's is the
/// receipt time, by which event ids are remembered.
fn up_a_day_later(site: &Site) {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/clock_ahead.c");
    let library = support::folder("clock_ahead.so");
    let compiled =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).status().unwrap();
    assert!(compiled.success());
    let output = Command::new(support::binary())
        .args(["dev", "up", "--kafka-port", "0", "--clickhouse-port", "0", "--state-dir"])
        .arg(site.folder())
        .env_remove("KAFKA_BROKERS")
        .env_remove("CLICKHOUSE_URL")
        .env("LD_PRELOAD", library)
        .env("CLOCK_AHEAD_S", "90000")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
