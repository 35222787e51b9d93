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

/// Where a message was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

impl Sender {
    pub(crate) fn new(config: &KafkaConfig) -> Result<Self> {
        let producer = RwLock::new(create(config)?);
        Ok(Self {
            inner: Arc::new(Inner {
                config: config.clone(),
                producer,
            }),
        })
    }

    /// Hands a message to librdkafka, which keeps those of one partition in order.
    pub(crate) fn begin(&self, outgoing: Outgoing) -> Pending {
        let producer = Arc::clone(&self.inner.producer.read());
        let first = enqueue(&producer, &outgoing);
        Pending {
            outgoing,
            producer,
            first,
        }
    }

    /// Waits until the message is acknowledged, sending it again as often as it takes. Ends with an error only when
    /// sending again cannot help. Dropping the future gives up; the message may still arrive.
    pub(crate) async fn finish(&self, pending: Pending) -> Result<Written> {
        let Pending {
            outgoing,
            mut producer,
            first,
        } = pending;
        let mut attempt = first;
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        loop {
            let error = match attempt {
                Ok(delivery) => match delivered(delivery).await {
                    Ok(written) => return Ok(written),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            let broken = producer.client().fatal_error().is_some();
            if !broken && !error.is_retriable() {
                return Err(error);
            }
            tracing::warn!(%error, topic = %outgoing.topic, "cannot write to Kafka yet");
            tokio::time::sleep(backoff.next_delay()).await;
            if broken {
                self.replace(&producer)?;
            }
            producer = Arc::clone(&self.inner.producer.read());
            attempt = enqueue(&producer, &outgoing);
        }
    }

    /// Sends all and waits for all.
    pub(crate) async fn send_all(
        &self,
        messages: impl IntoIterator<Item = Outgoing>,
    ) -> Result<Vec<Written>> {
        let mut messages = messages.into_iter().peekable();
        let mut written = Vec::new();
        while messages.peek().is_some() {
            let pending: Vec<Pending> = messages
                .by_ref()
                .take(WINDOW)
                .map(|message| self.begin(message))
                .collect();
            for pending in pending {
                written.push(self.finish(pending).await?);
            }
        }
        Ok(written)
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
    let producer = config.producer_client()?.create_with_context(LogContext);
    producer
        .map(Arc::new)
        .map_err(StreamError::kafka("create a producer"))
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
    producer
        .send_result(record)
        .map_err(|(error, _)| StreamError::Kafka {
            doing: DOING,
            error,
        })
}

async fn delivered(delivery: DeliveryFuture) -> Result<Written> {
    match delivery.await {
        Ok(Ok(delivery)) => Ok(Written {
            partition: delivery.partition,
            offset: delivery.offset,
        }),
        Ok(Err((error, _))) => Err(StreamError::Kafka {
            doing: DOING,
            error,
        }),
        // The producer was dropped with the message still in it.
        Err(_) => Err(StreamError::Closed),
    }
}
