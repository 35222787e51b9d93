//! R7: customers that are full.

use super::MS_PER_DAY;
use super::conflict::{ConflictKind, ConflictRule};
use super::edges::{Edge, EdgeClass};
use super::limits::bits;
use super::region::Region;
use super::replay::Shared;
use super::state::{Reading, Work};

/// A device edge younger than this is no reason to let a device go: the customer is full of junk.
const RETIRABLE_AFTER_DAYS: i64 = 90;

/// What brings a customer under a limit.
enum Relief {
    Retire(u32, ConflictRule),
    /// The new edge is set aside.
    Hold(u32),
    Share(Shared),
}

impl Work<'_> {
    /// Brings every component that a replay or a union has touched under the limits, the one with the least key first.
    pub(super) fn settle(&mut self) {
        while let Some(relief) = self.next_relief() {
            match relief {
                Relief::Retire(node, rule) => self.retire(node, rule),
                Relief::Share(shared) => {
                    let region = Region::of(self.reading(), &[shared.node]);
                    self.auto_share(shared);
                    self.replay(region, None);
                }
                Relief::Hold(number) => {
                    let [stronger, weaker] = self.edges.get(number).ends;
                    let region = Region::of(self.reading(), &[stronger]);
                    self.edges.set_held(number, true);
                    self.set_active(number, false);
                    self.conflict(ConflictKind::Refused, ConflictRule::MaxContacts, stronger, weaker);
                    self.replay(region, None);
                }
            }
        }
        self.state.unsettled.clear();
        self.state.trigger = None;
    }

    fn next_relief(&mut self) -> Option<Relief> {
        let mut anchors: Vec<u32> = self.state.unsettled.iter().map(|node| self.nodes.anchor(*node)).collect();
        anchors.sort_unstable_by_key(|anchor| self.nodes.key(*anchor));
        anchors.dedup();
        let today = self.append_time_ms().div_euclid(MS_PER_DAY);
        let reading = self.reading();
        let relief = anchors.iter().find_map(|anchor| reading.relief(*anchor, today));
        self.state.unsettled = anchors;
        relief
    }
}

impl Reading<'_> {
    fn relief(self, anchor: u32, today: i64) -> Option<Relief> {
        let trigger = self.state.trigger.map(|number| (number, self.edges.get(number)));
        let trigger = trigger.filter(|(_, edge)| edge.active && self.nodes.anchor(edge.ends[0]) == anchor);
        self.contact_relief(anchor, trigger).or_else(|| self.size_relief(anchor, trigger, today))
    }

    fn contact_relief(self, anchor: u32, trigger: Option<(u32, Edge)>) -> Option<Relief> {
        let limits = &self.state.limits;
        let summary = self.nodes.summary(anchor);
        for kind in bits(summary.types & limits.limited & !limits.accounts) {
            let limit = limits.max_per_customer(kind);
            if summary.size <= limit || self.retirable(anchor, kind).count() <= limit as usize {
                continue;
            }
            if let Some(node) = self.oldest_contact(anchor, kind, trigger) {
                return Some(Relief::Retire(node, ConflictRule::MaxContacts));
            }
            if let Some((number, edge)) = trigger
                && edge.class != EdgeClass::Forced
            {
                return Some(Relief::Hold(number));
            }
        }
        None
    }

    /// The members of a type that count towards its limit: an operator's merge does not.
    pub(super) fn retirable(self, anchor: u32, kind: u8) -> impl Iterator<Item = u32> {
        self.members(anchor).filter(move |node| self.nodes.kind(*node) == kind && self.is_retirable(*node))
    }

    fn is_retirable(self, node: u32) -> bool {
        let forced = || self.active_edges(node).any(|(_, edge, _)| edge.class == EdgeClass::Forced);
        !self.is_closed(node) && !forced()
    }

    /// The contact to retire: the hub's oldest, else the component's oldest.
    fn oldest_contact(self, anchor: u32, kind: u8, trigger: Option<(u32, Edge)>) -> Option<u32> {
        let ends = trigger.map_or([u32::MAX; 2], |(_, edge)| edge.ends);
        let retires = |node: u32| self.nodes.kind(node) == kind && !ends.contains(&node) && self.is_retirable(node);
        let candidates = self.component_edges(anchor).filter_map(|(number, edge)| {
            let new = trigger.is_some_and(|(trigger, _)| trigger == number);
            if new || edge.class == EdgeClass::Forced {
                return None;
            }
            let node = [edge.ends[1], edge.ends[0]].into_iter().find(|end| retires(*end))?;
            Some((!edge.ends.contains(&ends[0]), edge.offset, number, node))
        });
        candidates.min().map(|(.., node)| node)
    }

    /// The active normal edges of a component, each once.
    fn component_edges(self, anchor: u32) -> impl Iterator<Item = (u32, Edge)> {
        let of = move |node| self.active_edges(node).filter(move |(_, edge, _)| edge.ends[0] == node);
        self.members(anchor).flat_map(of).map(|(number, edge, _)| (number, edge))
    }

    fn size_relief(self, anchor: u32, trigger: Option<(u32, Edge)>, today: i64) -> Option<Relief> {
        if self.size(anchor) <= self.state.limits.max_identifiers {
            return None;
        }
        let ends = trigger.map_or([u32::MAX; 2], |(_, edge)| edge.ends);
        let devices = self.component_edges(anchor).filter(|(number, edge)| {
            let new = trigger.is_some_and(|(trigger, _)| trigger == *number);
            edge.class == EdgeClass::Device && !new && !ends.contains(&edge.ends[1])
        });
        let oldest = devices.min_by_key(|(number, edge)| (edge.offset, *number));
        if let Some((_, edge)) = oldest
            && today - i64::from(edge.day) >= RETIRABLE_AFTER_DAYS
        {
            return Some(Relief::Retire(edge.ends[1], ConflictRule::MaxIdentifiers));
        }
        let present = self.members(anchor).filter(|node| !self.is_closed(*node));
        let node =
            present.min_by_key(|node| (std::cmp::Reverse(self.active_edges(*node).count()), self.rank(*node)))?;
        let (.., other) = self.active_edges(node).next()?;
        Some(Relief::Share(Shared { node, other, rule: ConflictRule::MaxIdentifiers }))
    }

    /// How many identifiers a component has.
    pub(super) fn size(self, anchor: u32) -> u32 {
        let summary = self.nodes.summary(anchor);
        match summary.size < super::nodes::Summary::MANY {
            true => summary.size,
            false => self.members(anchor).filter(|node| !self.is_closed(*node)).count() as u32,
        }
    }
}
