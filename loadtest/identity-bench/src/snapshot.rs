//! Writing and loading a snapshot of the graph.

use anyhow::{Result, ensure};
use identity::{Graph, SnapshotInfo};
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use crate::figures::say;
use crate::measure::{median, spent};

/// What the applier may have put aside while a snapshot is written.
const ASIDE_BYTES: usize = 1 << 30;

/// Writes the graph into the folder, loads it and says how long each took, by the clock on the wall: loading uses more
/// threads than one.
pub(crate) fn run(graph: &Graph, identifiers: u64, folder: &Path, rounds: u32) -> Result<()> {
    // Gigabytes take long enough to be measured at once.
    let rounds = if identifiers > 30_000_000 { 1 } else { rounds };
    let file = folder.join(format!("identity-bench-{}.snapshot", std::process::id()));
    let measured = write_and_load(graph, &file, rounds);
    fs::remove_file(&file)?;
    let (written_s, loaded_s, bytes) = measured?;
    say(identifiers, "snapshot write", written_s, "s");
    say(identifiers, "snapshot load", loaded_s, "s");
    say(identifiers, "snapshot bytes an identifier", bytes as f64 / graph.stats().identifiers as f64, "B");
    Ok(())
}

fn write_and_load(graph: &Graph, file: &Path, rounds: u32) -> Result<(f64, f64, u64)> {
    let (mut written, mut loaded, mut bytes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..rounds.min(3) {
        let (time, summary) = spent(|| -> Result<_> {
            let mut out = BufWriter::with_capacity(1 << 20, File::create(file)?);
            let summary = graph.save(&SnapshotInfo::default(), ASIDE_BYTES, &mut out)?;
            out.flush()?;
            Ok(summary)
        });
        bytes = summary?.bytes;
        written.push(time.wall_s);
    }
    for _ in 0..rounds.min(3) {
        let (time, read) = spent(|| -> Result<_> {
            Ok(Graph::load(&graph.hasher(), BufReader::with_capacity(1 << 20, File::open(file)?))?)
        });
        let (other, _) = read?;
        ensure!(other.fingerprint_at() == graph.fingerprint_at(), "the loaded graph has another fingerprint");
        loaded.push(time.wall_s);
    }
    Ok((median(written), median(loaded), bytes))
}
