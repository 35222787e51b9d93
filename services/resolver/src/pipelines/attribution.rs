//! `attribution.requests` → wait for the graph → load → attribute → store → `attribution_paths`. At least once,
//! idempotent by version.

use ::identity::Graph;
use attribute::AttributionConfig;
use rustc_hash::FxHashMap;
use schemas::{AttributionRequest, Key, RawBatch, RawRecord, RequestReason};
use std::sync::Arc;
use store::Store;
use stream::{Follower, LogProducer, RequestProducer};

use super::{paths, requests, wait};
use crate::Result;
use crate::engine::{Assignment, Cpu, Pipeline, SendMode};
use crate::metrics::{Recorder, Stage};

/// The attribution pipeline.
pub(crate) struct Attribution {
    pub(crate) config: AttributionConfig,
    pub(crate) request_delay_ms: i64,
    pub(crate) cpu: Cpu,
    pub(crate) graph: Arc<Graph>,
    pub(crate) log: LogProducer,
    pub(crate) follower: Follower,
    pub(crate) store: Store,
    pub(crate) requests: RequestProducer,
    pub(crate) recorder: Recorder,
}

/// The customers that a batch of requests names, each with its latest request.
pub(crate) struct Requested {
    /// Customer as named, and the greatest offset of its requests.
    customers: FxHashMap<Key, i64>,
    /// When the last of them was appended, ms.
    last_append_ms: i64,
}

impl Pipeline for Attribution {
    type State = ();
    type Prepared = Requested;
    const NAME: &'static str = "attribution";

    fn decision_hash(&self) -> Option<u64> {
        None
    }

    async fn open(&self, _: &Assignment, _: i64, _: i64) -> Result<()> {
        Ok(())
    }

    async fn prepare(&self, raw: RawBatch, _: bool) -> Result<(Requested, Vec<RawRecord>)> {
        let mut requested = Requested { customers: FxHashMap::default(), last_append_ms: 0 };
        for record in &raw.records {
            let request = requests::decode(&raw, record)?;
            requested.customers.insert(request.customer, record.offset);
            requested.last_append_ms = requested.last_append_ms.max(record.append_time_ms);
        }
        Ok((requested, Vec::new()))
    }

    async fn process(&self, (): &mut (), requested: Requested, _: SendMode) -> Result<()> {
        wait::for_touches(requested.last_append_ms, self.request_delay_ms).await;
        wait::for_graph(&self.log, &self.follower).await?;
        let _timer = self.recorder.time(Stage::Attribute);
        let (customers, moved) = self.current(requested.customers);
        self.requests.send(&moved).await?;
        let keys = paths::keys(&customers);
        let conversions = self.store.load_conversions(&keys).await?;
        self.recorder.requests(customers.len(), moved.len(), conversions.len());
        let Some(span) = paths::span(&conversions, &self.config) else {
            return Ok(());
        };
        let keys = paths::keys_of_converted(&customers, &conversions);
        let touches = self.store.load_touches(&keys, span.0, span.1).await?;
        let computed = self.cpu.run(|| paths::compute(&customers, conversions, touches, &self.config)).await;
        self.store.write_paths(&computed).await?;
        Ok(())
    }
}

impl Attribution {
    /// The customers as the graph knows them now, and requests for those that merged into another meanwhile.
    fn current(&self, requested: FxHashMap<Key, i64>) -> (Vec<paths::Customer>, Vec<AttributionRequest>) {
        let mut current = Vec::with_capacity(requested.len());
        let mut moved = Vec::new();
        for (named, request_offset) in requested {
            let component = self.graph.members(named);
            if component.customer_id == named {
                current.push(paths::Customer::new(component, request_offset));
            } else {
                moved.push(AttributionRequest { customer: component.customer_id, reason: RequestReason::Forwarded });
            }
        }
        (current, moved)
    }
}
