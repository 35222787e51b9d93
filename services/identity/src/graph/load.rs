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
mod tests {
    use super::super::edges::Edge;
    use super::super::save::Frozen;
    use super::*;
    use crate::snapshot::FileWriter;
    use parking_lot::RwLock;
    use schemas::Key;
    use std::io::{self, Write};
    use std::rc::Rc;

    const TYPES: usize = 3;

    /// A small graph that is changed at random, as the state machine would: rings, anchors and edges fit together.
    struct World {
        nodes: Rc<Nodes>,
        edges: Rc<Edges>,
        random: u64,
        offset: i64,
    }

    impl World {
        fn new(seed: u64, nodes: u32) -> Self {
            let mut world =
                World { nodes: Rc::new(Nodes::new()), edges: Rc::new(Edges::new()), random: seed, offset: -1 };
            (0..nodes).for_each(|_| world.add());
            world
        }

        fn random(&mut self, below: u32) -> u32 {
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.random >> 33) as u32 % below
        }

        fn add(&mut self) {
            let key = u128::from(self.nodes.len() + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
            let kind = self.random(TYPES as u32) as u8;
            self.nodes.add(kind, Key(key), 0);
        }

        /// A message: some unions, some edges that come and go, now and then a new generation.
        fn change(&mut self, times: u32) {
            self.offset += 1;
            for _ in 0..times {
                let [a, b] = [(); 2].map(|()| self.random(self.nodes.len()));
                match self.random(8) {
                    0 => self.add(),
                    1 if self.nodes.generation(a) == 0 => {
                        let current = self.nodes.current_generation(a);
                        let key = Key(self.nodes.key(current).0.rotate_left(64).wrapping_add(1));
                        self.nodes.add_generation(current, key);
                    }
                    2 if self.nodes.newest_edge(a) != NONE => {
                        self.edges.remove(&self.nodes, self.nodes.newest_edge(a));
                    }
                    _ if a != b => self.link(a, b),
                    _ => {}
                }
            }
            self.nodes.publish(self.offset);
            self.edges.publish();
        }

        fn link(&mut self, a: u32, b: u32) {
            let offset = self.offset as u64;
            let edge = Edge { ends: [a, b], class: EdgeClass::Contact, active: true, held: false, offset, day: 9 };
            self.edges.insert(&self.nodes, edge);
            let [to, from] = [a, b].map(|node| self.nodes.anchor(node));
            if to != from {
                let mut member = from;
                loop {
                    self.nodes.set_anchor(member, to);
                    member = self.nodes.next_member(member);
                    if member == from {
                        break;
                    }
                }
                let [one, other] = [to, from].map(|anchor| self.nodes.next_member(anchor));
                self.nodes.set_next_member(to, other);
                self.nodes.set_next_member(from, one);
                self.nodes.set_version(to, offset + 1);
            }
        }

        fn header(&self) -> SnapshotHeader {
            let customer = |node| self.nodes.key(self.nodes.anchor(node));
            let fingerprint = (0..self.nodes.len()).map(|node| contribution(self.nodes.key(node), customer(node)));
            SnapshotHeader {
                semantics_version: 1,
                rules_hash: String::new(),
                rules_json: "{}".to_owned(),
                log_topic_id: None,
                log_offset: self.offset,
                identifiers: u64::from(self.nodes.len()),
                edges: u64::from(self.edges.len()),
                fingerprint: format!("{:032x}", fingerprint.fold(0u128, u128::wrapping_add)),
                created_at_ms: 0,
                created_by: String::new(),
            }
        }

        fn save(&self) -> Vec<u8> {
            let mut file = Vec::new();
            let frozen = Frozen::begin(&self.nodes, &self.edges, usize::MAX);
            frozen.write(&RwLock::new(()), self.header(), &[], &mut file).unwrap();
            file
        }

        fn of(loaded: Loaded, like: &World) -> World {
            World { nodes: Rc::new(loaded.nodes), edges: Rc::new(loaded.edges), ..*like }
        }

        /// Everything, free numbers included.
        fn described(&self) -> Vec<String> {
            let (nodes, edges) = (&self.nodes, &self.edges);
            let describe = |node: u32| {
                let own: Vec<_> = edges.of(nodes, node).map(|(number, to)| (number, to, edges.get(number))).collect();
                let generations = nodes.generations(nodes.first_generation(node));
                let (word, next, summary) = (nodes.word(node), nodes.next_member(node), nodes.summary(node));
                assert_eq!(nodes.find(nodes.key(node)), Some(node));
                format!("{word:?} {next} {summary:?} {own:?} {generations:?}")
            };
            (0..nodes.len()).map(describe).chain([format!("{:?}", edges.free_numbers())]).collect()
        }
    }

    fn load_whole(file: &[u8]) -> Result<Loaded> {
        let (mut reader, header) = FileReader::begin(file)?;
        let loaded = load(&mut reader, &header, TYPES)?;
        reader.finish()?;
        Ok(loaded)
    }

    #[test]
    fn what_is_loaded_is_what_was_saved_and_goes_on_alike() {
        for seed in 0..20 {
            let mut world = World::new(seed, 300);
            (0..10).for_each(|_| world.change(60));
            let file = world.save();
            let loaded = load_whole(&file).unwrap();
            let active = (0..world.edges.len()).filter(|number| world.edges.get(*number).active).count();
            assert_eq!(loaded.active_edges, (active - world.edges.free_numbers().len()) as u64, "seed {seed}");
            let mut other = World::of(loaded, &world);
            assert_eq!(other.described(), world.described(), "seed {seed}");
            assert_eq!(other.save(), file, "seed {seed}");
            (0..10).for_each(|_| {
                world.change(60);
                other.change(60);
            });
            assert_eq!(other.described(), world.described(), "seed {seed}");
        }
    }

    /// Has messages applied between the writes of a file.
    struct Meddling<'a> {
        file: Vec<u8>,
        world: &'a mut World,
    }

    impl Write for Meddling<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.world.change(200);
            self.file.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_snapshot_is_of_the_moment_it_began_whatever_is_applied_meanwhile() {
        for seed in 0..5 {
            let mut world = World::new(seed, 20_000);
            (0..10).for_each(|_| world.change(2_000));
            let (expected, header) = (world.save(), world.header());
            let (nodes, edges) = (Rc::clone(&world.nodes), Rc::clone(&world.edges));
            let frozen = Frozen::begin(&nodes, &edges, usize::MAX);
            let mut out = Meddling { file: Vec::new(), world: &mut world };
            let summary = frozen.write(&RwLock::new(()), header, &[], &mut out).unwrap();
            assert!(out.file == expected, "seed {seed}");
            assert!(summary.kept_aside_bytes > 0 && summary.bytes == expected.len() as u64);
            assert!(world.save() != expected);
        }
    }

    /// The file with one bit of a section's content changed and every checksum made right again: whoever damages a file
    /// on purpose, or a writer with a mistake.
    fn forged(file: &[u8], mut flip: impl FnMut(Section, &mut Vec<u8>)) -> Vec<u8> {
        let (mut reader, header) = FileReader::begin(file).unwrap();
        let mut forged = Vec::new();
        let mut writer = FileWriter::begin(&mut forged, &header).unwrap();
        for name in [section::NODES, section::SUMMARIES, section::EDGES, section::FREE, section::GENERATIONS] {
            let mut content = reader.whole_section(name, u64::MAX).unwrap();
            flip(name, &mut content);
            writer.section(name, content.len() as u64, |section| section.write(&content)).unwrap();
        }
        writer.finish().unwrap();
        forged
    }

    #[test]
    fn whatever_a_file_says_loading_it_ends_and_what_is_loaded_can_be_walked() {
        let mut world = World::new(1, 40);
        (0..10).for_each(|_| world.change(15));
        let file = world.save();
        let mut lengths = Vec::new();
        forged(&file, |name, content| lengths.push((name, content.len())));
        let (mut refused, mut loaded) = (0, 0);
        for (name, length) in lengths {
            for bit in (0..8 * length).step_by(5) {
                let forged = forged(&file, |each, content| {
                    if each == name {
                        content[bit / 8] ^= 1 << (bit % 8);
                    }
                });
                match load_whole(&forged) {
                    Ok(other) => {
                        loaded += 1;
                        let mut other = World::of(other, &world);
                        other.described();
                        other.change(100);
                    }
                    Err(error) => {
                        refused += 1;
                        assert!(error.to_string().contains("section "), "{error}");
                    }
                }
            }
        }
        // What may differ and still be a graph: summaries, flags, types, days, classes.
        println!("{refused} refused, {loaded} loaded");
        assert!(refused > loaded, "{refused} refused, {loaded} loaded");
    }

    /// Prints how long saving and loading take: `cargo test --release -p identity ten_million -- --ignored --nocapture`.
    #[test]
    #[ignore = "takes 2 GB and half a minute"]
    fn ten_million_identifiers() {
        let mut world = World::new(1, 10_000_000);
        // Customers of three whose nodes are far from each other.
        let number = |at: u64| (at * 7_368_787 % 10_000_000) as u32;
        for offset in 0..3_333 {
            world.offset = offset;
            for customer in 1_000 * offset as u64..1_000 * (offset as u64 + 1) {
                let [a, b, c] = [0, 1, 2].map(|at| number(3 * customer + at));
                world.link(a, b);
                world.link(a, c);
            }
            world.nodes.publish(offset);
        }
        let header = world.header();
        let mut file = Vec::with_capacity(700 << 20);
        for _ in 0..2 {
            file.clear();
            let start = std::time::Instant::now();
            let frozen = Frozen::begin(&world.nodes, &world.edges, usize::MAX);
            let began = start.elapsed();
            frozen.write(&RwLock::new(()), header.clone(), &[], &mut file).unwrap();
            println!("{} bytes saved to memory in {:?}, of which the lock {began:?}", file.len(), start.elapsed());
            let start = std::time::Instant::now();
            let loaded = load_whole(&file).unwrap();
            println!("loaded from memory in {:?}", start.elapsed());
            assert_eq!(loaded.nodes.len(), 10_000_000);
        }
    }
}
