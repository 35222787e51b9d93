//! Each rule in its smallest example; `tests/` compares random logs with an oracle.

use schemas::{Command, Edge, Identifier, Key, LinkProvenance};
use std::sync::Arc;

use super::{Conflict, ConflictKind, ConflictRule, EdgeClass, Graph, MS_PER_DAY, generation_key};
use crate::{Error, Hasher, OnConflict, Rules};

const SOME_DAY: i64 = 20_000;

struct Log {
    graph: Graph,
    today: i64,
}

fn id(name: &str) -> Identifier {
    let kind = Rules::default().type_index(name.split(':').next().unwrap()).unwrap();
    let key = Key(u128::from_be_bytes(blake3::hash(name.as_bytes()).as_bytes()[..16].try_into().unwrap()));
    Identifier { kind, key }
}

impl Log {
    fn under(change: impl FnOnce(&mut Rules)) -> Self {
        let mut rules = Rules::default();
        change(&mut rules);
        Log { graph: Graph::new(Arc::new(Hasher::new(b"s", rules).unwrap())), today: SOME_DAY }
    }

    fn new() -> Self {
        Log::under(|_| {})
    }

    fn say(&self, command: Command) -> Vec<(ConflictKind, ConflictRule, Key, Key)> {
        let conflicts = self.graph.apply(self.graph.applied() + 1, self.today * MS_PER_DAY, &[command]).unwrap();
        assert_eq!(self.graph.verify(), []);
        let row = |Conflict { kind, rule, a, b, .. }: Conflict| (kind, rule, a.key, b.key);
        conflicts.into_iter().map(row).collect()
    }

    fn link(&self, a: &str, b: &str) -> Vec<(ConflictKind, ConflictRule, Key, Key)> {
        self.link_at(a, b, self.today)
    }

    fn link_at(&self, a: &str, b: &str, day: i64) -> Vec<(ConflictKind, ConflictRule, Key, Key)> {
        let provenance = LinkProvenance { source: "web".into(), event_id: "e".into(), event_time_ms: day * MS_PER_DAY };
        self.say(Command::Link { edges: vec![Edge { hub: id(a), other: id(b) }], provenance })
    }

    fn pair(&self, make: fn(Identifier, Identifier) -> Command, a: &str, b: &str) {
        self.say(make(id(a), id(b)));
    }

    fn customer(&self, name: &str) -> Key {
        self.graph.resolve(id(name).key).customer_id
    }

    fn past(&self, name: &str) -> Key {
        self.graph.resolve_identity(id(name).key).customer_id
    }

    fn are_one(&self, a: &str, b: &str) -> bool {
        self.customer(a) == self.customer(b)
    }
}

fn merge(a: Identifier, b: Identifier) -> Command {
    Command::Merge { a, b, note: "m".into() }
}

fn unlink(a: Identifier, b: Identifier) -> Command {
    Command::Unlink { a, b, note: "u".into() }
}

fn allow(a: Identifier, b: Identifier) -> Command {
    Command::Allow { a, b, note: "a".into() }
}

fn key(name: &str) -> Key {
    id(name).key
}

#[test]
fn an_older_component_keeps_its_id() {
    let log = Log::new();
    log.link("email:e", "anonymous_id:a");
    log.link("user_id:u", "email:e");
    assert_eq!(log.customer("user_id:u"), key("email:e"));
}

#[test]
fn a_shared_device_leaves_its_past_where_it_was() {
    let log = Log::new();
    log.link("user_id:one", "anonymous_id:a");
    let rows = log.link("user_id:two", "anonymous_id:a");
    let (device, two) = (key("anonymous_id:a"), key("user_id:two"));
    assert_eq!(rows, [(ConflictKind::Shared, ConflictRule::MaxPerCustomer, device, two)]);
    let now = log.graph.resolve(device);
    assert_eq!((now.identity_key, now.generation, now.shared), (generation_key(device, 1), 1, true));
    assert_eq!(log.past("anonymous_id:a"), key("user_id:one"));
    assert!(!log.are_one("user_id:one", "user_id:two"));
    assert_eq!(log.link("user_id:one", "anonymous_id:a"), []);
    assert_eq!(log.graph.members(key("user_id:one")).keys.len(), 2);
}

#[test]
fn the_last_known_user_wins_but_not_by_an_older_record() {
    let log = Log::under(|rules| rules.types[8].on_conflict = OnConflict::Move);
    log.link("user_id:one", "anonymous_id:a");
    let late = log.link_at("user_id:three", "anonymous_id:a", SOME_DAY - 1);
    assert_eq!(late[0].0, ConflictKind::Refused);
    let rows = log.link_at("user_id:two", "anonymous_id:a", SOME_DAY + 1);
    let (two, device) = (key("user_id:two"), key("anonymous_id:a"));
    assert_eq!(rows, [(ConflictKind::Moved, ConflictRule::MaxPerCustomer, two, device)]);
    assert!(log.are_one("user_id:two", "anonymous_id:a"));
    assert_eq!(log.past("anonymous_id:a"), key("user_id:one"));
    log.link_at("user_id:one", "anonymous_id:a", SOME_DAY + 2);
    assert!(log.are_one("user_id:one", "anonymous_id:a"), "a return is logged and followed");
}

#[test]
fn a_full_customer_lets_its_oldest_contact_go() {
    let log = Log::under(|rules| rules.types[4].max_per_customer = Some(2));
    log.link("user_id:u", "email:1");
    log.link("user_id:u", "email:2");
    let rows = log.link("user_id:u", "email:3");
    assert_eq!(rows, [(ConflictKind::Retired, ConflictRule::MaxContacts, key("email:1"), key("user_id:u"))]);
    assert!(log.are_one("user_id:u", "email:3") && !log.are_one("user_id:u", "email:1"));
    assert_eq!(log.past("email:1"), key("user_id:u"));
}

#[test]
fn a_full_customer_lets_an_old_device_go_and_a_hub_of_young_ones_is_junk() {
    for (waited, kind) in [(90, ConflictKind::Retired), (89, ConflictKind::Shared)] {
        let mut log = Log::under(|rules| rules.max_identifiers = 3);
        log.link("user_id:u", "anonymous_id:1");
        log.link("user_id:u", "anonymous_id:2");
        log.today += waited;
        let rows = log.link("user_id:u", "anonymous_id:3");
        assert_eq!((rows.len(), rows[0].0, rows[0].1), (1, kind, ConflictRule::MaxIdentifiers));
        assert_eq!(log.are_one("user_id:u", "anonymous_id:3"), kind == ConflictKind::Retired);
    }
}

#[test]
fn a_merge_joins_what_limits_refuse_and_a_veto_parts_it_until_it_is_allowed() {
    let log = Log::new();
    log.link("user_id:one", "email:e");
    assert_eq!(log.link("user_id:two", "email:e")[0].0, ConflictKind::Refused);
    log.pair(merge, "user_id:two", "user_id:one");
    assert!(log.are_one("user_id:one", "user_id:two"));
    log.pair(unlink, "user_id:one", "user_id:two");
    assert!(!log.are_one("user_id:one", "user_id:two"));
    assert_eq!(log.graph.identifier(key("user_id:one")).unwrap().vetoes, [id("user_id:two")]);
    log.pair(merge, "user_id:two", "user_id:one");
    assert!(!log.are_one("user_id:one", "user_id:two"), "a veto is stronger than a merge");
    log.pair(allow, "user_id:two", "user_id:one");
    assert!(log.are_one("user_id:one", "user_id:two"));
}

#[test]
fn split_share_and_unshare() {
    let log = Log::new();
    log.link("user_id:u", "email:e");
    log.link("user_id:u", "anonymous_id:a");
    log.say(Command::Split { of: id("email:e"), note: "s".into() });
    assert!(!log.are_one("user_id:u", "anonymous_id:a"));
    log.link("user_id:u", "anonymous_id:a");
    log.say(Command::Share { of: id("anonymous_id:a"), note: "s".into() });
    let shared = log.graph.resolve(key("anonymous_id:a"));
    assert_eq!((shared.generation, shared.shared, shared.customer_id), (0, true, key("anonymous_id:a")));
    log.say(Command::Unshare { of: id("anonymous_id:a"), note: "s".into() });
    log.link("user_id:u", "anonymous_id:a");
    assert!(log.are_one("user_id:u", "anonymous_id:a"));
}

#[test]
fn who_returns_after_an_erasure_is_somebody_new() {
    let log = Log::new();
    log.link("user_id:u", "email:e");
    let before = log.customer("user_id:u");
    log.say(Command::Erase { of: id("email:e"), suppress: false, note: "r".into() });
    assert_eq!(log.link_at("user_id:u", "email:e", SOME_DAY - 1), []);
    assert!(!log.are_one("user_id:u", "email:e"), "a late upload");
    log.link_at("user_id:u", "email:e", SOME_DAY + 1);
    assert!(log.are_one("user_id:u", "email:e") && log.customer("user_id:u") != before);
    log.say(Command::Erase { of: id("email:e"), suppress: true, note: "r".into() });
    log.link_at("user_id:u", "email:e", SOME_DAY + 2);
    assert!(!log.are_one("user_id:u", "email:e"));
    let view = log.graph.identifier(key("email:e")).unwrap();
    assert_eq!((view.generation, view.suppressed), (2, true));
    assert_eq!(view.erased_at_ms, Some(SOME_DAY * MS_PER_DAY));
}

#[test]
fn an_identifier_that_was_closed_255_times_stays_as_it_is() {
    let log = Log::new();
    for _ in 0..260 {
        log.say(Command::Erase { of: id("email:e"), suppress: false, note: "r".into() });
    }
    let resolved = log.graph.resolve(key("email:e"));
    assert_eq!((resolved.generation, resolved.identity_key), (255, generation_key(key("email:e"), 255)));
    log.link("user_id:one", "email:e");
    assert!(log.are_one("user_id:one", "email:e"));
    log.say(Command::Erase { of: id("email:e"), suppress: false, note: "r".into() });
    assert!(!log.are_one("user_id:one", "email:e"));
}

#[test]
fn rules_change_where_the_log_says() {
    let log = Log::new();
    log.link("user_id:u", "email:1");
    log.link("user_id:u", "email:2");
    let hasher = |change: fn(&mut Rules), secret: &[u8]| {
        let mut rules = Rules::default();
        change(&mut rules);
        Hasher::new(secret, rules).unwrap()
    };
    let told = |hasher: &Hasher| Command::Rules { hash: hasher.rules_hash(), rules_json: hasher.rules_json().into() };
    let stricter = hasher(|rules| rules.types[4].max_per_customer = Some(1), b"s");
    assert_eq!(log.say(told(&stricter))[0].0, ConflictKind::Retired);
    assert_eq!(log.graph.hasher().rules_hash(), stricter.rules_hash());
    let dropped = hasher(|rules| rules.types.truncate(9), b"s");
    let other_secret = hasher(|_| {}, b"t");
    for refused in [dropped, other_secret] {
        let answer = log.graph.apply(9, 0, &[told(&refused)]);
        assert!(matches!(answer, Err(Error::RulesDiffer(_))), "{answer:?}");
    }
    assert_eq!(log.graph.hasher().rules_hash(), stricter.rules_hash());
}

#[test]
fn conflicts_are_forgotten_when_told_and_edges_tell_their_story() {
    let log = Log::new();
    log.link("user_id:one", "email:e");
    log.link("user_id:two", "email:e");
    let edges = log.graph.edges_of(key("email:e"));
    let told: Vec<_> = edges.iter().map(|edge| (edge.a, edge.class, edge.active, edge.log_offset)).collect();
    let contact = EdgeClass::Contact;
    assert_eq!(told, [(id("user_id:one"), contact, true, 0), (id("user_id:two"), contact, false, 1)]);
    assert_eq!(log.graph.conflicts_of(1).len(), 1);
    log.graph.forget_conflicts(2);
    assert_eq!((log.graph.conflicts_of(1), log.graph.verify()), (vec![], vec![]));
    assert_eq!(log.graph.stats().conflicts, 1);
}
