//! The oracle's state and the questions that can be asked of it.

use identity::{ConflictKind, ConflictRule, Hasher, Rules, Tier, TypeRule};
use schemas::{Identifier, Key};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The greatest generation: after it an identifier's node is never closed again.
pub const LAST_GENERATION: u8 = u8::MAX;

/// One identifier, whatever its generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub kind: u8,
    pub generation: u8,
    pub shared: bool,
    pub suppressed: bool,
    pub erased_at_ms: Option<i64>,
}

/// One generation of one identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    pub base: Key,
    pub generation: u8,
}

/// In canonical order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    Forced,
    Account,
    Contact,
    Device,
}

/// (log offset, index among the edges tried in the message): no two edges have the same.
pub type Place = (i64, u32);

/// A kept edge between two current nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Stronger end first.
    pub ends: [Key; 2],
    pub class: Class,
    pub place: Place,
    pub day: u16,
    pub active: bool,
    pub held: bool,
    /// Whether a replay has said anything about it yet.
    pub judged: bool,
}

impl Kept {
    pub fn has(&self, node: Key) -> bool {
        self.ends.contains(&node)
    }

    pub fn other(&self, node: Key) -> Key {
        if self.ends[0] == node { self.ends[1] } else { self.ends[0] }
    }
}

/// The one edge of a closed node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    pub to: Key,
    pub place: Place,
    pub day: u16,
}

/// What a conflict row says, by identifiers and not by generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub kind: ConflictKind,
    pub rule: ConflictRule,
    pub a: Key,
    pub b: Key,
}

/// The oracle's whole state.
#[derive(Debug, Clone)]
pub struct Oracle {
    pub hasher: Arc<Hasher>,
    pub known: BTreeMap<Key, Known>,
    pub nodes: BTreeMap<Key, Node>,
    pub edges: Vec<Kept>,
    /// By closed node.
    pub leaves: BTreeMap<Key, Leaf>,
    /// Pairs of identifiers, smaller key first.
    pub vetoes: BTreeSet<(Key, Key)>,
    /// The conflict rows of the message in work.
    pub rows: Vec<Row>,
    pub append_ms: i64,
}

/// Current nodes in parts that grow together.
pub struct Parts {
    part_of: BTreeMap<Key, Key>,
    members: BTreeMap<Key, BTreeSet<Key>>,
}

impl Parts {
    pub fn part(&self, node: Key) -> &BTreeSet<Key> {
        &self.members[&self.part_of[&node]]
    }

    pub fn join(&mut self, a: Key, b: Key) {
        let (a, b) = (self.part_of[&a], self.part_of[&b]);
        if a != b {
            let moved = self.members.remove(&b).unwrap();
            self.part_of.extend(moved.iter().map(|node| (*node, a)));
            self.members.get_mut(&a).unwrap().extend(moved);
        }
    }
}

pub fn generation_key(base: Key, generation: u8) -> Key {
    if generation == 0 {
        return base;
    }
    let mut bytes = base.0.to_be_bytes().to_vec();
    bytes.push(generation);
    let mut key = [0; 16];
    key.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..16]);
    Key(u128::from_be_bytes(key))
}

pub fn ordered(a: Key, b: Key) -> (Key, Key) {
    (a.min(b), a.max(b))
}

pub fn day_of(ms: i64) -> u16 {
    ms.div_euclid(86_400_000).clamp(0, i64::from(u16::MAX)) as u16
}

impl Oracle {
    pub fn new(hasher: Arc<Hasher>) -> Self {
        Oracle {
            hasher,
            known: BTreeMap::new(),
            nodes: BTreeMap::new(),
            edges: Vec::new(),
            leaves: BTreeMap::new(),
            vetoes: BTreeSet::new(),
            rows: Vec::new(),
            append_ms: 0,
        }
    }

    pub fn rules(&self) -> &Rules {
        self.hasher.rules()
    }

    pub fn type_rule(&self, kind: u8) -> &TypeRule {
        &self.rules().types[usize::from(kind)]
    }

    /// Makes the identifier known and gives its current node.
    pub fn node(&mut self, identifier: Identifier) -> Key {
        let base = identifier.key;
        let kind = identifier.kind;
        let fresh = Known { kind, generation: 0, shared: false, suppressed: false, erased_at_ms: None };
        self.known.entry(base).or_insert(fresh);
        self.nodes.entry(base).or_insert(Node { base, generation: 0 });
        self.current(base)
    }

    /// The current node of an identifier, also of one never seen.
    pub fn current(&self, base: Key) -> Key {
        generation_key(base, self.known.get(&base).map_or(0, |known| known.generation))
    }

    pub fn base(&self, node: Key) -> Key {
        self.nodes[&node].base
    }

    pub fn kind(&self, node: Key) -> u8 {
        self.known[&self.base(node)].kind
    }

    pub fn tier(&self, node: Key) -> Tier {
        self.type_rule(self.kind(node)).tier
    }

    /// Smaller is stronger.
    pub fn rank(&self, node: Key) -> (u16, Key) {
        (self.type_rule(self.kind(node)).priority, node)
    }

    pub fn is_current(&self, node: Key) -> bool {
        self.current(self.base(node)) == node
    }

    pub fn strongest_first(&self, x: Key, y: Key) -> [Key; 2] {
        if self.rank(x) < self.rank(y) { [x, y] } else { [y, x] }
    }

    pub fn class_of(&self, ends: [Key; 2]) -> Class {
        match self.tier(ends[0]).max(self.tier(ends[1])) {
            Tier::Account => Class::Account,
            Tier::Contact => Class::Contact,
            Tier::Device => Class::Device,
        }
    }

    pub fn between(&self, x: Key, y: Key) -> Option<usize> {
        self.edges.iter().position(|edge| edge.has(x) && edge.has(y))
    }

    pub fn at(&self, place: Place) -> Option<&Kept> {
        self.edges.iter().find(|edge| edge.place == place)
    }

    /// Whether links to this identifier are refused altogether.
    pub fn is_out_of_use(&self, base: Key) -> bool {
        self.known.get(&base).is_some_and(|known| known.shared || known.suppressed)
    }

    pub fn is_erased_after(&self, base: Key, event_ms: i64) -> bool {
        self.known.get(&base).and_then(|known| known.erased_at_ms).is_some_and(|erased| event_ms < erased)
    }

    /// The oldest active edge of a node.
    pub fn oldest_active(&self, node: Key) -> Option<&Kept> {
        self.edges.iter().filter(|edge| edge.active && edge.has(node)).min_by_key(|edge| edge.place)
    }

    /// Every current node by itself.
    pub fn apart(&self) -> Parts {
        let nodes = || self.known.keys().map(|base| self.current(*base));
        Parts {
            part_of: nodes().map(|node| (node, node)).collect(),
            members: nodes().map(|node| (node, BTreeSet::from([node]))).collect(),
        }
    }

    /// Current nodes that are one customer, by active edges alone.
    pub fn groups(&self) -> Vec<BTreeSet<Key>> {
        let mut parts = self.apart();
        for edge in self.edges.iter().filter(|edge| edge.active) {
            parts.join(edge.ends[0], edge.ends[1]);
        }
        parts.members.into_values().collect()
    }

    /// The group of current nodes that a current node is in.
    pub fn group(&self, node: Key) -> BTreeSet<Key> {
        self.groups().into_iter().find(|group| group.contains(&node)).unwrap()
    }

    /// R4: the customer id of a group of current nodes.
    pub fn customer_of(&self, group: &BTreeSet<Key>) -> Key {
        let within = self.edges.iter().filter(|edge| edge.active && group.contains(&edge.ends[0]));
        within.min_by_key(|edge| edge.place).map_or_else(|| *group.first().unwrap(), |edge| edge.ends[0])
    }

    /// Where the chain of closed nodes that starts at a node ends.
    pub fn chain_end(&self, mut node: Key) -> Key {
        while let Some(leaf) = self.leaves.get(&node) {
            node = leaf.to;
        }
        node
    }

    /// The customer of every node, open and closed.
    pub fn customers(&self) -> BTreeMap<Key, Key> {
        let mut current = BTreeMap::new();
        for group in self.groups() {
            let customer = self.customer_of(&group);
            current.extend(group.into_iter().map(|node| (node, customer)));
        }
        let customer = |node: &Key| {
            let end = self.chain_end(*node);
            (*node, current.get(&end).copied().unwrap_or(end))
        };
        self.nodes.keys().map(customer).collect()
    }

    /// Every node of the customer that a node belongs to.
    pub fn members(&self, node: Key) -> BTreeSet<Key> {
        let customers = self.customers();
        let Some(wanted) = customers.get(&node) else {
            return BTreeSet::from([node]);
        };
        customers.iter().filter(|(_, customer)| *customer == wanted).map(|(node, _)| *node).collect()
    }

    pub fn dormant(&self) -> BTreeSet<(Key, Key)> {
        self.edges.iter().filter(|edge| !edge.active).map(|edge| ordered(edge.ends[0], edge.ends[1])).collect()
    }

    pub fn row(&mut self, kind: ConflictKind, rule: ConflictRule, a: Key, b: Key) {
        let (a, b) = (self.base(a), self.base(b));
        self.rows.push(Row { kind, rule, a, b });
    }
}
