//! The rules of `design/identity.md` R1–R4 written down as naively as possible, on names instead of hashes: every
//! command replays every kept edge from scratch.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a test module, and each test binary uses its part of it"
)]

use identity::{Conflict, Graph, Hasher, KeyedEvent, OnConflict, Rules, Tier};
use schemas::{Command, Edge, Event, IdentifiedEvent, Identifier, Key, LinkProvenance, Page, Position, Source, Utm};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Short, so that readers of changes often find it cut off.
const JOURNAL: usize = 6;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OracleEdge {
    pub a: Identifier,
    pub b: Identifier,
    pub order: usize,
}

/// The oracle's whole state.
pub struct Oracle {
    rules: Rules,
    pub kept: Vec<OracleEdge>,
    pub shared: BTreeSet<Key>,
    pub seen: BTreeMap<Key, u8>,
    tried: usize,
}

/// What a replay of all kept edges says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Every identifier's customer.
    pub customers: BTreeMap<Key, Key>,
    /// Edges that were refused, as (smaller key, greater key).
    pub dormant: BTreeSet<(Key, Key)>,
}

impl Oracle {
    pub fn new(rules: &Rules) -> Self {
        Oracle { rules: rules.clone(), kept: Vec::new(), shared: BTreeSet::new(), seen: BTreeMap::new(), tried: 0 }
    }

    /// One edge of the log.
    pub fn link(&mut self, x: Identifier, y: Identifier) {
        self.tried += 1;
        let pair = |e: &OracleEdge| (e.a.key.min(e.b.key), e.a.key.max(e.b.key));
        let wanted = (x.key.min(y.key), x.key.max(y.key));
        let unusable = |i: Identifier| self.shared.contains(&i.key) || !self.rules.types[usize::from(i.kind)].links;
        if x.key == y.key || unusable(x) || unusable(y) || self.kept.iter().any(|e| pair(e) == wanted) {
            return;
        }
        let (a, b) = if self.rank(x) < self.rank(y) { (x, y) } else { (y, x) };
        self.seen.insert(a.key, a.kind);
        self.seen.insert(b.key, b.kind);
        self.kept.push(OracleEdge { a, b, order: self.tried });
        for (node, other) in [(b, a), (a, b)] {
            if self.has_too_many_links(node, other.kind) && self.kept.iter().any(|e| pair(e) == wanted) {
                self.share(node.key);
            }
        }
        while let Err(key) = self.try_replay() {
            self.share(key);
        }
    }

    pub fn outcome(&self) -> Outcome {
        self.try_replay().expect("a settled oracle has nothing left to share")
    }

    fn share(&mut self, key: Key) {
        self.shared.insert(key);
        self.kept.retain(|edge| edge.a.key != key && edge.b.key != key);
    }

    fn rank(&self, identifier: Identifier) -> (u16, Key) {
        (self.rules.types[usize::from(identifier.kind)].priority, identifier.key)
    }

    fn tier(&self, kind: u8) -> Tier {
        self.rules.types[usize::from(kind)].tier
    }

    fn has_too_many_links(&self, node: Identifier, kind: u8) -> bool {
        if self.tier(kind) == Tier::Device {
            return false;
        }
        let others: BTreeSet<Key> = self
            .kept
            .iter()
            .flat_map(|e| [(e.a, e.b), (e.b, e.a)])
            .filter(|(from, to)| from.key == node.key && to.kind == kind)
            .map(|(_, to)| to.key)
            .collect();
        others.len() > self.rules.types[usize::from(node.kind)].max_links as usize
    }

    /// The partition and the refused edges, or an identifier that has to be shared first.
    fn try_replay(&self) -> Result<Outcome, Key> {
        let mut group: BTreeMap<Key, usize> = self.seen.keys().enumerate().map(|(i, k)| (*k, i)).collect();
        let mut dormant = BTreeSet::new();
        let mut active: Vec<&OracleEdge> = Vec::new();
        let mut ordered: Vec<&OracleEdge> = self.kept.iter().collect();
        ordered.sort_by_key(|e| (self.tier(e.a.kind).max(self.tier(e.b.kind)), e.order));
        for edge in ordered {
            let (ga, gb) = (group[&edge.a.key], group[&edge.b.key]);
            let values =
                |g: usize| group.iter().filter(move |(_, h)| **h == g).map(|(k, _)| self.seen[k]).collect::<Vec<u8>>();
            if ga != gb {
                let (side_a, side_b) = (values(ga), values(gb));
                let between_accounts =
                    self.tier(edge.a.kind) == Tier::Account && self.tier(edge.b.kind) == Tier::Account;
                match self.objection(&side_a, &side_b, between_accounts) {
                    Some(by_account) => {
                        let weaker = &self.rules.types[usize::from(edge.b.kind)];
                        if by_account && weaker.on_conflict == OnConflict::Share {
                            return Err(edge.b.key);
                        }
                        dormant.insert((edge.a.key.min(edge.b.key), edge.a.key.max(edge.b.key)));
                        continue;
                    }
                    None => group.values_mut().filter(|g| **g == gb).for_each(|g| *g = ga),
                }
            }
            active.push(edge);
        }
        let mut customers: BTreeMap<Key, Key> = self.seen.keys().map(|k| (*k, *k)).collect();
        active.sort_by_key(|edge| std::cmp::Reverse(edge.order));
        for edge in active {
            // Oldest last, so that it has the last word on its component.
            for (key, g) in &group {
                if *g == group[&edge.a.key] {
                    customers.insert(*key, edge.a.key);
                }
            }
        }
        Ok(Outcome { customers, dormant })
    }

    /// `Some(whether an account limit objects)` when the union is refused.
    fn objection(&self, a: &[u8], b: &[u8], between_accounts: bool) -> Option<bool> {
        let all: Vec<u8> = a.iter().chain(b).copied().collect();
        for (kind, rule) in self.rules.types.iter().enumerate().filter(|(_, r)| r.tier == Tier::Account) {
            let count = all.iter().filter(|k| usize::from(**k) == kind).count();
            let on_both = [a, b].iter().all(|side| side.iter().any(|k| usize::from(*k) == kind));
            if rule.max_per_customer.is_some_and(|max| count > max as usize) || (on_both && !between_accounts) {
                return Some(true);
            }
        }
        for (kind, rule) in self.rules.types.iter().enumerate().filter(|(_, r)| r.tier != Tier::Account) {
            let count = all.iter().filter(|k| usize::from(**k) == kind).count();
            if rule.max_per_customer.is_some_and(|max| count > max as usize) {
                return Some(false);
            }
        }
        (all.len() > self.rules.max_identifiers as usize).then_some(false)
    }
}

/// A graph that is fed by records, as the events pipeline feeds it, with an oracle beside it.
pub struct World {
    pub graph: Graph,
    pub oracle: Oracle,
    pub hasher: Arc<Hasher>,
    next_offset: i64,
}

impl World {
    pub fn new(rules: Rules) -> Self {
        let hasher = Arc::new(Hasher::new(b"a secret for tests", rules.clone()).unwrap());
        World {
            graph: Graph::with_journal_capacity(hasher.clone(), JOURNAL),
            oracle: Oracle::new(&rules),
            hasher,
            next_offset: 0,
        }
    }

    /// `type:value` as an identifier. E-mails and phones need not be real ones: the value is hashed as an id.
    pub fn id(&self, name: &str) -> Identifier {
        let (kind, value) = name.split_once(':').unwrap();
        let index = self.hasher.rules().type_index(kind).unwrap_or_else(|| panic!("type {kind} is not configured"));
        let salted = self.hasher.key("anonymous_id", &format!("{kind}-{value}-salted")).unwrap();
        Identifier { kind: index, key: salted.key }
    }

    /// One message of links, given as edges, to the graph and to the oracle.
    pub fn apply(&mut self, edges: &[(Identifier, Identifier)]) -> Vec<Conflict> {
        let edges: Vec<Edge> = edges.iter().map(|(hub, other)| Edge { hub: *hub, other: *other }).collect();
        for edge in &edges {
            self.oracle.link(edge.hub, edge.other);
        }
        let provenance = LinkProvenance { source: "web".into(), event_id: "e".into(), event_time_ms: 0 };
        let offset = self.next_offset;
        self.next_offset += 1;
        self.graph.apply(offset, offset * 1000, &[Command::Link { edges, provenance }]).unwrap()
    }

    /// One record, as the events pipeline treats it: links that are missing are logged and applied, then the record is
    /// resolved. `names` are identifiers as [`Self::id`] reads them, separated by spaces.
    pub fn record(&mut self, names: &str) -> IdentifiedEvent {
        let keyed = self.keyed(names);
        let commands = self.graph.missing_links(std::slice::from_ref(&keyed));
        self.log(&commands);
        assert_eq!(self.graph.missing_links(std::slice::from_ref(&keyed)), [], "logged twice: {names}");
        self.graph.identify(vec![keyed]).remove(0)
    }

    /// Appends commands to the log as one message.
    pub fn log(&mut self, commands: &[Command]) -> Vec<Conflict> {
        if commands.is_empty() {
            return Vec::new();
        }
        for command in commands {
            let Command::Link { edges, .. } = command else {
                continue;
            };
            edges.iter().for_each(|edge| self.oracle.link(edge.hub, edge.other));
        }
        let offset = self.next_offset;
        self.next_offset += 1;
        self.graph.apply(offset, offset * 1000, commands).unwrap()
    }

    /// A record whose identifiers are sorted as the hasher sorts them.
    pub fn keyed(&self, names: &str) -> KeyedEvent {
        let mut identifiers: Vec<Identifier> = names.split_whitespace().map(|name| self.id(name)).collect();
        identifiers.sort_by_key(|i| (self.hasher.rules().types[usize::from(i.kind)].priority, i.key));
        KeyedEvent { event: event(), identifiers: identifiers.into(), anonymous_key: None }
    }

    /// Customer of an identifier.
    pub fn customer(&self, name: &str) -> Key {
        self.graph.resolve(self.id(name).key).customer_id
    }

    /// Asserts that these are the customers: each line one customer's identifiers.
    pub fn expect_customers(&self, customers: &[&str]) {
        let mut seen = BTreeMap::new();
        for names in customers {
            let ids: BTreeSet<Key> = names.split_whitespace().map(|name| self.customer(name)).collect();
            assert_eq!(ids.len(), 1, "`{names}` should be one customer");
            for id in ids {
                if let Some(other) = seen.insert(id, names) {
                    panic!("`{names}` and `{other}` should be two customers");
                }
            }
        }
        self.check().unwrap();
    }

    /// Compares the graph with the oracle and with itself.
    pub fn check(&self) -> Result<(), String> {
        let expected = self.oracle.outcome();
        for (key, customer) in &expected.customers {
            let resolved = self.graph.resolve(*key);
            if resolved.customer_id != *customer {
                return Err(format!("ID-2: {key} is {} and should be {customer}", resolved.customer_id));
            }
            if resolved.shared != self.oracle.shared.contains(key) {
                return Err(format!("ID-2: {key} has shared = {}", resolved.shared));
            }
        }
        let stats = self.graph.stats();
        let (kept, dormant) = (self.oracle.kept.len() as u64, expected.dormant.len() as u64);
        if (stats.edges_active, stats.edges_dormant) != (kept - dormant, dormant) {
            return Err(format!("ID-2: {stats:?}, expected {kept} kept and {dormant} dormant"));
        }
        let sizes = expected.customers.values().fold(BTreeMap::new(), |mut sizes: BTreeMap<Key, u64>, c| {
            *sizes.entry(*c).or_default() += 1;
            sizes
        });
        let components = sizes.values().filter(|size| **size > 1).count() as u64;
        if stats.components != components || stats.shared != self.oracle.shared.len() as u64 {
            return Err(format!("{stats:?}, expected {components} components, {} shared", self.oracle.shared.len()));
        }
        match self.graph.verify().first() {
            Some(violation) => Err(violation.to_string()),
            None => Ok(()),
        }
    }
}

/// An event that says nothing but that something happened.
pub fn event() -> Event {
    Event {
        position: Position { topic_id: uuid::Uuid::nil(), partition: 0, offset: 0 },
        source: Source::Web,
        received_at_ms: 0,
        event_id: "event-1".into(),
        event_type: "page_viewed".into(),
        event_time_ms: 0,
        identifiers: Vec::new(),
        page: Page::default(),
        utm: Utm::default(),
        user_agent: "".into(),
        ip: "".into(),
        order: None,
        spend: None,
        properties: "{}".into(),
    }
}
