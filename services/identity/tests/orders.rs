//! How much the order of a log matters. The rules make it matter as little as they can: a direct piece of evidence
//! beats a chance bridge, whichever came first.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod oracle;

use identity::{Graph, Hasher, KeyedEvent, OnConflict, Rules, Tier};
use schemas::{Identifier, Key};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const LOGS: usize = 600;
const RECORDS: usize = 5;
const SEED: u64 = 0x7121_B07A_2E55;

/// The types that records name, strongest first, and how many values of each there are.
const KINDS: [(&str, u64); 4] = [("user_id", 3), ("email", 3), ("phone", 2), ("anonymous_id", 3)];

/// A small generator of numbers, so that the logs are the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// How records are drawn, each independently of every other.
///
/// How many logs depend on their order says as much about the logs as about the rules. Of the logs that the rules'
/// prototype was tried on (600 of five records, over few users, e-mails, phones and devices) two counts are known: under
/// the simple rules below 239 and 217 of them depended on their order. `Sparse` was chosen to be as hard by these counts
/// alone; `Dense` was drawn up before, and is harder.
#[derive(Clone, Copy)]
enum Records {
    /// Two identifiers of different types, in one record of eight three; types and values evenly.
    Sparse,
    /// A user in 4 of 8 records, an e-mail in 4, a phone in 2, a device in 6, independently; at least two of them.
    Dense,
}

impl Records {
    fn draw(self, numbers: &mut Numbers) -> String {
        let mut kinds: BTreeSet<usize> = BTreeSet::new();
        let mut values = [0; 4];
        match self {
            Records::Sparse => {
                let wanted = if numbers.below(8) < 1 { 3 } else { 2 };
                while kinds.len() < wanted {
                    kinds.insert(numbers.below(4) as usize);
                }
                kinds.iter().for_each(|kind| values[*kind] = numbers.below(KINDS[*kind].1));
            }
            Records::Dense => {
                while kinds.len() < 2 {
                    kinds.clear();
                    for (kind, likely) in [2, 2, 1, 3].into_iter().enumerate() {
                        let is_named = numbers.below(4) < likely;
                        values[kind] = numbers.below(KINDS[kind].1);
                        kinds.extend(is_named.then_some(kind));
                    }
                }
            }
        }
        let names: Vec<String> = kinds.into_iter().map(|kind| format!("{}:{}", KINDS[kind].0, values[kind])).collect();
        names.join(" ")
    }

    fn logs(self) -> Vec<Vec<String>> {
        let mut numbers = Numbers(SEED);
        (0..LOGS).map(|_| (0..RECORDS).map(|_| self.draw(&mut numbers)).collect()).collect()
    }
}

fn permutations(length: usize) -> Vec<Vec<usize>> {
    let mut orders: Vec<Vec<usize>> = vec![Vec::new()];
    for next in 0..length {
        let with = |order: &Vec<usize>, place: usize| [&order[..place], &[next], &order[place..]].concat();
        orders = orders.iter().flat_map(|order| (0..=next).map(move |place| with(order, place))).collect();
    }
    orders
}

type Customers = BTreeSet<Vec<String>>;

/// One graph for all orders of a log: each order has identifiers of its own, so that they say nothing to each other.
struct Orders {
    graph: Graph,
    log: Vec<String>,
    offset: i64,
}

impl Orders {
    /// The customers that the log makes in this order, as sets of the identifiers as they are at its end.
    fn customers(&mut self, order: &[usize]) -> Customers {
        let id = |hasher: &Hasher, name: &str| {
            let (kind, _) = name.split_once(':').unwrap();
            let digest = blake3::hash(format!("{order:?} {name}").as_bytes());
            let key = u128::from_be_bytes(digest.as_bytes()[..16].try_into().unwrap());
            Identifier { kind: hasher.rules().type_index(kind).unwrap(), key: Key(key) }
        };
        let hasher = self.graph.hasher();
        for record in order.iter().map(|index| &self.log[*index]) {
            let identifiers = record.split(' ').map(|name| id(&hasher, name)).collect();
            let keyed = KeyedEvent { event: oracle::event(), identifiers, anonymous_key: None };
            let commands = self.graph.missing_links(&[keyed]);
            self.graph.apply(self.offset, self.offset, &commands).unwrap();
            self.offset += 1;
        }
        let mut customers: BTreeMap<Key, BTreeSet<String>> = BTreeMap::new();
        for name in self.log.iter().flat_map(|record| record.split(' ')) {
            let customer = self.graph.resolve(id(&hasher, name).key).customer_id;
            customers.entry(customer).or_default().insert(name.to_owned());
        }
        customers.into_values().map(|names| names.into_iter().collect()).collect()
    }
}

/// What most products do when a record would give a customer a second user id.
#[derive(Clone, Copy)]
enum Simple {
    /// Leave out the record's weakest identifier until it fits.
    LeaveOutTheWeakest,
    /// Leave out the pair that does not fit; a pair that is together already is not looked at.
    DropThePair,
}

/// The customers under a simple rule: sets that only ever grow.
fn simply(rule: Simple, log: &[String], order: &[usize]) -> Customers {
    let names: BTreeSet<&str> = log.iter().flat_map(|record| record.split(' ')).collect();
    let mut customers: Vec<BTreeSet<&str>> = names.into_iter().map(|name| [name].into()).collect();
    let mut join = |names: &[&str]| {
        let (joined, rest): (Vec<_>, Vec<_>) =
            customers.iter().cloned().partition(|customer| names.iter().any(|name| customer.contains(name)));
        let joined: BTreeSet<&str> = joined.into_iter().flatten().collect();
        let fits = joined.iter().filter(|name| name.starts_with("user_id")).count() <= 1;
        if fits {
            customers = rest;
            customers.push(joined);
        }
        fits
    };
    for record in order.iter().map(|index| &log[*index]) {
        // Names stand in order of strength.
        let mut names: Vec<&str> = record.split(' ').collect();
        match rule {
            Simple::LeaveOutTheWeakest => while !join(&names) && names.pop().is_some() {},
            Simple::DropThePair => {
                for other in &names[1..] {
                    join(&[names[0], other]);
                }
            }
        }
    }
    let owned = |customer: BTreeSet<&str>| customer.into_iter().map(str::to_owned).collect();
    customers.into_iter().map(owned).collect()
}

/// How many logs do not make the same customers in all orders.
fn order_dependent<C>(records: Records, mut customers_of: impl FnMut(Vec<String>) -> C) -> usize
where
    C: FnMut(&[usize]) -> Customers,
{
    let orders = permutations(RECORDS);
    let is_order_dependent = |log: Vec<String>| {
        let mut customers = customers_of(log);
        let first = customers(&orders[0]);
        orders[1..].iter().any(|order| customers(order) != first)
    };
    records.logs().into_iter().map(is_order_dependent).filter(|dependent| *dependent).count()
}

fn under_rules(records: Records, rules: Rules) -> usize {
    let hasher = Arc::new(Hasher::new(oracle::SECRET, rules).unwrap());
    order_dependent(records, |log| {
        let mut orders = Orders { graph: Graph::new(hasher.clone()), log, offset: 0 };
        move |order: &[usize]| orders.customers(order)
    })
}

/// Prints a goal's line with what the simple rules reach on the same logs.
fn report(goal: &str, value: usize, target: Option<usize>, simple: [usize; 2]) {
    let verdict = match target {
        Some(target) if value <= target => format!("target=<={target} met"),
        Some(target) => format!("target=<={target} missed"),
        None => "target=none".to_owned(),
    };
    let [weakest, pair] = simple;
    println!("goal {goal} value={value} {verdict} (of {LOGS} logs, seed {SEED:#x}; simple rules: {weakest}, {pair})");
}

fn sharing_contacts() -> Rules {
    let mut rules = Rules::default();
    let contacts = rules.types.iter_mut().filter(|rule| rule.tier == Tier::Contact);
    contacts.for_each(|rule| rule.on_conflict = OnConflict::Share);
    rules
}

/// Counts for the default rules and for those that share contacts.
fn count(records: Records) -> ([usize; 2], [usize; 2]) {
    let simple = [Simple::LeaveOutTheWeakest, Simple::DropThePair];
    let simple = simple.map(|rule| order_dependent(records, |log| move |order: &[usize]| simply(rule, &log, order)));
    let ours = [Rules::default(), sharing_contacts()].map(|rules| under_rules(records, rules));
    (ours, simple)
}

#[test]
fn order_dependent_logs_among_logs_like_the_prototypes() {
    let ([default, sharing], simple) = count(Records::Sparse);
    report("order-dependent-logs", default, Some(169), simple);
    report("order-dependent-logs-share-contacts", sharing, Some(65), simple);
    assert!(default <= 134 && sharing <= 36, "it was 134 and 36 when it was measured");
    assert!(simple.iter().all(|simple| default < *simple), "simpler rules do better");
}

#[test]
fn order_dependent_logs_among_dense_logs() {
    let ([default, sharing], simple) = count(Records::Dense);
    report("order-dependent-dense-logs", default, None, simple);
    report("order-dependent-dense-logs-share-contacts", sharing, None, simple);
    assert!(default <= 190 && sharing <= 41, "it was 190 and 41 when it was measured");
    assert!(simple.iter().all(|simple| default < *simple), "simpler rules do better");
}
