//! The demo on generated records.

use jiff::Timestamp;
use loadtest::Scenario;

use super::frame::{begin, end, finish};
use super::report::answer;
use super::steps::{Progress, Steps};
use super::{DemoOptions, Feed, compare, questions};
use crate::error::Result;

/// Starts the stack, sends generated records through the whole path, asks six questions, compares everything with the
/// generator's ledger, and stops.
pub async fn generated(options: &DemoOptions, records: u64, seed: u64, order_free: bool) -> Result<()> {
    let mut steps = Steps::new();
    let (site, space, resolver) = begin(&mut steps, options).await?;
    let scenario = Scenario { seed, records, now_ms: end_of_history_ms(), order_free };
    let ledger = steps
        .step_async(&format!("produce {records} records (seed {seed})"), async {
            let mut progress = Progress::of(records);
            let mut feed = Feed::new(&space, scenario)?;
            feed.send(records, |sent| progress.at(sent, || format!("{sent} of {records} records sent"))).await?;
            Ok(feed.into_ledger())
        })
        .await?;
    let account = finish(&mut steps, &site, &space, resolver, Some(&ledger)).await?;
    for (number, question) in (1..).zip(&questions::generated()) {
        answer(&space.store, number, question).await?;
    }
    println!();
    steps
        .step_async("compare with the generator's ledger", async {
            compare(&space.store, &account, &ledger).await?;
            println!(
                "   equal: {} event ids stored, {} rejected (with reason and payload), {} duplicates, {} conversions, revenue {}",
                ledger.stored.len(),
                ledger.rejected_total(),
                ledger.duplicate,
                ledger.conversions,
                ledger.revenue_minor
            );
            Ok(())
        })
        .await?;
    end(&mut steps, site, space, options).await?;
    println!("{}", account.line());
    Ok(())
}

/// The month of the scenario ends at midnight two days ago, so that nothing in it is ahead of its receipt.
fn end_of_history_ms() -> i64 {
    const DAY_MS: i64 = 86_400_000;
    let now_ms = Timestamp::now().as_millisecond();
    now_ms - now_ms.rem_euclid(DAY_MS) - 2 * DAY_MS
}
