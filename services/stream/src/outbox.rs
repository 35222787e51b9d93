//! What the pipelines write: dead letters, attribution requests, and the source records of importers and generators.

use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, OwnedHeaders};
use schemas::request::encode_request;
use schemas::{AttributionRequest, RawBatch, RawRecord, Rejection};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

use crate::sender::{Outgoing, Pending, Sender};
use crate::{KafkaConfig, Result, StreamError};

/// So many messages are on their way before the first is waited for.
const WINDOW: usize = 1000;

/// Writes rejected records to the dead-letter topic: their own bytes and key, and in headers why and whence.
#[derive(Clone)]
pub struct DeadLetterProducer {
    sender: Sender,
    topic: Arc<str>,
}

impl DeadLetterProducer {
    /// For the topic of this (full) name.
    pub fn new(config: &KafkaConfig, topic: &str) -> Result<Self> {
        Ok(Self { sender: Sender::new(config)?, topic: Arc::from(topic) })
    }

    /// Writes the records of `batch` that were rejected; returns when the broker has acknowledged all.
    pub async fn send(&self, batch: &RawBatch, rejections: &[Rejection]) -> Result<()> {
        let letters: Vec<Outgoing> = rejections.iter().map(|rejection| self.letter(batch, rejection)).collect();
        for letters in letters.chunks(WINDOW) {
            let pending = letters.iter().map(|letter| self.sender.begin(letter.clone())).collect();
            for (settled, letter) in self.sender.settle(pending).await.into_iter().zip(letters) {
                match settled {
                    Err(error) if error.code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                        self.sender.send_all([without_payload(letter.clone())]).await?;
                    }
                    settled => drop(settled?),
                }
            }
        }
        Ok(())
    }

    fn letter(&self, batch: &RawBatch, rejection: &Rejection) -> Outgoing {
        let record = record_at(batch, rejection.position.offset);
        let mut headers = OwnedHeaders::new_with_capacity(8);
        headers = header(headers, "tributary.topic", &batch.topic);
        headers = header(headers, "tributary.topic_id", &batch.topic_id.to_string());
        headers = header(headers, "tributary.partition", &batch.partition.to_string());
        headers = header(headers, "tributary.offset", &rejection.position.offset.to_string());
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
            key: record.and_then(|record| record.key.as_ref()).map(|key| key.to_vec()),
            payload: record.and_then(|record| record.payload.as_ref()).map(|payload| payload.to_vec()),
            headers: Some(headers),
        }
    }
}

fn header(headers: OwnedHeaders, key: &str, value: &str) -> OwnedHeaders {
    headers.insert(Header { key, value: Some(value) })
}

fn record_at(batch: &RawBatch, offset: i64) -> Option<&RawRecord> {
    let index = batch.records.binary_search_by_key(&offset, |record| record.offset).ok()?;
    batch.records.get(index)
}

/// A letter that the topic has no room for goes without its payload, which stays where it was; otherwise one record
/// would stall its partition for ever.
fn without_payload(mut letter: Outgoing) -> Outgoing {
    let bytes = letter.payload.take().map_or(0, |payload| payload.len());
    letter.headers =
        letter.headers.map(|headers| header(headers, "tributary.payload_left_out_bytes", &bytes.to_string()));
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
        Ok(Self { sender: Sender::new(config)?, topic: Arc::from(topic) })
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
        Self { max_in_flight: 20_000 }
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
    queue: mpsc::Sender<Queued>,
}

enum Queued {
    Message(Pending),
    /// Everything before it is done when this is met.
    Flush(oneshot::Sender<Result<()>>),
}

impl Producer {
    /// Makes one. Must be called within a runtime.
    pub fn new(config: &KafkaConfig, limits: ProducerLimits) -> Result<Self> {
        let sender = Sender::new(config)?;
        let (queue, queued) = mpsc::channel(limits.max_in_flight.max(1));
        tokio::spawn(finish(sender.clone(), queued));
        Ok(Self { sender, queue })
    }

    /// Puts a message on its way, waiting while too many are. It is sent until it is acknowledged; [`Producer::flush`]
    /// says whether that was done.
    pub async fn send(&self, message: Message<'_>) -> Result<()> {
        let place = self.queue.reserve().await.map_err(|_| StreamError::Closed)?;
        place.send(Queued::Message(self.sender.begin(outgoing(message))));
        Ok(())
    }

    /// Waits until every message sent so far is acknowledged; the first failure since the last flush, if there was one.
    pub async fn flush(&self) -> Result<()> {
        let (done, flushed) = oneshot::channel();
        self.queue.send(Queued::Flush(done)).await.map_err(|_| StreamError::Closed)?;
        flushed.await.unwrap_or(Err(StreamError::Closed))
    }
}

/// Waits for messages in the order in which they were sent, until the producer is dropped and all are done.
async fn finish(sender: Sender, mut queued: mpsc::Receiver<Queued>) {
    let mut failed = None;
    let mut next = Vec::with_capacity(WINDOW);
    while queued.recv_many(&mut next, WINDOW).await > 0 {
        let mut pending = Vec::with_capacity(next.len());
        for queued in next.drain(..) {
            match queued {
                Queued::Message(message) => pending.push(message),
                Queued::Flush(done) => {
                    settle(&sender, &mut pending, &mut failed).await;
                    // Whoever flushed may have gone.
                    let _ = done.send(failed.take().map_or(Ok(()), Err));
                }
            }
        }
        settle(&sender, &mut pending, &mut failed).await;
    }
}

async fn settle(sender: &Sender, pending: &mut Vec<Pending>, failed: &mut Option<StreamError>) {
    for settled in sender.settle(std::mem::take(pending)).await {
        if let Err(error) = settled {
            failed.get_or_insert(error);
        }
    }
}

fn outgoing(message: Message<'_>) -> Outgoing {
    let headers = (!message.headers.is_empty()).then(|| {
        message.headers.iter().fold(OwnedHeaders::new_with_capacity(message.headers.len()), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(*value) })
        })
    });
    Outgoing {
        topic: Arc::from(message.topic),
        partition: None,
        key: message.key.map(<[u8]>::to_vec),
        payload: Some(message.payload.to_vec()),
        headers,
    }
}
