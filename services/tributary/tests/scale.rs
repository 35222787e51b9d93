//! Two resolvers on one stack, one joining and one leaving in the middle: the same content as one makes.

#![allow(clippy::unwrap_used)] // A panic is how a test fails, in its helper functions too.

mod support;

use std::time::Duration;
use support::{PATIENCE, settle_and_compare};
use tributary::demo::{Feed, Resolver, Space};

const RECORDS: u64 = 40_000;

#[tokio::test(flavor = "multi_thread")]
async fn two_resolvers_make_what_one_makes() {
    let site = support::site("scale");
    let scenario = support::scenario(5, RECORDS, true);
    let one = {
        let space = Space::create(&site, "one", "one.", "", "").await.unwrap();
        let mut feed = Feed::new(&space, scenario.clone()).unwrap();
        feed.send(u64::MAX, |_| {}).await.unwrap();
        let _resolver = site.start_resolver("one", &space.file, &[]).unwrap();
        settle_and_compare(&site, &space, &feed.into_ledger()).await
    };

    let settings = "[resolver]\nbatch_max_records = 500\nbatch_max_age_ms = 300\n";
    let space = Space::create(&site, "two", "two.", "", settings).await.unwrap();
    let mut feed = Feed::new(&space, scenario).unwrap();
    feed.send(RECORDS * 4 / 10, |_| {}).await.unwrap();
    let mut first = site.start_resolver("first", &space.file, &[]).unwrap();
    until(&mut first, "store a quarter", |first| stored(first) >= RECORDS / 4).await;
    let mut second = site.start_resolver("second", &space.file, &[]).unwrap();
    until(&mut second, "own partitions", owns_partitions).await;
    feed.send(RECORDS * 3 / 10, |_| {}).await.unwrap();
    // Most of the partitions it is dealt may be those of small topics.
    until(&mut second, "store anything", |second| stored(second) > 0).await;
    let by_first = stored(&first);
    println!("the first has stored {by_first} of {RECORDS} and leaves, the second {}", stored(&second));
    assert!(first.stop(PATIENCE).unwrap().success());
    feed.send(u64::MAX, |_| {}).await.unwrap();
    let two = settle_and_compare(&site, &space, &feed.into_ledger()).await;
    let by_second = stored(&second);
    println!("the second has stored {by_second}");
    assert!(by_first >= RECORDS / 4 && by_second >= RECORDS / 4, "each has stored a quarter");
    assert_eq!(two, one, "the content digest of one process");
    assert!(second.stop(PATIENCE).unwrap().success());
    site.down().unwrap();
}

fn stored(resolver: &Resolver) -> u64 {
    resolver.status().map_or(0, |status| status.records.stored)
}

fn owns_partitions(resolver: &Resolver) -> bool {
    let partitions = resolver.status().map_or_else(|_| Vec::new(), |status| status.partitions);
    partitions.iter().any(|(pipeline, owned)| pipeline == "events" && *owned > 0)
}

async fn until(resolver: &mut Resolver, what: &str, is_done: impl Fn(&Resolver) -> bool) {
    for _ in 0..2_400 {
        resolver.require_running().unwrap();
        if is_done(resolver) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not {what} in two minutes, and has stored {}", stored(resolver));
}
