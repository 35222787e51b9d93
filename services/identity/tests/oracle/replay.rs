//! R2, R3, R6 and R7: the canonical replay of everything that is kept, and what follows from it.

use super::model::{Class, LAST_GENERATION, Leaf, Node, Oracle, Place, generation_key, ordered};
use identity::{ConflictKind, ConflictRule, OnConflict, Tier};
use schemas::Key;
use std::collections::BTreeSet;

/// What the replay says of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Active,
    Dormant(ConflictRule),
    /// Dormant since an operator or a contact limit set it aside.
    Held,
}

/// An edge whose weaker end has to be shared before the replay can go on.
struct ToShare {
    ends: [Key; 2],
    rule: ConflictRule,
}

/// After 90 days a device may be retired.
const RETIRED_AFTER_DAYS: i64 = 90;

impl Oracle {
    /// Replays everything and brings it within its limits.
    pub fn settle(&mut self, trigger: Option<Place>) {
        self.replay();
        while self.act_on_a_limit(trigger) {
            self.replay();
        }
    }

    fn replay(&mut self) {
        let verdicts = loop {
            match self.verdicts() {
                Ok(verdicts) => break verdicts,
                Err(ToShare { ends, rule }) => self.auto_share(ends[1], ends[0], rule),
            }
        };
        for (place, verdict) in verdicts {
            let edge = self.edges.iter_mut().find(|edge| edge.place == place).unwrap();
            let is_news = edge.active || !edge.judged;
            (edge.active, edge.judged) = (verdict == Verdict::Active, true);
            let ends = edge.ends;
            if let (true, Verdict::Dormant(rule)) = (is_news, verdict) {
                self.row(ConflictKind::Refused, rule, ends[0], ends[1]);
            }
        }
    }

    /// Every kept edge in canonical order, from nothing.
    fn verdicts(&self) -> Result<Vec<(Place, Verdict)>, ToShare> {
        let mut parts = self.apart();
        let mut edges: Vec<_> = self.edges.iter().collect();
        edges.sort_by_key(|edge| (edge.class, edge.place));
        let mut verdicts = Vec::new();
        for edge in edges {
            let (a, b) = (parts.part(edge.ends[0]), parts.part(edge.ends[1]));
            let verdict = if edge.held {
                Verdict::Held
            } else if a == b {
                Verdict::Active
            } else if self.vetoed(a, b) {
                Verdict::Dormant(ConflictRule::Veto)
            } else if let Some(rule) = self.objection(a, b, edge.class) {
                if self.type_rule(self.kind(edge.ends[1])).on_conflict == OnConflict::Share {
                    return Err(ToShare { ends: edge.ends, rule });
                }
                Verdict::Dormant(rule)
            } else {
                Verdict::Active
            };
            if verdict == Verdict::Active {
                parts.join(edge.ends[0], edge.ends[1]);
            }
            verdicts.push((edge.place, verdict));
        }
        Ok(verdicts)
    }

    /// (a) of R2.
    pub fn vetoed(&self, a: &BTreeSet<Key>, b: &BTreeSet<Key>) -> bool {
        let meet = |x: Key, y: Key| self.vetoes.contains(&ordered(self.base(x), self.base(y)));
        !self.vetoes.is_empty() && a.iter().any(|x| b.iter().any(|y| meet(*x, *y)))
    }

    /// (b) and (c) of R2.
    pub fn objection(&self, a: &BTreeSet<Key>, b: &BTreeSet<Key>, class: Class) -> Option<ConflictRule> {
        if class == Class::Forced {
            return None;
        }
        let count = |side: &BTreeSet<Key>, kind: usize| {
            side.iter().filter(|node| usize::from(self.kind(**node)) == kind).count()
        };
        let accounts = || self.rules().types.iter().enumerate().filter(|(_, rule)| rule.tier == Tier::Account);
        let (fewer, more) = if a.len() < b.len() { (a, b) } else { (b, a) };
        let on_both = |kind: usize| count(fewer, kind) > 0 && count(more, kind) > 0;
        for (kind, rule) in accounts() {
            let limit = rule.max_per_customer.map_or(usize::MAX, |limit| limit as usize);
            if on_both(kind) && count(a, kind) + count(b, kind) > limit {
                return Some(ConflictRule::MaxPerCustomer);
            }
        }
        let meets_its_like = accounts().any(|(kind, _)| on_both(kind));
        (meets_its_like && class != Class::Account).then_some(ConflictRule::AccountConflict)
    }

    /// R6: the node becomes a leaf of the other end of its oldest active edge. Gives the identifier's current node.
    pub fn close(&mut self, node: Key) -> Key {
        let oldest = self.oldest_active(node).map(|f| Leaf { to: f.other(node), place: f.place, day: f.day });
        self.edges.retain(|edge| !edge.has(node));
        let Node { base, generation } = self.nodes[&node];
        match oldest {
            Some(leaf) if generation < LAST_GENERATION => {
                self.leaves.insert(node, leaf);
                self.next_generation(base)
            }
            _ => node,
        }
    }

    pub fn next_generation(&mut self, base: Key) -> Key {
        let known = self.known.get_mut(&base).unwrap();
        known.generation += 1;
        let (generation, node) = (known.generation, generation_key(base, known.generation));
        self.nodes.insert(node, Node { base, generation });
        node
    }

    /// R3: an identifier that several people use.
    pub fn auto_share(&mut self, node: Key, other: Key, rule: ConflictRule) {
        self.row(ConflictKind::Shared, rule, node, other);
        let base = self.base(node);
        self.close(node);
        self.known.get_mut(&base).unwrap().shared = true;
    }

    fn retire(&mut self, node: Key, rule: ConflictRule) {
        let other = self.oldest_active(node).unwrap().other(node);
        self.row(ConflictKind::Retired, rule, node, other);
        self.close(node);
    }

    /// R7 for the first customer that is over a limit; whether there was one.
    fn act_on_a_limit(&mut self, trigger: Option<Place>) -> bool {
        let mut groups = self.groups();
        groups.sort_by_key(|group| self.customer_of(group));
        groups.iter().any(|group| self.act_on_contacts(group, trigger) || self.act_on_size(group, trigger))
    }

    /// The trigger, as long as it joins something in this group.
    fn trigger_in(&self, group: &BTreeSet<Key>, trigger: Option<Place>) -> Option<(Place, [Key; 2])> {
        let edge = self.at(trigger?).filter(|edge| edge.active && group.contains(&edge.ends[0]))?;
        Some((edge.place, edge.ends))
    }

    /// Whether an operator tied this node to its customer.
    fn is_tied(&self, node: Key) -> bool {
        self.edges.iter().any(|edge| edge.class == Class::Forced && edge.active && edge.has(node))
    }

    fn act_on_contacts(&mut self, group: &BTreeSet<Key>, trigger: Option<Place>) -> bool {
        let trigger = self.trigger_in(group, trigger);
        let limited = |kind: &u8| {
            let rule = self.type_rule(*kind);
            let limit = rule.max_per_customer.filter(|_| rule.tier != Tier::Account);
            let held = group.iter().filter(|node| self.kind(**node) == *kind && !self.is_tied(**node)).count();
            limit.is_some_and(|limit| held > limit as usize)
        };
        let Some(kind) = (0..self.rules().types.len() as u8).find(limited) else {
            return false;
        };
        let mut candidates = Vec::new();
        for edge in self.edges.iter().filter(|edge| edge.active && group.contains(&edge.ends[0])) {
            if edge.class == Class::Forced || trigger.is_some_and(|(place, _)| place == edge.place) {
                continue;
            }
            let retirable = |end: &&Key| {
                self.kind(**end) == kind && !self.is_tied(**end) && !trigger.is_some_and(|(_, ends)| ends.contains(end))
            };
            // The weaker end when both could go.
            if let Some(end) = edge.ends.iter().rev().find(retirable) {
                let at_the_hub = trigger.is_some_and(|(_, ends)| edge.has(ends[0]));
                candidates.push((!at_the_hub, edge.place, *end));
            }
        }
        match (candidates.into_iter().min(), trigger) {
            (Some((_, _, end)), _) => self.retire(end, ConflictRule::MaxContacts),
            (None, Some((place, ends))) => {
                let edge = self.edges.iter_mut().find(|edge| edge.place == place).unwrap();
                assert_ne!(edge.class, Class::Forced, "a forced edge brings no contact that counts");
                (edge.held, edge.active) = (true, false);
                self.row(ConflictKind::Refused, ConflictRule::MaxContacts, ends[0], ends[1]);
            }
            (None, None) => panic!("contacts that count hang on edges that can be retired"),
        }
        true
    }

    fn act_on_size(&mut self, group: &BTreeSet<Key>, trigger: Option<Place>) -> bool {
        if group.len() <= self.rules().max_identifiers as usize {
            return false;
        }
        let trigger = self.trigger_in(group, trigger);
        let spared = |place: Place, end: Key| trigger.is_some_and(|(p, ends)| p == place || ends.contains(&end));
        let devices = self.edges.iter().filter(|edge| {
            edge.active
                && edge.class == Class::Device
                && group.contains(&edge.ends[0])
                && !spared(edge.place, edge.ends[1])
        });
        let oldest = devices.min_by_key(|edge| edge.place).map(|edge| (edge.day, edge.ends[1]));
        let today = i64::from(super::model::day_of(self.append_ms));
        match oldest {
            Some((day, device)) if today - i64::from(day) >= RETIRED_AFTER_DAYS => {
                self.retire(device, ConflictRule::MaxIdentifiers);
            }
            _ => {
                let edges = |node: Key| self.edges.iter().filter(|edge| edge.active && edge.has(node)).count();
                let hub = *group.iter().min_by_key(|n| (std::cmp::Reverse(edges(**n)), self.rank(**n))).unwrap();
                let other = self.oldest_active(hub).unwrap().other(hub);
                self.auto_share(hub, other, ConflictRule::MaxIdentifiers);
            }
        }
        true
    }
}
