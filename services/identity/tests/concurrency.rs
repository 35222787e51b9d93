//! Readers while the log is applied.
#![allow(clippy::unwrap_used, reason = "a test")]

mod oracle;

use identity::{Graph, Hasher, KeyedEvent, Rules, Tier, TypeRule};
use oracle::{World, event};
use schemas::{Command, Edge, Identifier, Key, LinkProvenance, Resolved};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

fn rules() -> Rules {
    let types = vec![
        TypeRule::new("user_id", Tier::Account, 10).limited(1),
        TypeRule::new("email", Tier::Contact, 50).limited(3),
        TypeRule::new("anonymous_id", Tier::Device, 90),
    ];
    Rules { types, ..Rules::default() }
}

/// A small generator of numbers: the test prints its seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % end
    }
}

fn random_log(seed: u64, messages: usize) -> Vec<Vec<Command>> {
    let world = World::new(rules());
    let mut numbers = Numbers(seed);
    let mut name = move || {
        let kind = ["user_id", "email", "email", "anonymous_id", "anonymous_id"][numbers.below(5) as usize];
        format!("{kind}:{}", numbers.below(40))
    };
    let mut message = || {
        let edges = (0..4).map(|_| Edge { hub: world.id(&name()), other: world.id(&name()) }).collect();
        let provenance = LinkProvenance { source: "web".into(), event_id: "e".into(), event_time_ms: 0 };
        vec![Command::Link { edges, provenance }]
    };
    (0..messages).map(|_| message()).collect()
}

fn identifiers(log: &[Vec<Command>]) -> Vec<Identifier> {
    let mut all = BTreeMap::new();
    for command in log.iter().flatten() {
        let Command::Link { edges, .. } = command else {
            continue;
        };
        all.extend(edges.iter().flat_map(|e| [(e.hub.key, e.hub), (e.other.key, e.other)]));
    }
    all.into_values().collect()
}

/// What is true of every key after every message, from a graph that nobody reads meanwhile.
fn history(hasher: &Arc<Hasher>, log: &[Vec<Command>], keys: &[Identifier]) -> Vec<BTreeMap<Key, Resolved>> {
    let graph = Graph::new(hasher.clone());
    let view = |graph: &Graph| keys.iter().map(|i| (i.key, graph.resolve(i.key))).collect();
    let mut history = vec![view(&graph)];
    for (offset, commands) in log.iter().enumerate() {
        graph.apply(offset as i64, 0, commands).unwrap();
        history.push(view(&graph));
    }
    history
}

/// ID-4 at every offset: whatever a reader is told was true of that key at an offset no older than the last one known
/// to be applied before it asked, and no newer than the one known to be applied after.
#[test]
fn readers_see_whole_messages_only() {
    let seed = 0x7121_B07A_2E55_u64;
    println!("seed {seed:#x}");
    let hasher = Arc::new(Hasher::new(b"s", rules()).unwrap());
    let log = random_log(seed, 3000);
    let keys = identifiers(&log);
    let history = history(&hasher, &log, &keys);
    let graph = Graph::new(hasher);
    let (done, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for reader in 0..3 {
            let (graph, keys, history, done, asked) = (&graph, &keys, &history, &done, &asked);
            scope.spawn(move || {
                let mut numbers = Numbers(seed ^ reader);
                while !done.load(Ordering::Relaxed) {
                    let identifier = keys[numbers.below(keys.len() as u64) as usize];
                    let from = (graph.applied() + 1) as usize;
                    let told = ask(graph, identifier, reader);
                    // The message in flight may be visible a moment before it is counted as applied.
                    let to = (graph.applied() + 2) as usize;
                    let span = &history[from..=to.min(history.len() - 1)];
                    assert!(
                        span.iter().any(|then| then[&identifier.key] == told),
                        "{told:?} was true at no offset in {from}..={to}, seed {seed:#x}"
                    );
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for (offset, commands) in log.iter().enumerate() {
            graph.apply(offset as i64, 0, commands).unwrap();
            // Readers keep up, so that every part of the log is read while it is applied.
            while asked.load(Ordering::Relaxed) < offset as u64 * 50 {
                std::hint::spin_loop();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    println!("{} answers", asked.load(Ordering::Relaxed));
    let last = history.last().unwrap();
    assert!(keys.iter().all(|i| graph.resolve(i.key) == last[&i.key]));
    assert_eq!(graph.verify(), []);
}

/// The three ways to ask.
fn ask(graph: &Graph, identifier: Identifier, way: u64) -> Resolved {
    if way == 0 {
        return graph.resolve(identifier.key);
    }
    let keyed = KeyedEvent { event: event(), identifiers: [identifier].as_slice().into(), anonymous_key: None };
    let batch = if way == 1 { 1 } else { 100 };
    let identified = graph.identify(vec![keyed; batch]).pop().unwrap();
    // Whether it is shared is not among what an event is told.
    let shared = graph.resolve(identifier.key);
    match shared.customer_version == identified.customer_version {
        true => Resolved { customer_id: identified.customer_id, ..shared },
        false => graph.resolve(identifier.key),
    }
}

/// Many customers that one message makes: a reader who sees the first link sees the last.
#[test]
fn what_one_message_changes_is_seen_together() {
    const MESSAGES: usize = 200;
    const LINKS: usize = 100;
    let world = World::new(rules());
    let graph = Graph::new(world.hasher.clone());
    let link = |message: usize, link: usize| Edge {
        hub: world.id(&format!("user_id:{message}-{link}")),
        other: world.id(&format!("email:{message}-{link}")),
    };
    let messages: Vec<Vec<Edge>> = (0..MESSAGES).map(|m| (0..LINKS).map(|l| link(m, l)).collect()).collect();
    let provenance = LinkProvenance { source: "web".into(), event_id: "e".into(), event_time_ms: 0 };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (graph, messages) = (&graph, &messages);
            scope.spawn(move || {
                for edges in messages {
                    let (first, last) = (edges[0], edges[LINKS - 1]);
                    while graph.resolve(first.other.key).customer_id != first.hub.key {
                        std::hint::spin_loop();
                    }
                    let seen = graph.resolve(last.other.key);
                    assert_eq!(seen.customer_id, last.hub.key, "a message was visible in part");
                    assert_eq!(seen.customer_version, graph.resolve(first.hub.key).customer_version);
                }
            });
        }
        for (offset, edges) in messages.iter().enumerate() {
            let command = Command::Link { edges: edges.clone(), provenance: provenance.clone() };
            graph.apply(offset as i64, 0, &[command]).unwrap();
        }
    });
}
