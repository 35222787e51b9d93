//! The identity log on a real Kafka: one order, the same graph for all who follow it.

#![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

mod support;

use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use schemas::{Command, Edge, Identifier, Key, LinkProvenance};
use stream::{Follower, KafkaConfig, LogApplier, LogProducer, RulesEntry, StreamError};
use support::World;
use tokio::time::timeout;

/// Stands in for the graph: its state depends on every command and on their order.
#[derive(Default)]
struct Applied(Mutex<(u64, Vec<i64>, usize)>);

impl Applied {
    fn fingerprint(&self) -> (u64, usize) {
        let state = self.0.lock().unwrap();
        (state.0, state.2)
    }
}

impl LogApplier for Applied {
    fn apply(&self, offset: i64, time_ms: i64, commands: &[Command]) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut state = self.0.lock().unwrap();
        assert!(state.1.last().is_none_or(|last| *last < offset), "once, and in order");
        assert!(time_ms > 0);
        let mut hasher = DefaultHasher::new();
        (state.0, offset, time_ms, format!("{commands:?}")).hash(&mut hasher);
        state.0 = hasher.finish();
        state.1.push(offset);
        state.2 += commands.len();
        if commands.iter().any(|command| matches!(command, Command::Link { edges, .. } if edges.is_empty())) {
            return Err("a link without edges".into());
        }
        Ok(())
    }
}

fn link(number: u64) -> Command {
    let identifier = |kind, key| Identifier { kind, key: Key(key) };
    let edges = vec![Edge { hub: identifier(0, u128::from(number)), other: identifier(1, u128::from(number) << 64) }];
    let provenance = LinkProvenance { source: "web".into(), event_id: format!("e{number}").into(), event_time_ms: 1 };
    Command::Link { edges, provenance }
}

fn rules(max_links: u32) -> RulesEntry {
    RulesEntry {
        hash: [u8::try_from(max_links).unwrap(); 16],
        rules_json: format!(r#"{{"types":[{{"name":"phone","max_links":{max_links}}}]}}"#),
    }
}

struct Log {
    world: World,
    info: stream::TopicInfo,
    producer: LogProducer,
}

impl Log {
    async fn new() -> Self {
        let world = World::new().await;
        let info = world.info(&world.topics.identity_log).await;
        let producer = LogProducer::new(&world.config, &info).unwrap();
        Self { world, info, producer }
    }

    async fn follow(&self, rules: RulesEntry) -> (Follower, Arc<Applied>) {
        let applied = Arc::new(Applied::default());
        let applier = Arc::clone(&applied) as Arc<dyn LogApplier>;
        let follower =
            Follower::spawn(&self.world.config, &self.info, &self.producer, applier, rules, 0).await.unwrap();
        (follower, applied)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_followers_and_a_late_one_reach_the_same_state() {
    let log = Log::new().await;
    let (one, first) = log.follow(rules(3)).await;
    one.wait_caught_up().await.unwrap();
    assert_eq!((one.applied(), one.lag()), (0, 0));
    let (two, second) = log.follow(rules(3)).await;

    // Several writers at once, as the partitions of a resolver are.
    let writers: Vec<_> = (0..4u64)
        .map(|writer| {
            let producer = log.producer.clone();
            tokio::spawn(async move {
                let mut last = None;
                for batch in 0..25 {
                    let commands: Vec<Command> = (0..40).map(|n| link(writer << 32 | batch << 16 | n)).collect();
                    last = producer.append(&commands).await.unwrap();
                }
                last.unwrap()
            })
        })
        .collect();
    let mut last = 0;
    for writer in writers {
        last = last.max(writer.await.unwrap());
    }
    assert_eq!(log.producer.end_offset().await.unwrap(), last + 1);
    one.wait_applied(last).await.unwrap();
    two.wait_applied(last).await.unwrap();
    assert_eq!(one.applied(), last);
    let (late, third) = log.follow(rules(3)).await;
    late.wait_caught_up().await.unwrap();
    assert_eq!(first.fingerprint().1, 4 * 25 * 40 + 1);
    assert_eq!(first.fingerprint(), second.fingerprint());
    assert_eq!(first.fingerprint(), third.fingerprint());
    assert_eq!(late.lag(), 0);

    one.close().await;
    assert!(matches!(one.wait_applied(last + 1).await, Err(StreamError::Closed)));
    log.world.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_commands_are_few_messages_and_nothing_is_no_message() {
    let log = Log::new().await;
    let (follower, applied) = log.follow(rules(3)).await;
    let commands: Vec<Command> = (0..50_000).map(link).collect();
    let last = log.producer.append(&commands).await.unwrap().unwrap();
    assert!(last < 40, "{last}");
    assert_eq!(log.producer.append(&[]).await.unwrap(), None);
    follower.wait_applied(last).await.unwrap();
    assert_eq!(applied.fingerprint().1, 50_001);
    log.world.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_find_the_log_empty_at_once_both_go_on() {
    let log = Log::new().await;
    let (one, two) = tokio::join!(log.follow(rules(3)), log.follow(rules(3)));
    let last = log.producer.append(&[link(1)]).await.unwrap().unwrap();
    one.0.wait_applied(last).await.unwrap();
    two.0.wait_applied(last).await.unwrap();
    assert_eq!(one.1.fingerprint(), two.1.fingerprint());
    log.world.clean_up().await;
}

/// The log is the truth; whether one can go on under its rules is for the applier to say.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_log_keeps_its_rules() {
    let log = Log::new().await;
    let (one, first) = log.follow(rules(3)).await;
    one.wait_caught_up().await.unwrap();
    let (two, second) = log.follow(rules(4)).await;
    two.wait_caught_up().await.unwrap();
    assert_eq!(log.producer.end_offset().await.unwrap(), 1, "the second wrote none");
    assert_eq!(first.fingerprint(), second.fingerprint());
    log.world.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_rules_or_with_foreign_bytes_is_not_followed() {
    let log = Log::new().await;
    log.producer.append(&[link(1)]).await.unwrap();
    let (follower, _) = log.follow(rules(3)).await;
    let error = follower.wait_caught_up().await.unwrap_err();
    assert!(error.to_string().contains("does not begin with its rules"), "{error}");

    let log = Log::new().await;
    let (follower, applied) = log.follow(rules(3)).await;
    log.world.write(&log.world.topics.identity_log, 7..8).await;
    log.producer.append(&[link(1)]).await.unwrap();
    let error = follower.wait_applied(2).await.unwrap_err();
    assert!(matches!(error, StreamError::Log { offset: 1, .. }), "{error}");
    assert_eq!((follower.applied(), applied.fingerprint().1), (0, 1));
    log.world.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_cannot_be_applied_stops_the_follower() {
    let log = Log::new().await;
    let (follower, _) = log.follow(rules(3)).await;
    let Command::Link { provenance, .. } = link(1) else { unreachable!() };
    let last = log.producer.append(&[Command::Link { edges: vec![], provenance }]).await.unwrap().unwrap();
    let error = follower.wait_applied(last).await.unwrap_err();
    assert!(error.to_string().contains("a link without edges"), "{error}");
    log.world.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_what_is_not_there_waits() {
    let log = Log::new().await;
    let (follower, _) = log.follow(rules(3)).await;
    follower.wait_caught_up().await.unwrap();
    assert!(timeout(Duration::from_millis(500), follower.wait_applied(1)).await.is_err());
    log.producer.append(&[link(1)]).await.unwrap();
    follower.wait_applied(1).await.unwrap();
    log.world.clean_up().await;
}

#[tokio::test]
async fn a_log_of_two_partitions_is_refused() {
    let info = stream::TopicInfo { name: "log".into(), id: uuid::Uuid::nil(), partitions: 2, log_append_time: true };
    assert!(matches!(LogProducer::new(&KafkaConfig::default(), &info), Err(StreamError::Config(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_looks_writes_nothing_and_takes_the_log_s_rules() {
    let log = Log::new().await;
    let look = async || {
        let applied = Arc::new(Applied::default());
        let applier = Arc::clone(&applied) as Arc<dyn LogApplier>;
        let follower = Follower::observe(&log.world.config, &log.info, &log.producer, applier, 0).await.unwrap();
        follower.wait_caught_up().await.unwrap();
        (follower, applied)
    };
    let (empty, applied) = look().await;
    assert_eq!((empty.end_at_start(), empty.applied(), applied.fingerprint().1), (0, -1, 0));
    assert_eq!(log.producer.end_offset().await.unwrap(), 0, "an empty log stays empty");

    let (resolver, _) = log.follow(rules(3)).await;
    resolver.wait_caught_up().await.unwrap();
    log.producer.append(&[link(1)]).await.unwrap();
    let (full, applied) = look().await;
    assert_eq!((full.end_at_start(), full.applied(), applied.fingerprint().1), (2, 1, 2));
    log.world.clean_up().await;
}
