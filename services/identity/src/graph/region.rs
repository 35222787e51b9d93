//! The part of a cluster that a replay works on.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::edges::{Edge, EdgeClass};
use super::limits::Side;
use super::nodes::Flags;
use super::state::Reading;

/// Whole components, under local numbers. Edges between them and the rest are dormant.
///
/// Replaying the whole cluster is what R2 says, but a cluster can be large. It is enough to replay the components that
/// a change touches, as long as every edge to the rest is refused at its place as it was: then nothing in the rest
/// can differ. When one is not, the component it reaches joins the region and the replay starts anew.
pub(super) struct Region {
    pub(super) nodes: Vec<u32>,
    local: FxHashMap<u32, u32>,
}

impl Region {
    pub(super) fn new() -> Self {
        Region { nodes: Vec::new(), local: FxHashMap::default() }
    }

    /// The components of some nodes.
    pub(super) fn of(reading: Reading<'_>, nodes: &[u32]) -> Self {
        let mut region = Region::new();
        nodes.iter().for_each(|node| region.add(reading, *node));
        region
    }

    /// Adds a node's component, if it is not here yet.
    pub(super) fn add(&mut self, reading: Reading<'_>, node: u32) {
        if self.local.contains_key(&node) {
            return;
        }
        for member in reading.members(node) {
            self.local.insert(member, self.nodes.len() as u32);
            self.nodes.push(member);
        }
    }

    /// Everything that edges of any kind connect with a node.
    pub(super) fn cluster(reading: Reading<'_>, node: u32) -> Self {
        let mut region = Region::of(reading, &[node]);
        let mut next = 0;
        while let Some(&node) = region.nodes.get(next) {
            next += 1;
            for (_, other) in reading.edges.of(reading.nodes, node) {
                region.add(reading, other);
            }
        }
        region
    }

    /// A node's local number; `None` outside.
    pub(super) fn local(&self, node: u32) -> Option<u32> {
        self.local.get(&node).copied()
    }

    /// The kept edges with an end in the region, in the order of R2: by class, then by place.
    pub(super) fn canonical_edges(&self, reading: Reading<'_>) -> Vec<u32> {
        let mut edges = Vec::new();
        for &node in &self.nodes {
            for (number, other) in reading.edges.of(reading.nodes, node) {
                let edge = reading.edges.get(number);
                // An edge within the region is taken at its stronger end.
                if edge.ends[0] == node || self.local(other).is_none() {
                    edges.push((canonical(number, &edge), number));
                }
            }
        }
        edges.sort_unstable();
        edges.into_iter().map(|(_, number)| number).collect()
    }
}

fn canonical(number: u32, edge: &Edge) -> (EdgeClass, u64, u32) {
    (edge.class, edge.offset, number)
}

/// The component that a node outside the region is in when a certain edge is tried.
pub(super) struct Outside<'a> {
    reading: Reading<'a>,
    nodes: Vec<u32>,
    types: u32,
}

impl<'a> Outside<'a> {
    /// A node without its component.
    pub(super) fn alone(reading: Reading<'a>, node: u32) -> Self {
        Outside { reading, nodes: vec![node], types: 1 << reading.nodes.kind(node) }
    }

    /// Follows the active edges that stand before an edge in canonical order.
    pub(super) fn before(reading: Reading<'a>, node: u32, number: u32, edge: &Edge) -> Self {
        let mut outside = Outside { reading, nodes: vec![node], types: 0 };
        let mut next = 0;
        while let Some(&node) = outside.nodes.get(next) {
            next += 1;
            outside.types |= 1 << reading.nodes.kind(node);
            for (between, step, other) in reading.active_edges(node) {
                // Components are small (`max_identifiers`), so looking through the list is cheaper than a set.
                if canonical(between, &step) < canonical(number, edge) && !outside.nodes.contains(&other) {
                    outside.nodes.push(other);
                }
            }
        }
        outside
    }
}

impl Side for Outside<'_> {
    fn types(&self) -> u32 {
        self.types
    }

    fn count(&self, kind: u8) -> u32 {
        self.nodes.iter().filter(|node| self.reading.nodes.kind(**node) == kind).count() as u32
    }

    fn vetoed(&self) -> SmallVec<[u32; 4]> {
        self.nodes.iter().copied().filter(|node| self.reading.nodes.flags(*node).has(Flags::VETOED)).collect()
    }

    fn contains(&self, node: u32) -> bool {
        self.nodes.contains(&node)
    }
}

/// A partition of a region that grows edge by edge. Closed generations are in it and count for nothing.
pub(super) struct Partition {
    parent: Vec<u32>,
    kinds: Vec<u8>,
    pub(super) flags: Vec<Flags>,
    /// Right only for roots, as are the following.
    pub(super) types: Vec<u32>,
    pub(super) members: Vec<Vec<u32>>,
    pub(super) special: Vec<bool>,
}

impl Partition {
    pub(super) fn new(reading: Reading<'_>, region: &Region) -> Self {
        let kinds: Vec<u8> = region.nodes.iter().map(|node| reading.nodes.kind(*node)).collect();
        let flags: Vec<Flags> = region.nodes.iter().map(|node| reading.nodes.flags(*node)).collect();
        let numbers = 0..kinds.len() as u32;
        let types = kinds.iter().zip(&flags).map(|(kind, flags)| if flags.has(Flags::CLOSED) { 0 } else { 1 << kind });
        Partition {
            parent: numbers.clone().collect(),
            types: types.collect(),
            members: numbers.map(|number| vec![number]).collect(),
            special: flags.iter().map(|flags| flags.has(Flags::VETOED)).collect(),
            kinds,
            flags,
        }
    }

    pub(super) fn root(&self, mut node: u32) -> u32 {
        // Unions go by size, so the way up is short.
        while self.parent[node as usize] != node {
            node = self.parent[node as usize];
        }
        node
    }

    pub(super) fn side<'a>(&'a self, region: &'a Region, root: u32) -> PartitionSide<'a> {
        PartitionSide { partition: self, region, root }
    }

    pub(super) fn unite(&mut self, a: u32, b: u32) {
        let larger_first = self.members[a as usize].len() >= self.members[b as usize].len();
        let (root, child) = if larger_first { (a, b) } else { (b, a) };
        let moved = std::mem::take(&mut self.members[child as usize]);
        self.members[root as usize].extend(moved);
        self.parent[child as usize] = root;
        self.types[root as usize] |= self.types[child as usize];
        self.special[root as usize] |= self.special[child as usize];
    }

    /// Members that count.
    pub(super) fn size(&self, root: u32) -> u32 {
        let members = &self.members[root as usize];
        members.iter().filter(|member| !self.flags[**member as usize].has(Flags::CLOSED)).count() as u32
    }
}

/// A component of a partition as one side of an edge.
pub(super) struct PartitionSide<'a> {
    partition: &'a Partition,
    region: &'a Region,
    root: u32,
}

impl PartitionSide<'_> {
    fn with(&self, wanted: impl Fn(usize) -> bool) -> impl Iterator<Item = u32> {
        self.partition.members[self.root as usize].iter().copied().filter(move |member| wanted(*member as usize))
    }
}

impl Side for PartitionSide<'_> {
    fn types(&self) -> u32 {
        self.partition.types[self.root as usize]
    }

    fn count(&self, kind: u8) -> u32 {
        let Partition { kinds, flags, .. } = self.partition;
        self.with(|member| kinds[member] == kind && !flags[member].has(Flags::CLOSED)).count() as u32
    }

    fn vetoed(&self) -> SmallVec<[u32; 4]> {
        if !self.partition.special[self.root as usize] {
            return SmallVec::new();
        }
        let vetoed = self.with(|member| self.partition.flags[member].has(Flags::VETOED));
        vetoed.map(|member| self.region.nodes[member as usize]).collect()
    }

    fn contains(&self, node: u32) -> bool {
        self.region.local(node).is_some_and(|local| self.partition.root(local) == self.root)
    }
}
