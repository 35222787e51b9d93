//! What is written, read back from a real Kafka.

#![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

mod support;

use std::sync::Arc;

use bytes::Bytes;
use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, OwnedMessage};
use schemas::{AttributionRequest, Key, Position, RawBatch, RawRecord, Reason, Rejection, RequestReason, Source};
use stream::{Admin, DeadLetterProducer, Message, Producer, ProducerLimits, RequestProducer, StreamError};
use support::{PATIENCE, World};

/// Everything in a topic, by a client that shares nothing with the code under test.
fn everything(topic: &str, count: usize) -> Vec<OwnedMessage> {
    let consumer: BaseConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", support::brokers())
        .set("group.id", uuid::Uuid::new_v4().to_string())
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let started = std::time::Instant::now();
    let mut messages = Vec::new();
    while messages.len() < count {
        assert!(started.elapsed() < PATIENCE, "{} of {count}", messages.len());
        if let Some(Ok(message)) = consumer.poll(std::time::Duration::from_millis(200)) {
            messages.push(message.detach());
        }
    }
    messages
}

fn header(message: &OwnedMessage, key: &str) -> Option<String> {
    let headers = message.headers()?;
    let value = headers.iter().find(|header| header.key == key)?.value?;
    Some(String::from_utf8(value.to_vec()).unwrap())
}

fn batch(payloads: Vec<Option<Bytes>>) -> RawBatch {
    let records: Vec<RawRecord> = (100..)
        .step_by(2)
        .zip(payloads)
        .map(|(offset, payload)| RawRecord { offset, append_time_ms: 1, key: Some(Bytes::from_static(b"k")), payload })
        .collect();
    RawBatch {
        source: Source::Web,
        topic: Arc::from("events.web"),
        topic_id: uuid::Uuid::from_u128(9),
        partition: 3,
        first: 100,
        end: 200,
        records,
    }
}

fn rejection(batch: &RawBatch, offset: i64) -> Rejection {
    Rejection {
        position: Position { topic_id: batch.topic_id, partition: batch.partition, offset },
        reason: Reason::InvalidMoney,
        field: "order.currency".into(),
        byte_offset: Some(17),
        detail: "`€` is no currency code".to_owned(),
        event_id: "".into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_the_records_own_bytes_with_the_reason_in_headers() {
    let world = World::new().await;
    let topic = &world.topics.dead_letters.name;
    let batch = batch(vec![Some(Bytes::from_static(b"fine")), Some(Bytes::from_static(b"\x00\xff{")), None]);
    let letters = DeadLetterProducer::new(&world.config, topic).unwrap();
    letters.send(&batch, &[rejection(&batch, 102), rejection(&batch, 104)]).await.unwrap();
    let mut read = everything(topic, 2);
    read.sort_by_key(|letter| header(letter, "tributary.offset"));
    assert_eq!(read[0].payload(), Some(&b"\x00\xff{"[..]));
    assert_eq!(read[0].key(), Some(&b"k"[..]));
    assert_eq!(read[1].payload(), None);
    let expected = [
        ("topic", "events.web"),
        ("topic_id", "00000000-0000-0000-0000-000000000009"),
        ("partition", "3"),
        ("offset", "102"),
        ("reason", "invalid_money"),
        ("field", "order.currency"),
        ("byte_offset", "17"),
        ("detail", "`€` is no currency code"),
    ];
    for (key, value) in expected {
        assert_eq!(header(&read[0], &format!("tributary.{key}")).as_deref(), Some(value), "{key}");
    }
    world.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_too_large_for_the_topic_goes_without_its_payload() {
    let world = World::new().await;
    let topic = &world.topics.dead_letters.name;
    // Noise, because the limit holds for the compressed batch.
    let mut state = 1u64;
    let noise: Vec<u8> = (0..4 * 1024 * 1024)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .collect();
    let batch = batch(vec![Some(Bytes::from(noise)), Some(Bytes::from_static(b"small"))]);
    let letters = DeadLetterProducer::new(&world.config, topic).unwrap();
    letters.send(&batch, &[rejection(&batch, 100), rejection(&batch, 102)]).await.unwrap();
    let mut read = everything(topic, 2);
    read.sort_by_key(|letter| header(letter, "tributary.offset"));
    assert_eq!(read[0].payload(), None);
    assert_eq!(header(&read[0], "tributary.payload_left_out_bytes").as_deref(), Some("4194304"));
    assert_eq!(read[1].payload(), Some(&b"small"[..]));
    world.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_one_customer_meet_in_one_partition() {
    let world = World::new().await;
    let topic = &world.topics.attribution_requests.name;
    let requests: Vec<AttributionRequest> =
        (0..300).map(|n| AttributionRequest { customer: Key(n % 100), reason: RequestReason::Conversion }).collect();
    let producer = RequestProducer::new(&world.config, topic).unwrap();
    producer.send(&requests).await.unwrap();
    let read = everything(topic, 300);
    let mut of = std::collections::HashMap::new();
    for message in &read {
        let request = schemas::request::decode_request(message.payload().unwrap()).unwrap();
        assert_eq!(message.key(), Some(&request.customer.0.to_be_bytes()[..]));
        assert_eq!(*of.entry(request.customer).or_insert(message.partition()), message.partition());
    }
    assert_eq!(of.len(), 100);
    assert!(of.values().any(|partition| *partition != of[&Key(0)]), "spread over partitions");
    world.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_one_key_stay_in_order_and_in_flight_is_bounded() {
    let world = World::new().await;
    let topic = &world.topics.web.name;
    let producer = Producer::new(&world.config, ProducerLimits { max_in_flight: 50 }).unwrap();
    for number in 0..5000u32 {
        let (key, payload) = ((number % 7).to_le_bytes(), number.to_le_bytes());
        let message = Message { topic, key: Some(&key), payload: &payload, headers: &[("n", b"v")] };
        producer.send(message).await.unwrap();
    }
    producer.flush().await.unwrap();
    let mut last = std::collections::HashMap::new();
    for message in everything(topic, 5000) {
        let number = u32::from_le_bytes(message.payload().unwrap().try_into().unwrap());
        let before = last.insert(message.key().unwrap().to_vec(), number);
        assert!(before.is_none_or(|before| before < number));
        assert_eq!(header(&message, "n").as_deref(), Some("v"));
    }
    world.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_not_there_is_an_error_and_not_a_wait() {
    let world = World::new().await;
    let producer = Producer::new(&world.config, ProducerLimits::default()).unwrap();
    let name = format!("{}nowhere", world.config.topic_prefix);
    let message = Message { topic: &name, key: None, payload: b"x", headers: &[] };
    producer.send(message).await.unwrap();
    let error = tokio::time::timeout(PATIENCE, producer.flush()).await.unwrap().unwrap_err();
    assert!(!error.is_retriable(), "{error}");
    world.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_created_once_with_the_brokers_time() {
    let world = World::new().await;
    world.admin.reach().await.unwrap();
    assert!(world.admin.ensure_topics(&world.topics).await.unwrap().is_empty());
    let names: Vec<&str> = world.topics.all().iter().map(|topic| topic.name.as_str()).collect();
    let infos = world.admin.describe_topics(&names).await.unwrap();
    for (topic, info) in world.topics.all().iter().zip(&infos) {
        assert_eq!((topic.name.as_str(), topic.partitions), (&*info.name, info.partitions));
        assert!(info.log_append_time);
    }
    Admin::require_log_append_time(&infos).unwrap();
    let mut wrong = infos;
    wrong[2].log_append_time = false;
    let error = Admin::require_log_append_time(&wrong).unwrap_err().to_string();
    assert!(error.contains(&*wrong[2].name) && error.contains("kafka-configs.sh"), "{error}");
    assert!(!world.admin.cluster_id().await.unwrap().is_empty());
    assert_eq!(world.admin.watermarks(names[0], 0).await.unwrap(), (0, 0));
    assert_eq!(world.admin.group_members(&world.config.group("none")).await.unwrap(), 0);
    let missing = format!("{}missing", world.config.topic_prefix);
    let error = world.admin.describe_topics(&[names[0], &missing]).await.unwrap_err();
    assert!(error.to_string().contains(&missing), "{error}");
    world.clean_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_does_not_answer_is_named_with_the_reason() {
    let config = support::config("127.0.0.1:9".to_owned());
    let admin = Admin::connect(&config).unwrap();
    let error = admin.ensure_topics(&support::topics(&config)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("Kafka at 127.0.0.1:9 does not answer"), "{text}");
    assert!(text.contains("Connection refused"), "{text}");
    assert!(error.is_retriable());
    assert!(matches!(admin.reach().await, Err(StreamError::Unreachable { reason: Some(_), .. })));
}
