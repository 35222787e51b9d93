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
        let mut world = World { nodes: Rc::new(Nodes::new()), edges: Rc::new(Edges::new()), random: seed, offset: -1 };
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
