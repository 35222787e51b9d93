//! The rules of `design/identity.md` written down as naively as possible, separately from the product: every edge and
//! every command replays all that is kept from nothing ([`model`], [`replay`], [`commands`]). A [`World`] feeds the
//! same log to the oracle and to the graph and compares everything that the graph tells ([`check`]).

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a test module, and each test binary uses its part of it"
)]

pub mod model;
pub mod replay;
pub mod commands;
pub mod limits;
pub mod check;

use identity::{Conflict, Graph, Hasher, KeyedEvent, Rules, SnapshotInfo};
use model::{Oracle, Row};
use schemas::{
    Command, Edge, Event, IdentifiedEvent, Identifier, Key, LinkProvenance, Page, Position, RawIdentifier, Source, Utm,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

pub const SECRET: &[u8] = b"a secret for tests";

/// Short, so that readers of changes often find it cut off.
const JOURNAL: usize = 6;

pub const DAY_MS: i64 = 86_400_000;

/// Some day: worlds begin here.
pub const FIRST_DAY: i64 = 20_000;

/// A graph that is fed by records, as the events pipeline feeds it, with an oracle beside it.
pub struct World {
    pub graph: Graph,
    pub oracle: Oracle,
    pub hasher: Arc<Hasher>,
    /// Makes keys of names whatever the rules have become.
    names: Arc<Hasher>,
    /// Every conflict row so far, as the oracle has them.
    pub rows: Vec<Row>,
    /// Append time of the next message.
    pub now_ms: i64,
    next_offset: i64,
}

impl World {
    pub fn new(rules: Rules) -> Self {
        let hasher = hasher_of(rules);
        World {
            graph: Graph::with_journal_capacity(hasher.clone(), JOURNAL),
            oracle: Oracle::new(hasher.clone()),
            hasher,
            names: hasher_of(Rules::default()),
            rows: Vec::new(),
            now_ms: FIRST_DAY * DAY_MS,
            next_offset: 0,
        }
    }

    /// `type:value` as an identifier. E-mails and phones need not be real ones: the value is hashed as a device's.
    pub fn id(&self, name: &str) -> Identifier {
        let (kind, value) = name.split_once(':').unwrap();
        let index = self.hasher.rules().type_index(kind).unwrap_or_else(|| panic!("type {kind} is not configured"));
        let hashed_as = if matches!(kind, "email" | "phone") { "anonymous_id" } else { kind };
        let salted = self.names.key(hashed_as, &salted(kind, value)).unwrap();
        Identifier { kind: index, key: salted.key }
    }

    pub fn pass_days(&mut self, days: i64) {
        self.now_ms += days * DAY_MS;
    }

    /// One message of links, given as edges, to the graph and to the oracle.
    pub fn apply(&mut self, edges: &[(Identifier, Identifier)]) -> Vec<Conflict> {
        self.log(&[link(edges, self.now_ms)])
    }

    /// Appends commands to the log as one message.
    pub fn log(&mut self, commands: &[Command]) -> Vec<Conflict> {
        if commands.is_empty() {
            return Vec::new();
        }
        let (offset, append_ms) = (self.next_offset, self.now_ms);
        self.next_offset += 1;
        self.now_ms += 1000;
        let rows = self.oracle.apply(offset, append_ms, commands);
        let conflicts = self.graph.apply(offset, append_ms, commands).unwrap();
        self.hasher = self.oracle.hasher.clone();
        check::rows(&self.graph, &rows, &conflicts).unwrap();
        self.rows.extend(rows);
        conflicts
    }

    /// The graph's snapshot.
    pub fn save(&self) -> Vec<u8> {
        let mut file = Vec::new();
        self.graph.save(&SnapshotInfo::default(), usize::MAX, &mut file).unwrap();
        file
    }

    /// The process ends and begins again with its snapshot, under the rules it is configured with.
    pub fn restart(&mut self) {
        let before = self.graph.fingerprint_at();
        let (loaded, _) = Graph::load(&self.hasher, &*self.save()).unwrap();
        self.graph = loaded;
        assert_eq!(self.graph.fingerprint_at(), before, "ID-1: after a restart");
    }

    /// One record that happens as it is received, see [`Self::record_at`].
    pub fn record(&mut self, names: &str) -> IdentifiedEvent {
        self.record_at(names, self.now_ms)
    }

    /// One record, as the events pipeline treats it: links that are missing are logged and applied, then the record is
    /// resolved. `names` are identifiers as [`Self::id`] reads them, separated by spaces.
    pub fn record_at(&mut self, names: &str, event_ms: i64) -> IdentifiedEvent {
        self.follow(names, self.keyed_at(names, event_ms))
    }

    /// One record of raw values, through the hasher.
    pub fn record_raw(&mut self, raw: &[RawIdentifier]) -> IdentifiedEvent {
        let event = Event { event_time_ms: self.now_ms, ..event() };
        let identifiers = self.hasher.identifiers(raw);
        self.follow("raw values", KeyedEvent { event, identifiers, anonymous_key: None })
    }

    fn follow(&mut self, names: &str, keyed: KeyedEvent) -> IdentifiedEvent {
        let identified = self.batch(names, vec![keyed.clone()]).remove(0);
        assert_eq!(self.missing_links(&[keyed]), [], "logged twice: {names}");
        identified
    }

    /// Records as the events pipeline treats a batch of them: links that are missing are logged and applied as one
    /// message, then every record is resolved.
    pub fn batch(&mut self, names: &str, batch: Vec<KeyedEvent>) -> Vec<IdentifiedEvent> {
        let commands = self.graph.missing_links(&batch);
        let missing: Vec<Edge> = commands.iter().flat_map(edges_of).collect();
        assert_eq!(missing, self.missing_links(&batch), "missing links of {names}");
        self.log(&commands);
        // What was retired or moved at once is missing again.
        let again: Vec<Edge> = self.graph.missing_links(&batch).iter().flat_map(edges_of).collect();
        assert_eq!(again, self.missing_links(&batch), "missing links of {names} thereafter");
        let identities: Vec<Key> = batch.iter().map(|keyed| self.identity_of(keyed)).collect();
        let identified = self.graph.identify(batch);
        for (identified, identity_key) in identified.iter().zip(identities) {
            let generation = self.oracle.nodes.get(&identity_key).map_or(0, |node| node.generation);
            let told = (identified.identity_key, identified.generation, identified.customer_id);
            assert_eq!(told, (identity_key, generation, self.oracle_customer(identity_key)), "identity of {names}");
        }
        identified
    }

    /// A record that happens now, its identifiers sorted as the hasher sorts them.
    pub fn keyed(&self, names: &str) -> KeyedEvent {
        self.keyed_at(names, self.now_ms)
    }

    pub fn keyed_at(&self, names: &str, event_ms: i64) -> KeyedEvent {
        let mut identifiers: Vec<Identifier> = names.split_whitespace().map(|name| self.id(name)).collect();
        identifiers.sort_by_key(|i| (self.hasher.rules().types[usize::from(i.kind)].priority, i.key));
        let event = Event { event_time_ms: event_ms, ..event() };
        KeyedEvent { event, identifiers: identifiers.into(), anonymous_key: None }
    }

    /// R1, naively: of each record the star around its strongest usable identifier, without what is known or was said.
    fn missing_links(&self, batch: &[KeyedEvent]) -> Vec<Edge> {
        let oracle = &self.oracle;
        let mut missing: Vec<Edge> = Vec::new();
        for keyed in batch {
            let usable = |i: &&Identifier| oracle.type_rule(i.kind).links && !oracle.is_out_of_use(i.key);
            let mut usable = keyed.identifiers.iter().filter(usable);
            let Some(hub) = usable.next() else {
                continue;
            };
            let too_late = |key: Key| oracle.is_erased_after(key, keyed.event.event_time_ms);
            for other in usable.filter(|other| !too_late(hub.key) && !too_late(other.key)) {
                let edge = Edge { hub: *hub, other: *other };
                let known = oracle.between(oracle.current(hub.key), oracle.current(other.key)).is_some();
                if !known && !missing.contains(&edge) {
                    missing.push(edge);
                }
            }
        }
        missing
    }

    fn identity_of(&self, keyed: &KeyedEvent) -> Key {
        let strongest = keyed.identifiers.iter().find(|i| !self.oracle.is_out_of_use(i.key));
        self.oracle.current(strongest.unwrap_or(&keyed.identifiers[0]).key)
    }

    fn oracle_customer(&self, node: Key) -> Key {
        self.oracle.customers().get(&node).copied().unwrap_or(node)
    }

    /// Customer of an identifier.
    pub fn customer(&self, name: &str) -> Key {
        self.oracle_customer(self.oracle.current(self.id(name).key))
    }

    /// Customer of one generation of an identifier.
    pub fn past_customer(&self, name: &str, generation: u8) -> Key {
        self.oracle_customer(model::generation_key(self.id(name).key, generation))
    }

    /// The customers as sets of names, of the identifiers as they are now.
    pub fn partition<'a>(&self, names: &[&'a str]) -> BTreeSet<Vec<&'a str>> {
        let mut customers: BTreeMap<Key, Vec<&str>> = BTreeMap::new();
        names.iter().for_each(|name| customers.entry(self.customer(name)).or_default().push(name));
        customers.into_values().collect()
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
        limits::check(&self.oracle, &self.rows)?;
        check::everything(&self.graph, &self.oracle)
    }
}

/// What an operator does.
impl World {
    pub fn merge(&mut self, a: &str, b: &str) -> Vec<Conflict> {
        self.log(&[Command::Merge { a: self.id(a), b: self.id(b), note: "merge".into() }])
    }

    pub fn unlink(&mut self, a: &str, b: &str) -> Vec<Conflict> {
        self.log(&[Command::Unlink { a: self.id(a), b: self.id(b), note: "unlink".into() }])
    }

    pub fn allow(&mut self, a: &str, b: &str) -> Vec<Conflict> {
        self.log(&[Command::Allow { a: self.id(a), b: self.id(b), note: "allow".into() }])
    }

    pub fn split(&mut self, of: &str) -> Vec<Conflict> {
        self.log(&[Command::Split { of: self.id(of), note: "split".into() }])
    }

    pub fn share(&mut self, of: &str) -> Vec<Conflict> {
        self.log(&[Command::Share { of: self.id(of), note: "share".into() }])
    }

    pub fn unshare(&mut self, of: &str) -> Vec<Conflict> {
        self.log(&[Command::Unshare { of: self.id(of), note: "unshare".into() }])
    }

    pub fn erase(&mut self, of: &str, suppress: bool) -> Vec<Conflict> {
        self.log(&[Command::Erase { of: self.id(of), suppress, note: "erase".into() }])
    }

    pub fn change_rules(&mut self, rules: Rules) -> Vec<Conflict> {
        self.log(&[rules_command(rules)])
    }
}

/// The value that stands behind a name, so that none is a placeholder.
pub fn salted(kind: &str, value: &str) -> String {
    format!("{kind}-{value}-salted")
}

/// The hasher of some rules. Making one takes longer than many a test's log.
pub fn hasher_of(rules: Rules) -> Arc<Hasher> {
    static MADE: Mutex<Vec<Arc<Hasher>>> = Mutex::new(Vec::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = made.iter().find(|hasher| *hasher.rules() == rules) {
        return known.clone();
    }
    if made.len() > 50 {
        made.clear();
    }
    made.push(Arc::new(Hasher::new(SECRET, rules).unwrap()));
    made[made.len() - 1].clone()
}

pub fn rules_command(rules: Rules) -> Command {
    let hasher = hasher_of(rules);
    Command::Rules { hash: hasher.rules_hash(), rules_json: hasher.rules_json().to_owned() }
}

pub fn link(edges: &[(Identifier, Identifier)], event_time_ms: i64) -> Command {
    let edges = edges.iter().map(|(hub, other)| Edge { hub: *hub, other: *other }).collect();
    Command::Link { edges, provenance: LinkProvenance { source: "web".into(), event_id: "e".into(), event_time_ms } }
}

fn edges_of(command: &Command) -> Vec<Edge> {
    match command {
        Command::Link { edges, .. } => edges.clone(),
        other => panic!("{} is no link", other.name()),
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
