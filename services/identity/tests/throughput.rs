//! Figures, by hand: `cargo test -p identity --release --test throughput -- --ignored --nocapture`.
//! `THROUGHPUT_PEOPLE` sets the size (default 200,000 people).
#![allow(clippy::unwrap_used, reason = "a test")]

mod oracle;

use identity::{Graph, Hasher, KeyedEvent, Rules};
use oracle::event;
use schemas::{Command, Edge, Identifier, Key, LinkProvenance, RawIdentifier};
use std::sync::Arc;
use std::time::Instant;

/// Processor time of this thread where the system tells it, so that a busy machine does not change the figures; else
/// wall time.
#[derive(Clone, Copy)]
struct Started {
    wall: Instant,
    cpu_ns: Option<u64>,
}

fn cpu_ns() -> Option<u64> {
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split_whitespace().next()?.parse().ok()
}

fn start() -> Started {
    Started { wall: Instant::now(), cpu_ns: cpu_ns() }
}

fn report(what: &str, count: usize, started: Started) {
    let seconds = match (started.cpu_ns, cpu_ns()) {
        (Some(before), Some(after)) => (after - before) as f64 / 1e9,
        _ => started.wall.elapsed().as_secs_f64(),
    };
    println!("{what:<48} {:>12.0} /s  {:>8.0} ns each", count as f64 / seconds, seconds * 1e9 / count as f64);
}

/// A key that looks hashed.
fn key(number: u64, salt: u64) -> Key {
    let mix = |x: u64| {
        let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    };
    let (high, low) = (mix(number * 8 + salt), mix(number.wrapping_mul(31) ^ salt << 56 | 1 << 63));
    Key(u128::from(high) << 64 | u128::from(low))
}

struct People {
    user: u8,
    email: u8,
    anonymous: u8,
}

impl People {
    /// A user, an e-mail and two devices; every 50th uses the e-mail of somebody else, every 40th somebody's device.
    fn edges(&self, person: u64) -> Vec<Edge> {
        let user = Identifier { kind: self.user, key: key(person, 0) };
        let others = [
            (self.email, key(if person % 50 == 1 { person - 1 } else { person }, 1)),
            (self.anonymous, key(person, 2)),
            (self.anonymous, key(if person % 40 == 1 { person - 1 } else { person }, 3)),
        ];
        others.map(|(kind, key)| Edge { hub: user, other: Identifier { kind, key } }).to_vec()
    }
}

#[test]
#[ignore = "prints figures; run by hand"]
fn figures() {
    let people: u64 = std::env::var("THROUGHPUT_PEOPLE").map_or(200_000, |n| n.parse().unwrap());
    let hasher = Arc::new(Hasher::new(b"s", Rules::default()).unwrap());
    hash_figures(&hasher);
    let index = |name: &str| hasher.rules().type_index(name).unwrap();
    let kinds = People { user: index("user_id"), email: index("email"), anonymous: index("anonymous_id") };
    let graph = Graph::new(hasher.clone());
    let provenance = LinkProvenance { source: "web".into(), event_id: "e".into(), event_time_ms: 0 };
    let numbers: Vec<u64> = (0..people).collect();
    let messages: Vec<Vec<Command>> = numbers
        .chunks(500)
        .map(|people| {
            let link = |edges| Command::Link { edges, provenance: provenance.clone() };
            people.iter().map(|person| link(kinds.edges(*person))).collect()
        })
        .collect();
    let started = start();
    for (offset, commands) in messages.iter().enumerate() {
        graph.apply(offset as i64, 0, commands).unwrap();
    }
    report("links applied, messages of 1,500", people as usize * 3, started);
    let stats = graph.stats();
    println!("{stats:?}");
    println!("{:.1} bytes an identifier, edges included", stats.bytes as f64 / stats.identifiers as f64);
    read_figures(&graph, &kinds, people);
    let started = start();
    let (mut version, mut changed) = (0, 0);
    loop {
        let changes = graph.changed_since(version, 10_000);
        changed += changes.components.len();
        version = changes.complete_to;
        if changes.caught_up {
            break;
        }
    }
    report("changed components read", changed, started);
}

fn hash_figures(hasher: &Hasher) {
    for (kind, value) in
        [("anonymous_id", "1740268798-lvfV1k5nHC"), ("email", "jane.doe@example"), ("phone", "+4915112")]
    {
        let values: Vec<RawIdentifier> = (0..20_000)
            .map(|n| match kind {
                "email" => format!("{value}{n}.org"),
                "phone" => format!("{value}{n:06}"),
                _ => format!("{value}{n}"),
            })
            .map(|value| RawIdentifier { kind: kind.into(), value: value.as_str().into() })
            .collect();
        hasher.key("phone", "+4915112345678");
        let started = start();
        let usable = values.iter().filter(|raw| !hasher.identifiers(std::slice::from_ref(raw)).is_empty()).count();
        assert_eq!(usable, values.len());
        report(&format!("{kind} normalised and hashed"), values.len(), started);
    }
}

fn read_figures(graph: &Graph, kinds: &People, people: u64) {
    let lookups = 2_000_000;
    let order: Vec<u64> = (0..lookups).map(|i| (key(i, 5).0 as u64) % people).collect();
    let hits: Vec<Key> = order.iter().map(|person| key(*person, 2)).collect();
    let started = start();
    let found = hits.iter().filter(|k| graph.resolve(**k).customer_version > 0).count();
    assert_eq!(found, hits.len());
    report("resolve, hits one by one", hits.len(), started);
    let misses: Vec<Key> = order.iter().map(|person| key(*person, 6)).collect();
    let started = start();
    assert_eq!(misses.iter().filter(|k| graph.resolve(**k).customer_version > 0).count(), 0);
    report("resolve, misses one by one", misses.len(), started);
    let events = |with_user: bool| -> Vec<KeyedEvent> {
        order[..200_000]
            .iter()
            .map(|person| {
                let anonymous = Identifier { kind: kinds.anonymous, key: key(*person, 2) };
                let user = Identifier { kind: kinds.user, key: key(*person, 0) };
                let identifiers: &[Identifier] = if with_user { &[user, anonymous] } else { &[anonymous] };
                KeyedEvent { event: event(), identifiers: identifiers.into(), anonymous_key: None }
            })
            .collect()
    };
    for (what, with_user) in [("anonymous", false), ("logged in", true)] {
        let mut events = events(with_user);
        let count = events.len();
        let mut batches = Vec::new();
        while !events.is_empty() {
            batches.push(events.split_off(events.len().saturating_sub(5000)));
        }
        let started = start();
        let missing: usize = batches.iter().map(|batch| graph.missing_links(batch).len()).sum();
        assert_eq!(missing, 0);
        report(&format!("missing_links, {what}, batches of 5,000"), count, started);
        let started = start();
        let identified: usize = batches.into_iter().map(|batch| graph.identify(batch).len()).sum();
        assert_eq!(identified, count);
        report(&format!("identify, {what}, batches of 5,000"), count, started);
    }
}

/// What used to be slow: the cost of a link must not grow with the customer or with the cluster.
#[test]
#[ignore = "prints figures; run by hand"]
fn hard_cases() {
    let hasher = Arc::new(Hasher::new(b"s", Rules::default()).unwrap());
    let id = |kind: &str, number: u64| {
        let kind = hasher.rules().type_index(kind).unwrap();
        Identifier { kind, key: key(number, 16 + u64::from(kind)) }
    };
    let links = 50_000;
    let run = |what: &str, edges: &dyn Fn(u64) -> Edge| {
        let graph = Graph::new(hasher.clone());
        let provenance = LinkProvenance { source: "web".into(), event_id: "e".into(), event_time_ms: 0 };
        for half in 0..2 {
            let commands: Vec<Command> = (half * links / 2..(half + 1) * links / 2)
                .map(|n| Command::Link { edges: vec![edges(n)], provenance: provenance.clone() })
                .collect();
            let started = start();
            graph.apply(half as i64, 0, &commands).unwrap();
            report(&format!("{what}, half {}", half + 1), links as usize / 2, started);
        }
        println!("{:?}", graph.stats());
    };
    run("one user with 50,000 devices", &|n| Edge { hub: id("user_id", 0), other: id("anonymous_id", n) });
    run("families in one long chain", &|n| Edge { hub: id("user_id", n.div_ceil(2)), other: id("email", n / 2) });
    run("a hundred tills with many cards", &|n| Edge { hub: id("loyalty_id", n), other: id("device_id", n % 100) });
    run("users joined by phones of devices", &|n| match n % 3 {
        0 => Edge { hub: id("user_id", n / 3), other: id("anonymous_id", n / 3) },
        1 => Edge { hub: id("phone", n / 3), other: id("anonymous_id", n / 3) },
        _ => Edge { hub: id("user_id", n / 3 + 1), other: id("phone", n / 3) },
    });
}
