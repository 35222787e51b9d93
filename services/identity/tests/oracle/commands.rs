//! R1, R3, R5, R8 and R9: what each command of the log does.

use super::hasher_of;
use super::model::{Class, Kept, Oracle, Place, Row, day_of, ordered};
use identity::{ConflictKind, ConflictRule, Hasher, OnConflict, Rules, Tier};
use schemas::{Command, Identifier, Key};
use std::collections::BTreeSet;

impl Oracle {
    /// One message of the log; gives its conflict rows.
    pub fn apply(&mut self, offset: i64, append_ms: i64, commands: &[Command]) -> Vec<Row> {
        self.append_ms = append_ms;
        let mut ordinal = 0;
        let mut next_place = || {
            ordinal += 1;
            (offset, ordinal - 1)
        };
        for command in commands {
            match command {
                Command::Link { edges, provenance } => {
                    for edge in edges {
                        self.link(edge.hub, edge.other, provenance.event_time_ms, next_place());
                    }
                }
                Command::Merge { a, b, .. } => self.merge(*a, *b, next_place()),
                Command::Unlink { a, b, .. } => self.unlink(*a, *b),
                Command::Allow { a, b, .. } => self.allow(*a, *b),
                Command::Split { of, .. } => self.split(*of),
                Command::Share { of, .. } => self.share(*of),
                Command::Unshare { of, .. } => {
                    self.node(*of);
                    self.known.get_mut(&of.key).unwrap().shared = false;
                }
                Command::Erase { of, suppress, .. } => self.erase(*of, *suppress),
                Command::Rules { hash, rules_json } => self.change_rules(*hash, rules_json),
            }
        }
        std::mem::take(&mut self.rows)
    }

    fn link(&mut self, x: Identifier, y: Identifier, event_ms: i64, place: Place) {
        let refused = |i: Identifier| {
            !self.type_rule(i.kind).links || self.is_out_of_use(i.key) || self.is_erased_after(i.key, event_ms)
        };
        if x.key == y.key || refused(x) || refused(y) {
            return;
        }
        let (x, y) = (self.node(x), self.node(y));
        if self.between(x, y).is_some() {
            return;
        }
        let ends = self.strongest_first(x, y);
        let class = self.class_of(ends);
        self.keep(ends, class, place, day_of(event_ms));
        if !self.share_the_overlinked(place) {
            self.try_to_move(place);
        }
        self.settle(Some(place));
    }

    fn merge(&mut self, a: Identifier, b: Identifier, place: Place) {
        let refused = |i: Identifier| !self.type_rule(i.kind).links || self.is_out_of_use(i.key);
        if a.key == b.key || refused(a) || refused(b) {
            return;
        }
        let (a, b) = (self.node(a), self.node(b));
        let ends = self.strongest_first(a, b);
        let place = match self.between(a, b) {
            Some(known) => {
                let edge = &mut self.edges[known];
                (edge.class, edge.held) = (Class::Forced, false);
                edge.place
            }
            None => {
                self.keep(ends, Class::Forced, place, day_of(self.append_ms));
                place
            }
        };
        self.share_the_overlinked(place);
        self.settle(Some(place));
    }

    fn keep(&mut self, ends: [Key; 2], class: Class, place: Place, day: u16) {
        self.edges.push(Kept { ends, class, place, day, active: false, held: false, judged: false });
    }

    /// R3: whether an end of this edge has become shared by its number of links.
    fn share_the_overlinked(&mut self, place: Place) -> bool {
        let [stronger, weaker] = self.at(place).unwrap().ends;
        for (node, other) in [(weaker, stronger), (stronger, weaker)] {
            if self.has_too_many_links(node, self.kind(other)) {
                self.auto_share(node, other, ConflictRule::MaxLinks);
                return true;
            }
        }
        false
    }

    fn has_too_many_links(&self, node: Key, kind: u8) -> bool {
        let edges = self.edges.iter().filter(|edge| edge.has(node) && self.kind(edge.other(node)) == kind);
        self.type_rule(kind).tier != Tier::Device && edges.count() > self.type_rule(self.kind(node)).max_links as usize
    }

    /// The last known user wins.
    fn try_to_move(&mut self, place: Place) {
        let edge = self.at(place).unwrap().clone();
        let [stays, moves] = edge.ends;
        let (a, b) = (self.group(stays), self.group(moves));
        if a == b || self.type_rule(self.kind(moves)).on_conflict != OnConflict::Move {
            return;
        }
        let Some(rule) = self.objection(&a, &b, edge.class) else {
            return;
        };
        let days = self.edges.iter().filter(|kept| kept.active && kept.has(moves)).map(|kept| kept.day);
        let alone = BTreeSet::from([moves]);
        let fits = !self.vetoed(&a, &alone) && self.objection(&a, &alone, edge.class).is_none();
        if days.max().is_some_and(|newest| edge.day >= newest) && fits {
            self.row(ConflictKind::Moved, rule, stays, moves);
            let moved = self.close(moves);
            let ends = self.strongest_first(stays, moved);
            self.keep(ends, edge.class, place, edge.day);
        }
    }

    fn unlink(&mut self, a: Identifier, b: Identifier) {
        if a.key == b.key {
            return;
        }
        let (x, y) = (self.node(a), self.node(b));
        self.edges.retain(|edge| !(edge.has(x) && edge.has(y)));
        self.vetoes.insert(ordered(a.key, b.key));
        self.settle(None);
        // The past too: what was closed on the one side does not stay on the other.
        let customers = self.customers();
        for (mine, theirs) in [(a.key, b.key), (b.key, a.key)] {
            let there = customers[&self.current(theirs)];
            let nodes = &self.nodes;
            self.leaves.retain(|node, _| nodes[node].base != mine || customers[node] != there);
        }
    }

    fn allow(&mut self, a: Identifier, b: Identifier) {
        if a.key != b.key {
            self.node(a);
            self.node(b);
            self.vetoes.remove(&ordered(a.key, b.key));
            self.settle(None);
        }
    }

    fn split(&mut self, of: Identifier) {
        let node = self.node(of);
        let group = self.group(node);
        self.edges.retain(|edge| edge.ends.iter().all(|end| !group.contains(end)));
        self.settle(None);
    }

    fn share(&mut self, of: Identifier) {
        let node = self.node(of);
        let known = self.known.get_mut(&of.key).unwrap();
        if !known.shared {
            known.shared = true;
            self.edges.retain(|edge| !edge.has(node));
        }
        self.forget_the_past_of(of.key);
        self.settle(None);
    }

    fn forget_the_past_of(&mut self, base: Key) {
        let nodes = &self.nodes;
        self.leaves.retain(|node, _| nodes[node].base != base);
    }

    fn erase(&mut self, of: Identifier, suppress: bool) {
        let node = self.node(of);
        let members = self.members(node);
        for node in &members {
            self.leaves.remove(node);
            self.edges.retain(|edge| !edge.has(*node));
        }
        let current: Vec<Key> = members.into_iter().filter(|node| self.is_current(*node)).collect();
        for node in current {
            let base = self.base(node);
            self.vetoes.retain(|(x, y)| *x != base && *y != base);
            if self.known[&base].generation < super::model::LAST_GENERATION {
                self.next_generation(base);
            }
            let append_ms = self.append_ms;
            let known = self.known.get_mut(&base).unwrap();
            known.erased_at_ms = Some(append_ms);
            known.suppressed |= suppress;
        }
        self.settle(None);
    }

    fn change_rules(&mut self, hash: [u8; 16], rules_json: &str) {
        if hash == self.hasher.rules_hash() {
            return;
        }
        let json: serde_json::Value = serde_json::from_str(rules_json).unwrap();
        let rules: Rules = serde_json::from_value(json["rules"].clone()).unwrap();
        let old = std::mem::replace(&mut self.hasher, hasher_of(rules));
        self.share_the_newly_blocked(&old);
        for index in 0..self.edges.len() {
            let [a, b] = self.edges[index].ends;
            let ends = self.strongest_first(a, b);
            let class = self.class_of(ends);
            let edge = &mut self.edges[index];
            edge.ends = ends;
            if edge.class != Class::Forced {
                edge.class = class;
            }
        }
        while let Some((node, other)) = self.first_overlinked() {
            self.auto_share(node, other, ConflictRule::MaxLinks);
        }
        self.settle(None);
    }

    fn share_the_newly_blocked(&mut self, old: &Hasher) {
        for Identifier { key, .. } in self.hasher.clone().newly_blocked(old) {
            if self.known.contains_key(&key) {
                let node = self.current(key);
                self.known.get_mut(&key).unwrap().shared = true;
                self.edges.retain(|edge| !edge.has(node));
                self.forget_the_past_of(key);
            }
        }
    }

    /// The first node that new limits make shared, with the other end of its oldest link to that type.
    fn first_overlinked(&self) -> Option<(Key, Key)> {
        for node in self.nodes.keys().filter(|node| self.is_current(**node)) {
            for kind in 0..self.rules().types.len() as u8 {
                if self.has_too_many_links(*node, kind) {
                    let edges = self.edges.iter().filter(|e| e.has(*node) && self.kind(e.other(*node)) == kind);
                    return edges.min_by_key(|edge| edge.place).map(|edge| (*node, edge.other(*node)));
                }
            }
        }
        None
    }
}
