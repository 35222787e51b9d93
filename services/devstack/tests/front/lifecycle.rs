//! Starting, stopping, dying.

use std::io::Read;
use std::time::{Duration, Instant};

use crate::running::{Front, eventually, spawn};

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    let mut front = Front::start(folder.path());
    front.run("CREATE TABLE t (batch UInt64, n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 1000");
    for round in 0..3u64 {
        let from = round * 1000;
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| write_until_refused(&front, from));
            std::thread::sleep(Duration::from_millis(400));
            front.signal(libc::SIGKILL);
            acknowledged.extend(writer.join().unwrap());
        });
        drop(front);
        let started = Instant::now();
        front = Front::start(folder.path());
        println!("up again after {:?}", started.elapsed());
        let stored = front.run("SELECT batch, count() FROM t GROUP BY batch");
        let stored: std::collections::BTreeMap<u64, u64> = stored
            .lines()
            .map(|line| line.split_once('\t').unwrap())
            .map(|(batch, rows)| (batch.parse().unwrap(), rows.parse().unwrap()))
            .collect();
        assert!(stored.values().all(|rows| *rows == 500), "no part of a batch: {stored:?}");
        assert!(acknowledged.iter().all(|batch| stored.contains_key(batch)), "{acknowledged:?} {stored:?}");
        assert!(stored.len() <= acknowledged.len() + 1 + usize::try_from(round).unwrap());
    }
    assert!(acknowledged.len() > 3, "{acknowledged:?}");
}

/// Batches that were acknowledged before the front went away.
fn write_until_refused(front: &Front, from: u64) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    for batch in from.. {
        let rows: String = (0..500).map(|n| format!("{batch}\t{n}\n")).collect();
        let url = front.url("", &[("query", "INSERT INTO t FORMAT TSV")]);
        match ureq::post(url).send(rows) {
            Ok(_) => acknowledged.push(batch),
            Err(_) => break,
        }
    }
    acknowledged
}

#[test]
fn a_stop_lets_queries_end_and_ends_those_that_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut front = Front::start(folder.path());
    std::thread::scope(|scope| {
        let front = &front;
        let short = scope.spawn(|| front.ask("SELECT sleep(0.7)", &[]));
        let endless = scope.spawn(|| {
            front.ask(
                "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(number)",
                &[("max_execution_time", "60")],
            )
        });
        eventually("both run", Duration::from_secs(10), || front.run("SELECT count() FROM system.processes") == "3\n");
        front.signal(libc::SIGTERM);
        assert_eq!(short.join().unwrap().body, "0\n");
        assert_eq!(endless.join().unwrap().header("x-clickhouse-exception-code"), "394");
    });
    // Not by `wait`, which closes the pipe that keeps the front alive.
    let ended = loop {
        match front.child.try_wait().unwrap() {
            Some(ended) => break ended,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    assert_eq!(ended.code(), Some(0), "{ended}");
}

#[test]
fn a_start_that_cannot_be_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let front = Front::start(folder.path());
    let said = |listen: &str| {
        let mut child = spawn(folder.path(), listen);
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(2));
        text
    };
    assert!(said("127.0.0.1:0").contains("is in use by another process"), "one front per folder");
    assert!(said("0.0.0.0:0").contains("listens on loopback only"));
    drop(front);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(said(&taken.local_addr().unwrap().to_string()).contains("could not listen on"));
}
