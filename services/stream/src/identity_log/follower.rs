use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use schemas::Command;
use schemas::command::decode_commands;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;

use super::producer::{LogProducer, PARTITION};
use super::rules::RulesEntry;
use crate::backoff::Backoff;
use crate::log::{LogContext, log_line};
use crate::native::{self, Happening, Message, Queue};
use crate::{KafkaConfig, Result, StreamError, TopicInfo};

/// What the log is followed for: the graph.
pub trait LogApplier: Send + Sync + 'static {
    /// Applies one message. Called by one thread, in the log's order, each offset once. After an error the follower
    /// goes no further: a graph that left something out would be another graph than elsewhere.
    fn apply(
        &self,
        offset: i64,
        append_time_ms: i64,
        commands: &[Command],
    ) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// Follows the identity log on a consumer and thread of its own, which waits for nothing but Kafka: a batch may wait
/// for it, never the reverse. Cheap to clone; ends when the last clone is dropped.
#[derive(Clone)]
pub struct Follower {
    shared: Arc<Shared>,
}

struct Shared {
    progress: watch::Receiver<Progress>,
    end_at_start: i64,
    stop: Arc<AtomicBool>,
    waker: Arc<Mutex<Option<Queue>>>,
}

#[derive(Debug, Clone)]
struct Progress {
    /// Offset of the last applied message, -1 if there is none.
    applied: i64,
    /// Everything below is applied.
    position: i64,
    /// The log's exclusive end as last heard of.
    end: i64,
    failure: Option<StreamError>,
    ended: bool,
}

impl Follower {
    /// Begins to follow the log from `from_offset` on: 0, or what follows the snapshot that was loaded. Writes `rules`
    /// into the log if it is empty; two processes that do so at once each find the entry of either.
    pub async fn spawn(
        config: &KafkaConfig,
        topic: &TopicInfo,
        producer: &LogProducer,
        applier: Arc<dyn LogApplier>,
        rules: RulesEntry,
        from_offset: i64,
    ) -> Result<Self> {
        Self::start(config, topic, producer, applier, Some(rules), from_offset).await
    }

    /// As [`Follower::spawn`], for one who only looks: writes nothing into an empty log.
    pub async fn observe(
        config: &KafkaConfig,
        topic: &TopicInfo,
        producer: &LogProducer,
        applier: Arc<dyn LogApplier>,
        from_offset: i64,
    ) -> Result<Self> {
        Self::start(config, topic, producer, applier, None, from_offset).await
    }

    async fn start(
        config: &KafkaConfig,
        topic: &TopicInfo,
        producer: &LogProducer,
        applier: Arc<dyn LogApplier>,
        rules: Option<RulesEntry>,
        from_offset: i64,
    ) -> Result<Self> {
        let end_at_start = begin(producer, rules.as_ref(), from_offset).await?;
        let consumer = consumer(config, topic, from_offset)?;
        let queue = || Queue::of_consumer(consumer.client()).ok_or(StreamError::Closed);
        let (polled, waker) = (queue()?, Arc::new(Mutex::new(Some(queue()?))));
        let start = Progress {
            applied: from_offset - 1,
            position: from_offset,
            end: end_at_start,
            failure: None,
            ended: false,
        };
        let (told, progress) = watch::channel(start.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let shared = Shared { progress, end_at_start, stop: Arc::clone(&stop), waker: Arc::clone(&waker) };
        let mut run = Run {
            consumer,
            topic: Arc::clone(&topic.name),
            applier,
            // What precedes a snapshot was checked when the snapshot was loaded.
            rules_seen: from_offset > 0,
            now: start,
            told,
        };
        let body = move || {
            run.follow(&polled, &stop);
            *waker.lock() = None;
            drop(polled);
            let Run { consumer, told, .. } = run;
            drop(consumer);
            told.send_modify(|progress| progress.ended = true);
        };
        std::thread::Builder::new()
            .name("identity-log".to_owned())
            .spawn(body)
            .map_err(|error| StreamError::Config(format!("cannot start a thread: {error}")))?;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Waits until the message at `offset` is applied.
    pub async fn wait_applied(&self, offset: i64) -> Result<()> {
        self.wait_position(offset.saturating_add(1)).await
    }

    /// Waits until everything is applied that was in the log when the follower was started.
    pub async fn wait_caught_up(&self) -> Result<()> {
        self.wait_position(self.shared.end_at_start).await
    }

    /// The log's exclusive end when the follower was started.
    pub fn end_at_start(&self) -> i64 {
        self.shared.end_at_start
    }

    /// Offset of the last applied message, -1 if there is none.
    pub fn applied(&self) -> i64 {
        self.shared.progress.borrow().applied
    }

    /// How many offsets the graph is behind the log's end as last heard of.
    pub fn lag(&self) -> i64 {
        let progress = self.shared.progress.borrow();
        (progress.end - progress.position).max(0)
    }

    /// Why the follower has stopped, if it has.
    pub fn failure(&self) -> Option<StreamError> {
        self.shared.progress.borrow().failure.clone()
    }

    /// Stops following and waits until the thread is gone.
    pub async fn close(&self) {
        self.shared.stop();
        let mut progress = self.shared.progress.clone();
        // An error means that the thread is gone, which is what is waited for.
        let _ = progress.wait_for(|progress| progress.ended).await;
    }

    async fn wait_position(&self, position: i64) -> Result<()> {
        let mut progress = self.shared.progress.clone();
        let reached = progress
            .wait_for(|now| now.position >= position || now.failure.is_some() || now.ended)
            .await
            .map_err(|_| StreamError::Closed)?;
        if reached.position >= position {
            return Ok(());
        }
        Err(reached.failure.clone().unwrap_or(StreamError::Closed))
    }
}

impl Shared {
    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(queue) = &*self.waker.lock() {
            queue.wake();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Writes the rules into an empty log and makes sure that `from_offset` can be read; the log's end.
async fn begin(producer: &LogProducer, rules: Option<&RulesEntry>, from_offset: i64) -> Result<i64> {
    let (mut low, mut end) = ends(producer).await?;
    if let (0, Some(rules)) = (end, rules) {
        let first = Command::Rules { hash: rules.hash, rules_json: rules.rules_json.clone() };
        producer.append(&[first]).await?;
        (low, end) = ends(producer).await?;
    }
    if low > from_offset {
        let detail = format!("the log begins at {low}: a snapshot that reaches so far is needed");
        return Err(StreamError::Log { offset: from_offset, detail });
    }
    Ok(end)
}

/// A consumer that reads the log and is in no group; librdkafka wants the name of one all the same.
fn consumer(config: &KafkaConfig, topic: &TopicInfo, from_offset: i64) -> Result<BaseConsumer<LogContext>> {
    let consumer: BaseConsumer<LogContext> = config
        .consumer_client(&config.group("identity-follower"), false)?
        .create_with_context(LogContext::default())
        .map_err(StreamError::kafka("create a consumer"))?;
    let mut assignment = TopicPartitionList::new();
    assignment
        .add_partition_offset(&topic.name, PARTITION, Offset::Offset(from_offset))
        .and_then(|()| consumer.assign(&assignment))
        .map_err(StreamError::kafka("follow the identity log"))?;
    Ok(consumer)
}

/// The log's ends, asked for until the cluster answers.
async fn ends(producer: &LogProducer) -> Result<(i64, i64)> {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        match producer.ends().await {
            Err(error) if error.is_retriable() => {
                tracing::warn!(%error, "cannot read the identity log's ends yet");
                tokio::time::sleep(backoff.next_delay()).await;
            }
            result => return result,
        }
    }
}

/// After so many messages those who wait are told, even if there are more.
const BURST: usize = 1000;

/// The thread's state.
struct Run {
    consumer: BaseConsumer<LogContext>,
    topic: Arc<str>,
    applier: Arc<dyn LogApplier>,
    rules_seen: bool,
    now: Progress,
    told: watch::Sender<Progress>,
}

impl Run {
    fn follow(&mut self, queue: &Queue, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) && self.now.failure.is_none() {
            let mut wait = Duration::from_millis(500);
            for _ in 0..BURST {
                let Some(event) = queue.poll(wait) else { break };
                if let Err(error) = self.happened(event.happening()) {
                    self.now.failure = Some(error);
                    break;
                }
                wait = Duration::ZERO;
            }
            if let Some(end) = native::cached_end(self.consumer.client(), &self.topic, PARTITION) {
                self.now.end = self.now.end.max(end);
            }
            self.told.send_replace(self.now.clone());
        }
    }

    fn happened(&mut self, happening: Happening<'_>) -> Result<()> {
        match happening {
            Happening::Message(message) => self.apply(&message),
            Happening::Eof { offset, .. } => {
                self.now.position = self.now.position.max(offset);
                Ok(())
            }
            Happening::Error { code, fatal, text, .. } => self.error(code, fatal, text),
            Happening::Log { level, facility, text } => {
                log_line(level, &facility, &text);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn apply(&mut self, message: &Message<'_>) -> Result<()> {
        let offset = message.offset;
        if offset < self.now.position {
            return Ok(());
        }
        let failed = |detail: String| StreamError::Log { offset, detail };
        let payload = message.payload.ok_or_else(|| failed("the message is empty".to_owned()))?;
        let commands = decode_commands(payload).map_err(|error| failed(error.to_string()))?;
        for command in &commands {
            self.check_beginning(offset, command)?;
        }
        self.applier.apply(offset, message.time_ms, &commands).map_err(|error| failed(error.to_string()))?;
        self.now.applied = offset;
        self.now.position = offset + 1;
        Ok(())
    }

    /// The rules come first; whether they can be applied is for the applier to say.
    fn check_beginning(&mut self, offset: i64, command: &Command) -> Result<()> {
        match command {
            Command::Rules { .. } => {
                self.rules_seen = true;
                Ok(())
            }
            _ if self.rules_seen => Ok(()),
            _ => Err(StreamError::Log { offset, detail: "the log does not begin with its rules".to_owned() }),
        }
    }

    fn error(&self, code: RDKafkaErrorCode, fatal: bool, detail: String) -> Result<()> {
        match code {
            RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange => {
                Err(StreamError::OffsetOutOfRange { offset: self.now.position })
            }
            _ if fatal => Err(StreamError::Broker { doing: "follow the identity log", code, detail }),
            _ => {
                tracing::debug!(%code, detail, "following the identity log");
                Ok(())
            }
        }
    }
}
