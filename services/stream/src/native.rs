//! The crate's only unsafe code: the few calls of librdkafka that the `rdkafka` crate does not offer, each behind a
//! safe function. A topic's id is only in `DescribeTopics`; the crate's poll names neither topic nor offset at the end
//! of a partition and runs rebalances in a callback, where one loop here sees everything in order; its commit waits
//! without limit, and its reading of committed metadata panics on bytes that are not UTF-8.
//!
//! Why it is sound: a [`Queue`] and an [`Event`] own what they point to and free it once; what an event lends
//! ([`Happening`]) borrows from it; pointers that librdkafka owns are read before the call returns and never kept.
//! librdkafka's handles and queues may be used from any thread.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use std::slice;
use std::time::Duration;

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka_sys as sys;
use sys::types::{RDKafka, RDKafkaEvent, RDKafkaQueue, RDKafkaTopicPartition, RDKafkaTopicPartitionList};
use uuid::Uuid;

use crate::{Committed, Result, StreamError};

/// A queue of librdkafka. Must be dropped before its client.
pub(crate) struct Queue {
    queue: *mut RDKafkaQueue,
}

// SAFETY: librdkafka locks its queues itself; polling, waking and freeing may each happen on any thread.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    /// The queue on which a consumer's messages, rebalances, ends of partitions, errors and logs arrive.
    pub(crate) fn of_consumer<C: ClientContext>(client: &Client<C>) -> Option<Self> {
        // SAFETY: the client's handle is valid while `client` is borrowed; null is checked.
        let queue = unsafe { sys::rd_kafka_queue_get_consumer(client.native_ptr()) };
        (!queue.is_null()).then_some(Self { queue })
    }

    /// A queue of its own, for the answers to requests.
    pub(crate) fn new<C: ClientContext>(client: &Client<C>) -> Self {
        // SAFETY: the client's handle is valid while `client` is borrowed; librdkafka never returns null here.
        Self { queue: unsafe { sys::rd_kafka_queue_new(client.native_ptr()) } }
    }

    /// The next event, waiting no longer than `wait`. `None` also after [`Queue::wake`].
    pub(crate) fn poll(&self, wait: Duration) -> Option<Event> {
        // SAFETY: `queue` is valid until drop; a non-null event is owned by the caller.
        let event = unsafe { sys::rd_kafka_queue_poll(self.queue, millis(wait)) };
        (!event.is_null()).then_some(Event { event })
    }

    /// Makes a `poll` that waits on another thread return at once; if none waits, the next one does.
    pub(crate) fn wake(&self) {
        // SAFETY: `queue` is valid until drop.
        unsafe { sys::rd_kafka_queue_yield(self.queue) };
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: gives back the reference that the constructor took, once.
        unsafe { sys::rd_kafka_queue_destroy(self.queue) };
    }
}

/// Something that arrived on a [`Queue`].
pub(crate) struct Event {
    event: *mut RDKafkaEvent,
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: `poll` gave this event to us; it is freed once.
        unsafe { sys::rd_kafka_event_destroy(self.event) };
    }
}

/// What an [`Event`] is; borrows from it.
pub(crate) enum Happening<'a> {
    /// A record.
    Message(Message<'a>),
    /// Every record of a partition below `offset` has been handed over.
    Eof { topic: String, partition: i32, offset: i64 },
    /// An error, of one partition if it names one.
    Error { code: RDKafkaErrorCode, fatal: bool, text: String, partition: Option<(String, i32)> },
    /// The group gives these partitions to this member.
    Assign(Vec<(String, i32)>),
    /// The group takes these partitions from this member.
    Revoke(Vec<(String, i32)>),
    /// A commit's outcome: of the whole, and of each partition.
    Committed { code: RDKafkaErrorCode, partitions: Vec<(String, i32, RDKafkaErrorCode)> },
    /// A line of librdkafka's log: syslog level, facility, text.
    Log { level: i32, facility: String, text: String },
    /// Nothing of interest.
    Other,
}

/// A record as librdkafka holds it.
pub(crate) struct Message<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// Milliseconds since the epoch: the broker's append time where the topic is set so. -1 when there is none.
    pub(crate) time_ms: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) payload: Option<&'a [u8]>,
}

impl Event {
    /// Looks inside. A message counts as consumed by that.
    pub(crate) fn happening(&self) -> Happening<'_> {
        // SAFETY: the event is valid until drop.
        match unsafe { sys::rd_kafka_event_type(self.event) } {
            sys::RD_KAFKA_EVENT_FETCH => self.message(),
            sys::RD_KAFKA_EVENT_ERROR => self.error(),
            sys::RD_KAFKA_EVENT_REBALANCE => self.rebalance(),
            sys::RD_KAFKA_EVENT_OFFSET_COMMIT => self.committed(),
            sys::RD_KAFKA_EVENT_LOG => self.log(),
            _ => Happening::Other,
        }
    }

    fn code(&self) -> RDKafkaErrorCode {
        // SAFETY: the event is valid until drop.
        unsafe { sys::rd_kafka_event_error(self.event) }.into()
    }

    fn message(&self) -> Happening<'_> {
        // SAFETY: the message, its topic handle and its bytes live as long as the event, to which the returned value
        // is tied by its lifetime. librdkafka only writes topic names that are ASCII.
        unsafe {
            let message = sys::rd_kafka_event_message_next(self.event);
            let Some(message) = message.as_ref() else {
                return Happening::Other;
            };
            let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
            Happening::Message(Message {
                topic: text(sys::rd_kafka_topic_name(message.rkt)),
                partition: message.partition,
                offset: message.offset,
                time_ms: sys::rd_kafka_message_timestamp(message, &mut kind),
                key: bytes(message.key, message.key_len),
                payload: bytes(message.payload, message.len),
            })
        }
    }

    fn error(&self) -> Happening<'_> {
        let code = self.code();
        // SAFETY: the event is valid; a non-null element is ours to free, after what is needed of it was copied.
        let partition = unsafe {
            let element = sys::rd_kafka_event_topic_partition(self.event);
            element.as_ref().map(|e| {
                let named = (text(e.topic).to_owned(), e.partition, e.offset);
                sys::rd_kafka_topic_partition_destroy(element);
                named
            })
        };
        let partition = match partition {
            Some((topic, partition, offset)) if code == RDKafkaErrorCode::PartitionEOF => {
                return Happening::Eof { topic, partition, offset };
            }
            other => other,
        };
        // SAFETY: the event is valid until drop.
        let fatal = unsafe { sys::rd_kafka_event_error_is_fatal(self.event) } != 0;
        Happening::Error {
            code,
            fatal,
            text: self.error_text(),
            partition: partition.map(|(topic, partition, _)| (topic, partition)),
        }
    }

    fn error_text(&self) -> String {
        // SAFETY: the text lives as long as the event and is copied here.
        unsafe { text(sys::rd_kafka_event_error_string(self.event)) }.to_owned()
    }

    fn rebalance(&self) -> Happening<'_> {
        // SAFETY: the list belongs to the event and is copied here.
        let partitions = unsafe { elements(sys::rd_kafka_event_topic_partition_list(self.event)) }
            .map(|e| (unsafe { text(e.topic) }.to_owned(), e.partition))
            .collect();
        match self.code() {
            RDKafkaErrorCode::AssignPartitions => Happening::Assign(partitions),
            // Anything else is an error of the group, after which nothing is owned.
            _ => Happening::Revoke(partitions),
        }
    }

    fn committed(&self) -> Happening<'_> {
        // SAFETY: as in `rebalance`.
        let partitions = unsafe { elements(sys::rd_kafka_event_topic_partition_list(self.event)) }
            .map(|e| (unsafe { text(e.topic) }.to_owned(), e.partition, e.err.into()))
            .collect();
        Happening::Committed { code: self.code(), partitions }
    }

    fn log(&self) -> Happening<'_> {
        let (mut facility, mut line, mut level) = (ptr::null(), ptr::null(), 0);
        // SAFETY: librdkafka sets the pointers when it returns 0; the texts live as long as the event and are copied.
        unsafe {
            if sys::rd_kafka_event_log(self.event, &mut facility, &mut line, &mut level) != 0 {
                return Happening::Other;
            }
            Happening::Log { level, facility: text(facility).to_owned(), text: text(line).to_owned() }
        }
    }
}

/// Whether the group has taken this member's partitions without asking (a session that lapsed): what is being revoked
/// may already belong to another.
pub(crate) fn assignment_lost<C: ClientContext>(client: &Client<C>) -> bool {
    // SAFETY: the client's handle is valid while `client` is borrowed.
    unsafe { sys::rd_kafka_assignment_lost(client.native_ptr()) != 0 }
}

/// A partition's exclusive end as the last fetch told it; asks nobody.
pub(crate) fn cached_end<C: ClientContext>(client: &Client<C>, topic: &str, partition: i32) -> Option<i64> {
    let topic = CString::new(topic).ok()?;
    let (mut low, mut high) = (-1, -1);
    // SAFETY: handle and name are valid for the call, which writes the two numbers.
    let code: RDKafkaErrorCode = unsafe {
        sys::rd_kafka_get_watermark_offsets(client.native_ptr(), topic.as_ptr(), partition, &mut low, &mut high)
    }
    .into();
    (code == RDKafkaErrorCode::NoError && high >= 0).then_some(high)
}

/// Sends a commit; its outcome arrives on `answers` as [`Happening::Committed`].
pub(crate) fn commit<C: ClientContext>(
    client: &Client<C>,
    offsets: &TopicPartitionList,
    answers: &Queue,
) -> Result<(), RDKafkaErrorCode> {
    // SAFETY: all handles are valid for the call; librdkafka copies the list and keeps its own reference to the queue.
    let code: RDKafkaErrorCode =
        unsafe { sys::rd_kafka_commit_queue(client.native_ptr(), offsets.ptr(), answers.queue, None, ptr::null_mut()) }
            .into();
    if code == RDKafkaErrorCode::NoError { Ok(()) } else { Err(code) }
}

/// What the client's group has committed for each of `partitions`, in their order.
pub(crate) fn committed<C: ClientContext>(
    client: &Client<C>,
    partitions: &[(&str, i32)],
    wait: Duration,
) -> Result<Vec<Option<Committed>>> {
    const DOING: &str = "read committed offsets";
    let failed = |code| StreamError::Broker { doing: DOING, code, detail: String::new() };
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for (topic, partition) in partitions {
        list.add_partition(topic, *partition);
    }
    // SAFETY: handle and list are valid for the call, which fills in the list.
    let code: RDKafkaErrorCode =
        unsafe { sys::rd_kafka_committed(client.native_ptr(), list.ptr(), millis(wait)) }.into();
    if code != RDKafkaErrorCode::NoError {
        return Err(failed(code));
    }
    // SAFETY: `list` outlives the iteration.
    unsafe { elements(list.ptr()) }
        .map(|element| {
            let code: RDKafkaErrorCode = element.err.into();
            if code != RDKafkaErrorCode::NoError {
                return Err(failed(code));
            }
            // SAFETY: librdkafka wrote `metadata_size` bytes there.
            let metadata = unsafe { bytes(element.metadata, element.metadata_size) }.unwrap_or_default();
            let metadata = String::from_utf8_lossy(metadata).into_owned();
            Ok((element.offset >= 0).then_some(Committed { offset: element.offset, metadata }))
        })
        .collect()
}

/// What [`describe_topics`] says of one topic.
pub(crate) struct TopicDescription {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(crate) partitions: usize,
    pub(crate) code: RDKafkaErrorCode,
}

/// Asks the cluster for topics' ids and partition counts.
pub(crate) fn describe_topics<C: ClientContext>(
    client: &Client<C>,
    names: &[&str],
    wait: Duration,
) -> Result<Vec<TopicDescription>> {
    const DOING: &str = "describe topics";
    let names: Vec<CString> = names
        .iter()
        .map(|name| CString::new(*name).map_err(|_| StreamError::UnknownTopic { name: (*name).to_owned() }))
        .collect::<Result<_>>()?;
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let answers = Queue::new(client);
    // SAFETY: `names` and `pointers` outlive the call that copies them; the collection and the options are freed right
    // after the request took copies of them.
    unsafe {
        let handle = client.native_ptr();
        let topics = sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        let options = admin_options(handle, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, wait);
        sys::rd_kafka_DescribeTopics(handle, topics, options, answers.queue);
        sys::rd_kafka_AdminOptions_destroy(options);
        sys::rd_kafka_TopicCollection_destroy(topics);
    }
    // librdkafka answers every request, with a time-out if it must; the slack is for its own threads.
    let event = answers.poll(wait + Duration::from_secs(5)).ok_or(StreamError::Broker {
        doing: DOING,
        code: RDKafkaErrorCode::OperationTimedOut,
        detail: String::new(),
    })?;
    if event.code() != RDKafkaErrorCode::NoError {
        return Err(StreamError::Broker { doing: DOING, code: event.code(), detail: event.error_text() });
    }
    // SAFETY: the descriptions belong to the event, which outlives this block; everything kept is copied.
    unsafe {
        let result = sys::rd_kafka_event_DescribeTopics_result(event.event);
        if result.is_null() {
            return Ok(Vec::new());
        }
        let mut count = 0;
        let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        Ok((0..count).map(|i| description(*topics.add(i))).collect())
    }
}

/// # Safety
/// `topic` must be a description that lives during the call.
unsafe fn description(topic: *const sys::rd_kafka_TopicDescription_t) -> TopicDescription {
    // SAFETY: the caller's promise; the id and the error belong to the description.
    unsafe {
        let error = sys::rd_kafka_TopicDescription_error(topic);
        let code = if error.is_null() { RDKafkaErrorCode::NoError } else { sys::rd_kafka_error_code(error).into() };
        let id = sys::rd_kafka_TopicDescription_topic_id(topic);
        let id = if id.is_null() {
            Uuid::nil()
        } else {
            Uuid::from_u64_pair(
                sys::rd_kafka_Uuid_most_significant_bits(id).cast_unsigned(),
                sys::rd_kafka_Uuid_least_significant_bits(id).cast_unsigned(),
            )
        };
        let mut partitions = 0;
        sys::rd_kafka_TopicDescription_partitions(topic, &mut partitions);
        TopicDescription { name: text(sys::rd_kafka_TopicDescription_name(topic)).to_owned(), id, partitions, code }
    }
}

/// # Safety
/// `handle` must be a live client. The options are the caller's to free.
unsafe fn admin_options(
    handle: *mut RDKafka,
    operation: sys::rd_kafka_admin_op_t,
    wait: Duration,
) -> *mut sys::rd_kafka_AdminOptions_t {
    // SAFETY: the caller's promise; a refused time-out leaves librdkafka's default, so its message is not wanted.
    unsafe {
        let options = sys::rd_kafka_AdminOptions_new(handle, operation);
        sys::rd_kafka_AdminOptions_set_request_timeout(options, millis(wait), ptr::null_mut(), 0);
        options
    }
}

/// The elements of a list, none if it is null.
///
/// # Safety
/// `list` must be null or live for `'a`.
unsafe fn elements<'a>(list: *const RDKafkaTopicPartitionList) -> slice::Iter<'a, RDKafkaTopicPartition> {
    // SAFETY: the caller's promise; librdkafka keeps `cnt` elements at `elems`, which is null only when there are none.
    let elements = unsafe {
        match list.as_ref() {
            Some(list) if list.cnt > 0 && !list.elems.is_null() => {
                slice::from_raw_parts(list.elems, usize::try_from(list.cnt).unwrap_or(0))
            }
            _ => &[],
        }
    };
    elements.iter()
}

/// # Safety
/// `start` must be null or point to `length` bytes that live for `'a`.
unsafe fn bytes<'a>(start: *const c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start.cast::<u8>(), length) })
}

/// # Safety
/// `text` must be null or a C string that lives for `'a`.
unsafe fn text<'a>(text: *const c_char) -> &'a str {
    if text.is_null() {
        return "";
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap_or("(not UTF-8)")
}

fn millis(wait: Duration) -> i32 {
    i32::try_from(wait.as_millis()).unwrap_or(i32::MAX)
}
