//! The whole graph as a snapshot: nodes and edges by [`super::save`] and [`super::load`], the small tables here.

use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::sync::Arc;

use super::Graph;
use super::conflict::{ConflictKind, ConflictRule, KeptConflict};
use super::journal::Journal;
use super::load::{self, Loaded};
use super::pages::{u32_at, u64_at};
use super::save::Frozen;
use super::state::{Counts, State, Tables};
use crate::hasher::SEMANTICS_VERSION;
use crate::snapshot::{FileReader, Result, Section, SnapshotError, SnapshotHeader, SnapshotInfo, SnapshotSummary};
use crate::{Error, Hasher};

const TOMBSTONES: Section = Section("tombs");
const VETOES: Section = Section("vetoes");
const CONFLICTS: Section = Section("conflict");
const COUNTS: Section = Section("counts");

const TOMBSTONE_BYTES: usize = 12;
const CONFLICT_BYTES: usize = 32;
const COUNTS_BYTES: usize = 64;

const KINDS: [ConflictKind; 4] =
    [ConflictKind::Refused, ConflictKind::Shared, ConflictKind::Moved, ConflictKind::Retired];
const RULES: [ConflictRule; 6] = [
    ConflictRule::MaxPerCustomer,
    ConflictRule::AccountConflict,
    ConflictRule::MaxContacts,
    ConflictRule::MaxIdentifiers,
    ConflictRule::MaxLinks,
    ConflictRule::Veto,
];

impl Graph {
    /// Writes a snapshot of the graph as it is now, while readers go on and messages are applied. The applier waits while
    /// the small tables are copied, and then for 64 KiB at a time; what it changes meanwhile is kept aside until it is
    /// written, at most `aside_most_bytes`.
    ///
    /// # Errors
    /// What `out` says; [`SnapshotError::Overrun`] when more than that would have to be kept aside;
    /// [`SnapshotError::InProgress`].
    pub fn save(&self, info: &SnapshotInfo, aside_most_bytes: usize, out: impl Write) -> Result<SnapshotSummary> {
        let (frozen, header, tables) = {
            let state = self.state.write();
            let Tables { nodes, edges, tombstones } = &self.tables;
            if nodes.arena().copying().is_active() {
                return Err(SnapshotError::InProgress);
            }
            let frozen = Frozen::begin(nodes, edges, aside_most_bytes);
            let ((identifiers, edges), hasher) = (frozen.counts(), self.hasher());
            let header = SnapshotHeader {
                semantics_version: SEMANTICS_VERSION,
                rules_hash: hasher.rules_hash().iter().map(|byte| format!("{byte:02x}")).collect(),
                rules_json: hasher.rules_json().to_owned(),
                log_topic_id: info.log_topic_id.clone(),
                log_offset: self.applied(),
                identifiers,
                edges,
                fingerprint: format!("{:032x}", state.fingerprint),
                created_at_ms: info.created_at_ms,
                created_by: info.created_by.clone(),
            };
            (frozen, header, tables(&state, &tombstones.read()))
        };
        frozen.write(&self.state, header, &tables, out)
    }

    /// Reads a snapshot: a graph that goes on with the log as the saved one did. `own` is this process's hasher; the
    /// graph begins with the rules that were in force when it was saved.
    ///
    /// # Errors
    /// What is damaged, with its section and what was expected; rules that `own` cannot go over to.
    pub fn load(own: &Hasher, input: impl Read) -> Result<(Graph, SnapshotHeader)> {
        let (mut file, header) = FileReader::begin(input)?;
        let hasher = own.adopt(&header.rules_json, true).map_err(Error::RulesDiffer)?;
        if header.log_offset < -1 || header.log_offset >= super::state::MAX_OFFSET {
            return Err(SnapshotError::field("header", "log_offset", header.log_offset, "an offset"));
        }
        let loaded = load::load(&mut file, &header, hasher.rules().types.len())?;
        let mut state = State::new(hasher.rules());
        state.fingerprint = loaded.fingerprint;
        state.journal = Journal::empty_since(version(&header));
        let tombstones = read_tables(&mut file, &mut state, &loaded)?;
        file.finish()?;
        let Loaded { nodes, edges, .. } = loaded;
        let graph = Graph {
            hasher: RwLock::new(Arc::new(hasher)),
            tables: Tables { nodes, edges, tombstones: RwLock::new(tombstones) },
            state: RwLock::new(state),
            scan: Mutex::default(),
        };
        Ok((graph, header))
    }
}

fn version(header: &SnapshotHeader) -> u64 {
    u64::try_from(header.log_offset + 1).unwrap_or(0)
}

/// The small tables, each in an order that depends on its content alone.
fn tables(state: &State, tombstones: &FxHashMap<u32, i64>) -> Vec<(Section, Vec<u8>)> {
    let mut sorted: Vec<(u32, i64)> = tombstones.iter().map(|(node, time)| (*node, *time)).collect();
    sorted.sort_unstable();
    let mut erased = Vec::with_capacity(sorted.len() * TOMBSTONE_BYTES);
    for (node, time_ms) in sorted {
        erased.extend(node.to_le_bytes());
        erased.extend(time_ms.to_le_bytes());
    }
    // Each pair from either end, those of one end in the order in which they came.
    let pairs = state.vetoes.iter().flat_map(|(a, others)| others.iter().map(move |b| (*a, *b)));
    let mut pairs: Vec<(u32, u32)> = pairs.collect();
    pairs.sort_by_key(|(a, _)| *a);
    let vetoes = pairs.into_iter().flat_map(|(a, b)| [a, b]).flat_map(u32::to_le_bytes).collect();
    let mut conflicts = Vec::with_capacity(state.conflicts.len() * CONFLICT_BYTES);
    for kept in &state.conflicts {
        let position = |found: Option<usize>| found.map_or(u8::MAX, |at| at as u8);
        let kind = position(KINDS.iter().position(|kind| *kind == kept.kind));
        let rule = position(RULES.iter().position(|rule| *rule == kept.rule));
        conflicts.extend(kept.offset.to_le_bytes());
        conflicts.extend(kept.append_time_ms.to_le_bytes());
        [kept.command, kept.a, kept.b].iter().for_each(|number| conflicts.extend(number.to_le_bytes()));
        conflicts.extend([kind, rule, 0, 0]);
    }
    let Counts { active, dormant, components, merges, shared, closed, conflicts: rows } = state.counts;
    let counts = [active, dormant, components, merges, shared, closed, rows, state.conflicts_from as u64];
    let counts = counts.into_iter().flat_map(u64::to_le_bytes).collect();
    vec![(TOMBSTONES, erased), (VETOES, vetoes), (CONFLICTS, conflicts), (COUNTS, counts)]
}

/// Reads what [`tables`] writes; the tombstones are given back.
fn read_tables<R: Read>(file: &mut FileReader<R>, state: &mut State, loaded: &Loaded) -> Result<FxHashMap<u32, i64>> {
    let end = loaded.nodes.len();
    let first = |section: Section, field: &str, node: u32| match node < end && loaded.nodes.generation(node) == 0 {
        true => Ok(node),
        false => Err(SnapshotError::field(section.0, field, node, "the number of a first generation")),
    };
    let mut tombstones = FxHashMap::default();
    for erased in records(file, TOMBSTONES, TOMBSTONE_BYTES)?.chunks_exact(TOMBSTONE_BYTES) {
        tombstones.insert(first(TOMBSTONES, "a node", u32_at(erased, 0))?, u64_at(erased, 4).cast_signed());
    }
    for pair in records(file, VETOES, 8)?.chunks_exact(8) {
        let (a, b) = (first(VETOES, "an end", u32_at(pair, 0))?, first(VETOES, "an end", u32_at(pair, 4))?);
        let partners: &mut SmallVec<[u32; 2]> = state.vetoes.entry(a).or_default();
        partners.push(b);
    }
    state.conflicts = read_conflicts(file, first)?;
    let counts = records(file, COUNTS, COUNTS_BYTES)?;
    if counts.len() != COUNTS_BYTES {
        return Err(SnapshotError::field(COUNTS.0, "its length", counts.len(), format!("{COUNTS_BYTES}")));
    }
    let count = |index: usize| u64_at(&counts, 8 * index);
    let [active, dormant, components, merges, shared, closed, conflicts] = std::array::from_fn(count);
    state.counts = Counts { active, dormant, components, merges, shared, closed, conflicts };
    state.conflicts_from = count(7).cast_signed();
    if (active, dormant) != (loaded.active_edges, loaded.dormant_edges) {
        let computed = format!("{} active and {} dormant", loaded.active_edges, loaded.dormant_edges);
        return Err(SnapshotError::field(COUNTS.0, "edges", format!("{active} and {dormant}"), computed));
    }
    Ok(tombstones)
}

fn read_conflicts<R: Read>(
    file: &mut FileReader<R>,
    first: impl Fn(Section, &str, u32) -> Result<u32>,
) -> Result<VecDeque<KeptConflict>> {
    let mut conflicts = VecDeque::new();
    let mut previous = i64::MIN;
    for row in records(file, CONFLICTS, CONFLICT_BYTES)?.chunks_exact(CONFLICT_BYTES) {
        let unknown = |field: &str, found: u8| SnapshotError::field(CONFLICTS.0, field, found, "one that there is");
        let kept = KeptConflict {
            offset: u64_at(row, 0).cast_signed(),
            append_time_ms: u64_at(row, 8).cast_signed(),
            command: u32_at(row, 16),
            a: first(CONFLICTS, "an end", u32_at(row, 20))?,
            b: first(CONFLICTS, "an end", u32_at(row, 24))?,
            kind: *KINDS.get(usize::from(row[28])).ok_or_else(|| unknown("a kind", row[28]))?,
            rule: *RULES.get(usize::from(row[29])).ok_or_else(|| unknown("a rule", row[29]))?,
        };
        if kept.offset < previous {
            return Err(SnapshotError::field(CONFLICTS.0, "an offset", kept.offset, format!("{previous} or more")));
        }
        previous = kept.offset;
        conflicts.push_back(kept);
    }
    Ok(conflicts)
}

/// A section of records of one length.
fn records<R: Read>(file: &mut FileReader<R>, name: Section, record_bytes: usize) -> Result<Vec<u8>> {
    let content = file.whole_section(name, u64::MAX)?;
    if content.len() % record_bytes == 0 {
        return Ok(content);
    }
    Err(SnapshotError::field(name.0, "its length", content.len(), format!("a multiple of {record_bytes}")))
}
