//! Random logs against the naive oracle. `PROPTEST_CASES` says how many (default 256 each); a failure prints its seed and
//! the smallest log that fails.

mod oracle;

use identity::{Graph, OnConflict, Rules, Tier, TypeRule};
use oracle::World;
use proptest::prelude::*;
use schemas::Key;
use std::collections::{BTreeMap, BTreeSet};

/// Few values of every type, so that links collide all the time.
fn crowded_rules() -> Rules {
    Rules {
        types: vec![
            TypeRule::new("user_id", Tier::Account, 10).limited(1),
            TypeRule::new("loyalty_id", Tier::Account, 40).limited(2),
            TypeRule::new("email", Tier::Contact, 50).limited(2),
            TypeRule::new("phone", Tier::Contact, 60).limited(2),
            TypeRule::new("anonymous_id", Tier::Device, 90),
            TypeRule { links: false, ..TypeRule::new("transaction_id", Tier::Device, 100) },
        ],
        max_identifiers: 9,
        ..Rules::default()
    }
}

fn name(values: u8) -> impl Strategy<Value = String> {
    let kinds = prop_oneof![
        3 => Just("user_id"), 3 => Just("loyalty_id"), 4 => Just("email"), 2 => Just("phone"), 5 => Just("anonymous_id"),
        1 => Just("transaction_id"),
    ];
    (kinds, 0..values).prop_map(|(kind, value)| format!("{kind}:{value}"))
}

fn log(values: u8, edges: usize) -> impl Strategy<Value = Vec<Vec<(String, String)>>> {
    let message = proptest::collection::vec((name(values), name(values)), 1..4);
    proptest::collection::vec(message, 1..edges)
}

fn check_log(rules: Rules, log: &[Vec<(String, String)>]) -> Result<(), TestCaseError> {
    let mut world = World::new(rules);
    for message in log {
        let edges: Vec<_> = message.iter().map(|(a, b)| (world.id(a), world.id(b))).collect();
        let dormant_before = world.oracle.outcome().dormant;
        let conflicts = world.apply(&edges);
        world.check().map_err(TestCaseError::fail)?;
        let offset = world.graph.applied();
        prop_assert_eq!(&conflicts, &world.graph.conflicts_of(offset), "conflicts can be asked for again");
        for (a, b) in world.oracle.outcome().dormant.difference(&dormant_before) {
            let row = conflicts.iter().any(|c| (c.a.key.min(c.b.key), c.a.key.max(c.b.key)) == (*a, *b));
            prop_assert!(row, "ID-3: {} – {} was refused without a conflict row", a, b);
        }
    }
    Ok(())
}

/// What the identity pipeline keeps in ClickHouse: the row with the greatest version of every key.
#[derive(Default)]
struct IdentityMap {
    rows: BTreeMap<Key, (Key, u64)>,
    version: u64,
}

impl IdentityMap {
    /// One turn of the pipeline.
    fn follow(&mut self, graph: &Graph, limit: usize) -> bool {
        let changes = graph.changed_since(self.version, limit);
        for component in &changes.components {
            for identifier in &component.keys {
                let row = self.rows.entry(identifier.key).or_default();
                if component.version >= row.1 {
                    *row = (component.customer_id, component.version);
                }
            }
        }
        self.version = changes.complete_to;
        changes.caught_up
    }
}

/// Customer, shared mark and fellow members of every key: what a change of version has to announce.
fn views(world: &World) -> BTreeMap<Key, (Key, bool, Vec<Key>, u64)> {
    let view = |key: &Key| {
        let (resolved, members) = (world.graph.resolve(*key), world.graph.members(*key));
        let keys = members.keys.iter().map(|i| i.key).collect();
        (*key, (resolved.customer_id, resolved.shared, keys, resolved.customer_version))
    };
    world.oracle.seen.keys().map(view).collect()
}

/// The customers as sets of keys, without their ids.
fn partition(world: &World) -> BTreeSet<Vec<Key>> {
    views(world).into_values().map(|(_, _, keys, _)| keys).collect()
}

proptest! {
    #[test]
    fn a_crowd_equals_the_oracle(log in log(4, 30)) {
        check_log(crowded_rules(), &log)?;
    }

    #[test]
    fn sparser_logs_equal_the_oracle(log in log(12, 50)) {
        check_log(crowded_rules(), &log)?;
    }

    #[test]
    fn the_default_rules_equal_the_oracle(log in log(6, 40)) {
        check_log(Rules::default(), &log)?;
    }

    #[test]
    fn other_rules_equal_the_oracle(
        log in log(5, 30), device_links in 1u32..4, contacts_share: bool, devices_keep: bool, size in 2u32..8,
    ) {
        let mut rules = Rules { max_identifiers: size, ..crowded_rules() };
        for rule in &mut rules.types {
            match rule.tier {
                Tier::Contact if contacts_share => rule.on_conflict = OnConflict::Share,
                Tier::Device if devices_keep => rule.on_conflict = OnConflict::KeepFirst,
                _ => {}
            }
            if rule.tier == Tier::Device {
                rule.max_links = device_links;
            }
        }
        check_log(rules, &log)?;
    }

    /// ID-1: the state is a function of the log alone.
    #[test]
    fn two_graphs_of_one_log_agree_at_every_offset(log in log(5, 20)) {
        let (mut one, mut other) = (World::new(crowded_rules()), World::new(crowded_rules()));
        for message in &log {
            let edges: Vec<_> = message.iter().map(|(a, b)| (one.id(a), one.id(b))).collect();
            prop_assert_eq!(one.apply(&edges), other.apply(&edges));
            prop_assert_eq!(one.graph.fingerprint(), other.graph.fingerprint(), "ID-1");
        }
        prop_assert_eq!(views(&one), views(&other), "ID-1");
    }

    /// The identity map that is written from changes equals the graph whenever it is caught up, and a version moves
    /// exactly when there is something to say.
    #[test]
    fn the_map_written_from_changes_equals_the_graph(
        log in log(5, 40), turns in proptest::collection::vec(0usize..4, 40), limit in 1usize..5,
    ) {
        let mut world = World::new(crowded_rules());
        let mut map = IdentityMap::default();
        let mut before = views(&world);
        for (message, turns) in log.iter().zip(turns) {
            let edges: Vec<_> = message.iter().map(|(a, b)| (world.id(a), world.id(b))).collect();
            world.apply(&edges);
            let after = views(&world);
            for (key, (customer, shared, members, version)) in &after {
                let changed = before.get(key).map(|b| (&b.0, &b.1, &b.2)) != Some((customer, shared, members));
                let moved = before.get(key).map(|b| b.3) != Some(*version);
                let is_news = changed && (members.len() > 1 || before.contains_key(key));
                prop_assert!(!is_news || moved, "{} changed without a new version", key);
                prop_assert!(changed || !moved || edges.len() > 1, "{} did not change", key);
            }
            before = after;
            for _ in 0..turns {
                map.follow(&world.graph, limit);
            }
        }
        while !map.follow(&world.graph, limit) {}
        for (key, (customer, _, _, version)) in views(&world) {
            let expected = if version == 0 { None } else { Some((customer, version)) };
            prop_assert_eq!(map.rows.get(&key).copied(), expected, "{}", key);
        }
    }

    /// People who share nothing and whose limits hold are found whatever the order of the log.
    #[test]
    fn the_order_of_order_free_links_says_nothing(
        people in proptest::collection::vec((0usize..2, 0usize..3, 0usize..3, 1usize..4), 1..6),
        seed in proptest::collection::vec(any::<u64>(), 64),
    ) {
        let mut edges = Vec::new();
        for (person, (users, emails, phones, devices)) in people.iter().enumerate() {
            let counts = [("user_id", users), ("email", emails), ("phone", phones), ("anonymous_id", devices)];
            let mut names: Vec<String> = Vec::new();
            for (kind, count) in counts {
                names.extend((0..*count).map(|i| format!("{kind}:{person}-{i}")));
            }
            edges.extend(names.windows(2).map(|pair| (pair[0].clone(), pair[1].clone())));
            edges.extend(names.iter().skip(2).map(|name| (names[0].clone(), name.clone())));
        }
        let rules = Rules::default();
        let (mut straight, mut shuffled) = (World::new(rules.clone()), World::new(rules));
        let mut order: Vec<usize> = (0..edges.len()).collect();
        order.sort_by_key(|i| seed[*i % seed.len()].rotate_left(*i as u32));
        for (i, shuffled_i) in order.into_iter().enumerate() {
            for (world, index) in [(&mut straight, i), (&mut shuffled, shuffled_i)] {
                let (a, b) = &edges[index];
                let edge = (world.id(a), world.id(b));
                world.apply(&[edge]);
            }
        }
        prop_assert_eq!(partition(&straight), partition(&shuffled));
        prop_assert_eq!(straight.graph.stats().conflicts, 0);
        straight.check().map_err(TestCaseError::fail)?;
        shuffled.check().map_err(TestCaseError::fail)?;
    }
}
