//! Writing a snapshot while the applier goes on.

use parking_lot::RwLock;
use std::io::Write;
use std::sync::Arc;

use super::arena::Arena;
use super::edges::Edges;
use super::nodes::Nodes;
use super::pages::{Budget, PAGE, Saved};
use crate::snapshot::{FileWriter, Result, Section, SnapshotHeader, SnapshotSummary};

/// Pages that are copied under one hold of the lock: 64 KiB of nodes.
const PAGES_AT_ONCE: u32 = 16;

pub(super) mod section {
    use super::Section;

    pub(in crate::graph) const NODES: Section = Section("nodes");
    pub(in crate::graph) const SUMMARIES: Section = Section("summary");
    pub(in crate::graph) const EDGES: Section = Section("edges");
    pub(in crate::graph) const FREE: Section = Section("free");
    pub(in crate::graph) const GENERATIONS: Section = Section("gens");
}

/// The nodes and edges as they are at one log offset. While it lives, the applier keeps aside what it changes.
pub(super) struct Frozen<'a> {
    nodes: &'a Nodes,
    edges: &'a Edges,
    node_count: u32,
    edge_count: u32,
    free: Vec<u32>,
    generations: Vec<(u32, u32)>,
    budget: Arc<Budget>,
}

impl<'a> Frozen<'a> {
    /// Begins; the state's lock must be held for writing, and no other may live.
    pub(super) fn begin(nodes: &'a Nodes, edges: &'a Edges, most_bytes: usize) -> Self {
        let (budget, node_count, edge_count) = (Budget::new(most_bytes), nodes.len(), edges.len());
        nodes.arena().begin_copy(node_count, &budget);
        nodes.summaries().begin_copy(node_count, &budget);
        edges.arena().begin_copy(edge_count, &budget);
        let (free, generations) = (edges.free_numbers(), nodes.later_generations());
        Frozen { nodes, edges, node_count, edge_count, free, generations, budget }
    }

    pub(super) fn counts(&self) -> (u64, u64) {
        (u64::from(self.node_count), u64::from(self.edge_count))
    }

    /// Writes everything, and `tables` behind it; the lock is held for a moment at a time.
    pub(super) fn write<S>(
        self,
        state: &RwLock<S>,
        header: SnapshotHeader,
        tables: &[(Section, Vec<u8>)],
        out: impl Write,
    ) -> Result<SnapshotSummary> {
        let mut file = FileWriter::begin(out, &header)?;
        pages(&mut file, section::NODES, self.node_count, state, self.nodes.arena())?;
        pages(&mut file, section::SUMMARIES, self.node_count, state, self.nodes.summaries())?;
        pages(&mut file, section::EDGES, self.edge_count, state, self.edges.arena())?;
        let free: Vec<u8> = self.free.iter().flat_map(|number| number.to_le_bytes()).collect();
        let generations = self.generations.iter().flat_map(|(first, node)| [*first, *node]);
        let generations: Vec<u8> = generations.flat_map(u32::to_le_bytes).collect();
        let own = [(section::FREE, free), (section::GENERATIONS, generations)];
        for (name, content) in own.iter().chain(tables) {
            file.section(*name, content.len() as u64, |section| section.write(content))?;
        }
        let (checksum, bytes) = file.finish()?;
        Ok(SnapshotSummary { header, checksum, bytes, kept_aside_bytes: self.budget.peak_bytes() as u64 })
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.nodes.arena().end_copy();
        self.nodes.summaries().end_copy();
        self.edges.arena().end_copy();
    }
}

fn pages<W: Write, S, T: Saved>(
    file: &mut FileWriter<W>,
    name: Section,
    count: u32,
    state: &RwLock<S>,
    arena: &Arena<T>,
) -> Result<()> {
    file.section(name, u64::from(count) * T::BYTES as u64, |section| {
        let mut part = Vec::with_capacity((PAGES_AT_ONCE * PAGE) as usize * T::BYTES);
        loop {
            let more = {
                let _applier_waits = state.read();
                arena.copy(PAGES_AT_ONCE, &mut part)?
            };
            if !more {
                return Ok(());
            }
            section.write(&part)?;
        }
    })
}
