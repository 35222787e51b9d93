//! A resolver process from its first connection to its last commit.

use schemas::Source;
use schemas::conversions::ConversionDefinitions;
use schemas::topics::Topics;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use store::{ClickHouseConfig, Store};
use stream::{
    Admin, ConsumerLimits, DeadLetterProducer, Follower, GroupConsumer, KafkaConfig, LogApplier, LogProducer,
    RegistryConfig, RequestProducer, RulesEntry, SchemaRegistry, TopicInfo,
};
use tokio::task::JoinSet;

use crate::backoff::until_answered;
use crate::dictionary::DictionaryReloader;
use crate::engine::{Cpu, Group, GroupSettings, Limits, Pipeline, Stuck};
use crate::health::Health;
use crate::metrics::{GraphGauges, Recorder, Totals, name};
use crate::pipelines::attribution::Attribution;
use crate::pipelines::decisions::Decisions;
use crate::pipelines::events::Events;
use crate::pipelines::identity::IdentityMap;
use crate::pipelines::schema_table::SharedSchemas;
use crate::snapshots::{Archive, Beginning, Directory, Keeper, SnapshotConfig, begin};
use crate::squash::Squasher;
use crate::{HttpConfig, ResolverConfig, ResolverError, Result, Shutdown, SquashConfig, failpoint, http};

/// Everything a resolver process is told.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "each part is documented where its type is")]
pub struct Settings {
    pub kafka: KafkaConfig,
    pub registry: RegistryConfig,
    pub clickhouse: ClickHouseConfig,
    pub identity: identity::Rules,
    pub decode: decode::Limits,
    pub enrich: enrich::EnrichConfig,
    pub conversions: ConversionDefinitions,
    pub attribution: attribute::AttributionConfig,
    pub resolver: ResolverConfig,
    pub squash: SquashConfig,
    pub snapshots: SnapshotConfig,
    pub http: HttpConfig,
}

/// Runs the three pipelines until told to stop, then ends the batches in flight.
///
/// # Errors
/// What does not pass by itself: see [`ResolverError`]. Whatever was in flight then is replayed by the next process.
pub async fn run(settings: Settings, shutdown: Shutdown) -> Result<()> {
    settings.resolver.check().map_err(ResolverError::Config)?;
    settings.squash.check().map_err(ResolverError::Config)?;
    settings.snapshots.check().map_err(ResolverError::Config)?;
    store::set_failpoint_hook(failpoint);
    // Kafka and ClickHouse may be away for as long as they like; a stop is heard meanwhile.
    let parts = tokio::select! {
        parts = Parts::connect(settings, shutdown.clone()) => parts?,
        () = shutdown.stopping() => return Ok(()),
    };
    let mut tasks = JoinSet::new();
    parts.serve(&mut tasks).await?;
    // The graph first: a record is resolved only by a graph that has seen everything logged before this process began.
    tokio::select! {
        caught_up = parts.follower.wait_caught_up() => caught_up?,
        () = shutdown.stopping() => return Ok(()),
    }
    parts.check_rules()?;
    parts.caught_up.store(true, Ordering::Relaxed);
    tracing::info!(applied = parts.follower.applied(), "the identity graph is caught up");
    let mut pipelines = JoinSet::new();
    parts.spawn_pipelines(&mut pipelines)?;
    if parts.settings.squash.enabled {
        tasks.spawn(parts.squasher().run());
    }
    tasks.spawn(parts.keeper().run());
    let ended = parts.until_stopped(&mut pipelines).await;
    parts.follower.close().await;
    ended
}

/// What the pipelines share.
struct Parts {
    settings: Settings,
    shutdown: Shutdown,
    cluster_id: String,
    sources: Vec<TopicInfo>,
    log_topic: TopicInfo,
    requests_topic: TopicInfo,
    dead_letters_topic: TopicInfo,
    admin: Admin,
    store: Store,
    hasher: Arc<identity::Hasher>,
    graph: Arc<identity::Graph>,
    log: LogProducer,
    follower: Follower,
    cpu: Cpu,
    totals: Arc<Totals>,
    caught_up: Arc<AtomicBool>,
    owned: [Arc<AtomicUsize>; 3],
    stuck: Stuck,
    dictionary: DictionaryReloader,
    snapshots: Directory,
    archive: Archive,
}

/// Applies the log to the graph.
struct Applier(Arc<identity::Graph>);

impl LogApplier for Applier {
    fn apply(
        &self,
        offset: i64,
        append_time_ms: i64,
        commands: &[schemas::Command],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.apply(offset, append_time_ms, commands).map(drop).map_err(Into::into)
    }
}

impl Parts {
    async fn connect(settings: Settings, shutdown: Shutdown) -> Result<Self> {
        let admin = Admin::connect(&settings.kafka)?;
        let topics = Topics::load_default().with_prefix(&settings.kafka.topic_prefix);
        let names = topics.all().map(|topic| topic.name.as_str());
        let mut infos = until_answered("describing the topics", || admin.describe_topics(&names)).await?;
        Admin::require_log_append_time(&infos)?;
        let [log_topic, requests_topic, dead_letters_topic, snapshots_topic] = [6, 6, 6, 6].map(|at| infos.remove(at));
        let store = Store::connect_patiently(&settings.clickhouse).await?;
        store.check().await?;
        for topic in &infos {
            let before = store.remember_partitions(topic.id, &topic.name, topic.partitions).await?;
            if before != topic.partitions {
                let (topic, now) = (topic.name.to_string(), topic.partitions);
                return Err(ResolverError::PartitionsChanged { topic, before, now });
            }
        }
        if settings.squash.enabled {
            store.prepare_squash(settings.squash.method).await?;
        }
        let hasher = Arc::new(identity::Hasher::new(settings.identity.secret.as_bytes(), settings.identity.clone())?);
        let log = LogProducer::new(&settings.kafka, &log_topic)?;
        let snapshots = Directory::new(&settings.snapshots.dir, log_topic.id);
        let archive = Archive::new(&settings.kafka, &admin, &log, &log_topic, &snapshots_topic)?;
        let beginning = begin(&hasher, &snapshots, &archive, &log).await?;
        beginning.report();
        let Beginning { graph, from_offset, .. } = beginning;
        let rules = RulesEntry { hash: hasher.rules_hash(), rules_json: hasher.rules_json().to_owned() };
        let applier = Arc::new(Applier(Arc::clone(&graph)));
        let follower = Follower::spawn(&settings.kafka, &log_topic, &log, applier, rules, from_offset).await?;
        Ok(Self {
            cluster_id: until_answered("asking for the cluster's id", || admin.cluster_id()).await?,
            cpu: Cpu::new(settings.resolver.cpu_slots()),
            dictionary: DictionaryReloader::default(),
            totals: Arc::default(),
            caught_up: Arc::default(),
            owned: Default::default(),
            stuck: Stuck::default(),
            sources: infos,
            settings,
            shutdown,
            log_topic,
            requests_topic,
            dead_letters_topic,
            admin,
            store,
            hasher,
            graph,
            log,
            follower,
            snapshots,
            archive,
        })
    }

    /// R9: the log is the truth. A process that was configured otherwise must not go on as if it were not.
    fn check_rules(&self) -> Result<()> {
        let differences = self.hasher.difference_from(self.graph.hasher().rules_json());
        if differences.is_empty() { Ok(()) } else { Err(ResolverError::RulesDiffer { differences }) }
    }

    fn keeper(&self) -> Keeper {
        Keeper {
            config: self.settings.snapshots.clone(),
            directory: self.snapshots.clone(),
            archive: self.archive.clone(),
            graph: Arc::clone(&self.graph),
            owned: Arc::clone(&self.owned[1]),
        }
    }

    /// Starts what runs beside the pipelines.
    async fn serve(&self, tasks: &mut JoinSet<()>) -> Result<()> {
        let builder = metrics_exporter_prometheus::PrometheusBuilder::new();
        let prometheus = builder.install_recorder().map_err(|error| ResolverError::Task(error.to_string()))?;
        let names = [Events::NAME, IdentityMap::NAME, Attribution::NAME];
        let health = Arc::new(Health {
            caught_up: Arc::clone(&self.caught_up),
            graph: Arc::clone(&self.graph),
            follower: self.follower.clone(),
            store: self.store.clone(),
            stuck: self.stuck.clone(),
            owned: names.into_iter().zip(self.owned.iter().map(Arc::clone)).collect(),
            totals: Arc::clone(&self.totals),
        });
        http::serve(&self.settings.http, prometheus, Arc::clone(&health), self.shutdown.clone()).await?;
        tasks.spawn(refresh_gauges(health));
        tasks.spawn(self.refresh_lag());
        tasks.spawn(self.forget_conflicts());
        let least = Duration::from_millis(self.settings.resolver.dictionary_reload_ms);
        let (dictionary, store) = (self.dictionary.clone(), self.store.clone());
        tasks.spawn(async move { dictionary.run(|| store.reload_dictionary(), least).await });
        Ok(())
    }

    fn spawn_pipelines(&self, pipelines: &mut JoinSet<Result<()>>) -> Result<()> {
        let log_topics = vec![self.log_topic.clone()];
        let request_topics = vec![self.requests_topic.clone()];
        pipelines.spawn(self.group(self.events()?, self.sources.clone(), Source::ALL.into(), 0)?.run());
        pipelines.spawn(self.group(self.identity_map()?, log_topics, Vec::new(), 1)?.run());
        pipelines.spawn(self.group(self.attribution()?, request_topics, Vec::new(), 2)?.run());
        Ok(())
    }

    fn group<P: Pipeline>(
        &self,
        pipeline: P,
        topics: Vec<TopicInfo>,
        sources: Vec<Source>,
        index: usize,
    ) -> Result<Group<P>> {
        let config = &self.settings.resolver;
        let limits =
            Limits { records: config.batch_max_records, bytes: config.batch_max_bytes, age: config.batch_max_age() };
        let group = self.settings.kafka.group(P::NAME);
        let consumer_limits = ConsumerLimits {
            buffer_bytes_per_partition: usize::try_from(config.buffer_max_bytes).unwrap_or(usize::MAX),
            ..ConsumerLimits::default()
        };
        let (consumer, events) = GroupConsumer::spawn(&self.settings.kafka, &group, topics.clone(), consumer_limits)?;
        Ok(Group {
            pipeline: Arc::new(pipeline),
            consumer,
            events,
            topics,
            settings: GroupSettings::new(limits, config.lease_ms, sources),
            shutdown: self.shutdown.clone(),
            owned: Arc::clone(&self.owned[index]),
            stuck: self.stuck.clone(),
        })
    }

    fn events(&self) -> Result<Events> {
        let settings = &self.settings;
        Ok(Events {
            config: settings.resolver.clone(),
            cluster_id: self.cluster_id.clone(),
            decisions: Decisions::new(settings),
            cpu: self.cpu.clone(),
            schemas: SharedSchemas::new(SchemaRegistry::new(&settings.registry)?, decode::SchemaTable::default()),
            limits: settings.decode.clone(),
            graph: Arc::clone(&self.graph),
            log: self.log.clone(),
            follower: self.follower.clone(),
            enricher: enrich::Enricher::new(settings.enrich.clone())?,
            session_horizon_ms: settings.enrich.sessions.horizon_ms(),
            conversions: settings.conversions.clone(),
            store: self.store.clone(),
            dead_letters: DeadLetterProducer::new(&settings.kafka, &self.dead_letters_topic.name)?,
            requests: self.request_producer()?,
            recorder: Recorder::new(Events::NAME, Arc::clone(&self.totals)),
        })
    }

    fn identity_map(&self) -> Result<IdentityMap> {
        Ok(IdentityMap {
            graph: Arc::clone(&self.graph),
            follower: self.follower.clone(),
            store: self.store.clone(),
            requests: self.request_producer()?,
            dictionary: self.dictionary.clone(),
            recorder: Recorder::new(IdentityMap::NAME, Arc::clone(&self.totals)),
        })
    }

    fn attribution(&self) -> Result<Attribution> {
        Ok(Attribution {
            config: self.settings.attribution.clone(),
            request_delay_ms: self.settings.resolver.request_delay_ms,
            cpu: self.cpu.clone(),
            graph: Arc::clone(&self.graph),
            log: self.log.clone(),
            follower: self.follower.clone(),
            store: self.store.clone(),
            requests: self.request_producer()?,
            recorder: Recorder::new(Attribution::NAME, Arc::clone(&self.totals)),
        })
    }

    fn squasher(&self) -> Squasher {
        Squasher {
            config: self.settings.squash.clone(),
            admin: self.admin.clone(),
            store: self.store.clone(),
            graph: Arc::clone(&self.graph),
            follower: self.follower.clone(),
            dictionary: self.dictionary.clone(),
            log_topic: self.log_topic.clone(),
            group: self.settings.kafka.group(IdentityMap::NAME),
            owned: Arc::clone(&self.owned[1]),
            shutdown: self.shutdown.clone(),
        }
    }

    fn request_producer(&self) -> Result<RequestProducer> {
        Ok(RequestProducer::new(&self.settings.kafka, &self.requests_topic.name)?)
    }

    /// Waits for a stop or for the first pipeline to fail.
    async fn until_stopped(&self, pipelines: &mut JoinSet<Result<()>>) -> Result<()> {
        let joined = |ended: Result<Result<()>, tokio::task::JoinError>| {
            ended.unwrap_or_else(|error| Err(ResolverError::Task(error.to_string())))
        };
        tokio::select! {
            Some(ended) = pipelines.join_next() => joined(ended)?,
            () = self.shutdown.stopping() => {}
        }
        tracing::info!("stopping: ending the batches in flight");
        let stop = async {
            while let Some(ended) = pipelines.join_next().await {
                joined(ended)?;
            }
            Ok(())
        };
        let limit = Duration::from_millis(self.settings.resolver.stop_timeout_ms);
        tokio::time::timeout(limit, stop).await.unwrap_or_else(|_| {
            tracing::warn!("batches in flight did not end in time: the next process replays them");
            Ok(())
        })
    }

    /// Conflicts that are rows of ClickHouse, whoever wrote them, need not be remembered.
    fn forget_conflicts(&self) -> impl Future<Output = ()> + Send + 'static {
        let (admin, graph) = (self.admin.clone(), Arc::clone(&self.graph));
        let (group, log) = (self.settings.kafka.group(IdentityMap::NAME), Arc::clone(&self.log_topic.name));
        async move {
            loop {
                tokio::time::sleep(Duration::from_secs(60)).await;
                if let Ok(committed) = admin.committed(&group, &log, 1).await {
                    let written = committed.into_iter().flatten().map(|committed| committed.offset).next();
                    written.into_iter().for_each(|offset| graph.forget_conflicts(offset));
                }
            }
        }
    }

    /// Keeps the gauges of what waits in Kafka up to date.
    fn refresh_lag(&self) -> impl Future<Output = ()> + Send + 'static {
        let admin = self.admin.clone();
        let group = |pipeline| self.settings.kafka.group(pipeline);
        let mut watched: Vec<_> = self.sources.iter().map(|topic| (group(Events::NAME), topic.clone())).collect();
        watched.push((group(IdentityMap::NAME), self.log_topic.clone()));
        watched.push((group(Attribution::NAME), self.requests_topic.clone()));
        async move {
            loop {
                for (group, topic) in &watched {
                    if let Ok(lag) = admin.lag(group, topic).await {
                        let labels = [("group", group.clone()), ("topic", topic.name.to_string())];
                        #[expect(clippy::cast_precision_loss, reason = "a metric is a double")]
                        metrics::gauge!(name::LAG, &labels).set(lag as f64);
                    }
                }
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        }
    }
}

async fn refresh_gauges(health: Arc<Health>) {
    let graph = GraphGauges::new();
    let owned: Vec<_> = health
        .owned
        .iter()
        .map(|(pipeline, owned)| (metrics::gauge!(name::PARTITIONS, "pipeline" => *pipeline), owned))
        .collect();
    let ready = metrics::gauge!(name::READY);
    loop {
        let follower = &health.follower;
        graph.set(&health.graph.stats(), health.graph.fingerprint(), follower.applied(), follower.lag());
        for (gauge, owned) in &owned {
            #[expect(clippy::cast_precision_loss, reason = "a metric is a double")]
            gauge.set(owned.load(Ordering::Relaxed) as f64);
        }
        ready.set(f64::from(u8::from(health.obstacles().is_empty())));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
