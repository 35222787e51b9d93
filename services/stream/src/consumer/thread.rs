//! The one thread that polls, serves rebalances, commits, and does nothing else.

use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use super::commits::Commits;
use super::handle::{ConsumerHandle, Request, Waker};
use super::lookup::{self, Found};
use super::partition::Partition;
use super::{ConsumerEvent, ConsumerLimits, Epoch, PartitionId};
use crate::log::{LogContext, log_line};
use crate::native::{Happening, Message, Queue};
use crate::{KafkaConfig, Result, StreamError, TopicInfo};

/// How long a poll may wait when there is nothing to do; requests end it at once.
const IDLE: Duration = Duration::from_millis(200);
/// How soon to look again for the answer of a commit that was not answered in time.
const BLOCKED: Duration = Duration::from_millis(10);
/// A burst of messages ends after so many, to look at requests.
const BURST: usize = 10_000;
/// The same trouble is told again only after so long.
const REPEAT: Duration = Duration::from_secs(10);

/// Starts the thread, and the one that looks things up for it.
pub(super) fn spawn(
    config: &KafkaConfig,
    group: &str,
    topics: Arc<[TopicInfo]>,
    limits: ConsumerLimits,
    events: UnboundedSender<ConsumerEvent>,
) -> Result<ConsumerHandle> {
    let consumer: BaseConsumer<LogContext> = config
        .consumer_client(group, true)?
        .create_with_context(LogContext::default())
        .map_err(StreamError::kafka("create a consumer"))?;
    let consumer = Arc::new(consumer);
    let queue = || Queue::of_consumer(consumer.client()).ok_or(StreamError::Closed);
    let polled = queue()?;
    let waker: Waker = Arc::new(Mutex::new(Some(queue()?)));
    let names: Vec<&str> = topics.iter().map(|topic| &*topic.name).collect();
    consumer.subscribe(&names).map_err(StreamError::kafka("subscribe"))?;

    let (request_sender, requests) = mpsc::channel();
    let (assigned, to_look_up) = mpsc::channel();
    let (ended_sender, ended) = watch::channel(false);
    let stopping = Arc::new(AtomicBool::new(false));
    {
        let (consumer, topics) = (Arc::clone(&consumer), Arc::clone(&topics));
        let (found, waker, stopping) = (request_sender.clone(), Arc::clone(&waker), Arc::clone(&stopping));
        let wake = move || {
            if let Some(queue) = &*waker.lock() {
                queue.wake();
            }
        };
        start_thread("kafka-lookup", move || {
            lookup::run(&consumer, &topics, &to_look_up, &found, wake, &stopping);
        })?;
    }
    let handle = ConsumerHandle::new(request_sender, Arc::clone(&waker), ended);
    start_thread("kafka-poll", move || {
        let commits = Commits::new(&consumer, limits.commit_timeout);
        let mut worker = Worker {
            consumer,
            topics,
            limits,
            events,
            requests,
            assigned,
            partitions: HashMap::new(),
            commits,
            told: Vec::new(),
            stop: false,
        };
        worker.run(&polled);
        worker.leave(&polled);
        stopping.store(true, Ordering::Relaxed);
        // Queues before their client.
        *waker.lock() = None;
        drop(polled);
        drop(worker);
        ended_sender.send_replace(true);
    })?;
    Ok(handle)
}

fn start_thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map(drop)
        .map_err(|error| StreamError::Config(format!("cannot start a thread: {error}")))
}

pub(super) struct Worker {
    // Before `consumer`, because its queue must be freed before its client.
    commits: Commits,
    pub(super) consumer: Arc<BaseConsumer<LogContext>>,
    topics: Arc<[TopicInfo]>,
    limits: ConsumerLimits,
    pub(super) events: UnboundedSender<ConsumerEvent>,
    requests: Receiver<Request>,
    pub(super) assigned: Sender<Vec<(PartitionId, Epoch)>>,
    pub(super) partitions: HashMap<PartitionId, Partition>,
    told: Vec<(RDKafkaErrorCode, Instant)>,
    stop: bool,
}

impl Worker {
    fn run(&mut self, queue: &Queue) {
        while !self.stop {
            while let Ok(request) = self.requests.try_recv() {
                self.request(request);
            }
            self.commits.serve(&self.consumer, &self.topics, &self.partitions);
            self.poll(queue);
            self.flush();
        }
    }

    /// Takes in what has arrived; waits only for the first of it.
    fn poll(&mut self, queue: &Queue) {
        let mut wait = if self.commits.is_blocked() { BLOCKED } else { IDLE };
        for _ in 0..BURST {
            let Some(event) = queue.poll(wait) else {
                return;
            };
            self.happened(event.happening());
            wait = Duration::ZERO;
        }
    }

    fn happened(&mut self, happening: Happening<'_>) {
        match happening {
            Happening::Message(message) => self.message(&message),
            Happening::Eof { topic, partition, offset } => self.eof(&topic, partition, offset),
            Happening::Assign(partitions) => self.assign(&partitions),
            Happening::Revoke(partitions) => self.revoke(&partitions),
            Happening::Error { code, fatal, text, partition } => self.error(code, fatal, text, partition),
            Happening::Log { level, facility, text } => log_line(level, &facility, &text),
            Happening::Committed { .. } | Happening::Other => {}
        }
    }

    pub(super) fn id(&self, topic: &str, partition: i32) -> Option<PartitionId> {
        let index = self.topics.iter().position(|info| *info.name == *topic)?;
        Some(PartitionId { topic_index: u16::try_from(index).ok()?, partition })
    }

    pub(super) fn tell(&self, event: ConsumerEvent) {
        // A receiver that was dropped wants nothing more; the handle's drop ends this thread.
        let _ = self.events.send(event);
    }

    pub(super) fn fail(&mut self, partition: Option<(PartitionId, Epoch)>, error: StreamError) {
        self.stop = true;
        self.tell(ConsumerEvent::Error { partition, fatal: true, error });
    }

    fn message(&mut self, message: &Message<'_>) {
        let Some(id) = self.id(message.topic, message.partition) else {
            return;
        };
        let Some(partition) = self.partitions.get_mut(&id).filter(|partition| partition.started) else {
            return;
        };
        if !partition.push(message, self.limits.buffer_bytes_per_partition) {
            return;
        }
        if partition.chunk.bytes() >= self.limits.chunk_bytes || partition.chunk.len() >= self.limits.chunk_records {
            hand_over(&self.events, id, partition);
        }
        if partition.full {
            self.apply_pause(id);
        }
    }

    fn eof(&mut self, topic: &str, partition: i32, position: i64) {
        let Some(id) = self.id(topic, partition) else {
            return;
        };
        let Some(partition) = self.partitions.get_mut(&id).filter(|partition| partition.started) else {
            return;
        };
        hand_over(&self.events, id, partition);
        partition.next = partition.next.max(position);
        let epoch = partition.epoch;
        self.tell(ConsumerEvent::Eof { partition: id, epoch, position });
    }

    fn flush(&mut self) {
        for (id, partition) in &mut self.partitions {
            hand_over(&self.events, *id, partition);
        }
    }

    fn error(&mut self, code: RDKafkaErrorCode, fatal: bool, detail: String, partition: Option<(String, i32)>) {
        let partition = partition.and_then(|(topic, partition)| {
            let id = self.id(&topic, partition)?;
            let state = self.partitions.get(&id)?;
            Some((id, state.epoch, state.next))
        });
        let error = match (code, partition) {
            (RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange, Some((_, _, offset))) => {
                StreamError::OffsetOutOfRange { offset }
            }
            _ => StreamError::Broker { doing: "read from Kafka", code, detail },
        };
        self.stop |= fatal;
        if partition.is_none() && !fatal && self.was_told(code) {
            return;
        }
        self.tell(ConsumerEvent::Error { partition: partition.map(|(id, epoch, _)| (id, epoch)), fatal, error });
    }

    /// Whether this was told a moment ago: while the brokers are away librdkafka says so ten times a second.
    fn was_told(&mut self, code: RDKafkaErrorCode) -> bool {
        self.told.retain(|(_, at)| at.elapsed() < REPEAT);
        let told = self.told.iter().any(|(told, _)| *told == code);
        if !told {
            self.told.push((code, Instant::now()));
        }
        told
    }

    fn request(&mut self, request: Request) {
        match request {
            Request::Start { partition, epoch, offset } => self.start(partition, epoch, offset),
            Request::Hold { partition, epoch, hold } => {
                if let Some(state) = self.current(partition, epoch) {
                    state.held = hold;
                    self.apply_pause(partition);
                }
            }
            Request::Consumed { partition, epoch, bytes } => {
                let limit = self.limits.buffer_bytes_per_partition;
                if let Some(state) = self.current(partition, epoch) {
                    state.give_back(bytes, limit);
                    self.apply_pause(partition);
                }
            }
            Request::Commit(request) => self.commits.push(request),
            Request::LookedUp(found) => self.looked_up(found),
            Request::Close => self.stop = true,
        }
    }

    /// The partition, if it is still in this epoch.
    fn current(&mut self, partition: PartitionId, epoch: Epoch) -> Option<&mut Partition> {
        self.partitions.get_mut(&partition).filter(|state| state.announced && state.epoch == epoch)
    }

    fn looked_up(&mut self, found: Found) {
        let Found { partition, epoch, result } = found;
        let Some(state) = self.partitions.get_mut(&partition).filter(|state| state.epoch == epoch) else {
            return;
        };
        match result {
            Ok(position) => {
                state.announced = true;
                self.tell(ConsumerEvent::Assigned {
                    partition,
                    epoch,
                    committed: position.committed,
                    low: position.low,
                    high: position.high,
                });
            }
            Err(error) => self.fail(Some((partition, epoch)), error),
        }
    }

    fn start(&mut self, id: PartitionId, epoch: Epoch, offset: i64) {
        let list = self.list(id, Offset::Offset(offset));
        let Some(state) = self.current(id, epoch) else {
            return;
        };
        let (_, dropped) = state.chunk.take();
        state.buffered = state.buffered.saturating_sub(dropped);
        state.next = offset;
        let started = std::mem::replace(&mut state.started, true);
        let result = if started {
            // Its effect on what is handed over is immediate; only the fetching starts later, so nothing is waited for.
            self.consumer.seek_partitions(list, Duration::ZERO).map(drop)
        } else {
            self.consumer.incremental_assign(&list)
        };
        match result {
            Ok(()) => self.apply_pause(id),
            Err(error) => self.fail(Some((id, epoch)), StreamError::Kafka { doing: "start a partition", error }),
        }
    }

    /// Tells librdkafka to pause or to go on, if that is not what it does already.
    fn apply_pause(&mut self, id: PartitionId) {
        let list = self.list(id, Offset::Invalid);
        let Some(state) = self.partitions.get_mut(&id).filter(|state| state.started) else {
            return;
        };
        let pause = state.should_pause();
        if pause == state.paused {
            return;
        }
        state.paused = pause;
        let epoch = state.epoch;
        let result = if pause { self.consumer.pause(&list) } else { self.consumer.resume(&list) };
        if let Err(error) = result {
            self.fail(Some((id, epoch)), StreamError::Kafka { doing: "pause or resume a partition", error });
        }
    }

    pub(super) fn list(&self, id: PartitionId, offset: Offset) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(1);
        let topic = &self.topics[usize::from(id.topic_index)].name;
        // `add_partition` leaves the offset invalid, which is what all calls but `start` want.
        let mut element = list.add_partition(topic, id.partition);
        if let Offset::Offset(_) = offset
            && let Err(error) = element.set_offset(offset)
        {
            tracing::error!(%error, "an offset that Kafka cannot have");
        }
        list
    }
}

/// Hands over what was gathered of a partition.
fn hand_over(events: &UnboundedSender<ConsumerEvent>, id: PartitionId, partition: &mut Partition) {
    if partition.chunk.len() == 0 {
        return;
    }
    let (records, bytes) = partition.chunk.take();
    let _ = events.send(ConsumerEvent::Records { partition: id, epoch: partition.epoch, records, bytes });
}
