//! R2 and R3: kept edges replayed in canonical order.

use super::conflict::{ConflictKind, ConflictRule};
use super::limits::Side;
use super::published::{Mapping, Published};
use super::region::{Outside, Partition, Region};
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

/// What a replay says of an edge: active, or why not.
pub(super) type Verdict = Option<ConflictRule>;

/// Why a replay has to start anew.
pub(super) enum Anew {
    /// This identifier is shared first.
    Share(Shared),
    /// The change reaches the component of this node.
    Reach(u32),
}

impl State {
    /// R3 and its consequences: the node links to nobody any more, and what it had joined is replayed.
    pub(super) fn share_and_replay(&mut self, published: &Published, shared: Shared) {
        let mut region = Region::new();
        region.add(published, self, shared.node);
        self.share(published, shared);
        self.replay_region(published, region, None);
    }

    /// Replays what an edge that has just been kept can change.
    pub(super) fn replay(&mut self, published: &Published, new_edge: u32) {
        let mut region = Region::new();
        for end in self.edges[new_edge as usize].ends {
            region.add(published, self, end);
        }
        self.replay_region(published, region, Some(new_edge));
    }

    fn replay_region(&mut self, published: &Published, mut region: Region, new_edge: Option<u32>) {
        loop {
            let edges = region.canonical_edges(self);
            let mut partition = Partition::new(self, &region);
            match self.verdicts(&region, &edges, &mut partition) {
                Ok(verdicts) => {
                    self.take_verdicts(&edges, &verdicts, new_edge);
                    self.take_components(published, &region, &edges, &partition);
                    self.mark_unsettled(published, &edges, &verdicts);
                    return;
                }
                Err(Anew::Reach(node)) => region.add(published, self, node),
                Err(Anew::Share(shared)) => {
                    region.add(published, self, shared.node);
                    self.share(published, shared);
                }
            }
        }
    }

    /// R3: from now on the node links to nobody.
    fn share(&mut self, published: &Published, Shared { node, other, rule }: Shared) {
        let edges: Vec<u32> = self.edges_of(node).map(|(edge, _)| edge).collect();
        for edge in edges {
            self.remove(edge);
        }
        let mapping = Mapping { shared: true, ..published.current(node) };
        self.set_mapping(published, node, mapping);
        self.counts.shared += 1;
        self.touch(node);
        self.conflict(ConflictKind::Shared, rule, node, other);
    }

    /// Whether each edge joins when it is tried in order.
    pub(super) fn verdicts(
        &self,
        region: &Region,
        edges: &[u32],
        partition: &mut Partition,
    ) -> Result<Vec<Verdict>, Anew> {
        let mut verdicts = Vec::with_capacity(edges.len());
        for edge in edges {
            let edge = &self.edges[*edge as usize];
            let verdict = match edge.ends.map(|end| region.local(end)) {
                [Some(a), Some(b)] => {
                    let (a, b) = (partition.root(a), partition.root(b));
                    let verdict = match a == b {
                        true => None,
                        false => self.verdict(edge, &partition.side(a), &partition.side(b))?,
                    };
                    if verdict.is_none() && a != b {
                        partition.unite(a, b);
                    }
                    verdict
                }
                [Some(inside), None] => self.verdict_at_border(edge, inside, edge.ends[1], partition)?,
                [None, Some(inside)] => self.verdict_at_border(edge, inside, edge.ends[0], partition)?,
                [None, None] => unreachable!("a region's edges have an end in it"),
            };
            verdicts.push(verdict);
        }
        Ok(verdicts)
    }

    /// An edge out of the region was refused; when it no longer is, the region is too small.
    fn verdict_at_border(
        &self,
        edge: &KeptEdge,
        inside: u32,
        outside: u32,
        partition: &Partition,
    ) -> Result<Verdict, Anew> {
        let inside = partition.side(partition.root(inside));
        match self.verdict(edge, &inside, &Outside::before(self, outside, edge))? {
            None => Err(Anew::Reach(outside)),
            refused => Ok(refused),
        }
    }

    fn verdict(&self, edge: &KeptEdge, a: &impl Side, b: &impl Side) -> Result<Verdict, Anew> {
        let [stronger, weaker] = edge.ends;
        match self.limits.refuses(a, b, edge.tier == Tier::Account) {
            Some(rule) if rule.is_about_accounts() && self.limits.shares(self.nodes[weaker as usize].kind) => {
                Err(Anew::Share(Shared { node: weaker, other: stronger, rule }))
            }
            verdict => Ok(verdict),
        }
    }

    /// Marks the edges; one that does not join any more, or is new and does not join, is a conflict.
    fn take_verdicts(&mut self, edges: &[u32], verdicts: &[Verdict], new_edge: Option<u32>) {
        for (&edge, verdict) in edges.iter().zip(verdicts) {
            let KeptEdge { active, ends: [stronger, weaker], .. } = self.edges[edge as usize];
            if let Some(rule) = *verdict
                && (active || Some(edge) == new_edge)
            {
                self.conflict(ConflictKind::Refused, rule, stronger, weaker);
            }
            self.set_active(edge, verdict.is_none());
        }
    }

    /// Makes the partition the region's components. One whose members and anchor are the same has not changed.
    fn take_components(&mut self, published: &Published, region: &Region, edges: &[u32], partition: &Partition) {
        let before: Vec<(u32, u32)> = region
            .nodes
            .iter()
            .map(|node| published.current(*node).anchor)
            .map(|anchor| (anchor, self.nodes[anchor as usize].size))
            .collect();
        self.count_components(region, &before, partition);
        let oldest = self.oldest_edges(region, edges, partition);
        for (root, members) in partition.members.iter().enumerate().filter(|(_, members)| !members.is_empty()) {
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
            if members.iter().any(|member| before[*member as usize] != (anchor, size)) {
                self.form(published, region, members, anchor);
            }
        }
    }

    fn mark_unsettled(&mut self, published: &Published, edges: &[u32], verdicts: &[Verdict]) {
        for (&edge, verdict) in edges.iter().zip(verdicts) {
            let ends = self.edges[edge as usize].ends;
            let soft = verdict.is_some_and(|rule| !rule.is_about_accounts());
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
            // An active edge has both ends inside.
            let Some(end) = region.local(kept.ends[0]) else {
                continue;
            };
            let root = partition.root(end) as usize;
            if kept.active && (oldest[root] == NONE || kept.place < self.edges[oldest[root] as usize].place) {
                oldest[root] = edge;
            }
        }
        oldest
    }

    fn count_components(&mut self, region: &Region, before: &[(u32, u32)], partition: &Partition) {
        let anchors = || region.nodes.iter().zip(before).filter(|(node, (anchor, _))| *node == anchor);
        let components = || partition.members.iter().filter(|members| !members.is_empty());
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
