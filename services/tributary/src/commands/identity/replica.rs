//! A copy of the graph in this process, from the identity log.

use anyhow::{Context, bail};
use identity::{Graph, Hasher};
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use resolver::snapshots::Beginning;
use schemas::{Command, Key};
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;
use stream::{Follower, LogApplier, LogProducer};

use super::change::Change;
use super::evidence::Told;
use super::rules;
use super::snapshot::Place;
use crate::commands::config::hasher;
use crate::config::Config;

/// The graph, and the way to the log.
pub(super) struct Replica {
    pub(super) graph: Arc<Graph>,
    applier: Arc<Applier>,
    follower: Follower,
    log: LogProducer,
}

/// Applies the log; what changes at one command is kept as it happens, whatever others append meanwhile.
struct Applier {
    graph: Arc<Graph>,
    watched: Mutex<Option<Watched>>,
    /// What operators said: few, and worth more than what ClickHouse has not written yet.
    told: Mutex<Vec<Told>>,
}

struct Watched {
    command: Command,
    from_offset: i64,
    seen: Option<(i64, Change)>,
}

impl LogApplier for Applier {
    fn apply(
        &self,
        offset: i64,
        append_time_ms: i64,
        commands: &[Command],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let told = commands.iter().filter(|command| !matches!(command, Command::Link { .. }));
        self.told.lock().extend(told.map(|command| Told::new(offset, append_time_ms, command)));
        let mut watched = self.watched.lock();
        let ours = watched.as_mut().filter(|watched| {
            watched.seen.is_none() && offset >= watched.from_offset && *commands == [watched.command.clone()]
        });
        match ours {
            Some(watched) => {
                let change = Change::of(&self.graph, offset, append_time_ms, &watched.command)?;
                watched.seen = Some((offset, change));
            }
            None => drop(self.graph.apply(offset, append_time_ms, commands)?),
        }
        Ok(())
    }
}

impl Replica {
    /// Reads the log from the newest snapshot on. The command's rules are the log's; a configuration with others is told so.
    pub(super) async fn follow(config: &Config) -> anyhow::Result<Self> {
        let replica = Self::follow_whatever_the_rules(config).await?;
        let differences = rules::differences(config, &replica.graph)?;
        if !differences.is_empty() {
            eprintln!(
                "note: the configured rules are not those in force ({} of them differ; `tributary identity rules check`)",
                differences.len()
            );
        }
        Ok(replica)
    }

    /// The same for those who compare the rules themselves.
    pub(super) async fn follow_whatever_the_rules(config: &Config) -> anyhow::Result<Self> {
        let place = Place::find(config).await?;
        let Beginning { graph, from_offset, .. } = place.begin(&Arc::new(hasher(config)?)).await?;
        let Place { log_topic: topic, log, .. } = place;
        let applier =
            Arc::new(Applier { graph: Arc::clone(&graph), watched: Mutex::default(), told: Mutex::default() });
        let observing: Arc<dyn LogApplier> = Arc::clone(&applier) as _;
        let follower = Follower::observe(&config.kafka, &topic, &log, observing, from_offset).await?;
        let replica = Replica { graph, applier, follower, log };
        replica.catch_up().await?;
        Ok(replica)
    }

    async fn catch_up(&self) -> anyhow::Result<()> {
        let end = self.follower.end_at_start();
        let bar =
            if std::io::stderr().is_terminal() { ProgressBar::new(end.unsigned_abs()) } else { ProgressBar::hidden() };
        let template =
            "reading the identity log {bar:30} {percent:>3} %  {human_pos} of {human_len}  (about {eta} to go)";
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        let caught_up = self.follower.wait_caught_up();
        tokio::pin!(caught_up);
        let result = loop {
            tokio::select! {
                result = &mut caught_up => break result,
                () = tokio::time::sleep(Duration::from_millis(200)) => {
                    bar.set_position((self.follower.applied() + 1).unsigned_abs());
                }
            }
        };
        bar.finish_and_clear();
        result.context("cannot read the identity log")
    }

    /// The rules in force.
    pub(super) fn hasher(&self) -> Arc<Hasher> {
        self.graph.hasher()
    }

    /// What operators said of these identifiers, as far as the log that was read goes back.
    pub(super) fn told(&self, identifiers: &[Key]) -> Vec<Told> {
        let told = self.applier.told.lock();
        told.iter().filter(|told| told.is_about(identifiers)).cloned().collect()
    }

    /// Whether anything was ever logged.
    pub(super) fn require_log(&self) -> anyhow::Result<()> {
        if self.follower.end_at_start() == 0 {
            bail!("the identity log is empty: start a resolver first, it writes the rules");
        }
        Ok(())
    }

    /// What the command would change, on this copy, which is of no use afterwards.
    pub(super) async fn try_out(self, command: &Command) -> anyhow::Result<Change> {
        self.follower.close().await;
        let now_ms = jiff::Timestamp::now().as_millisecond();
        Ok(Change::of(&self.graph, self.graph.applied() + 1, now_ms, command)?)
    }

    /// Appends the command, waits until it is applied here, and says at which offset it changed what.
    pub(super) async fn append(&self, command: Command) -> anyhow::Result<(i64, Change)> {
        let from_offset = self.log.end_offset().await?;
        *self.applier.watched.lock() = Some(Watched { command: command.clone(), from_offset, seen: None });
        let offset = self.log.append(&[command]).await?.context("nothing was appended")?;
        self.follower.wait_applied(offset).await.context("the command is in the log but could not be applied")?;
        let watched = self.applier.watched.lock().take();
        watched.and_then(|watched| watched.seen).context("the command was not seen in the log")
    }
}
