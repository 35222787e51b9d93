//! The part of a cluster that a replay works on.

use rustc_hash::FxHashMap;

use super::limits::Side;
use super::published::Published;
use super::state::{KeptEdge, State};

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

    /// Adds a node's component, if it is not here yet.
    pub(super) fn add(&mut self, published: &Published, state: &State, node: u32) {
        let anchor = published.current(node).anchor;
        if self.local.contains_key(&anchor) {
            return;
        }
        for member in state.members(anchor) {
            self.local.insert(member, self.nodes.len() as u32);
            self.nodes.push(member);
        }
    }

    /// Everything: for checking.
    pub(super) fn of_all(state: &State) -> Self {
        let nodes: Vec<u32> = (0..state.nodes.len() as u32).collect();
        Region { local: nodes.iter().map(|node| (*node, *node)).collect(), nodes }
    }

    /// A node's local number; `None` outside.
    pub(super) fn local(&self, node: u32) -> Option<u32> {
        self.local.get(&node).copied()
    }

    /// The kept edges with an end in the region, in the order of R2: by the tier of the weaker end, then by place.
    pub(super) fn canonical_edges(&self, state: &State) -> Vec<u32> {
        let mut edges = Vec::new();
        for &node in &self.nodes {
            // An edge within the region is taken at its stronger end.
            let taken_here =
                |&(edge, other): &(u32, u32)| state.edges[edge as usize].ends[0] == node || self.local(other).is_none();
            edges.extend(state.edges_of(node).filter(taken_here).map(|(edge, _)| edge));
        }
        edges.sort_unstable_by_key(|edge| canonical(&state.edges[*edge as usize]));
        edges
    }
}

fn canonical(edge: &KeptEdge) -> (crate::Tier, u64) {
    (edge.tier, edge.place)
}

/// The component that a node outside the region is in when a certain edge is tried.
pub(super) struct Outside<'a> {
    state: &'a State,
    nodes: Vec<u32>,
    types: u64,
}

impl<'a> Outside<'a> {
    /// Follows the active edges that stand before `edge` in canonical order.
    pub(super) fn before(state: &'a State, node: u32, edge: &KeptEdge) -> Self {
        let mut outside = Outside { state, nodes: vec![node], types: 0 };
        let mut next = 0;
        while let Some(&node) = outside.nodes.get(next) {
            next += 1;
            outside.types |= 1 << state.nodes[node as usize].kind;
            for (between, other) in state.edges_of(node) {
                let between = &state.edges[between as usize];
                // Components are small (`max_identifiers`), so looking through the list is cheaper than a set.
                if between.active && canonical(between) < canonical(edge) && !outside.nodes.contains(&other) {
                    outside.nodes.push(other);
                }
            }
        }
        outside
    }
}

impl Side for Outside<'_> {
    fn types(&self) -> u64 {
        self.types
    }

    fn size(&self) -> u32 {
        self.nodes.len() as u32
    }

    fn count(&self, kind: u8) -> u32 {
        let kind_of = |node: u32| self.state.nodes[node as usize].kind;
        self.nodes.iter().filter(|node| kind_of(**node) == kind).count() as u32
    }
}

/// A partition of a region that grows edge by edge.
pub(super) struct Partition {
    parent: Vec<u32>,
    kinds: Vec<u8>,
    /// Right only for roots, as are the members.
    pub(super) types: Vec<u64>,
    pub(super) members: Vec<Vec<u32>>,
}

impl Partition {
    pub(super) fn new(state: &State, region: &Region) -> Self {
        let kinds: Vec<u8> = region.nodes.iter().map(|node| state.nodes[*node as usize].kind).collect();
        let numbers = 0..kinds.len() as u32;
        Partition {
            parent: numbers.clone().collect(),
            types: kinds.iter().map(|kind| 1 << kind).collect(),
            members: numbers.map(|number| vec![number]).collect(),
            kinds,
        }
    }

    pub(super) fn root(&self, mut node: u32) -> u32 {
        // Unions go by size, so the way up is short.
        while self.parent[node as usize] != node {
            node = self.parent[node as usize];
        }
        node
    }

    pub(super) fn side(&self, root: u32) -> PartitionSide<'_> {
        PartitionSide { partition: self, root }
    }

    pub(super) fn unite(&mut self, a: u32, b: u32) {
        let larger_first = self.members[a as usize].len() >= self.members[b as usize].len();
        let (root, child) = if larger_first { (a, b) } else { (b, a) };
        let moved = std::mem::take(&mut self.members[child as usize]);
        self.members[root as usize].extend(moved);
        self.parent[child as usize] = root;
        self.types[root as usize] |= self.types[child as usize];
    }
}

/// A component of a partition as one side of an edge.
pub(super) struct PartitionSide<'a> {
    partition: &'a Partition,
    root: u32,
}

impl Side for PartitionSide<'_> {
    fn types(&self) -> u64 {
        self.partition.types[self.root as usize]
    }

    fn size(&self) -> u32 {
        self.partition.members[self.root as usize].len() as u32
    }

    fn count(&self, kind: u8) -> u32 {
        let members = &self.partition.members[self.root as usize];
        members.iter().filter(|member| self.partition.kinds[**member as usize] == kind).count() as u32
    }
}
