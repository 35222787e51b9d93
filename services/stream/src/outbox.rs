//! What the pipelines write: dead letters, attribution requests, and the source records of importers and generators.

use parking_lot::Mutex;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, OwnedHeaders};
use schemas::request::encode_request;
use schemas::{AttributionRequest, RawBatch, RawRecord, Rejection};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::{Semaphore, oneshot};

use crate::sender::{Outgoing, Sender, Written};
use crate::{KafkaConfig, Result, StreamError};

/// Writes rejected records to the dead-letter topic: their own bytes and key, and in headers why and whence.
#[derive(Clone)]
pub struct DeadLetterProducer {
    sender: Sender,
    topic: Arc<str>,
}

impl DeadLetterProducer {
    /// For the topic of this (full) name.
    pub fn new(config: &KafkaConfig, topic: &str) -> Result<Self> {
        Ok(Self {
            sender: Sender::new(config)?,
            topic: Arc::from(topic),
        })
    }

    /// Writes the records of `batch` that were rejected; returns when the broker has acknowledged all.
    pub async fn send(&self, batch: &RawBatch, rejections: &[Rejection]) -> Result<()> {
        let mut pending = Vec::with_capacity(rejections.len());
        for rejection in rejections {
            let record = record_at(batch, rejection.position.offset);
            let letter = self.letter(batch, record, rejection);
            pending.push((self.sender.begin(letter.clone()), letter));
        }
        for (pending, letter) in pending {
            match self.sender.finish(pending).await {
                Ok(_) => {}
                Err(error) if error.code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                    self.sender.send_all([without_payload(letter)]).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn letter(
        &self,
        batch: &RawBatch,
        record: Option<&RawRecord>,
        rejection: &Rejection,
    ) -> Outgoing {
        let mut headers = OwnedHeaders::new_with_capacity(8);
        headers = header(headers, "tributary.topic", &batch.topic);
        headers = header(headers, "tributary.topic_id", &batch.topic_id.to_string());
        headers = header(headers, "tributary.partition", &batch.partition.to_string());
        headers = header(
            headers,
            "tributary.offset",
            &rejection.position.offset.to_string(),
        );
        headers = header(headers, "tributary.reason", rejection.reason.as_str());
        headers = header(headers, "tributary.detail", &rejection.detail);
        if !rejection.field.is_empty() {
            headers = header(headers, "tributary.field", &rejection.field);
        }
        if let Some(byte_offset) = rejection.byte_offset {
            headers = header(headers, "tributary.byte_offset", &byte_offset.to_string());
        }
        Outgoing {
            topic: Arc::clone(&self.topic),
            partition: None,
            key: record
                .and_then(|record| record.key.as_ref())
                .map(|key| key.to_vec()),
            payload: record
                .and_then(|record| record.payload.as_ref())
                .map(|payload| payload.to_vec()),
            headers: Some(headers),
        }
    }
}

fn header(headers: OwnedHeaders, key: &str, value: &str) -> OwnedHeaders {
    headers.insert(Header {
        key,
        value: Some(value),
    })
}

fn record_at(batch: &RawBatch, offset: i64) -> Option<&RawRecord> {
    let index = batch
        .records
        .binary_search_by_key(&offset, |record| record.offset)
        .ok()?;
    batch.records.get(index)
}

/// A letter that the topic has no room for goes without its payload, which stays where it was; otherwise one record
/// would stall its partition for ever.
fn without_payload(mut letter: Outgoing) -> Outgoing {
    let bytes = letter.payload.take().map_or(0, |payload| payload.len());
    letter.headers = letter.headers.map(|headers| {
        header(
            headers,
            "tributary.payload_left_out_bytes",
            &bytes.to_string(),
        )
    });
    letter
}

/// Writes requests to compute customers' attribution again.
#[derive(Clone)]
pub struct RequestProducer {
    sender: Sender,
    topic: Arc<str>,
}

impl RequestProducer {
    /// For the topic of this (full) name.
    pub fn new(config: &KafkaConfig, topic: &str) -> Result<Self> {
        Ok(Self {
            sender: Sender::new(config)?,
            topic: Arc::from(topic),
        })
    }

    /// Writes the requests, keyed by customer; returns when the broker has acknowledged all.
    pub async fn send(&self, requests: &[AttributionRequest]) -> Result<()> {
        // Collected here: a lazy iterator over borrowed requests would make this future's `Send` depend on its lifetime.
        let messages: Vec<_> = requests
            .iter()
            .map(|request| Outgoing {
                topic: Arc::clone(&self.topic),
                partition: None,
                key: Some(request.customer.0.to_be_bytes().to_vec()),
                payload: Some(encode_request(request)),
                headers: None,
            })
            .collect();
        self.sender.send_all(messages).await.map(drop)
    }
}

/// What bounds a [`Producer`].
#[derive(Debug, Clone)]
pub struct ProducerLimits {
    /// So many messages may wait for their acknowledgement; beyond it, sending waits.
    pub max_in_flight: usize,
}

impl Default for ProducerLimits {
    fn default() -> Self {
        Self {
            max_in_flight: 20_000,
        }
    }
}

/// A message to write.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Full name of the topic.
    pub topic: &'a str,
    /// Key: messages of one key stay in order, in one partition. Hashed as Kafka's own clients do.
    pub key: Option<&'a [u8]>,
    /// Value.
    pub payload: &'a [u8],
    /// Headers.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// Writes any messages, many at once.
pub struct Producer {
    sender: Sender,
    permits: Arc<Semaphore>,
    max_in_flight: u32,
    failed: Arc<Mutex<Option<StreamError>>>,
}

impl Producer {
    /// Makes one.
    pub fn new(config: &KafkaConfig, limits: ProducerLimits) -> Result<Self> {
        let max_in_flight = u32::try_from(limits.max_in_flight.max(1)).unwrap_or(u32::MAX);
        Ok(Self {
            sender: Sender::new(config)?,
            permits: Arc::new(Semaphore::new(max_in_flight as usize)),
            max_in_flight,
            failed: Arc::new(Mutex::new(None)),
        })
    }

    /// Puts a message on its way, waiting while too many are. It is sent until it is acknowledged, whether the
    /// [`Delivery`] is awaited or not.
    pub async fn send(&self, message: Message<'_>) -> Result<Delivery> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| StreamError::Closed)?;
        let pending = self.sender.begin(outgoing(message));
        let (sender, failed) = (self.sender.clone(), Arc::clone(&self.failed));
        let (told, delivery) = oneshot::channel();
        tokio::spawn(async move {
            let result = sender.finish(pending).await;
            if let Err(error) = &result {
                failed.lock().get_or_insert_with(|| error.clone());
            }
            // Most callers rely on `flush`.
            let _ = told.send(result);
            drop(permit);
        });
        Ok(Delivery(delivery))
    }

    /// Waits until every message sent so far is acknowledged; the first failure since the last flush, if there was one.
    pub async fn flush(&self) -> Result<()> {
        let all = self
            .permits
            .acquire_many(self.max_in_flight)
            .await
            .map_err(|_| StreamError::Closed)?;
        drop(all);
        self.failed.lock().take().map_or(Ok(()), Err)
    }
}

fn outgoing(message: Message<'_>) -> Outgoing {
    let headers = (!message.headers.is_empty()).then(|| {
        message.headers.iter().fold(
            OwnedHeaders::new_with_capacity(message.headers.len()),
            |headers, (key, value)| {
                headers.insert(Header {
                    key,
                    value: Some(*value),
                })
            },
        )
    });
    Outgoing {
        topic: Arc::from(message.topic),
        partition: None,
        key: message.key.map(<[u8]>::to_vec),
        payload: Some(message.payload.to_vec()),
        headers,
    }
}

/// Becomes where the message was written.
pub struct Delivery(oneshot::Receiver<Result<Written>>);

impl Future for Delivery {
    type Output = Result<Written>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|told| told.unwrap_or(Err(StreamError::Closed)))
    }
}
