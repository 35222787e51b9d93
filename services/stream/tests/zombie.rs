//! A process that slept through the loss of its partitions cannot commit (clause 3 of exactly-once).
//!
//! The sleeper is this test's own binary, started again as another process and stopped by SIGSTOP.

#![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use stream::{ConsumerLimits, GroupConsumer, KafkaConfig, StreamError};
use support::{Member, World};

const SLEEPER: &str = "TRIBUTARY_TEST_SLEEPER";

/// Not a test of its own: what the other process does.
#[tokio::test(flavor = "multi_thread")]
async fn sleeper() {
    let Ok(prefix) = std::env::var(SLEEPER) else {
        return;
    };
    let config = KafkaConfig {
        brokers: support::brokers(),
        topic_prefix: format!("{prefix}."),
        group_prefix: prefix,
        session_timeout_ms: 6_000,
        ..KafkaConfig::default()
    };
    let admin = stream::Admin::connect(&config).unwrap();
    let info = admin.describe_topics(&[&config.topic("ad.spend")]).await.unwrap();
    let (handle, events) = GroupConsumer::spawn(&config, &config.group("z"), info, ConsumerLimits::default()).unwrap();
    let mut member = Member::of(handle, events);
    member.until_owns(1).await;
    let (partition, owned) = member.owned.clone().into_iter().next().unwrap();
    // Commits in the first epoch, whatever else is told, until it is refused.
    for number in 1.. {
        match member.handle.commit(partition, owned.epoch, number, "sleeper".to_owned()).await {
            Ok(()) => println!("committed"),
            Err(StreamError::NotAssigned) => {
                println!("refused");
                break;
            }
            Err(error) => println!("error {error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

struct Sleeper(Child);

impl Sleeper {
    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_slept_too_long_cannot_commit() {
    let world = World::new().await;
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sleeper", "--nocapture"])
        .env(SLEEPER, &world.config.group_prefix)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let sleeper = Sleeper(child);
    assert!(lines.any(|line| line == "committed"));

    sleeper.signal("-STOP");
    let info = world.info(&world.topics.ad_spend).await;
    let mut member = world.join("z", std::slice::from_ref(&info), ConsumerLimits::default());
    // After the sleeper's session has lapsed.
    member.until_owns(1).await;
    let partition = *member.owned.keys().next().unwrap();
    let committed = member.owned[&partition].committed.clone().unwrap();
    assert_eq!(committed.metadata, "sleeper");
    member.commit(partition, 1_000_000, "awake").await.unwrap();

    sleeper.signal("-CONT");
    // What it had under way when it was stopped may still be acknowledged to it; then it is refused.
    let told: Vec<String> = lines.take_while(|line| !line.starts_with("test ")).collect();
    assert!(told.iter().all(|line| line == "committed" || line == "refused"), "{told:?}");
    assert!(told.iter().any(|line| line == "refused"), "{told:?}");
    let committed = world.admin.committed(&world.config.group("z"), &info.name, 1).await.unwrap();
    assert_eq!(committed[0].as_ref().unwrap().metadata, "awake");
    drop(sleeper);
    member.handle.close().await.unwrap();
    world.clean_up().await;
}
