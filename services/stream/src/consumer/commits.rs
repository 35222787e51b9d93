use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::PartitionId;
use super::handle::CommitRequest;
use super::partition::Partition;
use crate::log::LogContext;
use crate::native::{self, Happening, Queue};
use crate::{Result, StreamError, TopicInfo};

const DOING: &str = "commit offsets";

/// Commits: synchronous, one request under way, each request carrying what has gathered meanwhile.
///
/// The broker checks a commit's member and generation but not who owns the partition, and librdkafka stamps the
/// generation that it has when it sends. So ownership is checked here, and the thread waits here: while it does it
/// serves no rebalance, and no rebalance that takes partitions away can end. A request that is not answered in time
/// stays the only one until it is: nothing overtakes it.
pub(super) struct Commits {
    answers: Queue,
    timeout: Duration,
    waiting: VecDeque<(CommitRequest, Instant)>,
    under_way: Option<UnderWay>,
}

struct UnderWay {
    requests: Vec<CommitRequest>,
    deadline: Instant,
}

impl Commits {
    pub(super) fn new(consumer: &BaseConsumer<LogContext>, timeout: Duration) -> Self {
        Self { answers: Queue::new(consumer.client()), timeout, waiting: VecDeque::new(), under_way: None }
    }

    pub(super) fn push(&mut self, request: CommitRequest) {
        self.waiting.push_back((request, Instant::now() + self.timeout));
    }

    /// Whether an unanswered request holds the others up, so that the thread must look again soon.
    pub(super) fn is_blocked(&self) -> bool {
        self.under_way.is_some()
    }

    /// Commits what has gathered, in as few requests as can be, and waits for each.
    pub(super) fn serve(
        &mut self,
        consumer: &BaseConsumer<LogContext>,
        topics: &[TopicInfo],
        partitions: &HashMap<PartitionId, Partition>,
    ) {
        loop {
            self.await_answer(topics);
            if self.under_way.is_some() {
                return self.expire();
            }
            let requests = self.next_requests(partitions);
            if requests.is_empty() {
                return;
            }
            self.send(consumer, topics, requests);
        }
    }

    /// Takes from those waiting all that are still valid, no two of them for one partition.
    fn next_requests(&mut self, partitions: &HashMap<PartitionId, Partition>) -> Vec<CommitRequest> {
        let mut next: Vec<CommitRequest> = Vec::new();
        let mut later = VecDeque::new();
        for (request, deadline) in self.waiting.drain(..) {
            let owned = partitions.get(&request.partition).is_some_and(|p| p.announced && p.epoch == request.epoch);
            if !owned {
                // Whoever asked may have gone: a revoke cancels it.
                let _ = request.outcome.send(Err(StreamError::NotAssigned));
            } else if next.iter().any(|other| other.partition == request.partition) {
                later.push_back((request, deadline));
            } else {
                next.push(request);
            }
        }
        self.waiting = later;
        next
    }

    fn send(&mut self, consumer: &BaseConsumer<LogContext>, topics: &[TopicInfo], requests: Vec<CommitRequest>) {
        let sent = offsets(topics, &requests).and_then(|offsets| {
            native::commit(consumer.client(), &offsets, &self.answers).map_err(|code| StreamError::Broker {
                doing: DOING,
                code,
                detail: String::new(),
            })
        });
        match sent {
            Ok(()) => self.under_way = Some(UnderWay { requests, deadline: Instant::now() + self.timeout }),
            Err(error) => answer(requests, |_| Err(error.clone())),
        }
    }

    /// Waits for the request under way until its deadline; once that has passed, only looks.
    fn await_answer(&mut self, topics: &[TopicInfo]) {
        let Some(under_way) = &mut self.under_way else {
            return;
        };
        let event = self.answers.poll(under_way.deadline.saturating_duration_since(Instant::now()));
        let Some(event) = event else {
            if Instant::now() >= under_way.deadline {
                answer(std::mem::take(&mut under_way.requests), |_| Err(StreamError::CommitTimeout));
            }
            return;
        };
        if let Happening::Committed { code, partitions } = event.happening() {
            let requests = std::mem::take(&mut under_way.requests);
            self.under_way = None;
            // librdkafka gives them back in an order of its own.
            answer(requests, |id| {
                let named = |(topic, partition, _): &&(String, i32, _)| {
                    *partition == id.partition && *topics[usize::from(id.topic_index)].name == **topic
                };
                let own = partitions.iter().find(named).map_or(code, |(_, _, own)| *own);
                outcome(if own == RDKafkaErrorCode::NoError { code } else { own })
            });
        }
    }

    /// Those that wait behind an unanswered request wait no longer than they would have for their own.
    fn expire(&mut self) {
        let now = Instant::now();
        while let Some((_, deadline)) = self.waiting.front()
            && *deadline <= now
            && let Some((request, _)) = self.waiting.pop_front()
        {
            let _ = request.outcome.send(Err(StreamError::CommitTimeout));
        }
    }
}

fn offsets(topics: &[TopicInfo], requests: &[CommitRequest]) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(requests.len());
    for request in requests {
        let topic = &topics[usize::from(request.partition.topic_index)].name;
        let mut element = list.add_partition(topic, request.partition.partition);
        element.set_offset(Offset::Offset(request.offset)).map_err(StreamError::kafka(DOING))?;
        element.set_metadata(&request.metadata);
    }
    Ok(list)
}

fn answer(requests: Vec<CommitRequest>, result: impl Fn(PartitionId) -> Result<()>) {
    for request in requests {
        let _ = request.outcome.send(result(request.partition));
    }
}

fn outcome(code: RDKafkaErrorCode) -> Result<()> {
    use RDKafkaErrorCode as Code;
    match code {
        Code::NoError => Ok(()),
        // The group has moved on without this member: a revoke is on its way.
        Code::UnknownMemberId | Code::IllegalGeneration | Code::FencedInstanceId | Code::AssignmentLost => {
            Err(StreamError::NotAssigned)
        }
        Code::OperationTimedOut | Code::RequestTimedOut => Err(StreamError::CommitTimeout),
        code => Err(StreamError::Broker { doing: DOING, code, detail: String::new() }),
    }
}
