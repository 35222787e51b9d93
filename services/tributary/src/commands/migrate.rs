//! `tributary migrate`

use anyhow::Context;
use schemas::topics::Topics;
use std::io::{Write, stdout};
use store::Store;
use stream::Admin;

use crate::config::Config;

/// Brings ClickHouse and Kafka to what this version needs. Safe to repeat.
pub(super) async fn run(config: Config) -> anyhow::Result<()> {
    let store = Store::connect(&config.clickhouse).await?;
    let applied = store.migrate().await.context("migrating ClickHouse")?;
    store.check().await?;
    say("ClickHouse", &applied, "migrations", store.database())?;
    let admin = Admin::connect(&config.kafka)?;
    let topics = topics(&config);
    let created = admin.ensure_topics(&topics).await.context("creating the topics")?;
    let names: Vec<&str> = topics.all().iter().map(|topic| topic.name.as_str()).collect();
    let existing = admin.describe_topics(&names).await?;
    Admin::require_log_append_time(&existing)?;
    say("Kafka", &created, "topics", &config.kafka.brokers)?;
    Ok(())
}

/// The topics under their configured names.
pub(super) fn topics(config: &Config) -> Topics {
    Topics::load_default().with_prefix(&config.kafka.topic_prefix)
}

fn say(part: &str, done: &[String], what: &str, place: &str) -> std::io::Result<()> {
    if done.is_empty() {
        writeln!(stdout(), "{part:<12}{place}: up to date")
    } else {
        writeln!(stdout(), "{part:<12}{place}: {} new {what}: {}", done.len(), done.join(", "))
    }
}
