//! `tributary status`: one screen that says whether everything is up, caught up, and what it is doing.

mod screen;

use devstack::{Part, PartStatus, State};
use schemas::Source;
use serde::Serialize;
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::Duration;
use store::Store;
use stream::Admin;

use super::migrate::topics;
use super::{block_on, dev};
use crate::cli::StatusArgs;
use crate::config::Config;
use crate::lag::{TopicLag, topic_lag};

/// Names of the pipelines' consumer groups, without the prefix.
pub(super) const EVENTS_GROUP: &str = "events";
const IDENTITY_GROUP: &str = "identity";
const ATTRIBUTION_GROUP: &str = "attribution";

/// How long a part may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Everything on the screen.
#[derive(Debug, Serialize)]
struct Report {
    /// Every part answers and nothing waits.
    caught_up: bool,
    /// What is wrong, a sentence each.
    problems: Vec<String>,
    stack: Vec<PartStatus>,
    topics: Vec<TopicLag>,
    outcomes: Vec<Outcome>,
    resolvers: Vec<Process>,
}

/// What became of the records of one source, as ClickHouse has it.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Outcome {
    source: String,
    records: u64,
    stored: u64,
    duplicate: u64,
    rejected: u64,
}

/// A resolver process.
#[derive(Debug, Serialize)]
struct Process {
    address: String,
    /// `None` when nothing answers there.
    report: Option<resolver::StatusReport>,
}

/// Gathers and prints. The exit code tells scripts.
pub(super) fn run(config: Config, args: StatusArgs) -> anyhow::Result<ExitCode> {
    let stack = stack(&config);
    let report = block_on(async {
        let mut report = Report {
            caught_up: false,
            problems: Vec::new(),
            stack,
            topics: Vec::new(),
            outcomes: Vec::new(),
            resolvers: resolvers(&config, &args),
        };
        gather(&config, &mut report).await;
        Ok(report)
    })?;
    if args.json {
        writeln!(stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        write!(stdout(), "{}", screen::render(&report))?;
    }
    Ok(match (report.caught_up, report.problems.is_empty()) {
        (true, _) => ExitCode::SUCCESS,
        (false, true) => ExitCode::from(2),
        (false, false) => ExitCode::FAILURE,
    })
}

/// The parts that the configuration names: those of the local stack with all that is known of them, others as servers
/// of the user's, which answer until shown otherwise.
fn stack(config: &Config) -> Vec<PartStatus> {
    let local = dev::local_stack();
    let endpoints = local.endpoints();
    let parts = local.status().into_iter().map(|status| {
        let (configured, own) = match status.part {
            Part::Kafka => (config.kafka.brokers.clone(), &endpoints.brokers),
            Part::ClickHouse => (config.clickhouse.url_without_password(), &endpoints.clickhouse_url),
        };
        if configured.trim_end_matches('/') == own.trim_end_matches('/') {
            return status;
        }
        PartStatus {
            state: State::External,
            address: configured,
            pid: None,
            resident_bytes: None,
            version: None,
            log: None,
            ..status
        }
    });
    parts.collect()
}

/// Notes a problem. That a server of the user's does not answer can only be told by asking it.
fn failed(report: &mut Report, part: Part, is_silent: bool, problem: &dyn std::fmt::Display) {
    for status in &mut report.stack {
        if is_silent && status.part == part && status.state == State::External {
            status.state = State::ExternalSilent;
        }
    }
    report.problems.push(problem.to_string());
}

async fn gather(config: &Config, report: &mut Report) {
    match tokio::time::timeout(PATIENCE * 2, lags(config)).await {
        Ok(Ok(topics)) => report.topics = topics,
        Ok(Err(error)) => failed(report, Part::Kafka, error.is_retriable(), &error),
        Err(_) => failed(report, Part::Kafka, true, &format!("kafka at {} does not answer", config.kafka.brokers)),
    }
    match tokio::time::timeout(PATIENCE, outcomes(config)).await {
        Ok(Ok(outcomes)) => report.outcomes = outcomes,
        Ok(Err(error)) => failed(report, Part::ClickHouse, error.is_transient(), &error),
        Err(_) => {
            let url = config.clickhouse.url_without_password();
            failed(report, Part::ClickHouse, true, &format!("clickhouse at {url} does not answer"));
        }
    }
    // The stack knows best why its own part is silent, but says nothing that was not said.
    for part in &report.stack {
        let said = report.problems.iter().any(|problem| problem.contains(&part.address));
        if matches!(part.state, State::Silent | State::Died) && !said {
            report.problems.push(format!("{} at {} does not answer", part.part.name(), part.address));
        }
    }
    if report.resolvers.iter().all(|process| process.report.is_none()) {
        let addresses: Vec<&str> = report.resolvers.iter().map(|process| process.address.as_str()).collect();
        report.problems.push(format!("no resolver answers at {}", addresses.join(", ")));
    }
    for process in &report.resolvers {
        let obstacles = process.report.iter().flat_map(|report| &report.obstacles);
        report.problems.extend(obstacles.map(|obstacle| format!("resolver {}: {obstacle}", process.address)));
    }
    let waiting = report.topics.iter().any(|topic| topic.lag > 0);
    report.caught_up = report.problems.is_empty() && !waiting;
}

/// In the order of the data path: whatever a pipeline passes on is in the next topic before it is committed in the
/// first, so that "nothing waits" read in this order is true of all.
async fn lags(config: &Config) -> stream::Result<Vec<TopicLag>> {
    let admin = Admin::connect(&config.kafka)?;
    let topics = topics(config);
    let sources = Source::ALL.map(|source| (EVENTS_GROUP, &topics.source(source).name));
    let rest = [(IDENTITY_GROUP, &topics.identity_log.name), (ATTRIBUTION_GROUP, &topics.attribution_requests.name)];
    let watched: Vec<(&str, &str)> =
        sources.into_iter().chain(rest).map(|(group, name)| (group, name.as_str())).collect();
    let names: Vec<&str> = watched.iter().map(|(_, name)| *name).collect();
    let infos = admin.describe_topics(&names).await?;
    let mut lags = Vec::new();
    for ((group, _), info) in watched.iter().zip(&infos) {
        lags.push(topic_lag(&admin, &config.kafka.group(group), info).await?);
    }
    Ok(lags)
}

async fn outcomes(config: &Config) -> store::Result<Vec<Outcome>> {
    let store = Store::connect(&config.clickhouse).await?;
    let sql = "SELECT source, sum(records), sum(stored), sum(duplicate), sum(arraySum(mapValues(rejected))) FROM batches GROUP BY source ORDER BY source";
    let text = store.query_text(sql, "TabSeparated", &[]).await?;
    Ok(text.lines().map(outcome).collect())
}

fn outcome(line: &str) -> Outcome {
    let mut cells = line.split('\t');
    let source = cells.next().unwrap_or_default().to_owned();
    let mut number = || cells.next().and_then(|cell| cell.parse().ok()).unwrap_or(0);
    Outcome { source, records: number(), stored: number(), duplicate: number(), rejected: number() }
}

fn resolvers(config: &Config, args: &StatusArgs) -> Vec<Process> {
    let configured = [config.http.listen.to_string()];
    let addresses = if args.resolvers.is_empty() { &configured[..] } else { &args.resolvers };
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
    let ask = |address: &String| {
        let mut answer = agent.get(format!("http://{address}/status")).call().ok()?;
        answer.body_mut().read_json().ok()
    };
    addresses.iter().map(|address| Process { address: address.clone(), report: ask(address) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_from_text() {
        let expected = Outcome { source: "web".to_owned(), records: 10, stored: 7, duplicate: 1, rejected: 2 };
        assert_eq!(outcome("web\t10\t7\t1\t2"), expected);
    }
}
