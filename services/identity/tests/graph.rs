//! What the pipelines ask of the graph.
#![allow(clippy::unwrap_used, reason = "a test")]

mod oracle;

use identity::{Error, Graph, Hasher, Rules, key_events};
use oracle::{World, event};
use schemas::{Command, Edge, Key, LinkProvenance, Order, RawIdentifier, Reason, Source};
use std::sync::Arc;

fn world() -> World {
    World::new(Rules::default())
}

fn hasher() -> Arc<Hasher> {
    Arc::new(Hasher::new(b"s", Rules::default()).unwrap())
}

fn edges(commands: &[Command]) -> Vec<Edge> {
    let edges = |command: &Command| match command {
        Command::Link { edges, .. } => edges.clone(),
        _ => Vec::new(),
    };
    commands.iter().flat_map(edges).collect()
}

#[test]
fn an_identifier_never_linked_is_its_own_customer_and_takes_no_memory() {
    let graph = Graph::new(hasher());
    let resolved = graph.resolve(Key(7));
    assert_eq!((resolved.customer_id, resolved.customer_version, resolved.shared), (Key(7), 0, false));
    let members = graph.members(Key(7));
    assert_eq!((members.customer_id, members.version, members.keys.len()), (Key(7), 0, 1));
    assert_eq!(members.keys[0].kind, u8::MAX);
    assert_eq!(graph.stats().identifiers, 0);
    assert_eq!((graph.applied(), graph.fingerprint()), (-1, 0));
}

#[test]
fn links_form_a_star_around_the_strongest_identifier() {
    let world = world();
    let record = world.keyed("anonymous_id:a phone:1 email:e user_id:u transaction_id:t");
    let missing = world.graph.missing_links(&[record.clone(), record]);
    let expected: Vec<Edge> = ["email:e", "phone:1", "anonymous_id:a"]
        .map(|other| Edge { hub: world.id("user_id:u"), other: world.id(other) })
        .to_vec();
    assert_eq!(edges(&missing), expected, "a transaction id never links, and nothing is said twice");
}

#[test]
fn an_edge_is_logged_when_it_is_unknown_even_if_its_ends_are_together() {
    let mut world = world();
    world.record("user_id:u email:e");
    world.record("email:e anonymous_id:a");
    let record = world.keyed("user_id:u email:e anonymous_id:a");
    let missing = world.graph.missing_links(&[record]);
    let edge = Edge { hub: world.id("user_id:u"), other: world.id("anonymous_id:a") };
    assert_eq!(edges(&missing), [edge]);
    let version = world.graph.resolve(edge.hub.key).customer_version;
    world.log(&missing);
    assert_eq!(world.graph.resolve(edge.hub.key).customer_version, version, "the customer is the same");
    world.check().unwrap();
}

#[test]
fn a_shared_identifier_is_no_hub_and_the_last_resort() {
    let mut world = world();
    world.record("anonymous_id:a user_id:one");
    world.record("anonymous_id:a user_id:two");
    let shared = world.id("anonymous_id:a").key;
    let alone = world.record("anonymous_id:a");
    // What it was while one person used it stays with that person.
    let present = identity::generation_key(shared, 1);
    assert_eq!((alone.identity_key, alone.customer_id, alone.generation), (present, present, 1));
    let past = world.graph.resolve_identity(shared);
    assert_eq!((past.customer_id, past.generation), (world.id("user_id:one").key, 0));
    assert!(alone.customer_version > 0);
    let sale = world.record("anonymous_id:a transaction_id:t");
    assert_eq!(sale.identity_key, world.id("transaction_id:t").key);
    let record = world.keyed("anonymous_id:a device_id:d advertising_id:x");
    let missing = world.graph.missing_links(&[record]);
    assert_eq!(edges(&missing), [Edge { hub: world.id("device_id:d"), other: world.id("advertising_id:x") }]);
}

#[test]
fn links_to_what_has_become_shared_meanwhile_change_nothing() {
    let mut world = world();
    world.record("anonymous_id:a user_id:one");
    let late = world.graph.missing_links(&[world.keyed("anonymous_id:a user_id:three")]);
    world.record("anonymous_id:a user_id:two");
    let before = world.graph.stats();
    assert_eq!(world.log(&late), []);
    assert_eq!(world.graph.stats(), before);
    world.check().unwrap();
}

#[test]
fn messages_that_do_not_fit_are_refused_and_change_nothing() {
    let mut world = world();
    world.record("user_id:u email:e");
    let provenance = LinkProvenance { source: "web".into(), event_id: "e".into(), event_time_ms: 0 };
    let good = Edge { hub: world.id("user_id:u"), other: world.id("email:new") };
    let bad = Edge { hub: schemas::Identifier { kind: 99, ..good.hub }, ..good };
    let message = [Command::Link { edges: vec![good, bad], provenance }];
    let fingerprint = world.graph.fingerprint();
    assert!(matches!(world.graph.apply(5, 0, &message), Err(Error::InvalidMessage { offset: 5, .. })));
    assert_eq!(world.graph.apply(0, 0, &[]), Err(Error::OffsetNotAscending { offset: 0, applied: 0 }));
    assert_eq!((world.graph.applied(), world.graph.fingerprint()), (0, fingerprint));
    // Offsets may have gaps.
    world.graph.apply(9, 0, &[]).unwrap();
    assert_eq!(world.graph.applied(), 9);
}

#[test]
fn rules_that_this_process_cannot_go_on_with_are_refused_with_what_differs() {
    let ours = hasher();
    let mut rules = Rules { max_identifiers: 50, own_domains: vec!["shop.test".into()], ..Rules::default() };
    rules.types[4].max_per_customer = Some(2);
    let theirs = Hasher::new(b"another secret", rules).unwrap();
    let graph = Graph::new(ours.clone());
    let entry = |h: &Hasher| [Command::Rules { hash: h.rules_hash(), rules_json: h.rules_json().to_owned() }];
    assert_eq!(graph.apply(0, 0, &entry(&ours)), Ok(vec![]));
    let Err(Error::RulesDiffer(lines)) = graph.apply(1, 0, &entry(&theirs)) else { panic!("it was accepted") };
    let expected = [
        "rules.max_identifiers: here 500, in the log 50",
        "rules.own_domains: only in the log \"shop.test\"",
        "rules.types.email.max_per_customer: here 5, in the log 2",
        "the secret is another one",
        "the secret and the semantics version of a log stay",
    ];
    assert_eq!(lines, expected);
    assert_eq!(graph.applied(), 0);
}

#[test]
fn events_without_a_usable_identifier_are_rejected_without_their_values() {
    let mut nobody = event();
    nobody.identifiers = vec![RawIdentifier { kind: "email".into(), value: "test@secret.example".into() }];
    let mut somebody = event();
    somebody.identifiers =
        ["anonymous_id", "user_id"].map(|kind| RawIdentifier { kind: kind.into(), value: "7".into() }).into();
    let mut spend = event();
    spend.source = Source::AdSpend;
    let hasher = hasher();
    let (keyed, rejections) = key_events(vec![nobody, somebody, spend, event()], &hasher);
    assert_eq!(keyed.len(), 2);
    assert_eq!(keyed[0].anonymous_key, hasher.key("anonymous_id", "7").map(|i| i.key));
    let identified = Graph::new(hasher).identify(keyed);
    assert_eq!((identified[1].identity_key, identified[1].customer_id), (Key::NIL, Key::NIL));
    assert_eq!(rejections.len(), 2);
    for rejection in rejections {
        assert_eq!(rejection.reason, Reason::NoIdentifier);
        assert!(!format!("{rejection:?}").contains("secret"), "PR-1: {rejection:?}");
    }
}

#[test]
fn a_sale_to_a_placeholder_is_stored_as_anonymous() {
    let mut sale = event();
    sale.source = Source::Pos;
    sale.identifiers = vec![RawIdentifier { kind: "phone".into(), value: "0000000000".into() }];
    sale.order = Some(Order { order_id: "till-7/42".into(), value_minor: 500, currency: "EUR".into() });
    let hasher = hasher();
    let (keyed, rejections) = key_events(vec![sale], &hasher);
    assert_eq!(rejections, []);
    assert_eq!(keyed[0].identifiers.to_vec(), [hasher.key("transaction_id", "till-7/42").unwrap()]);
}

#[test]
fn conflicts_name_the_command_that_brought_them_about() {
    let mut world = world();
    let records = ["user_id:a email:e", "user_id:x phone:1", "user_id:b email:e", "user_id:c email:e"];
    let keyed: Vec<_> = records.iter().map(|record| world.keyed(record)).collect();
    let missing = world.graph.missing_links(&keyed);
    let conflicts = world.log(&missing);
    let seen: Vec<_> = conflicts.iter().map(|c| (c.log_offset, c.ordinal, c.command, c.a)).collect();
    assert_eq!(seen, [(0, 0, 2, world.id("user_id:b")), (0, 1, 3, world.id("user_id:c"))]);
    world.record("user_id:d email:e");
    assert_eq!(world.graph.conflicts_in(0..=0), conflicts);
    assert_eq!(world.graph.conflicts_in(0..=1).len(), 3);
    assert_eq!(world.graph.conflicts_in(2..=9), []);
}

#[test]
fn changes_come_in_order_whole_messages_at_a_time() {
    let mut world = world();
    for person in 0..20 {
        world.record(&format!("user_id:{person} email:{person}"));
    }
    let mut version = 0;
    let mut components = 0;
    for page in 1.. {
        let changes = world.graph.changed_since(version, 3);
        components += changes.components.len();
        version = changes.complete_to;
        if changes.caught_up {
            assert_eq!((page, components, version), (7, 20, 20));
            break;
        }
        assert_eq!((changes.components.len(), version), (3, page * 3));
    }
    assert!(world.graph.changed_since(version, 3).components.is_empty());
}
