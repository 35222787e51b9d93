//! Reading a snapshot. Everything is checked that the graph relies on: whatever a file says, nothing that is loaded
//! makes a later walk leave its bounds or go on for ever.

use std::io::Read;

use super::arena::Arena;
use super::edges::{EdgeClass, Edges, NONE};
use super::fingerprint::contribution;
use super::nodes::Nodes;
use super::pages::{Saved, u32_at};
use super::save::section;
use crate::snapshot::{FileReader, Result, Section, SnapshotError, SnapshotHeader};

/// How many nodes or edges ahead of a check what it reads is brought near.
const AHEAD: u32 = 24;

/// What is loaded before the side tables.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) nodes: Nodes,
    pub(super) edges: Edges,
    /// Without the closed ones.
    pub(super) active_edges: u64,
    pub(super) dormant_edges: u64,
    pub(super) fingerprint: u128,
}

/// Reads nodes and edges; what follows in the file is the caller's. `types` is how many types of identifiers there are.
pub(super) fn load<R: Read>(file: &mut FileReader<R>, header: &SnapshotHeader, types: usize) -> Result<Loaded> {
    let (nodes, edges) = (Nodes::new(), Edges::new());
    let count = |field: &'static str, count: u64| {
        u32::try_from(count)
            .ok()
            .filter(|count| *count < NONE >> 1)
            .ok_or_else(|| SnapshotError::field("header", field, count, "less than 2 billion"))
    };
    let (node_count, edge_count) = (count("identifiers", header.identifiers)?, count("edges", header.edges)?);
    arena(file, section::NODES, node_count, nodes.arena())?;
    nodes.loaded(node_count, header.log_offset, &[]);
    // The index takes about as long as all the rest and needs only the keys.
    let (rest, indexed) = std::thread::scope(|scope| {
        let index = scope.spawn(|| nodes.index_all());
        let check = Check { nodes: &nodes, edges: &edges, types, log_offset: header.log_offset };
        let rest = check.rest(file, edge_count);
        (rest, index.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let Rest { generations, fingerprint, edge_counts: [active_edges, dormant_edges] } = rest?;
    indexed.map_err(|key| SnapshotError::field(section::NODES.0, "a key", key, "one node with it"))?;
    nodes.loaded(node_count, header.log_offset, &generations);
    let computed = format!("{fingerprint:032x}");
    if computed != header.fingerprint {
        return Err(SnapshotError::field(
            "header",
            "fingerprint",
            &header.fingerprint,
            format!("{computed}, computed"),
        ));
    }
    Ok(Loaded { nodes, edges, active_edges, dormant_edges, fingerprint })
}

fn arena<R: Read, T: Saved>(file: &mut FileReader<R>, name: Section, count: u32, arena: &Arena<T>) -> Result<()> {
    let mut loaded = 0;
    file.items(name, u64::from(count), T::BYTES, |block| {
        arena.load(loaded, block);
        loaded += (block.len() / T::BYTES) as u32;
        Ok(())
    })
}

/// A section of numbers below `end`.
pub(super) fn numbers<R: Read>(file: &mut FileReader<R>, name: Section, end: u32) -> Result<Vec<u32>> {
    let content = file.whole_section(name, u64::MAX)?;
    if content.len() % 4 != 0 {
        return Err(SnapshotError::field(name.0, "its length", content.len(), "a multiple of 4"));
    }
    let numbers: Vec<u32> = content.chunks_exact(4).map(|bytes| u32_at(bytes, 0)).collect();
    match numbers.iter().position(|number| *number >= end) {
        Some(at) => Err(SnapshotError::field(name.0, format!("number {at}"), numbers[at], format!("less than {end}"))),
        None => Ok(numbers),
    }
}

fn pairs<R: Read>(file: &mut FileReader<R>, name: Section, end: u32) -> Result<Vec<(u32, u32)>> {
    let numbers = numbers(file, name, end)?;
    if numbers.len() % 2 != 0 {
        return Err(SnapshotError::field(name.0, "its length", numbers.len() * 4, "a multiple of 8"));
    }
    Ok(numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

fn check_ascending(name: Section, numbers: &[u32]) -> Result<()> {
    match numbers.windows(2).position(|pair| pair[0] >= pair[1]) {
        Some(at) => Err(SnapshotError::field(
            name.0,
            format!("number {}", at + 1),
            numbers[at + 1],
            format!("more than {}", numbers[at]),
        )),
        None => Ok(()),
    }
}

/// A set of numbers.
struct Marks(Vec<u64>);

impl Marks {
    fn new(end: u32) -> Self {
        Marks(vec![0; (end as usize).div_ceil(64)])
    }

    /// Adds a number; whether it was there.
    fn mark(&mut self, number: u32) -> bool {
        let (word, bit) = (&mut self.0[number as usize / 64], 1 << (number % 64));
        let was_there = *word & bit != 0;
        *word |= bit;
        was_there
    }

    fn has(&self, number: u32) -> bool {
        self.0[number as usize / 64] & 1 << (number % 64) != 0
    }
}

/// What follows the nodes.
struct Rest {
    generations: Vec<(u32, u32)>,
    fingerprint: u128,
    /// Active and dormant, without the closed ones.
    edge_counts: [u64; 2],
}

struct Check<'a> {
    nodes: &'a Nodes,
    edges: &'a Edges,
    types: usize,
    log_offset: i64,
}

impl Check<'_> {
    /// Reads what follows the nodes and checks everything.
    fn rest<R: Read>(&self, file: &mut FileReader<R>, edge_count: u32) -> Result<Rest> {
        let node_count = self.nodes.len();
        arena(file, section::SUMMARIES, node_count, self.nodes.summaries())?;
        arena(file, section::EDGES, edge_count, self.edges.arena())?;
        let free = numbers(file, section::FREE, edge_count)?;
        let generations = pairs(file, section::GENERATIONS, node_count)?;
        check_ascending(section::FREE, &free)?;
        self.edges.loaded(edge_count, &free);
        let fingerprint = self.nodes()?;
        let edge_counts = self.edges(&free)?;
        self.generations(&generations)?;
        Ok(Rest { generations, fingerprint, edge_counts })
    }

    /// Checks every node; the fingerprint.
    fn nodes(&self) -> Result<u128> {
        let (nodes, length) = (self.nodes, self.nodes.len());
        let mut pointed_to = Marks::new(length);
        let mut fingerprint = 0u128;
        for node in 0..length {
            if node + AHEAD < length {
                nodes.prefetch_links(node + AHEAD, self.edges);
            }
            let failed = |field: &str, found: u64, expected: &str| {
                Err(SnapshotError::field(section::NODES.0, format!("{field} of node {node}"), found, expected))
            };
            let word = nodes.word(node);
            let anchor = match word.version() {
                _ if word.change().is_some() => return failed("the word", word.0, "no change in flight"),
                Some(version) if version > (self.log_offset + 1) as u64 => {
                    return failed("the version", version, "one of this log offset or before");
                }
                Some(_) => node,
                None => word.anchor(),
            };
            if anchor >= length || nodes.word(anchor).version().is_none() {
                return failed("the anchor", u64::from(anchor), "an anchor");
            }
            if usize::from(word.kind()) >= self.types {
                return failed("the type", u64::from(word.kind()), "one of the rules' types");
            }
            let next = nodes.next_member(node);
            if next >= length || pointed_to.mark(next) || self.anchor(next) != anchor {
                return failed("the next member", u64::from(next), "another member, of the same component, once");
            }
            let newest = nodes.newest_edge(node);
            if newest != NONE && (newest >= self.edges.len() || !self.edges.loaded_slot(newest).0.contains(&node)) {
                return failed("the newest edge", u64::from(newest), "one of its edges");
            }
            fingerprint = fingerprint.wrapping_add(contribution(nodes.key(node), nodes.key(anchor)));
        }
        Ok(fingerprint)
    }

    fn anchor(&self, node: u32) -> u32 {
        let word = self.nodes.word(node);
        if word.version().is_some() { node } else { word.anchor() }
    }

    /// Checks every edge that is kept; how many are active and how many are not, without the closed ones.
    fn edges(&self, free: &[u32]) -> Result<[u64; 2]> {
        let length = self.edges.len();
        let mut is_free = Marks::new(length);
        for number in free {
            is_free.mark(*number);
        }
        let mut pointed_to = [Marks::new(length), Marks::new(length)];
        let mut counts = [0, 0];
        for number in 0..length {
            if number + AHEAD < length {
                let (_, next, ..) = self.edges.loaded_slot(number + AHEAD);
                next.into_iter().for_each(|next| self.edges.prefetch(next));
            }
            let failed = |field: &str, found: u64, expected: &str| {
                Err(SnapshotError::field(section::EDGES.0, format!("{field} of edge {number}"), found, expected))
            };
            let (ends, next, is_class, offset) = self.edges.loaded_slot(number);
            if !is_class {
                return failed("the class", 0, "one that there is");
            }
            if is_free.has(number) {
                continue;
            }
            if ends[0] == ends[1] || ends.iter().any(|end| *end >= self.nodes.len()) {
                return failed("an end", u64::from(ends[0].max(ends[1])), "two nodes");
            }
            if offset > self.log_offset.max(0) as u64 {
                return failed("the offset", offset, "this log offset or before");
            }
            for (end, next) in ends.into_iter().zip(next) {
                if next >= length || is_free.has(next) {
                    return failed("the next edge", u64::from(next), "an edge that is kept");
                }
                let other = self.edges.loaded_slot(next).0;
                let side = usize::from(other[0] != end);
                if other[side] != end || pointed_to[side].mark(next) {
                    return failed("the next edge", u64::from(next), "one of the same end, once");
                }
            }
            let edge = self.edges.get(number);
            counts[usize::from(!edge.active)] += u64::from(edge.class != EdgeClass::Closed);
        }
        for node in 0..self.nodes.len() {
            let newest = self.nodes.newest_edge(node);
            if newest != NONE && is_free.has(newest) {
                let field = format!("the newest edge of node {node}");
                return Err(SnapshotError::field(section::NODES.0, field, newest, "an edge that is kept"));
            }
        }
        Ok(counts)
    }

    /// Checks that the later generations are all there, each after the one before.
    fn generations(&self, later: &[(u32, u32)]) -> Result<()> {
        let mut previous = None;
        for (first, node) in later {
            let expected = match previous {
                Some((same, generation)) if same == *first => generation + 1,
                _ => 1,
            };
            let [one, other] = [*first, *node].map(|node| self.nodes.word(node));
            if one.generation() != 0 || u16::from(other.generation()) != expected || one.kind() != other.kind() {
                let field = format!("the generation of node {node}");
                let expected = format!("{expected}, of the type of node {first}");
                return Err(SnapshotError::field(section::GENERATIONS.0, field, other.generation(), expected));
            }
            previous = Some((*first, expected));
        }
        let kept = (0..self.nodes.len()).filter(|node| self.nodes.word(*node).generation() > 0).count();
        if kept != later.len() {
            let expected = format!("{kept}, as the nodes say");
            return Err(SnapshotError::field(section::GENERATIONS.0, "their number", later.len(), expected));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
