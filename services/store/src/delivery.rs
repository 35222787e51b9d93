//! One attempt to bring a batch into ClickHouse: which tables, in which order, and when a block is sent again.
//! The clauses named here are those of the exactly-once protocol.

use schemas::{EnrichedEvent, Source, Text};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::ask::{self, Held};
use crate::batch::{Counts, ExactBatch, ExactTable, Mode, Place, Written, places};
use crate::columns::{self, Encoded, EventRow, Who};
use crate::failpoint::failpoint;
use crate::fill::{self, Fates};
use crate::session::{Session, broken};
use crate::{Error, Result};

/// What is known of a batch across attempts.
pub(crate) struct Progress {
    mode: Mode,
    surveyed: bool,
    /// Tables that may hold some of its rows: those are asked before they are sent anything.
    uncertain: HashSet<ExactTable>,
    done: HashSet<ExactTable>,
    beside_done: bool,
    /// Tables that have moved on to the second token.
    second_token: HashSet<ExactTable>,
    /// Identity columns of rows that `events` held before, by offset.
    identities: Arc<HashMap<i64, Who>>,
    held_before: bool,
    asked: bool,
    bytes: u64,
    counts: Option<Counts>,
}

impl Progress {
    pub(crate) fn new(mode: Mode) -> Self {
        let uncertain: &[ExactTable] = if mode == Mode::First { &[] } else { &ExactTable::ALL };
        Self {
            mode,
            surveyed: mode != Mode::Replay,
            uncertain: uncertain.iter().copied().collect(),
            done: HashSet::new(),
            beside_done: false,
            second_token: HashSet::new(),
            identities: Arc::default(),
            held_before: false,
            asked: mode != Mode::First,
            bytes: 0,
            counts: None,
        }
    }
}

/// How often a block may be acknowledged under the second token and not be there.
const MAX_LOST: u32 = 5;

pub(crate) struct Delivery<'a> {
    pub(crate) session: &'a mut Session,
    pub(crate) batch: &'a Arc<ExactBatch>,
    pub(crate) progress: &'a mut Progress,
    pub(crate) type_names: &'a Arc<[Text]>,
}

impl Delivery<'_> {
    /// Clause 8: the primary table is acknowledged before the others are sent, `batches` last.
    pub(crate) async fn run(&mut self) -> Result<Written> {
        self.survey().await?;
        for table in ExactTable::of(self.batch.raw.source) {
            if *table == ExactTable::Batches {
                self.write_beside().await?;
            }
            self.deliver(*table).await?;
            if *table == ExactTable::Events {
                self.take_stored_identities().await?;
            }
        }
        let counts = self.progress.counts.take().unwrap_or_default();
        Ok(Written {
            stored: counts.stored,
            duplicate: counts.duplicate,
            rejected: counts.rejected,
            asked: self.progress.asked,
            acknowledged_at_ms: self.session.server_now_ms(),
            clock_skew_ms: self.session.skew_ms(),
            bytes: self.progress.bytes,
        })
    }

    /// Clause 7: where other boundaries are found, the range is filled by offset.
    async fn survey(&mut self) -> Result<()> {
        if self.progress.surveyed {
            return Ok(());
        }
        if ask::has_other_boundaries(self.session, self.batch).await? {
            let raw = &self.batch.raw;
            tracing::info!(
                topic = %raw.topic, partition = raw.partition, first = raw.first, end = raw.end,
                "rows stand under other boundaries, filling by offset"
            );
            self.progress.mode = Mode::Fill { decision_hash: 0 };
        }
        self.progress.surveyed = true;
        Ok(())
    }

    /// Clause 6, for one table.
    async fn deliver(&mut self, table: ExactTable) -> Result<()> {
        if self.progress.done.contains(&table) {
            return Ok(());
        }
        let mut acknowledged = 0;
        loop {
            let certain = !self.progress.uncertain.contains(&table);
            let mut rows = if certain { self.all_places(table) } else { self.missing_places(table).await? };
            if acknowledged > 0 && !rows.is_empty() {
                rows = self.wait_and_ask_again(table, rows, acknowledged).await?;
            }
            if rows.is_empty() {
                break;
            }
            self.progress.uncertain.insert(table);
            self.send(table, rows).await?;
            if certain {
                break;
            }
            acknowledged += 1;
        }
        self.progress.done.insert(table);
        Ok(())
    }

    /// An acknowledged block that is not there: its token was written by an insert that is still running, or that
    /// died between the token and the part. Only the latter needs another token.
    async fn wait_and_ask_again(
        &mut self,
        table: ExactTable,
        rows: Vec<Place>,
        acknowledged: u32,
    ) -> Result<Vec<Place>> {
        let token = self.token(table, &rows);
        while ask::is_running(self.session, &token).await? {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let rows = self.missing_places(table).await?;
        if rows.is_empty() {
            return Ok(rows);
        }
        tracing::warn!(token, "clickhouse knows this token and does not hold its block");
        self.progress.second_token.insert(table);
        if acknowledged > MAX_LOST {
            return Err(Error::BlockLost { token });
        }
        Ok(rows)
    }

    fn all_places(&mut self, table: ExactTable) -> Vec<Place> {
        if table == ExactTable::Batches {
            self.progress.counts = Some(self.batch.counts());
        }
        places(table, self.batch)
    }

    /// The rows that a table does not hold yet.
    async fn missing_places(&mut self, table: ExactTable) -> Result<Vec<Place>> {
        self.progress.asked = true;
        self.session.read_clock().await?;
        if let Mode::Fill { .. } = self.progress.mode {
            return self.places_to_fill(table).await;
        }
        let held = ask::blocks(self.session, table, self.batch).await?;
        self.note_held(table, &held);
        let mut rows = self.all_places(table);
        rows.retain(|place| !held.contains(place));
        Ok(rows)
    }

    async fn places_to_fill(&mut self, table: ExactTable) -> Result<Vec<Place>> {
        let fates = Fates::load(self.session, self.batch).await?;
        if table == ExactTable::Batches {
            let counts = fates.counts(self.batch);
            // None left: all were counted before, or by this very write, whose counts are kept.
            if counts.records == 0 {
                return Ok(Vec::new());
            }
            self.progress.counts = Some(counts);
            return Ok(places(table, self.batch));
        }
        let held = Held::Offsets(ask::offsets(self.session, table, self.batch).await?);
        self.note_held(table, &held);
        let mut rows = places(table, self.batch);
        rows.retain(|place| !held.contains(place) && !fates.is_settled(table, place.offset));
        Ok(rows)
    }

    fn note_held(&mut self, table: ExactTable, held: &Held) {
        if table == ExactTable::Events && !held.is_empty() {
            self.progress.held_before = true;
        }
    }

    /// Clause 8: beside a held block the other tables take its identity columns, so that one record's rows agree.
    async fn take_stored_identities(&mut self) -> Result<()> {
        if self.progress.held_before && self.progress.identities.is_empty() {
            let stored = ask::identities(self.session, self.batch).await?;
            self.progress.identities = Arc::new(stored);
        }
        Ok(())
    }

    async fn send(&mut self, table: ExactTable, rows: Vec<Place>) -> Result<()> {
        let token = self.token(table, &rows);
        let batch = self.batch.clone();
        let identities = self.progress.identities.clone();
        let counts = self.progress.counts.clone().unwrap_or_default();
        let encode = move || encode(table, &batch, &rows, &identities, &counts);
        self.send_encoded(off_runtime(encode).await?, Some(&token)).await
    }

    /// `identifiers` and `profiles`: repeats are harmless, so they need no token.
    async fn write_beside(&mut self) -> Result<()> {
        let nothing = self.batch.events.is_empty() || self.batch.raw.source == Source::AdSpend;
        if self.progress.beside_done || nothing {
            return Ok(());
        }
        let (batch, type_names) = (self.batch.clone(), self.type_names.clone());
        let identities = self.progress.identities.clone();
        let encode = move || {
            let key_of = |event: &EnrichedEvent| who(event, &identities).identity_key;
            Ok([columns::identifiers(&batch.events, key_of, &type_names)?, columns::profiles(&batch.events, key_of)?])
        };
        for encoded in off_runtime(encode).await? {
            self.send_encoded(encoded, None).await?;
        }
        self.progress.beside_done = true;
        Ok(())
    }

    async fn send_encoded(&mut self, encoded: Encoded, token: Option<&str>) -> Result<()> {
        if encoded.rows == 0 {
            return Ok(());
        }
        failpoint("before", encoded.table);
        self.session.insert(&encoded, token).await?;
        failpoint("after", encoded.table);
        self.progress.bytes += encoded.body.len() as u64;
        Ok(())
    }

    /// Clause 4: the token is made of the batch's boundaries, whatever the rows are.
    fn token(&self, table: ExactTable, rows: &[Place]) -> String {
        let raw = &self.batch.raw;
        let mut token = format!(
            "v1/{}/{}/{}/{}/{}-{}/{}",
            self.batch.cluster_id,
            raw.topic,
            raw.topic_id,
            raw.partition,
            raw.first,
            raw.end,
            table.name()
        );
        if let Mode::Fill { decision_hash } = self.progress.mode {
            token.push_str(&format!("/f{:016x}", fill::hash(decision_hash, rows)));
        }
        if self.progress.second_token.contains(&table) {
            token.push_str("/r1");
        }
        token
    }
}

/// Encoding a large batch takes long enough to starve other tasks.
async fn off_runtime<T: Send + 'static>(encode: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(encode).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is shutting down; nothing was sent.
        Err(error) => Err(broken("encoding rows", &error.to_string())),
    }
}

fn who(event: &EnrichedEvent, stored: &HashMap<i64, Who>) -> Who {
    let identified = &event.identified;
    stored.get(&identified.event.position.offset).copied().unwrap_or(Who {
        identity_key: identified.identity_key,
        customer_id: identified.customer_id,
        customer_version: identified.customer_version,
        generation: identified.generation,
    })
}

fn encode(
    table: ExactTable,
    batch: &ExactBatch,
    rows: &[Place],
    identities: &HashMap<i64, Who>,
    counts: &Counts,
) -> Result<Encoded> {
    let events = || -> Vec<EventRow<'_>> {
        let event = |place: &Place| &batch.events[place.index];
        rows.iter().map(event).map(|event| EventRow { event, who: who(event, identities) }).collect()
    };
    match table {
        ExactTable::Events => columns::events(&batch.raw, &events()),
        ExactTable::AdSpend => columns::ad_spend(&batch.raw, &events()),
        ExactTable::Touchpoints => columns::touchpoints(&batch.raw, &events()),
        ExactTable::Conversions => columns::conversions(&batch.raw, &events()),
        ExactTable::DeadLetters => {
            let rejections: Vec<_> = rows.iter().map(|place| &batch.rejections[place.index]).collect();
            columns::dead_letters(batch, &rejections)
        }
        ExactTable::Batches => columns::batches(batch, counts),
    }
}
