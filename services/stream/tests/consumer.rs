//! The consumer on a real Kafka.

#![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

mod support;

use std::time::Duration;

use stream::{ConsumerEvent, ConsumerLimits, PartitionId, Plan, StreamError};
use support::{PATIENCE, World};
use tokio::time::timeout;

const FIRST: PartitionId = PartitionId { topic_index: 0, partition: 0 };

#[tokio::test(flavor = "multi_thread")]
async fn reads_every_record_once_from_where_it_is_told_and_says_where_the_log_ends() {
    let world = World::new().await;
    let infos = [world.info(&world.topics.web).await, world.info(&world.topics.form).await];
    world.write(&world.topics.web, 0..1000).await;
    world.write(&world.topics.form, 0..100).await;
    let mut member = world.join("read", &infos, ConsumerLimits::default());
    member.until_owns(6).await;
    // Nothing comes before it is asked for.
    assert!(timeout(Duration::from_millis(700), member.events.recv()).await.is_err());
    member.start_all(0);
    member.until_read(1100).await;
    while member.ends.len() < 6 {
        member.next().await;
    }
    for (partition, owned) in &member.owned {
        assert_eq!((owned.low, &owned.committed), (0, &None));
        assert_eq!(member.ends[partition], owned.high);
        let read = member.read.get(partition).map_or(0, Vec::len);
        assert_eq!(i64::try_from(read).unwrap(), owned.high);
    }
    let now_ms = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let record = &member.read.values().next().unwrap()[0];
    assert!((now_ms - record.append_time_ms).abs() < 60_000);
    assert_eq!(record.key, record.payload);

    // Again, from the middle of one partition.
    let (partition, end) = (FIRST, member.ends[&FIRST]);
    member.read.clear();
    member.handle.start(partition, member.owned[&partition].epoch, end - 7);
    member.until_read(7).await;
    assert_eq!(member.read[&partition][0].offset, end - 7);
    member.handle.close().await.unwrap();
    world.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_there_for_the_next_owner_and_for_the_admin() {
    let world = World::new().await;
    let info = world.info(&world.topics.web).await;
    world.write(&world.topics.web, 0..400).await;
    let plan =
        Plan { topic_id: info.id, lease_ms: 60_000, decision_hash: 42, ends: (6..6 + Plan::MAX_ENDS as i64).collect() };
    let metadata = plan.encode(5).unwrap();

    let mut first = world.join("plan", std::slice::from_ref(&info), ConsumerLimits::default());
    first.until_owns(4).await;
    first.commit(FIRST, 5, &metadata).await.unwrap();
    // The last of several wins, and they may be asked for at once.
    let others = (1..4).map(|partition| PartitionId { partition, ..FIRST });
    let commits = others.map(|partition| first.commit(partition, 9, "x"));
    futures_join(commits).await;
    first.handle.close().await.unwrap();

    let group = world.config.group("plan");
    let committed = world.admin.committed(&group, &info.name, 4).await.unwrap();
    assert_eq!(committed[0].as_ref().unwrap().metadata, metadata);
    assert_eq!(committed[3].as_ref().unwrap().offset, 9);
    assert_eq!(world.admin.committed(&world.config.group("other"), &info.name, 4).await.unwrap(), [const { None }; 4]);

    let mut second = world.join("plan", &[info], ConsumerLimits::default());
    second.until_owns(4).await;
    let committed = second.owned[&FIRST].committed.clone().unwrap();
    assert_eq!(committed.offset, 5);
    assert_eq!(Plan::decode(&committed.metadata, 5).unwrap(), Some(plan));
    second.handle.close().await.unwrap();
    world.clean_up().await;
}

async fn futures_join(futures: impl Iterator<Item = impl Future<Output = stream::Result<()>>>) {
    for future in futures {
        future.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_kafka_will_not_keep_is_refused_and_the_partition_lives_on() {
    let world = World::new().await;
    let info = world.info(&world.topics.web).await;
    let mut member = world.join("large", &[info], ConsumerLimits::default());
    member.until_owns(4).await;
    let error = member.commit(FIRST, 5, &"x".repeat(5000)).await.unwrap_err();
    assert!(matches!(error, StreamError::Broker { .. }), "{error}");
    member.commit(FIRST, 5, "small").await.unwrap();
    member.handle.close().await.unwrap();
    world.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_share_cooperatively_and_a_past_epoch_cannot_commit() {
    let world = World::new().await;
    let info = world.info(&world.topics.web).await;
    world.write(&world.topics.web, 0..1000).await;
    let mut first = world.join("share", std::slice::from_ref(&info), ConsumerLimits::default());
    first.until_owns(4).await;
    first.start_all(0);
    let before = first.owned.clone();

    let mut second = world.join("share", &[info], ConsumerLimits::default());
    tokio::select! {
        () = second.until_owns(2) => {}
        () = async { loop { first.next().await; } } => {}
    }
    first.until_owns(2).await;
    for (partition, owned) in &first.owned {
        assert_eq!(owned.epoch, before[partition].epoch, "what stays is not touched");
    }
    let (gone, old) = before.iter().find(|(partition, _)| !first.owned.contains_key(*partition)).unwrap();
    let error = first.handle.commit(*gone, old.epoch, 3, String::new()).await.unwrap_err();
    assert!(matches!(error, StreamError::NotAssigned), "{error}");
    second.commit(*gone, 4, "mine").await.unwrap();
    let kept = *first.owned.keys().next().unwrap();
    first.commit(kept, 2, "mine too").await.unwrap();

    // Leaving gives everything to the other.
    second.handle.close().await.unwrap();
    while let Some(event) = second.events.recv().await {
        second.note(event);
    }
    assert!(second.owned.is_empty(), "everything was revoked at the end");
    first.until_owns(4).await;
    assert_ne!(first.owned[gone].epoch, old.epoch);
    assert_eq!(first.owned[gone].committed.as_ref().unwrap().metadata, "mine");
    // The old epoch is dead also for its old owner, and starting in it does nothing.
    let error = first.handle.commit(*gone, old.epoch, 9, String::new()).await.unwrap_err();
    assert!(matches!(error, StreamError::NotAssigned), "{error}");
    first.handle.start(*gone, old.epoch, 0);
    let again = (*gone, first.owned[gone].epoch);
    first.read.remove(gone);
    first.handle.start(again.0, again.1, 4);
    while !first.read.contains_key(gone) {
        first.next().await;
    }
    assert_eq!(first.read[gone][0].offset, 4);
    first.handle.close().await.unwrap();
    world.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_consumed_is_not_read_on() {
    let world = World::new().await;
    let info = world.info(&world.topics.web).await;
    world.write(&world.topics.web, 0..20_000).await;
    let limits = ConsumerLimits { buffer_bytes_per_partition: 64 * 1024, chunk_bytes: 16 * 1024, ..Default::default() };
    let mut member = world.join("bounded", &[info], limits);
    member.until_owns(4).await;
    member.start_all(0);
    // Take in without giving back, until nothing more comes.
    let mut held = Vec::new();
    while let Ok(Some(event)) = timeout(Duration::from_secs(2), member.events.recv()).await {
        if let ConsumerEvent::Records { partition, epoch, ref records, bytes } = event {
            let read = member.read.entry(partition).or_default();
            read.extend(records.iter().cloned());
            held.push((partition, epoch, bytes));
        }
    }
    for partition in member.owned.keys() {
        let bytes: usize = held.iter().filter(|(held, ..)| held == partition).map(|(.., bytes)| bytes).sum();
        assert!((60 * 1024..80 * 1024).contains(&bytes), "{partition:?} holds {bytes}");
    }
    // Given back, everything comes, once.
    for (partition, epoch, bytes) in held {
        member.handle.consumed(partition, epoch, bytes);
    }
    member.until_read(20_000).await;
    let mut numbers: Vec<usize> = member
        .read
        .values()
        .flatten()
        .map(|record| std::str::from_utf8(record.payload.as_ref().unwrap()).unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..20_000).collect::<Vec<_>>());
    member.handle.close().await.unwrap();
    world.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engines_own_pause_holds_until_it_is_lifted() {
    let world = World::new().await;
    let info = world.info(&world.topics.ad_spend).await;
    let mut member = world.join("pause", &[info], ConsumerLimits::default());
    member.until_owns(1).await;
    let epoch = member.owned[&FIRST].epoch;
    member.handle.start(FIRST, epoch, 0);
    while member.next().await != "eof" {}
    member.handle.pause(FIRST, epoch);
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.write(&world.topics.ad_spend, 0..10).await;
    assert!(timeout(Duration::from_secs(1), member.events.recv()).await.is_err());
    member.handle.resume(FIRST, epoch);
    member.until_read(10).await;
    member.handle.close().await.unwrap();
    world.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_that_is_not_in_the_log_is_told_with_its_partition() {
    let world = World::new().await;
    let info = world.info(&world.topics.ad_spend).await;
    let mut member = world.join("range", &[info], ConsumerLimits::default());
    member.until_owns(1).await;
    let epoch = member.owned[&FIRST].epoch;
    member.handle.start(FIRST, epoch, 1000);
    let event = timeout(PATIENCE, member.events.recv()).await.unwrap().unwrap();
    let ConsumerEvent::Error { partition, fatal, error } = event else { panic!("{event:?}") };
    assert_eq!((partition, fatal), (Some((FIRST, epoch)), false));
    assert!(matches!(error, StreamError::OffsetOutOfRange { offset: 1000 }), "{error}");
    member.handle.close().await.unwrap();
    world.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_recreated_while_it_is_read_stops_the_consumer() {
    let world = World::new().await;
    let topic = &world.topics.ad_spend;
    let info = world.info(topic).await;
    let mut stale = info.clone();
    world.admin.delete_topics(&[&topic.name]).await.unwrap();
    world.admin.ensure_topics(&world.topics).await.unwrap();
    let fresh = world.info(topic).await;
    assert_ne!(info.id, fresh.id, "the same name, another topic");
    assert!(!fresh.id.is_nil());

    stale.partitions = fresh.partitions;
    let mut member = world.join("recreated", &[stale], ConsumerLimits::default());
    let event = timeout(PATIENCE, member.events.recv()).await.unwrap().unwrap();
    assert!(
        matches!(event, ConsumerEvent::Error { fatal: true, error: StreamError::TopicRecreated { .. }, .. }),
        "{event:?}"
    );
    assert!(timeout(PATIENCE, member.events.recv()).await.unwrap().is_none(), "it has ended");
    world.clean_up().await;
}
