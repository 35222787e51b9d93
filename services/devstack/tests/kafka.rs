//! A Kafka of its own, started, killed and started again. Run by `make test`, which has fetched its jars.

#![allow(clippy::unwrap_used)] // A panic is how a test fails, in its helper functions too.

use std::time::{Duration, Instant};

use devstack::{Options, Part, Progress, Stack, State};

#[test]
fn kafka_survives_a_kill_and_a_stop() {
    assert!(std::env::var_os("TRIBUTARY_TEST_KAFKA").is_some(), "run `make test`");
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::from_env(folder.path());
    options.kafka_port = 0;
    options.parts = vec![Part::Kafka];
    options.brokers = None;
    options.progress = Progress::Silent;
    let stack = Stack::new(options);

    let endpoints = stack.up().unwrap();
    let cluster = cluster_id(&folder);
    let first = stack.status().remove(0);
    assert_eq!((first.part, first.state), (Part::Kafka, State::Running));
    assert_eq!(first.address, endpoints.brokers);
    assert!(first.resident_bytes.unwrap() > 100_000_000);

    stack.kill(Part::Kafka, libc::SIGKILL).unwrap();
    assert_eq!(stack.status().remove(0).state, State::Died);
    let begun = Instant::now();
    stack.start_one(Part::Kafka).unwrap();
    // The broker's old session must lapse first: five seconds, and a start on a machine that does much else.
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    let second = stack.status().remove(0);
    assert_eq!(second.state, State::Running);
    assert_ne!(second.pid, first.pid);

    stack.down().unwrap();
    assert_eq!(stack.status().remove(0).state, State::Stopped);
    assert_eq!(stack.up().unwrap(), endpoints);
    assert_eq!(cluster_id(&folder), cluster);
    stack.reset().unwrap();
    assert!(!folder.path().exists());
}

/// The identity that formatting gave; a second formatting would have lost all data.
fn cluster_id(folder: &tempfile::TempDir) -> String {
    std::fs::read_to_string(folder.path().join("kafka/formatted")).unwrap()
}
