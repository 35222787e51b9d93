//! R2 and R3: a cluster's kept edges replayed in canonical order.

use rustc_hash::FxHashMap;

use super::conflict::{ConflictKind, ConflictRule};
use super::limits::{Limits, Side};
use super::published::{Mapping, Published};
use super::state::{KeptEdge, NONE, State};
use crate::Tier;

/// An identifier to share: its edges go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shared {
    pub(super) node: u32,
    /// The other end of the edge that tipped it.
    pub(super) other: u32,
    pub(super) rule: ConflictRule,
}

/// The nodes being replayed, under local numbers.
pub(super) struct Region {
    nodes: Vec<u32>,
    local: FxHashMap<u32, u32>,
}

impl Region {
    pub(super) fn of_all(state: &State) -> Self {
        let nodes: Vec<u32> = (0..state.nodes.len() as u32).collect();
        Region {
            local: nodes.iter().map(|node| (*node, *node)).collect(),
            nodes,
        }
    }
}

/// What a replay says of an edge: active, or why not.
pub(super) type Verdict = Option<ConflictRule>;

impl State {
    /// R3 and its consequences: the node links to nobody any more, and its cluster is replayed.
    pub(super) fn share_and_replay(&mut self, published: &Published, shared: Shared) {
        let region = self.cluster(shared.node);
        self.share(published, shared);
        self.replay_region(published, &region, None);
    }

    /// Replays the cluster of an edge that has just been kept.
    pub(super) fn replay(&mut self, published: &Published, new_edge: u32) {
        let region = self.cluster(self.edges[new_edge as usize].ends[0]);
        self.replay_region(published, &region, Some(new_edge));
    }

    /// Identifiers that turn out to be shared lose their edges and the replay starts anew, until every edge is active
    /// or dormant.
    fn replay_region(&mut self, published: &Published, region: &Region, new_edge: Option<u32>) {
        loop {
            let edges = self.canonical_edges(region);
            let mut partition = Partition::new(self, region);
            match self.verdicts(region, &edges, &mut partition) {
                Ok(verdicts) => {
                    self.take_verdicts(&edges, &verdicts, new_edge);
                    self.take_components(published, region, &edges, &partition);
                    self.mark_unsettled(published, &edges, &verdicts);
                    return;
                }
                Err(shared) => self.share(published, shared),
            }
        }
    }

    /// Everything connected to a node by kept edges, active or dormant.
    fn cluster(&self, seed: u32) -> Region {
        let mut region = Region {
            nodes: vec![seed],
            local: FxHashMap::default(),
        };
        region.local.insert(seed, 0);
        let mut next = 0;
        while let Some(&node) = region.nodes.get(next) {
            next += 1;
            for (_, other) in self.edges_of(node) {
                region.local.entry(other).or_insert_with(|| {
                    region.nodes.push(other);
                    region.nodes.len() as u32 - 1
                });
            }
        }
        region
    }

    /// The region's edges in the order of R2: by the tier of the weaker end, then by place.
    pub(super) fn canonical_edges(&self, region: &Region) -> Vec<u32> {
        let mut edges = Vec::new();
        for &node in &region.nodes {
            edges.extend(
                self.edges_of(node)
                    .map(|(edge, _)| edge)
                    .filter(|e| self.edges[*e as usize].ends[0] == node),
            );
        }
        edges.sort_unstable_by_key(|edge| {
            let kept = &self.edges[*edge as usize];
            (kept.tier, kept.place)
        });
        edges
    }

    /// R3: from now on the node links to nobody.
    fn share(&mut self, published: &Published, Shared { node, other, rule }: Shared) {
        let edges: Vec<u32> = self.edges_of(node).map(|(edge, _)| edge).collect();
        for edge in edges {
            self.remove(edge);
        }
        let mapping = Mapping {
            shared: true,
            ..published.current(node)
        };
        self.set_mapping(published, node, mapping);
        self.counts.shared += 1;
        self.touch(node);
        self.conflict(ConflictKind::Shared, rule, node, other);
    }

    /// Whether each edge joins when it is tried in order; or which identifier must be shared first.
    pub(super) fn verdicts(
        &self,
        region: &Region,
        edges: &[u32],
        partition: &mut Partition,
    ) -> Result<Vec<Verdict>, Shared> {
        let mut verdicts = Vec::with_capacity(edges.len());
        for edge in edges {
            let KeptEdge { ends, tier, .. } = &self.edges[*edge as usize];
            let [a, b] = ends.map(|end| partition.root(region.local[&end]));
            if a == b {
                verdicts.push(None);
                continue;
            }
            let refused = partition.refuses(&self.limits, a, b, *tier == Tier::Account);
            match refused {
                None => partition.unite(a, b),
                Some(rule @ (ConflictRule::MaxPerCustomer | ConflictRule::AccountConflict))
                    if self.limits.shares(self.nodes[ends[1] as usize].kind) =>
                {
                    return Err(Shared {
                        node: ends[1],
                        other: ends[0],
                        rule,
                    });
                }
                // Contact limits and full customers only refuse, whatever `on_conflict` says: R7 is to come.
                Some(_) => {}
            }
            verdicts.push(refused);
        }
        Ok(verdicts)
    }

    /// Marks the edges; one that does not join any more, or is new and does not join, is a conflict.
    fn take_verdicts(&mut self, edges: &[u32], verdicts: &[Verdict], new_edge: Option<u32>) {
        for (&edge, verdict) in edges.iter().zip(verdicts) {
            let KeptEdge {
                active,
                ends: [stronger, weaker],
                ..
            } = self.edges[edge as usize];
            if let Some(rule) = *verdict
                && (active || Some(edge) == new_edge)
            {
                self.conflict(ConflictKind::Refused, rule, stronger, weaker);
            }
            self.set_active(edge, verdict.is_none());
        }
    }

    /// Makes the partition the region's components. One whose members and anchor are the same has not changed.
    fn take_components(
        &mut self,
        published: &Published,
        region: &Region,
        edges: &[u32],
        partition: &Partition,
    ) {
        let before: Vec<(u32, u32)> = region
            .nodes
            .iter()
            .map(|node| published.current(*node).anchor)
            .map(|anchor| (anchor, self.nodes[anchor as usize].size))
            .collect();
        self.count_components(region, &before, partition);
        let oldest = self.oldest_edges(region, edges, partition);
        for (root, members) in partition
            .members
            .iter()
            .enumerate()
            .filter(|(_, members)| !members.is_empty())
        {
            let anchor = match oldest[root] {
                NONE => region.nodes[members[0] as usize],
                edge => self.edges[edge as usize].ends[0],
            };
            let size = members.len() as u32;
            let component = &mut self.nodes[anchor as usize];
            component.size = size;
            component.types = partition.types[root];
            component.oldest_edge = oldest[root];
            component.unsettled = false;
            if members
                .iter()
                .any(|member| before[*member as usize] != (anchor, size))
            {
                self.form(published, region, members, anchor);
            }
        }
    }

    fn mark_unsettled(&mut self, published: &Published, edges: &[u32], verdicts: &[Verdict]) {
        for (&edge, verdict) in edges.iter().zip(verdicts) {
            let ends = self.edges[edge as usize].ends;
            let soft = matches!(
                verdict,
                Some(ConflictRule::MaxContacts | ConflictRule::MaxIdentifiers)
            );
            if soft && self.limits.shares(self.nodes[ends[1] as usize].kind) {
                for end in ends {
                    self.nodes[published.current(end).anchor as usize].unsettled = true;
                }
            }
        }
    }

    /// The oldest active edge of each component, by its root; R4 makes its stronger end the anchor.
    fn oldest_edges(&self, region: &Region, edges: &[u32], partition: &Partition) -> Vec<u32> {
        let mut oldest = vec![NONE; region.nodes.len()];
        for &edge in edges {
            let kept = &self.edges[edge as usize];
            let root = partition.root(region.local[&kept.ends[0]]) as usize;
            if kept.active
                && (oldest[root] == NONE || kept.place < self.edges[oldest[root] as usize].place)
            {
                oldest[root] = edge;
            }
        }
        oldest
    }

    fn count_components(&mut self, region: &Region, before: &[(u32, u32)], partition: &Partition) {
        let anchors = || {
            region
                .nodes
                .iter()
                .zip(before)
                .filter(|(node, (anchor, _))| *node == anchor)
        };
        let components = || {
            partition
                .members
                .iter()
                .filter(|members| !members.is_empty())
        };
        let merged = anchors().count().saturating_sub(components().count());
        self.counts.merges += merged as u64;
        self.counts.components -= anchors().filter(|(_, (_, size))| *size > 1).count() as u64;
        self.counts.components += components().filter(|members| members.len() > 1).count() as u64;
    }

    /// Makes some nodes one component.
    fn form(&mut self, published: &Published, region: &Region, members: &[u32], anchor: u32) {
        for (position, member) in members.iter().enumerate() {
            let node = region.nodes[*member as usize];
            let next = members[(position + 1) % members.len()];
            self.nodes[node as usize].next_member = region.nodes[next as usize];
            let shared = published.current(node).shared;
            self.set_mapping(published, node, Mapping { anchor, shared });
        }
        self.touch(anchor);
    }
}

/// A partition that grows edge by edge.
pub(super) struct Partition {
    parent: Vec<u32>,
    kinds: Vec<u8>,
    /// Right only for roots, as are the members.
    types: Vec<u64>,
    members: Vec<Vec<u32>>,
}

impl Partition {
    pub(super) fn new(state: &State, region: &Region) -> Self {
        let kinds: Vec<u8> = region
            .nodes
            .iter()
            .map(|node| state.nodes[*node as usize].kind)
            .collect();
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

    fn refuses(&self, limits: &Limits, a: u32, b: u32, between_accounts: bool) -> Verdict {
        let side = |root| PartitionSide {
            partition: self,
            root,
        };
        limits.refuses(&side(a), &side(b), between_accounts)
    }

    fn unite(&mut self, a: u32, b: u32) {
        let larger_first = self.members[a as usize].len() >= self.members[b as usize].len();
        let (root, child) = if larger_first { (a, b) } else { (b, a) };
        let moved = std::mem::take(&mut self.members[child as usize]);
        self.members[root as usize].extend(moved);
        self.parent[child as usize] = root;
        self.types[root as usize] |= self.types[child as usize];
    }
}

struct PartitionSide<'a> {
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
        members
            .iter()
            .filter(|member| self.partition.kinds[**member as usize] == kind)
            .count() as u32
    }
}
