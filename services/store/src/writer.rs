use schemas::Text;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::batch::{ExactBatch, Mode, Written};
use crate::delivery::{Delivery, Progress};
use crate::retry::{Backoff, Trouble};
use crate::session::Session;
use crate::{Result, Store};

/// Servers close connections that have been idle for some seconds; beyond this one is tried before it is trusted.
const IDLE: Duration = Duration::from_secs(2);

/// Writes the batches of one partition so that each record's rows stand in ClickHouse exactly once.
///
/// It owns one connection, over which it asks and sends in turn. Dropping the future of [`ExactWriter::write`] cuts
/// that connection; the writer can be used again, or dropped.
pub struct ExactWriter {
    store: Store,
    type_names: Arc<[Text]>,
    session: Option<(Session, Instant)>,
}

impl ExactWriter {
    pub(crate) fn new(store: Store, type_names: Arc<[Text]>) -> Self {
        Self { store, type_names, session: None }
    }

    /// The names of the identifier types, where they have changed.
    pub fn name_types(&mut self, type_names: Arc<[Text]>) {
        self.type_names = type_names;
    }

    /// Returns when every table has acknowledged every row of the batch. Tries again as long as that may help, with
    /// [`crate::Health`] telling so meanwhile.
    pub async fn write(&mut self, batch: Arc<ExactBatch>, mode: Mode) -> Result<Written> {
        batch.check_balance()?;
        if batch.raw.records.is_empty() {
            return Ok(Written::default());
        }
        let store = self.store.clone();
        let mut progress = Progress::new(mode);
        let mut backoff = Backoff::new(store.config());
        let mut trouble = Trouble::none(store.health_sender());
        loop {
            match self.attempt(&batch, &mut progress).await {
                Err(error) if error.is_transient() => {
                    let raw = &batch.raw;
                    tracing::warn!(
                        %error, topic = %raw.topic, partition = raw.partition, first = raw.first,
                        "a batch was not acknowledged, asking what is held and trying again"
                    );
                    trouble.with(&error);
                    backoff.pause().await;
                }
                other => return other,
            }
        }
    }

    async fn attempt(&mut self, batch: &Arc<ExactBatch>, progress: &mut Progress) -> Result<Written> {
        // Taken out, so that an error or a dropped future cuts the connection with whatever is under way on it.
        let mut session = self.session().await?;
        let mut delivery = Delivery { session: &mut session, batch, progress, type_names: &self.type_names };
        let written = delivery.run().await?;
        self.session = Some((session, Instant::now()));
        Ok(written)
    }

    async fn session(&mut self) -> Result<Session> {
        if let Some((mut session, used_at)) = self.session.take()
            && (used_at.elapsed() < IDLE || session.read_clock().await.is_ok())
        {
            return Ok(session);
        }
        Session::dial(&self.store).await
    }
}
