use rdkafka::ClientContext;
use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use schemas::topics::Topics;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task;
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::log::LogContext;
use crate::{Committed, KafkaConfig, Result, StreamError, native};

const WAIT: Duration = Duration::from_secs(15);
/// How long a cluster may take to say that it is there.
const PROBE: Duration = Duration::from_secs(3);
/// More events than a client gathers in that time.
const EVENTS: usize = 1000;

/// A topic as the cluster has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Kafka's id of it: a topic that is deleted and created again has another.
    pub id: Uuid,
    /// How many partitions it has.
    pub partitions: i32,
    /// Whether the broker stamps records with its own time.
    pub log_append_time: bool,
}

/// Asks and tells the cluster things that are not records. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    inner: Arc<Inner>,
}

struct Inner {
    config: KafkaConfig,
    admin: AdminClient<LogContext>,
    client: BaseConsumer<LogContext>,
}

impl Admin {
    /// Makes the clients. Whether the cluster answers shows with the first question.
    pub fn connect(config: &KafkaConfig) -> Result<Self> {
        let admin = config
            .admin_client(None)?
            .create_with_context(LogContext::default())
            .map_err(StreamError::kafka("create an admin client"))?;
        let client = config
            .admin_client(None)?
            .create_with_context(LogContext::default())
            .map_err(StreamError::kafka("create an admin client"))?;
        Ok(Self { inner: Arc::new(Inner { config: config.clone(), admin, client }) })
    }

    /// Whether the cluster answers, within a few seconds; if not, why.
    pub async fn reach(&self) -> Result<()> {
        self.probe("reach Kafka").await
    }

    /// Creates the topics that do not exist, with the cluster's default replication; leaves others as they are. Says
    /// which it created.
    pub async fn ensure_topics(&self, topics: &Topics) -> Result<Vec<String>> {
        let new = topics.all().map(|topic| {
            // -1: as many replicas as the cluster gives by default.
            let new = NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(-1));
            topic.config.iter().fold(new, |new, (key, value)| new.set(key, value))
        });
        let results =
            self.inner.admin.create_topics(&new, &admin_options()).await.map_err(StreamError::kafka("create topics"));
        let results = self.explained(results).await?;
        let mut created = Vec::new();
        for result in results {
            match result {
                Ok(name) => created.push(name),
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    return Err(StreamError::Broker { doing: "create a topic", code, detail: name });
                }
            }
        }
        if !created.is_empty() {
            self.wait_for_topics(&created).await?;
        }
        Ok(created)
    }

    /// Created topics take a moment to be known everywhere.
    async fn wait_for_topics(&self, names: &[String]) -> Result<()> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut attempts_left = 100;
        loop {
            match self.describe_topics(&names).await {
                Err(StreamError::UnknownTopic { .. }) if attempts_left > 0 => attempts_left -= 1,
                result => return result.map(drop),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What the cluster has under these names, in their order; [`StreamError::UnknownTopic`] if one is not there.
    pub async fn describe_topics(&self, names: &[&str]) -> Result<Vec<TopicInfo>> {
        let owned: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut topics = self
            .blocking(move |inner| {
                let names: Vec<&str> = owned.iter().map(String::as_str).collect();
                describe(inner.client.client(), &names, WAIT)
            })
            .await?;
        let specifiers: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let configs = self
            .inner
            .admin
            .describe_configs(&specifiers, &admin_options())
            .await
            .map_err(StreamError::kafka("read the configuration of topics"));
        let configs = self.explained(configs).await?;
        for config in configs {
            let config = config.map_err(|code| StreamError::Broker {
                doing: "read the configuration of a topic",
                code,
                detail: String::new(),
            })?;
            let OwnedResourceSpecifier::Topic(name) = &config.specifier else {
                continue;
            };
            let kind = config.get("message.timestamp.type").and_then(|entry| entry.value.as_deref());
            for topic in topics.iter_mut().filter(|topic| *topic.name == **name) {
                topic.log_append_time = kind == Some("LogAppendTime");
            }
        }
        Ok(topics)
    }

    /// An error that names every topic whose records are not stamped by the broker (clause 11 of exactly-once).
    pub fn require_log_append_time(topics: &[TopicInfo]) -> Result<()> {
        let wrong: Vec<&str> = topics.iter().filter(|topic| !topic.log_append_time).map(|topic| &*topic.name).collect();
        if wrong.is_empty() { Ok(()) } else { Err(StreamError::NotLogAppendTime { topics: wrong.join(", ") }) }
    }

    /// The cluster's id.
    pub async fn cluster_id(&self) -> Result<String> {
        self.blocking(|inner| {
            inner.client.client().fetch_cluster_id(WAIT).ok_or(StreamError::Broker {
                doing: "read the cluster's id",
                code: RDKafkaErrorCode::OperationTimedOut,
                detail: String::new(),
            })
        })
        .await
    }

    /// Lowest offset and exclusive end of a partition's log.
    pub async fn watermarks(&self, topic: &str, partition: i32) -> Result<(i64, i64)> {
        let topic = topic.to_owned();
        self.blocking(move |inner| {
            inner
                .client
                .client()
                .fetch_watermarks(&topic, partition, WAIT)
                .map_err(StreamError::kafka("read the ends of a partition"))
        })
        .await
    }

    /// Deletes the records of a partition below `before`; does nothing when they are gone.
    pub async fn delete_records(&self, topic: &str, partition: i32, before: i64) -> Result<()> {
        const DOING: &str = "delete records";
        let (low, end) = self.watermarks(topic, partition).await?;
        let before = before.min(end);
        if before <= low {
            return Ok(());
        }
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(topic, partition, Offset::Offset(before)).map_err(StreamError::kafka(DOING))?;
        let deleted =
            self.inner.admin.delete_records(&offsets, &admin_options()).await.map_err(StreamError::kafka(DOING));
        let deleted = self.explained(deleted).await?;
        for element in deleted.elements() {
            element.error().map_err(StreamError::kafka(DOING))?;
        }
        Ok(())
    }

    /// What `group` (a full name) has committed for the first `partitions` partitions of `topic`.
    pub async fn committed(&self, group: &str, topic: &str, partitions: i32) -> Result<Vec<Option<Committed>>> {
        let (group, topic) = (group.to_owned(), topic.to_owned());
        self.blocking(move |inner| {
            // Asking needs a client of the group, but no member: it never subscribes.
            let client: BaseConsumer<LogContext> = inner
                .config
                .admin_client(Some(&group))?
                .create_with_context(LogContext::default())
                .map_err(StreamError::kafka("create an admin client"))?;
            let asked: Vec<(&str, i32)> = (0..partitions).map(|partition| (topic.as_str(), partition)).collect();
            native::committed(client.client(), &asked, WAIT)
        })
        .await
    }

    /// How many members `group` (a full name) has.
    pub async fn group_members(&self, group: &str) -> Result<usize> {
        let group = group.to_owned();
        self.blocking(move |inner| {
            let groups = inner
                .client
                .client()
                .fetch_group_list(Some(&group), WAIT)
                .map_err(StreamError::kafka("list a consumer group"))?;
            Ok(groups.groups().iter().map(|group| group.members().len()).sum())
        })
        .await
    }

    /// Deletes topics and waits until they are gone; those that do not exist are no error.
    pub async fn delete_topics(&self, names: &[&str]) -> Result<()> {
        let results =
            self.inner.admin.delete_topics(names, &admin_options()).await.map_err(StreamError::kafka("delete topics"));
        let results = self.explained(results).await?;
        for result in results {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                Err((name, code)) => {
                    return Err(StreamError::Broker { doing: "delete a topic", code, detail: name });
                }
            }
        }
        for name in names {
            let mut attempts_left = 100;
            while attempts_left > 0 && self.describe_topics(&[name]).await.is_ok() {
                attempts_left -= 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }

    /// Asks on a thread that may wait, and again for a while if the answer is that a leader is being elected or the
    /// like, which it often is right after a topic was made.
    async fn blocking<T, A>(&self, ask: A) -> Result<T>
    where
        T: Send + 'static,
        A: Fn(&Inner) -> Result<T> + Send + Sync + 'static,
    {
        let ask = Arc::new(ask);
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        let deadline = Instant::now() + WAIT;
        loop {
            let (inner, ask) = (Arc::clone(&self.inner), Arc::clone(&ask));
            // The task only ends early when the runtime does.
            match task::spawn_blocking(move || ask(&inner)).await.unwrap_or(Err(StreamError::Closed)) {
                Err(error) if error.is_retriable() && Instant::now() < deadline => {
                    tokio::time::sleep(backoff.next_delay()).await;
                }
                result => return self.explained(result).await,
            }
        }
    }

    /// Says why the cluster does not answer, if that is what is wrong: a time-out alone helps nobody.
    async fn explained<T>(&self, result: Result<T>) -> Result<T> {
        let doing = match &result {
            Err(StreamError::Kafka { doing, .. } | StreamError::Broker { doing, .. }) => *doing,
            _ => return result,
        };
        if !matches!(&result, Err(error) if error.is_retriable()) {
            return result;
        }
        match self.probe(doing).await {
            Err(unreachable) => Err(unreachable),
            Ok(()) => result,
        }
    }

    async fn probe(&self, doing: &'static str) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        let ask = move || {
            if inner.client.client().fetch_metadata(Some(""), PROBE).is_ok() {
                return Ok(());
            }
            // Complaints arrive with the events, which nobody else polls for. One poll ends with one event.
            for _ in 0..EVENTS {
                drop(inner.client.poll(Duration::ZERO));
            }
            let reason = inner.client.client().context().complaint();
            Err(StreamError::Unreachable { doing, brokers: inner.config.brokers.clone(), reason })
        };
        task::spawn_blocking(ask).await.unwrap_or(Err(StreamError::Closed))
    }
}

/// Ids and partition counts; the configuration is not asked for.
pub(crate) fn describe<C: ClientContext>(client: &Client<C>, names: &[&str], wait: Duration) -> Result<Vec<TopicInfo>> {
    let found = native::describe_topics(client, names, wait)?;
    names
        .iter()
        .map(|name| {
            let topic = found.iter().find(|topic| topic.name == *name);
            match topic {
                Some(topic) if topic.code == RDKafkaErrorCode::NoError => Ok(TopicInfo {
                    name: Arc::from(*name),
                    id: topic.id,
                    partitions: i32::try_from(topic.partitions).unwrap_or(i32::MAX),
                    log_append_time: false,
                }),
                Some(topic) if topic.code != RDKafkaErrorCode::UnknownTopicOrPartition => {
                    Err(StreamError::Broker { doing: "describe a topic", code: topic.code, detail: (*name).to_owned() })
                }
                _ => Err(StreamError::UnknownTopic { name: (*name).to_owned() }),
            }
        })
        .collect()
}

fn admin_options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(WAIT)).operation_timeout(Some(WAIT))
}
