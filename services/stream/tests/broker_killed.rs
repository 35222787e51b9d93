//! A broker that is killed under the hands of everybody: nothing acknowledged is lost, nothing is read or written
//! twice, and all go on by themselves. It is a broker of this test's own.

#![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use devstack::{Options, Part, Progress, Stack};
use schemas::{Command, Edge, Identifier, Key, LinkProvenance};
use stream::{
    ConsumerLimits, Follower, LogApplier, LogProducer, Message, PartitionId, Plan, Producer, ProducerLimits,
    RulesEntry, StreamError,
};
use support::{Member, World};

const RECORDS: usize = 30_000;
const KILLS: usize = 3;

struct Broker {
    stack: Arc<Stack>,
    _folder: tempfile::TempDir,
}

impl Broker {
    async fn start() -> (Self, String) {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::from_env(folder.path());
        options.brokers = None;
        options.kafka_port = 0;
        options.parts = vec![Part::Kafka];
        options.progress = Progress::Silent;
        let stack = Arc::new(Stack::new(options));
        let up = Arc::clone(&stack);
        let endpoints = tokio::task::spawn_blocking(move || up.up()).await.unwrap().unwrap();
        (Self { stack, _folder: folder }, endpoints.brokers)
    }

    async fn kill(&self) {
        let stack = Arc::clone(&self.stack);
        tokio::task::spawn_blocking(move || stack.kill(Part::Kafka, 9)).await.unwrap().unwrap();
    }

    async fn restart(&self) {
        let stack = Arc::clone(&self.stack);
        tokio::task::spawn_blocking(move || stack.start_one(Part::Kafka)).await.unwrap().unwrap();
    }

    async fn kill_and_restart(&self) {
        self.kill().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.restart().await;
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.stack.reset();
    }
}

#[derive(Default)]
struct Counter {
    commands: AtomicUsize,
    last: AtomicI64,
}

impl LogApplier for Counter {
    fn apply(&self, offset: i64, _: i64, commands: &[Command]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        assert!(self.last.swap(offset, Ordering::SeqCst) <= offset);
        self.commands.fetch_add(commands.len(), Ordering::SeqCst);
        Ok(())
    }
}

fn link(number: u128) -> Command {
    let edge = Edge { hub: Identifier { kind: 0, key: Key(number) }, other: Identifier { kind: 1, key: Key(!number) } };
    let provenance = LinkProvenance { source: "web".into(), event_id: "e".into(), event_time_ms: 1 };
    Command::Link { edges: vec![edge], provenance }
}

/// Reads everything and commits a plan for all it has read, again and again, as the engine does.
async fn read_and_commit(mut member: Member, topic_id: uuid::Uuid, count: usize) -> Member {
    let mut started: HashMap<PartitionId, u64> = HashMap::new();
    let mut refused = 0;
    while member.read.values().map(Vec::len).sum::<usize>() < count {
        member.next().await;
        for (partition, owned) in &member.owned {
            let position = member.read.get(partition).and_then(|read| read.last()).map_or(0, |last| last.offset + 1);
            if started.insert(*partition, owned.epoch) != Some(owned.epoch) {
                let committed = owned.committed.as_ref().map_or(0, |committed| committed.offset);
                assert!(committed <= position, "a commit that nobody made");
                member.handle.start(*partition, owned.epoch, position);
            } else if position > 0 {
                let plan = Plan { topic_id, lease_ms: 1000, decision_hash: 7, ends: vec![position + 1] };
                let begun = Instant::now();
                if let Err(error) = member.commit(*partition, position, &plan.encode(position).unwrap()).await {
                    eprintln!("commit after {:?}: {error}", begun.elapsed());
                    refused += 1;
                }
                assert!(begun.elapsed() < Duration::from_secs(25));
            }
        }
    }
    eprintln!("{refused} commits had no success");
    member
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_the_broker_is_killed() {
    let (broker, brokers) = Broker::start().await;
    let world = World::on(brokers).await;
    let info = world.info(&world.topics.web).await;
    let log_info = world.info(&world.topics.identity_log).await;
    let log = LogProducer::new(&world.config, &log_info).unwrap();
    let counter = Arc::new(Counter::default());
    let rules = RulesEntry { hash: [1; 16], rules_json: "{}".to_owned() };
    let applier = Arc::clone(&counter) as Arc<dyn LogApplier>;
    let follower = Follower::spawn(&world.config, &log_info, &log, applier, rules, 0).await.unwrap();

    let limits = ConsumerLimits { commit_timeout: Duration::from_secs(20), ..ConsumerLimits::default() };
    let mut member = world.join("killed", std::slice::from_ref(&info), limits);
    member.until_owns(4).await;
    let reader = tokio::spawn(read_and_commit(member, info.id, RECORDS));

    let producer = Producer::new(&world.config, ProducerLimits { max_in_flight: 500 }).unwrap();
    let topic = world.topics.web.name.clone();
    let writer = tokio::spawn(async move {
        for number in 0..RECORDS {
            let text = number.to_string();
            let message = Message { topic: &topic, key: Some(text.as_bytes()), payload: text.as_bytes(), headers: &[] };
            producer.send(message).await.unwrap();
            if number % 100 == 0 {
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        }
        producer.flush().await.unwrap();
    });
    let appender = {
        let log = log.clone();
        tokio::spawn(async move {
            let mut last = None;
            for number in 0..200 {
                last = log.append(&[link(number)]).await.unwrap();
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            last.unwrap()
        })
    };
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let begun = Instant::now();
        broker.kill_and_restart().await;
        eprintln!("the broker was back after {:?}", begun.elapsed());
    }
    writer.await.unwrap();
    let last = appender.await.unwrap();
    follower.wait_applied(last).await.unwrap();
    // The rules, and each link once: the producer is idempotent over the broker's death.
    assert_eq!(counter.commands.load(Ordering::SeqCst), 201);
    assert_eq!(log.end_offset().await.unwrap(), 201);

    let member = reader.await.unwrap();
    let mut numbers: Vec<usize> = member
        .read
        .values()
        .flatten()
        .map(|record| std::str::from_utf8(record.payload.as_ref().unwrap()).unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..RECORDS).collect::<Vec<_>>());

    // A commit that was acknowledged before a kill is there after it.
    let (partition, owned) = member.owned.iter().next().unwrap();
    let plan = Plan { topic_id: info.id, lease_ms: 1000, decision_hash: 8, ends: vec![12] };
    member.handle.commit(*partition, owned.epoch, 5, plan.encode(5).unwrap()).await.unwrap();
    broker.kill_and_restart().await;
    let group = world.config.group("killed");
    let committed = world.admin.committed(&group, &info.name, 4).await.unwrap();
    let committed = committed[usize::try_from(partition.partition).unwrap()].clone().unwrap();
    assert_eq!(Plan::decode(&committed.metadata, committed.offset).unwrap(), Some(plan));
    member.handle.close().await.unwrap();
    follower.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_not_answered_ends_in_time_and_leaving_does_too() {
    let (broker, brokers) = Broker::start().await;
    let world = World::on(brokers).await;
    let info = world.info(&world.topics.web).await;
    let limits = ConsumerLimits { commit_timeout: Duration::from_secs(1), ..ConsumerLimits::default() };
    let mut member = world.join("away", std::slice::from_ref(&info), limits.clone());
    member.until_owns(4).await;
    let mut owned = member.owned.clone().into_iter();
    let ((one, first), (two, second)) = (owned.next().unwrap(), owned.next().unwrap());
    member.handle.commit(one, first.epoch, 3, "before".to_owned()).await.unwrap();

    broker.kill().await;
    // The first waits for its own answer, the second behind it.
    for (partition, epoch, offset) in [(one, first.epoch, 4), (two, second.epoch, 4), (one, first.epoch, 5)] {
        let begun = Instant::now();
        let error = member.handle.commit(partition, epoch, offset, "away".to_owned()).await.unwrap_err();
        assert!(matches!(error, StreamError::CommitTimeout | StreamError::NotAssigned), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
    broker.restart().await;
    // It goes on by itself, in the old epoch or a new one.
    let begun = Instant::now();
    loop {
        while let Ok(event) = member.events.try_recv() {
            member.note(event);
        }
        if let Some(owned) = member.owned.get(&one)
            && member.handle.commit(one, owned.epoch, 6, "after".to_owned()).await.is_ok()
        {
            break;
        }
        assert!(begun.elapsed() < support::PATIENCE);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let committed = world.admin.committed(&world.config.group("away"), &info.name, 4).await.unwrap();
    let committed = committed[usize::try_from(one.partition).unwrap()].clone().unwrap();
    assert_eq!((committed.offset, committed.metadata.as_str()), (6, "after"));

    broker.kill().await;
    let begun = Instant::now();
    member.handle.close().await.unwrap();
    eprintln!("left a group without a broker in {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
}
