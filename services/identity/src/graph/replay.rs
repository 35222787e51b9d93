//! R2: kept edges replayed in canonical order.

use rustc_hash::{FxHashMap, FxHashSet};

use super::conflict::{ConflictKind, ConflictRule};
use super::edges::{Edge, EdgeClass, NONE};
use super::limits::Side;
use super::nodes::Summary;
use super::region::{Outside, Partition, Region};
use super::state::{Reading, Work};
use crate::OnConflict;

/// An identifier to share: its edges go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shared {
    pub(super) node: u32,
    /// The other end of the edge that tipped it.
    pub(super) other: u32,
    pub(super) rule: ConflictRule,
}

/// What a replay says of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Joins,
    Refused(ConflictRule),
    /// Set aside: it is not tried.
    Held,
}

/// Why a replay has to start anew.
pub(super) enum Anew {
    /// This identifier is shared first.
    Share(Shared),
    /// The change reaches the component of this node.
    Reach(u32),
}

impl Reading<'_> {
    /// Whether each edge joins when it is tried in order.
    pub(super) fn verdicts(
        self,
        region: &Region,
        edges: &[u32],
        partition: &mut Partition,
    ) -> Result<Vec<Verdict>, Anew> {
        let mut verdicts = Vec::with_capacity(edges.len());
        for &number in edges {
            let edge = self.edges.get(number);
            let verdict = match edge.ends.map(|end| region.local(end)) {
                _ if edge.held => Verdict::Held,
                [Some(a), Some(b)] => {
                    let (a, b) = (partition.root(a), partition.root(b));
                    let verdict = match a == b {
                        true => Verdict::Joins,
                        false => self.verdict(&edge, &partition.side(region, a), &partition.side(region, b))?,
                    };
                    if verdict == Verdict::Joins && a != b {
                        partition.unite(a, b);
                    }
                    verdict
                }
                [Some(inside), None] => self.verdict_at_border(region, number, &edge, inside, partition)?,
                [None, Some(inside)] => {
                    let [a, b] = edge.ends;
                    self.verdict_at_border(region, number, &Edge { ends: [b, a], ..edge }, inside, partition)?
                }
                [None, None] => unreachable!("a region's edges have an end in it"),
            };
            verdicts.push(verdict);
        }
        Ok(verdicts)
    }

    /// An edge out of the region (its inner end first) was refused; when it no longer is, the region is too small.
    fn verdict_at_border(
        self,
        region: &Region,
        number: u32,
        edge: &Edge,
        inside: u32,
        partition: &Partition,
    ) -> Result<Verdict, Anew> {
        let outside = edge.ends[1];
        let inside = partition.side(region, partition.root(inside));
        let kept = self.edges.get(number);
        match self.verdict(&kept, &inside, &Outside::before(self, outside, number, &kept))? {
            Verdict::Joins => Err(Anew::Reach(outside)),
            refused => Ok(refused),
        }
    }

    fn verdict(self, edge: &Edge, a: &impl Side, b: &impl Side) -> Result<Verdict, Anew> {
        let [stronger, weaker] = edge.ends;
        match self.refusal(a, b, edge.class) {
            None => Ok(Verdict::Joins),
            Some(rule) if rule.is_about_accounts() && self.shares(weaker) => {
                Err(Anew::Share(Shared { node: weaker, other: stronger, rule }))
            }
            Some(rule) => Ok(Verdict::Refused(rule)),
        }
    }

    pub(super) fn shares(self, node: u32) -> bool {
        self.state.limits.on_conflict(self.nodes.kind(node)) == OnConflict::Share
    }

    /// R4: the stronger end of each component's oldest active edge, by its root; without any, the end of the closed
    /// generations' chains.
    pub(super) fn anchors(self, region: &Region, edges: &[(u32, Edge)], partition: &Partition) -> Vec<u32> {
        let mut oldest: Vec<(u64, u32, u32)> = vec![(u64::MAX, NONE, NONE); region.nodes.len()];
        let mut leaves = FxHashSet::default();
        for (number, edge) in edges {
            // An active edge has both ends inside.
            let Some(end) = region.local(edge.ends[0]).filter(|_| edge.active) else {
                continue;
            };
            if edge.class == EdgeClass::Closed {
                leaves.insert(edge.ends[1]);
                continue;
            }
            let oldest = &mut oldest[partition.root(end) as usize];
            *oldest = (*oldest).min((edge.offset, *number, edge.ends[0]));
        }
        let anchor = |(root, (_, _, anchor)): (usize, (u64, u32, u32))| {
            if anchor != NONE {
                return anchor;
            }
            let mut members = partition.members[root].iter().map(|member| region.nodes[*member as usize]);
            members.find(|member| !leaves.contains(member)).unwrap_or(NONE)
        };
        oldest.into_iter().enumerate().map(anchor).collect()
    }
}

impl Work<'_> {
    /// Replays what a change within a region can reach, and notes what may be over a limit now.
    pub(super) fn replay(&mut self, mut region: Region, new_edge: Option<u32>) {
        loop {
            let edges = region.canonical_edges(self.reading());
            let mut partition = Partition::new(self.reading(), &region);
            match self.reading().verdicts(&region, &edges, &mut partition) {
                Ok(verdicts) => {
                    self.take_verdicts(&edges, &verdicts, new_edge);
                    let edges: Vec<_> = edges.into_iter().map(|number| (number, self.edges.get(number))).collect();
                    return self.take_components(&region, &edges, &partition);
                }
                Err(Anew::Reach(node)) => region.add(self.reading(), node),
                Err(Anew::Share(shared)) => {
                    region.add(self.reading(), shared.node);
                    self.auto_share(shared);
                }
            }
        }
    }

    /// Marks the edges; one that does not join any more, or is new and does not join, is a conflict.
    fn take_verdicts(&mut self, edges: &[u32], verdicts: &[Verdict], new_edge: Option<u32>) {
        for (&number, verdict) in edges.iter().zip(verdicts) {
            let Edge { active, ends: [stronger, weaker], .. } = self.edges.get(number);
            if let Verdict::Refused(rule) = *verdict
                && (active || Some(number) == new_edge)
            {
                self.conflict(ConflictKind::Refused, rule, stronger, weaker);
            }
            self.set_active(number, *verdict == Verdict::Joins);
        }
    }

    /// Makes the partition the region's components. One whose members and anchor are the same has not changed.
    fn take_components(&mut self, region: &Region, edges: &[(u32, Edge)], partition: &Partition) {
        let before: Vec<u32> = region.nodes.iter().map(|node| self.nodes.anchor(*node)).collect();
        let mut sizes: FxHashMap<u32, usize> = FxHashMap::default();
        before.iter().for_each(|anchor| *sizes.entry(*anchor).or_default() += 1);
        self.count_components(&sizes, partition);
        let anchors = self.reading().anchors(region, edges, partition);
        for (root, members) in partition.members.iter().enumerate().filter(|(_, members)| !members.is_empty()) {
            let anchor = anchors[root];
            let summary = Summary {
                types: partition.types[root],
                size: partition.size(root as u32),
                special: partition.special[root],
            };
            self.nodes.set_summary(anchor, summary);
            let same = |member: &u32| before[*member as usize] == anchor;
            if sizes.get(&anchor) != Some(&members.len()) || !members.iter().all(same) {
                self.form(region, members, anchor);
            }
            self.state.unsettled.push(anchor);
        }
    }

    fn count_components(&mut self, before: &FxHashMap<u32, usize>, partition: &Partition) {
        let components = || partition.members.iter().filter(|members| !members.is_empty());
        let merged = before.len().saturating_sub(components().count());
        let counts = &mut self.state.counts;
        counts.merges += merged as u64;
        counts.components -= before.values().filter(|size| **size > 1).count() as u64;
        counts.components += components().filter(|members| members.len() > 1).count() as u64;
    }

    /// Makes some nodes one component.
    fn form(&mut self, region: &Region, members: &[u32], anchor: u32) {
        for (position, member) in members.iter().enumerate() {
            let node = region.nodes[*member as usize];
            let next = members[(position + 1) % members.len()];
            self.nodes.set_next_member(node, region.nodes[next as usize]);
            self.set_anchor(node, anchor);
        }
        self.touch(anchor);
    }
}
