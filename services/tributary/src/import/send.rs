//! Rows into the source topics, each exactly once however often a file is imported.
//!
//! Before anything is sent, the events pipeline must have finished with what was in the topics already; from then on
//! ClickHouse knows every row of earlier imports, and whatever it holds is not sent again.

use anyhow::Context;
use schemas::Source;
use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use store::Store;
use stream::{Admin, Message, Producer, ProducerLimits, TopicInfo};

use super::apply::{Mapped, Occurrences, Outcome};
use super::dry_run::{broken_file, mapped};
use super::held::{held, id_hash};
use super::mapping::Mapping;
use super::progress::Progress;
use super::reader::RowReader;
use super::rejects::Rejects;
use super::state::FileState;
use super::summary::Summary;
use crate::config::Config;
use crate::error::Error;
use crate::lag::Ends;

/// Rows between two marks.
const CHUNK_ROWS: usize = 10_000;
/// How often Kafka is asked whether the pipeline has finished.
const POLL: Duration = Duration::from_millis(300);
/// After this long without progress the user is told what is waited for.
const HINT_AFTER: Duration = Duration::from_secs(10);

/// What to import and how.
#[derive(Debug, Clone)]
pub struct SendOptions {
    /// The files, in this order.
    pub files: Vec<PathBuf>,
    /// Where bad rows go.
    pub rejects: PathBuf,
    /// Where interrupted imports remember how far they came.
    pub state_dir: PathBuf,
    /// Wait at the end until the pipeline has finished with everything.
    pub wait: bool,
    /// Fail when any row is bad.
    pub strict: bool,
}

/// Imports the files.
pub async fn send(config: &Config, mapping: &Mapping, options: &SendOptions) -> anyhow::Result<()> {
    let bytes = options.files.iter().map(|path| std::fs::metadata(path).map_or(0, |metadata| metadata.len())).sum();
    // A wrong file is found before anything is sent.
    for path in &options.files {
        RowReader::open(path, mapping)?;
    }
    let mut importer = Importer::connect(config, mapping, Progress::new(bytes), options).await?;
    let before = importer.ends().await?;
    importer.drain(&before, "what is in the topics already").await?;
    let ahead_ms = config.limits.max_event_ahead_ms;
    importer.seen = held(&importer.store, mapping, &options.files, ahead_ms, &mut importer.progress).await?;
    let mut states = Vec::new();
    for path in &options.files {
        states.push(importer.file(path, options).await?);
    }
    importer.producer.flush().await?;
    if options.wait {
        let after = importer.ends().await?;
        importer.drain(&after, "the imported records").await?;
    }
    importer.progress.finish();
    states.into_iter().for_each(FileState::remove);
    importer.report(options)
}

struct Importer<'a> {
    mapping: &'a Mapping,
    store: Store,
    admin: Admin,
    producer: Producer,
    group: String,
    topics: BTreeMap<Source, TopicInfo>,
    /// Names cluster and topics: what a file's state is believed for.
    target: String,
    progress: Progress,
    rejects: Rejects,
    summary: Summary,
    bytes_before: u64,
    /// Ids that ClickHouse holds, and those of this run: exports may overlap.
    seen: HashSet<u128>,
    /// The first file that could be read in part only.
    broken: Option<Error>,
    max_bytes: usize,
    sent: u64,
    held: u64,
    resumed: u64,
}

impl<'a> Importer<'a> {
    async fn connect(
        config: &Config,
        mapping: &'a Mapping,
        progress: Progress,
        options: &SendOptions,
    ) -> anyhow::Result<Self> {
        let store = Store::connect(&config.clickhouse).await?;
        store.check().await.context("the tables are not ready; `tributary migrate` makes them")?;
        let admin = Admin::connect(&config.kafka)?;
        let all = schemas::topics::Topics::load_default().with_prefix(&config.kafka.topic_prefix);
        let sources = mapping.sources();
        let names: Vec<&str> = sources.iter().map(|source| all.source(*source).name.as_str()).collect();
        let infos =
            admin.describe_topics(&names).await.context("the topics are not ready; `tributary migrate` makes them")?;
        let ids: Vec<String> = infos.iter().map(|topic| topic.id.to_string()).collect();
        let target = format!("{} {}", admin.cluster_id().await?, ids.join(" "));
        let limits = ProducerLimits { max_in_flight: CHUNK_ROWS };
        Ok(Importer {
            mapping,
            store,
            producer: Producer::new(&config.kafka, limits)?,
            group: config.kafka.group("events"),
            topics: sources.into_iter().zip(infos).collect(),
            admin,
            target,
            progress,
            rejects: Rejects::new(Some(options.rejects.clone())),
            summary: Summary::default(),
            bytes_before: 0,
            seen: HashSet::new(),
            broken: None,
            max_bytes: config.limits.max_payload_bytes,
            sent: 0,
            held: 0,
            resumed: 0,
        })
    }

    async fn ends(&self) -> anyhow::Result<Vec<Ends>> {
        let mut ends = Vec::new();
        for topic in self.topics.values() {
            ends.push(Ends::read(&self.admin, topic).await?);
        }
        Ok(ends)
    }

    /// Waits until the events pipeline has committed these ends.
    async fn drain(&self, ends: &[Ends], what: &str) -> anyhow::Result<()> {
        let mut progressed = (i64::MAX, Instant::now());
        let mut hinted = false;
        loop {
            let mut behind = 0;
            for end in ends {
                behind += end.behind(&self.admin, &self.group).await?;
            }
            if behind == 0 {
                return Ok(());
            }
            if behind < progressed.0 {
                progressed = (behind, Instant::now());
            } else if !hinted && progressed.1.elapsed() > HINT_AFTER {
                hinted = true;
                self.progress.say(&format!(
                    "waiting for the resolver to finish with {what}: {behind} records to go. Is it running? (`tributary resolver`, `tributary status`)"
                ));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn file(&mut self, path: &std::path::Path, options: &SendOptions) -> anyhow::Result<FileState> {
        let mut state = FileState::open(&options.state_dir, &self.target, self.mapping.hash, path)?;
        let skip = state.rows();
        if skip > 0 {
            self.progress.say(&format!("{}: going on after row {skip}", path.display()));
        }
        let mut reader = RowReader::open(path, self.mapping)?;
        for absent in &reader.absent {
            self.progress.say(&format!("{}: no column {absent}", path.display()));
        }
        let mut occurrences = Occurrences::default();
        let mut chunk = Vec::with_capacity(CHUNK_ROWS);
        let mut rows = 0;
        loop {
            let row = reader.next();
            let ended = row.is_none();
            if let Some(row) = row {
                rows += 1;
                // Rows before the mark are mapped as well: which occurrence a later row is depends on them.
                let outcome = mapped(self.mapping, row, &mut occurrences, self.max_bytes);
                self.count(path, &outcome)?;
                if let Ok(Outcome::Record(record)) = outcome {
                    self.take(*record, rows <= skip, &mut chunk);
                }
            }
            if chunk.len() >= CHUNK_ROWS || (ended && !chunk.is_empty()) {
                self.send_chunk(&mut chunk).await?;
                state.advance(rows)?;
                let sent = self.sent;
                self.progress.at(self.bytes_before + reader.bytes_read(), || format!("{sent} sent"));
            }
            if ended {
                self.bytes_before += reader.bytes_read();
                state.advance(rows.max(skip))?;
                if let Some(why) = reader.broken() {
                    self.broken.get_or_insert_with(|| broken_file(path, why));
                }
                return Ok(state);
            }
        }
    }

    fn count(
        &mut self,
        path: &std::path::Path,
        outcome: &Result<Outcome, super::reader::BadRow>,
    ) -> anyhow::Result<()> {
        match outcome {
            Ok(outcome) => self.summary.add(outcome),
            Err(bad) => {
                self.summary.add_bad();
                if let Some(message) = self.rejects.add(path, bad)? {
                    self.progress.say(&message);
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, record: Mapped, before_mark: bool, chunk: &mut Vec<Mapped>) {
        let new = self.seen.insert(id_hash(record.source, &record.event_id));
        if before_mark {
            self.resumed += 1;
        } else if new {
            chunk.push(record);
        } else {
            self.held += 1;
        }
    }

    /// Sends the rows and waits for Kafka's acknowledgement.
    async fn send_chunk(&mut self, chunk: &mut Vec<Mapped>) -> anyhow::Result<()> {
        for record in chunk.drain(..) {
            let payload = serde_json::to_vec(&record.record.0).context("a record cannot be written as JSON")?;
            let topic = &self.topics[&record.source].name;
            let message = Message { topic, key: Some(record.key.as_bytes()), payload: &payload, headers: &[] };
            self.producer.send(message).await?;
            self.sent += 1;
        }
        Ok(self.producer.flush().await?)
    }

    fn report(self, options: &SendOptions) -> anyhow::Result<()> {
        let mut out = std::io::stdout();
        write!(out, "{}", self.summary.render())?;
        writeln!(out, "{:<24}{}", "sent", self.sent)?;
        if self.held > 0 {
            writeln!(out, "{:<24}{} (imported before, not sent again)", "already there", self.held)?;
        }
        if self.resumed > 0 {
            writeln!(out, "{:<24}{} (sent before the interruption)", "resumed after", self.resumed)?;
        }
        let bad = self.summary.bad;
        let broken = self.broken;
        if let Some(path) = self.rejects.finish()? {
            writeln!(out, "{:<24}{}", "bad rows are in", path.display())?;
        }
        broken.map_or(Ok(()), Err)?;
        anyhow::ensure!(
            self.summary.records > 0 || self.summary.rows == bad && bad == 0,
            "no row of {} could be used",
            names(&options.files)
        );
        anyhow::ensure!(!options.strict || bad == 0, "{bad} bad rows (--strict)");
        Ok(())
    }
}

fn names(files: &[PathBuf]) -> String {
    files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
