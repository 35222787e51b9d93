//! What holds after every message.

use super::logs::{Message, Name};
use super::oracle::{DAY_MS, World, rules_command};
use identity::{Graph, Rules};
use proptest::prelude::*;
use schemas::{Command, Key, RawIdentifier};
use std::collections::{BTreeMap, BTreeSet};

/// How many changes a reader asks for: so few that it is often cut off.
const PAGE: usize = 2;

/// Applies a log, and compares with the oracle after every message: ID-1 to ID-4, versions, and the map that a reader
/// of changes keeps.
pub(crate) fn check_log(rules: Rules, log: &[Message]) -> Result<(), TestCaseError> {
    check_log_in(World::new(rules), log)
}

pub(crate) fn check_log_in(mut world: World, log: &[Message]) -> Result<(), TestCaseError> {
    world.log(&[rules_command(world.hasher.rules().clone())]);
    let mut map = IdentityMap::default();
    let mut before = views(&world);
    for (index, message) in log.iter().enumerate() {
        let commands = message.commands(&mut world);
        world.log(&commands);
        world.check().map_err(|e| TestCaseError::fail(format!("message {index}: {e}")))?;
        let after = views(&world);
        check_versions(&world, &before, &after, index)?;
        before = after;
        // A reader that sometimes keeps up and sometimes does not.
        for _ in 0..index % 3 {
            map.follow(&world.graph, PAGE);
        }
    }
    while !map.follow(&world.graph, PAGE) {}
    map.check(&before)
}

/// A batch of records, compared with the oracle.
pub(crate) fn check_records(world: &mut World, records: &[(Vec<Name>, i64)]) -> Result<(), TestCaseError> {
    let mut batch = Vec::new();
    for (names, days_ago) in records {
        let configured = |name: &&Name| world.hasher.rules().type_index(name.split(':').next().unwrap()).is_some();
        let names: BTreeSet<&str> = names.iter().filter(configured).map(String::as_str).collect();
        if !names.is_empty() {
            let names: Vec<&str> = names.into_iter().collect();
            batch.push(world.keyed_at(&names.join(" "), world.now_ms - days_ago * DAY_MS));
        }
    }
    world.batch("random records", batch);
    world.check().map_err(TestCaseError::fail)
}

/// Customer, fellow members and shared mark of every node, and the version that has to announce their changes.
pub(crate) fn views(world: &World) -> Views {
    let view = |node: &Key| {
        let (resolved, members) = (world.graph.resolve_identity(*node), world.graph.members(*node));
        let keys = members.keys.iter().map(|i| i.key).collect();
        (
            *node,
            View {
                customer: resolved.customer_id,
                members: keys,
                version: resolved.customer_version,
                shared: resolved.shared,
            },
        )
    };
    world.oracle.nodes.keys().map(view).collect()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    customer: Key,
    members: Vec<Key>,
    version: u64,
    shared: bool,
}

type Views = BTreeMap<Key, View>;

fn check_versions(world: &World, before: &Views, after: &Views, index: usize) -> Result<(), TestCaseError> {
    let newest = (world.graph.applied() + 1) as u64;
    for (key, view) in after {
        let earlier = before.get(key);
        let told = |v: &View| (v.customer, v.members.clone(), v.shared);
        let changed = earlier.map(told) != Some(told(view));
        let is_news = changed && (view.members.len() > 1 || earlier.is_some());
        prop_assert!(!is_news || view.version == newest, "message {}: {} changed without a new version", index, key);
        let least = earlier.map_or(0, |e| e.version);
        prop_assert!((least..=newest).contains(&view.version), "message {}: the version of {} fell", index, key);
    }
    Ok(())
}

/// The customers as sets of keys, without their ids.
pub(crate) fn partition(world: &World) -> BTreeSet<Vec<Key>> {
    views(world).into_values().map(|view| view.members).collect()
}

/// What the identity pipeline keeps in ClickHouse: the row with the greatest version of every key.
#[derive(Default)]
struct IdentityMap {
    rows: BTreeMap<Key, (Key, u64)>,
    version: u64,
}

impl IdentityMap {
    /// One turn of the pipeline; whether it is caught up.
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

    fn check(&self, views: &Views) -> Result<(), TestCaseError> {
        for (key, View { customer, version, .. }) in views {
            let expected = if *version == 0 { None } else { Some((*customer, *version)) };
            prop_assert_eq!(self.rows.get(key).copied(), expected, "the map's row of {}", key);
            prop_assert!(*version > 0 || customer == key, "{} is in no change", key);
        }
        prop_assert!(self.rows.keys().all(|key| views.contains_key(key)), "the map has keys that nobody has");
        Ok(())
    }
}

/// PR-1, with values that go through the hasher.
pub(crate) fn check_that_no_raw_value_is_kept(
    records: &[(u8, u8, u8, u8)],
    messages: &[Message],
) -> Result<(), TestCaseError> {
    let mut world = World::new(Rules::default());
    let mut raws: Vec<String> = Vec::new();
    for (user, email, phone, device) in records {
        let record = [
            ("user_id", format!("Customer-Nr-{user}")),
            ("email", format!("jane.doe{email}@bakery.example")),
            ("phone", format!("+4915112345{phone:03}")),
            ("anonymous_id", format!("visitor-{device}-cookie")),
        ];
        let raw =
            record.each_ref().map(|(kind, value)| RawIdentifier { kind: (*kind).into(), value: value.as_str().into() });
        raws.extend(record.into_iter().map(|(_, value)| value));
        let keyed = world.hasher.identifiers(&raw);
        let edges: Vec<_> = keyed[1..].iter().map(|other| (keyed[0], *other)).collect();
        let command = super::oracle::link(&edges, world.now_ms);
        prop_assert_eq!(
            found(&raws, &schemas::command::encode_commands(std::slice::from_ref(&command))),
            None,
            "PR-1: the log"
        );
        world.log(&[command]);
    }
    for message in messages {
        let commands = message.commands(&mut world);
        world.log(&commands);
    }
    world.check().map_err(TestCaseError::fail)?;
    prop_assert_eq!(found(&raws, format!("{:?}", world.graph).as_bytes()), None, "PR-1: the graph");
    prop_assert_eq!(found(&raws, &world.save()), None, "PR-1: the snapshot");
    let rows = world.graph.conflicts_in(0..=world.graph.applied());
    let views = (rows, views(&world), world.graph.changed_since(0, usize::MAX));
    prop_assert_eq!(found(&raws, format!("{views:?}").as_bytes()), None, "PR-1: what it tells");
    let rules = rules_command(Rules::default());
    let Command::Rules { rules_json, .. } = rules else { unreachable!("it was made as one") };
    prop_assert!(!rules_json.contains("a secret for tests"), "PR-1: the secret");
    Ok(())
}

/// The first of the values that stands in these bytes, in whatever case.
fn found<'a>(values: &'a [String], bytes: &[u8]) -> Option<&'a String> {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    values.iter().find(|value| text.contains(&value.to_lowercase()))
}
