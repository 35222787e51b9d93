//! What the demos begin and end with.

use loadtest::Ledger;
use std::time::Duration;

use super::report::in_and_out;
use super::steps::{Progress, Steps};
use super::{Account, DemoOptions, Resolver, Site, Space, offsets, until_settled};
use crate::error::{Error, Result};

/// Nothing changing for this long is an error.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long a resolver may take to end its batches.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// Stack, tables and topics, resolver.
pub(super) async fn begin(steps: &mut Steps, options: &DemoOptions) -> Result<(Site, Space, Resolver)> {
    let site = steps.step("start Kafka and ClickHouse (the first time fetches them)", || {
        Site::up(Site::options(&options.state_dir, &options.binary), &options.binary)
    })?;
    let (database, prefix) = names(&site);
    let space = steps.step_async("create tables and topics", Space::create(&site, &database, &prefix, "", "")).await?;
    let resolver = steps.step("start the resolver", || {
        let mut resolver = site.start_resolver("resolver", &space.file, &[])?;
        resolver.wait_until_ready(PATIENCE)?;
        Ok(resolver)
    })?;
    Ok((site, space, resolver))
}

/// On a stack of our own the usual names; on servers that others use, names that nobody has.
fn names(site: &Site) -> (String, String) {
    if site.is_own() {
        return ("tributary".to_owned(), String::new());
    }
    let suffix = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
    (format!("demo_{suffix}"), format!("demo-{suffix}."))
}

/// Waits until every record is accounted for, stops the resolver and prints what came in and out.
pub(super) async fn finish(
    steps: &mut Steps,
    site: &Site,
    space: &Space,
    mut resolver: Resolver,
    ledger: Option<&Ledger>,
) -> Result<Account> {
    steps
        .step_async("wait until every record is accounted for", async {
            let mut progress = Progress::spinner();
            until_settled(space, PATIENCE, |waiting| {
                progress.at(0, || waiting.to_string());
                resolver.require_running()
            })
            .await
        })
        .await?;
    let status = resolver.status()?;
    steps.step("stop the resolver", || match resolver.stop(STOP_LIMIT) {
        Some(status) if status.success() => Ok(()),
        Some(_) => resolver.require_running(),
        None => Err(Error::ResolverSilent { seconds: STOP_LIMIT.as_secs(), log: resolver.log.clone() }),
    })?;
    let counts = steps.step("ask Kafka's own tool how many records came in", || offsets(site, space))?;
    let table = in_and_out(&space.store, &counts).await?;
    println!("\n{table}");
    let records = counts.iter().map(|count| count.records).sum();
    let account = Account::count(&space.store, records, status.graph.merges).await?;
    account.check_conservation()?;
    if let Some(ledger) = ledger
        && ledger.records != records
    {
        return Err(Error::Unequal {
            what: "records in Kafka".to_owned(),
            expected: format!("{} sent", ledger.records),
            found: records.to_string(),
        });
    }
    Ok(account)
}

/// Stops the stack, or says how to go on with it.
pub(super) async fn end(steps: &mut Steps, mut site: Site, space: Space, options: &DemoOptions) -> Result<()> {
    if options.keep {
        site.keep();
        let (tributary, folder, config) = (options.binary.display(), options.state_dir.display(), space.file.display());
        println!("\nKafka and ClickHouse stay up:");
        println!(
            "  {tributary} --config {config} sql \"SELECT channel, count() FROM resolved_events GROUP BY channel\""
        );
        println!("  {tributary} --config {config} status");
        println!(
            "  eval \"$({tributary} dev env --state-dir {folder})\"     # for other tools: KAFKA_BROKERS, CLICKHOUSE_URL"
        );
        println!(
            "  {tributary} dev down --state-dir {folder}             # stops them; `dev reset` deletes their data, too"
        );
    } else if site.is_own() {
        steps.step("stop everything", || site.down())?;
    } else {
        steps.step_async("take its tables and topics away again", space.remove()).await?;
    }
    println!("\n{} steps in {:.0} s", steps.count(), steps.elapsed().as_secs_f64());
    Ok(())
}
