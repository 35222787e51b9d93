//! `tributary identity snapshot …`

use anyhow::{Context, bail};
use identity::Hasher;
use resolver::snapshots::{Archive, Beginning, Directory, SnapshotFile, begin};
use serde_json::json;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use stream::{Admin, LogProducer, TopicInfo};

use super::replica::Replica;
use crate::cli::SnapshotAction;
use crate::commands::config::hasher;
use crate::commands::migrate::topics;
use crate::config::Config;

/// Writes, publishes, lists or checks snapshots.
pub(super) async fn run(config: Config, action: SnapshotAction) -> anyhow::Result<ExitCode> {
    let place = Place::find(&config).await?;
    match action {
        SnapshotAction::Write => write(&config, &place).await,
        SnapshotAction::Publish { truncate } => publish(&config, &place, truncate).await,
        SnapshotAction::List { json } => list(&place, json).await,
        SnapshotAction::Verify { files } => verify(&config, &place, files),
    }
}

/// Where the configured log's snapshots are.
pub(super) struct Place {
    pub(super) log_topic: TopicInfo,
    pub(super) log: LogProducer,
    directory: Directory,
    archive: Archive,
}

impl Place {
    pub(super) async fn find(config: &Config) -> anyhow::Result<Self> {
        let (admin, topics) = (Admin::connect(&config.kafka)?, topics(config));
        let names = [topics.identity_log.name.as_str(), topics.identity_snapshots.name.as_str()];
        let found = admin.describe_topics(&names).await?;
        let log = LogProducer::new(&config.kafka, &found[0])?;
        let archive = Archive::new(&config.kafka, &admin, &log, &found[0], &found[1])?;
        let directory = Directory::new(&config.snapshots.dir, found[0].id);
        Ok(Place { log_topic: found[0].clone(), log, directory, archive })
    }

    /// The graph that a process begins with.
    pub(super) async fn begin(&self, own: &Arc<Hasher>) -> anyhow::Result<Beginning> {
        Ok(begin(own, &self.directory, &self.archive, &self.log).await?)
    }
}

async fn write(config: &Config, place: &Place) -> anyhow::Result<ExitCode> {
    let replica = Replica::follow(config).await?;
    replica.require_log()?;
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let (file, summary) = place.directory.write(&replica.graph, u64::MAX, now_ms)?;
    writeln!(
        stdout(),
        "{}\noffset {}, {} identifiers, {} bytes, fingerprint {}",
        file.path.display(),
        file.log_offset,
        summary.header.identifiers,
        file.bytes,
        summary.header.fingerprint
    )?;
    Ok(ExitCode::SUCCESS)
}

async fn publish(config: &Config, place: &Place, truncate: bool) -> anyhow::Result<ExitCode> {
    let own = Arc::new(hasher(config)?);
    let file = newest_usable(place, &own)?;
    let published = place.archive.publish(&file).await?;
    let manifest = &published.snapshot.manifest;
    writeln!(
        stdout(),
        "published {} in {} chunks and read back: log offset {}, {} bytes; {} older deleted",
        file.path.display(),
        manifest.chunks,
        manifest.log_offset,
        manifest.bytes,
        published.deleted
    )?;
    if truncate {
        let truncated = place.archive.truncate_log(&place.directory, &own).await?;
        writeln!(stdout(), "the identity log begins at offset {}, before at {}", truncated.to, truncated.from)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The newest file that can be loaded; what is damaged is named.
fn newest_usable(place: &Place, own: &Hasher) -> anyhow::Result<SnapshotFile> {
    for file in place.directory.list()? {
        match place.directory.load(&file, own) {
            Ok(_) => return Ok(file),
            Err(error) => eprintln!("passed over: {error}"),
        }
    }
    bail!(
        "there is no snapshot in {}: write one with `tributary identity snapshot write`",
        place.directory.path().display()
    )
}

async fn list(place: &Place, as_json: bool) -> anyhow::Result<ExitCode> {
    let files = place.directory.list()?;
    let published = place.archive.list().await?;
    let mut out = stdout();
    if as_json {
        let local: Vec<_> = files
            .iter()
            .map(|file| match place.directory.header(file) {
                Ok(header) => json!({ "file": file.path, "bytes": file.bytes, "header": header }),
                Err(error) => json!({ "file": file.path, "bytes": file.bytes, "error": error.to_string() }),
            })
            .collect();
        let published: Vec<_> = published
            .iter()
            .map(|each| json!({ "manifest": each.manifest, "published_at_ms": each.published_at_ms }))
            .collect();
        writeln!(out, "{:#}", json!({ "files": local, "published": published }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if files.is_empty() && published.is_empty() {
        writeln!(out, "none, neither in {} nor in Kafka", place.directory.path().display())?;
    }
    for file in &files {
        let path = file.path.display();
        match place.directory.header(file) {
            Ok(header) => writeln!(
                out,
                "file       offset {:>10}  {:>12} bytes  {}  {} identifiers  {path}",
                file.log_offset,
                file.bytes,
                time(header.created_at_ms),
                header.identifiers
            )?,
            Err(error) => writeln!(out, "damaged    {error}")?,
        }
    }
    for each in &published {
        let manifest = &each.manifest;
        let (offset, bytes, at) = (manifest.log_offset, manifest.bytes, time(each.published_at_ms));
        writeln!(out, "published  offset {offset:>10}  {bytes:>12} bytes  {at}  {} chunks", manifest.chunks)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| "?".to_owned(), |time| format!("{time:.0}"))
}

fn verify(config: &Config, place: &Place, files: Vec<PathBuf>) -> anyhow::Result<ExitCode> {
    let listed = if files.is_empty() {
        place.directory.list()?
    } else {
        files.into_iter().map(|path| SnapshotFile { path, log_offset: -1, bytes: 0 }).collect()
    };
    if listed.is_empty() {
        bail!("there is no snapshot in {}", place.directory.path().display());
    }
    let own = hasher(config)?;
    let mut all_are_right = true;
    for file in listed {
        match place.directory.load(&file, &own) {
            Ok((_, header)) => writeln!(
                stdout(),
                "right    {}: offset {}, {} identifiers, fingerprint {}",
                file.path.display(),
                header.log_offset,
                header.identifiers,
                header.fingerprint
            )
            .context("cannot print")?,
            Err(error) => {
                all_are_right = false;
                writeln!(stdout(), "damaged  {error}")?;
            }
        }
    }
    Ok(if all_are_right { ExitCode::SUCCESS } else { ExitCode::from(2) })
}
