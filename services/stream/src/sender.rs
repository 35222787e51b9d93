use parking_lot::RwLock;
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _};
use std::sync::Arc;
use std::time::Duration;

use crate::backoff::Backoff;
use crate::log::LogContext;
use crate::{KafkaConfig, Result, StreamError};

const DOING: &str = "write to Kafka";

/// So many messages of one call are handed to librdkafka before the first is waited for.
const WINDOW: usize = 10_000;

/// An idempotent producer that sends until the broker has acknowledged. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sender {
    inner: Arc<Inner>,
}

struct Inner {
    config: KafkaConfig,
    producer: RwLock<Native>,
}

type Native = Arc<FutureProducer<LogContext>>;

/// A message that can be sent again.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: Option<i32>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) headers: Option<OwnedHeaders>,
}

/// A message on its way for the first time.
pub(crate) struct Pending {
    outgoing: Outgoing,
    producer: Native,
    first: Result<DeliveryFuture>,
}

impl Sender {
    pub(crate) fn new(config: &KafkaConfig) -> Result<Self> {
        let producer = RwLock::new(create(config)?);
        Ok(Self { inner: Arc::new(Inner { config: config.clone(), producer }) })
    }

    /// Hands a message to librdkafka, which keeps those of one partition in order.
    pub(crate) fn begin(&self, outgoing: Outgoing) -> Pending {
        let producer = Arc::clone(&self.inner.producer.read());
        let first = enqueue(&producer, &outgoing);
        Pending { outgoing, producer, first }
    }

    /// Waits until all are acknowledged, sending again those that failed as often as it takes; their offsets. One ends
    /// with an error only when sending it again cannot help. Dropping the future gives up; messages may still arrive.
    pub(crate) async fn settle(&self, pending: Vec<Pending>) -> Vec<Result<i64>> {
        let mut settled: Vec<Result<i64>> = vec![Err(StreamError::Closed); pending.len()];
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        let mut pending: Vec<(usize, Pending)> = pending.into_iter().enumerate().collect();
        loop {
            let mut again = Vec::new();
            let mut trouble = None;
            for (index, Pending { outgoing, producer, first }) in pending {
                let result = match first {
                    Ok(delivery) => delivered(delivery).await,
                    Err(error) => Err(error),
                };
                match result {
                    Err(error) if producer.client().fatal_error().is_some() || error.is_retriable() => {
                        trouble = Some((error, producer));
                        again.push((index, outgoing));
                    }
                    result => settled[index] = result,
                }
            }
            let Some((error, producer)) = trouble else {
                return settled;
            };
            tracing::warn!(%error, messages = again.len(), "cannot write to Kafka yet");
            tokio::time::sleep(backoff.next_delay()).await;
            if producer.client().fatal_error().is_some()
                && let Err(error) = self.replace(&producer)
            {
                tracing::error!(%error, "cannot replace a producer that is broken");
            }
            pending = again.into_iter().map(|(index, outgoing)| (index, self.begin(outgoing))).collect();
        }
    }

    /// Sends all and waits for all; their offsets.
    pub(crate) async fn send_all(&self, messages: impl IntoIterator<Item = Outgoing>) -> Result<Vec<i64>> {
        let mut messages = messages.into_iter().peekable();
        let mut offsets = Vec::new();
        while messages.peek().is_some() {
            let pending = messages.by_ref().take(WINDOW).map(|message| self.begin(message)).collect();
            for settled in self.settle(pending).await {
                offsets.push(settled?);
            }
        }
        Ok(offsets)
    }

    /// The client in use now, for questions to the cluster.
    pub(crate) fn native(&self) -> Native {
        Arc::clone(&self.inner.producer.read())
    }

    /// After a fatal error librdkafka's producer is of no more use; the first who notices makes another.
    fn replace(&self, broken: &Native) -> Result<()> {
        let mut current = self.inner.producer.write();
        if Arc::ptr_eq(&current, broken) {
            *current = create(&self.inner.config)?;
        }
        Ok(())
    }
}

fn create(config: &KafkaConfig) -> Result<Native> {
    let producer = config.producer_client()?.create_with_context(LogContext::default());
    producer.map(Arc::new).map_err(StreamError::kafka("create a producer"))
}

fn enqueue(producer: &Native, outgoing: &Outgoing) -> Result<DeliveryFuture> {
    let record = FutureRecord::<[u8], [u8]> {
        topic: &outgoing.topic,
        partition: outgoing.partition,
        payload: outgoing.payload.as_deref(),
        key: outgoing.key.as_deref(),
        timestamp: None,
        headers: outgoing.headers.clone(),
    };
    producer.send_result(record).map_err(|(error, _)| StreamError::Kafka { doing: DOING, error })
}

async fn delivered(delivery: DeliveryFuture) -> Result<i64> {
    match delivery.await {
        Ok(Ok(delivery)) => Ok(delivery.offset),
        Ok(Err((error, _))) => Err(StreamError::Kafka { doing: DOING, error }),
        // The producer was dropped with the message still in it.
        Err(_) => Err(StreamError::Closed),
    }
}
