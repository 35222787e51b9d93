//! Kill -9 in the middle of the demo, over the resolver, ClickHouse and Kafka: nothing lost, nothing doubled.

#![allow(clippy::unwrap_used)] // A panic is how a test fails, in its helper functions too.

mod support;

use devstack::Part;
use loadtest::{Ledger, Scenario};
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;
use support::{PATIENCE, settle_and_compare};
use tributary::demo::{Account, Feed, Resolver, Site, Space, compare, compare_identity_map, content_digest, lines};

/// A dead process is noticed sooner than by default, so that the next one need not wait so long for its partitions.
const QUICK_TAKEOVER: &str = "session_timeout_ms = 6000\n";

/// What is killed next. A resolver kills itself at a named place of the protocol, the n-th time that it comes there.
#[derive(Debug, Clone, Copy)]
enum Kill {
    Resolver(&'static str),
    ClickHouse,
    Kafka,
}

/// Each place lies between the commit of a batch's plan and the commit of its end.
const ORDER_FREE: [Kill; 11] = [
    Kill::Resolver("engine.after_plan:2"),
    Kill::ClickHouse,
    Kill::Resolver("store.after.events:3"),
    Kill::Kafka,
    Kill::Resolver("store.before.events:2"),
    Kill::ClickHouse,
    Kill::Resolver("store.after.touchpoints:2"),
    Kill::Resolver("store.after.batches:3"),
    Kill::Kafka,
    Kill::Resolver("engine.before_end:2"),
    Kill::ClickHouse,
];
const MIXED: [Kill; 4] =
    [Kill::Resolver("store.after.conversions:2"), Kill::Kafka, Kill::ClickHouse, Kill::Resolver("engine.after_plan:3")];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_by_kills() {
    let site = support::site("faults");
    let calm = {
        let space = space(&site, "calm").await;
        let mut feed = Feed::new(&space, scenario(true)).unwrap();
        feed.send(u64::MAX, |_| {}).await.unwrap();
        let resolver = site.start_resolver("calm", &space.file, &[]).unwrap();
        let ledger = feed.into_ledger();
        let digest = settle_and_compare(&site, &space, &ledger).await;
        resolver.kill();
        a_doubled_row_is_noticed(&space, &ledger, &digest).await;
        digest
    };
    let stormy = storm(&site, "order_free", scenario(true), &ORDER_FREE).await;
    assert_eq!(stormy, calm, "the content digest of an undisturbed run");
    storm(&site, "mixed", scenario(false), &MIXED).await;
    site.down().unwrap();
}

fn scenario(order_free: bool) -> Scenario {
    support::scenario(11, if order_free { 60_000 } else { 24_000 }, order_free)
}

async fn space(site: &Site, name: &str) -> Space {
    let settings = "[resolver]\nbatch_max_age_ms = 300\n";
    Space::create(site, name, &format!("{name}."), QUICK_TAKEOVER, settings).await.unwrap()
}

/// A canary: what the storms are compared by must see a row that stands twice.
async fn a_doubled_row_is_noticed(space: &Space, ledger: &Ledger, digest: &BTreeMap<&'static str, String>) {
    let sql = "INSERT INTO {db}.events SELECT * FROM {db}.events LIMIT 1";
    lines(&space.store, sql).await.unwrap();
    let account = Account::count(&space.store, ledger.records, 0).await.unwrap();
    assert!(account.check_conservation().is_err());
    assert!(compare(&space.store, &account, ledger).await.is_err());
    assert_ne!(&content_digest(&space.store).await.unwrap(), digest);
}

/// Sends the records in as many pieces as there are kills and one more; each kill comes while its piece is worked on.
async fn storm(site: &Site, name: &str, scenario: Scenario, kills: &[Kill]) -> BTreeMap<&'static str, String> {
    let space = space(site, name).await;
    let piece = scenario.records / (kills.len() as u64 + 1) + 1;
    let mut feed = Feed::new(&space, scenario).unwrap();
    let mut running: Option<Resolver> = None;
    for (number, kill) in (1..).zip(kills) {
        feed.send(piece, |_| {}).await.unwrap();
        match kill {
            Kill::Resolver(place) => {
                if let Some(mut resolver) = running.take() {
                    resolver.stop(PATIENCE).unwrap();
                }
                let environment = [("TRIBUTARY_CRASH_AT", *place)];
                let mut resolver = site.start_resolver(name, &space.file, &environment).unwrap();
                let ended = resolver.wait_for_end(PATIENCE).unwrap_or_else(|| panic!("{name}: never came to {place}"));
                assert_eq!(ended.signal(), Some(libc::SIGKILL), "{place}");
                println!("{name} {number}: killed the resolver (pid {}) at {place}", resolver.pid());
            }
            Kill::ClickHouse | Kill::Kafka => {
                let part = if matches!(kill, Kill::Kafka) { Part::Kafka } else { Part::ClickHouse };
                if running.is_none() {
                    running = Some(site.start_resolver(name, &space.file, &[]).unwrap());
                }
                wait_for_work(running.as_mut().unwrap()).await;
                let pid = site.stack().status().into_iter().find(|status| status.part == part).unwrap().pid;
                site.crash(part).unwrap();
                println!("{name} {number}: killed {} (pid {}) and started it again", part.name(), pid.unwrap());
            }
        }
    }
    feed.send(u64::MAX, |_| {}).await.unwrap();
    let mut resolver = match running {
        Some(resolver) => resolver,
        None => site.start_resolver(name, &space.file, &[]).unwrap(),
    };
    let digest = settle_and_compare(site, &space, &feed.into_ledger()).await;
    compare_identity_map(&space).await.unwrap();
    assert!(resolver.stop(PATIENCE).unwrap().success());
    digest
}

/// Waits until the resolver has stored something of what is there, so that a kill comes in the middle.
async fn wait_for_work(resolver: &mut Resolver) {
    resolver.wait_until_ready(PATIENCE).unwrap();
    let stored = |resolver: &Resolver| resolver.status().map_or(0, |status| status.records.stored);
    let before = stored(resolver);
    for _ in 0..600 {
        if stored(resolver) > before {
            return;
        }
        resolver.require_running().unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("no batch ended in 12 s: the kill comes before or after the work");
}
