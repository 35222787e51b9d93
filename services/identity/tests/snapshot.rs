//! A graph that goes on from a snapshot is the graph that never stopped (ID-1), at every cut of random logs, also when
//! the snapshot is written while messages are applied.
#![allow(clippy::unwrap_used, reason = "a test")]

use identity::{Graph, Hasher, Rules, SnapshotError, SnapshotInfo, Tier, TypeRule, check_snapshot};
use schemas::{Command, Edge, Identifier, LinkProvenance};
use std::io::{self, Write};
use std::sync::Arc;

const SECRET: &[u8] = b"a secret";
const DAY_MS: i64 = 86_400_000;

fn rules() -> Rules {
    let types = vec![
        TypeRule::new("user_id", Tier::Account, 10).limited(1),
        TypeRule::new("loyalty_id", Tier::Account, 20).limited(2),
        TypeRule::new("email", Tier::Contact, 50).limited(3),
        TypeRule::new("device_id", Tier::Device, 80),
        TypeRule::new("anonymous_id", Tier::Device, 90),
    ];
    Rules { types, max_identifiers: 12, ..Rules::default() }
}

/// A small generator of numbers: the test prints its seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % end
    }
}

/// Messages of a log; the first holds the rules.
fn random_log(hasher: &Hasher, seed: u64, messages: usize, people: u64) -> Vec<Vec<Command>> {
    let mut numbers = Numbers(seed);
    let kinds: Vec<String> = hasher.rules().types.iter().map(|rule| rule.name.clone()).collect();
    let mut identifier = {
        let mut numbers = Numbers(seed ^ 1);
        move || -> Identifier {
            let kind = &kinds[numbers.below(kinds.len() as u64) as usize];
            let value = format!("v{}", numbers.below(people));
            hasher.key(kind, &if kind == "email" { value + "@shop.example" } else { value }).unwrap()
        }
    };
    let mut command = || {
        let (a, b, note) = (identifier(), identifier(), schemas::Text::from("test"));
        match numbers.below(40) {
            0 => Command::Merge { a, b, note },
            1 => Command::Unlink { a, b, note },
            2 => Command::Allow { a, b, note },
            3 => Command::Split { of: a, note },
            4 => Command::Share { of: a, note },
            5 => Command::Unshare { of: a, note },
            6 => Command::Erase { of: a, suppress: numbers.below(2) == 0, note },
            _ => {
                let event_time_ms = numbers.below(200) as i64 * DAY_MS;
                let provenance = LinkProvenance { source: "web".into(), event_id: "e".into(), event_time_ms };
                Command::Link { edges: vec![Edge { hub: a, other: b }], provenance }
            }
        }
    };
    let rules = Command::Rules { hash: hasher.rules_hash(), rules_json: hasher.rules_json().to_owned() };
    let mut log = vec![vec![rules]];
    log.extend((1..messages).map(|_| (0..3).map(|_| command()).collect()));
    log
}

fn hasher() -> Arc<Hasher> {
    Arc::new(Hasher::new(SECRET, rules()).unwrap())
}

fn apply(graph: &Graph, offset: usize, commands: &[Command]) {
    let append_time_ms = 200 * DAY_MS + offset as i64 * 1_000;
    graph.apply(offset as i64, append_time_ms, commands).unwrap();
}

fn save(graph: &Graph) -> Vec<u8> {
    let mut file = Vec::new();
    let info = SnapshotInfo { created_by: "a test".to_owned(), ..SnapshotInfo::default() };
    graph.save(&info, usize::MAX, &mut file).unwrap();
    file
}

/// Everything that can be asked of a graph, a line each.
fn described(graph: &Graph) -> Vec<String> {
    let stats = identity::Stats { bytes: 0, ..graph.stats() };
    let mut components = graph.changed_since(0, usize::MAX).components;
    // The order within one version is that of the journal, which a snapshot leaves out.
    components.sort_by_key(|component| (component.version, component.customer_id));
    let resolved = components.iter().flat_map(|each| &each.keys).map(|member| {
        let (resolved, identifier) = (graph.resolve_identity(member.key), graph.identifier(member.key));
        format!("{member:?} {resolved:?} {identifier:?} {:?}", graph.edges_of(member.key))
    });
    let head = [format!("{:?}", graph.fingerprint_at()), format!("{stats:?}")];
    let conflicts = graph.conflicts_in(0..=i64::MAX).into_iter().map(|conflict| format!("{conflict:?}"));
    let components = components.iter().map(|component| format!("{component:?}"));
    head.into_iter().chain(conflicts).chain(components).chain(resolved).collect()
}

#[track_caller]
fn assert_equal(one: &Graph, other: &Graph, seed: u64, cut: usize) {
    let (one, other) = (described(one), described(other));
    let differing = one.iter().zip(&other).find(|(one, other)| one != other);
    assert_eq!((differing, one.len()), (None, other.len()), "seed {seed}, cut {cut}");
}

#[test]
fn going_on_from_a_snapshot_is_going_on() {
    for seed in 0..60 {
        let (hasher, messages) = (hasher(), 120);
        let log = random_log(&hasher, seed, messages, 25);
        let cut = 1 + Numbers(seed).below(messages as u64 - 1) as usize;
        let whole = Graph::new(Arc::clone(&hasher));
        log[..cut].iter().enumerate().for_each(|(offset, commands)| apply(&whole, offset, commands));
        let file = save(&whole);
        let (loaded, header) = Graph::load(&hasher, &*file).unwrap();
        assert_eq!((header.log_offset, loaded.applied()), (cut as i64 - 1, cut as i64 - 1));
        assert_equal(&loaded, &whole, seed, cut);
        assert!(save(&loaded) == file, "seed {seed}, cut {cut}");
        for (offset, commands) in log.iter().enumerate().skip(cut) {
            apply(&whole, offset, commands);
            apply(&loaded, offset, commands);
            assert_eq!(loaded.fingerprint(), whole.fingerprint(), "seed {seed}, cut {cut}, offset {offset}");
        }
        assert_equal(&loaded, &whole, seed, cut);
        assert_eq!(loaded.verify(), [], "seed {seed}, cut {cut}");
    }
}

#[test]
fn a_snapshot_that_is_written_while_messages_are_applied_is_of_one_offset() {
    for seed in 0..2 {
        let (hasher, messages) = (hasher(), 12_000);
        let log = random_log(&hasher, seed, messages, 8_000);
        let (graph, alone) = (Graph::new(Arc::clone(&hasher)), Graph::new(Arc::clone(&hasher)));
        let fingerprints: Vec<u128> = log
            .iter()
            .enumerate()
            .map(|(offset, commands)| {
                apply(&alone, offset, commands);
                alone.fingerprint()
            })
            .collect();
        let (files, aside) = std::thread::scope(|scope| {
            let applier =
                scope.spawn(|| log.iter().enumerate().for_each(|(offset, commands)| apply(&graph, offset, commands)));
            let (mut files, mut aside) = (Vec::new(), 0);
            while !applier.is_finished() && files.len() < 50 {
                let mut file = Vec::new();
                let summary = graph.save(&SnapshotInfo::default(), usize::MAX, Slow(&mut file)).unwrap();
                aside = summary.kept_aside_bytes.max(aside);
                files.push(file);
            }
            applier.join().unwrap();
            (files, aside)
        });
        println!("seed {seed}: {} snapshots, {aside} bytes kept aside at most", files.len());
        for file in files {
            let (loaded, header) = Graph::load(&hasher, &*file).unwrap();
            let next = usize::try_from(header.log_offset + 1).unwrap();
            if next > 0 {
                assert_eq!(loaded.fingerprint(), fingerprints[next - 1], "seed {seed}, offset {}", next - 1);
            }
            log.iter().enumerate().skip(next).for_each(|(offset, commands)| apply(&loaded, offset, commands));
            assert_equal(&loaded, &alone, seed, next);
        }
    }
}

/// A disk that lets others go first.
struct Slow<'a>(&'a mut Vec<u8>);

impl Write for Slow<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        std::thread::yield_now();
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_empty_graph_has_a_snapshot_too() {
    let hasher = hasher();
    let graph = Graph::new(Arc::clone(&hasher));
    let (loaded, header) = Graph::load(&hasher, &*save(&graph)).unwrap();
    assert_eq!((loaded.applied(), header.identifiers, loaded.fingerprint()), (-1, 0, 0));
    apply(&loaded, 0, &[]);
}

#[test]
fn another_secret_is_another_graph() {
    let file = save(&Graph::new(hasher()));
    let another = Hasher::new(b"another", rules()).unwrap();
    let error = Graph::load(&another, &*file).unwrap_err();
    assert!(matches!(&error, SnapshotError::Rules(_)), "{error}");
    assert!(error.to_string().starts_with("section header: rules_json: "), "{error}");
}

#[test]
fn two_at_once_are_refused_and_a_disk_that_fails_leaves_nothing_behind() {
    /// Fails when asked to write.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("no space left"))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Begins a second snapshot from within the first.
    struct Second<'a>(&'a Graph, Option<SnapshotError>);

    impl Write for Second<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.1.is_none() {
                self.1 = self.0.save(&SnapshotInfo::default(), usize::MAX, Vec::new()).err();
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let hasher = hasher();
    let graph = Graph::new(Arc::clone(&hasher));
    let log = random_log(&hasher, 3, 50, 40);
    log.iter().enumerate().for_each(|(offset, commands)| apply(&graph, offset, commands));
    let failed = graph.save(&SnapshotInfo::default(), usize::MAX, Full).unwrap_err();
    assert_eq!(failed.to_string(), "cannot write the snapshot: no space left");
    let mut out = Second(&graph, None);
    graph.save(&SnapshotInfo::default(), usize::MAX, &mut out).unwrap();
    assert!(matches!(out.1, Some(SnapshotError::InProgress)), "{:?}", out.1);
    check_snapshot(&*save(&graph)).unwrap();
}

#[test]
fn damage_never_panics() {
    let hasher = hasher();
    let graph = Graph::new(Arc::clone(&hasher));
    let log = random_log(&hasher, 5, 60, 30);
    log.iter().enumerate().for_each(|(offset, commands)| apply(&graph, offset, commands));
    let file = save(&graph);
    let mut numbers = Numbers(9);
    for round in 0..3_000 {
        let mut damaged = file.clone();
        if round % 2 == 0 {
            damaged.truncate(numbers.below(file.len() as u64) as usize);
        } else {
            let at = numbers.below(file.len() as u64) as usize;
            damaged[at] ^= 1 << numbers.below(8);
        }
        assert!(Graph::load(&hasher, &*damaged).is_err(), "round {round}");
    }
}
