//! Which queries run, and how one is ended from outside.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::engine::Engine;
use super::exception::Exception;

/// The engine gives every query an id of its own, which cannot be chosen; this setting, without effect on a query,
/// carries the client's id to `system.processes`.
pub(super) const ID_SETTING: &str = "chdb_client_name";

const KILL_EVERY: Duration = Duration::from_millis(50);

/// The queries under way, by the client's id.
pub(super) struct Queries {
    engine: Arc<Engine>,
    limit: usize,
    running: Mutex<HashMap<String, Arc<AtomicBool>>>,
}

impl Queries {
    pub(super) fn new(engine: Arc<Engine>, limit: usize) -> Arc<Self> {
        Arc::new(Self { engine, limit, running: Mutex::default() })
    }

    /// Enters a query.
    pub(super) fn start(self: &Arc<Self>, id: &str) -> Result<Query, Exception> {
        let mut running = self.running.lock();
        if running.len() >= self.limit {
            let message = format!("Too many simultaneous queries. Maximum: {}", self.limit);
            return Err(Exception::new(202, message));
        }
        if running.contains_key(id) {
            return Err(Exception::new(216, format!("Query with id = {id} is already running")));
        }
        let cancelled = Arc::new(AtomicBool::new(false));
        running.insert(id.to_owned(), Arc::clone(&cancelled));
        Ok(Query { queries: Arc::clone(self), id: id.to_owned(), cancelled })
    }

    /// Whether a query with this id is under way.
    pub(super) fn is_running(&self, id: &str) -> bool {
        self.running.lock().contains_key(id)
    }

    /// How many queries are under way.
    pub(super) fn count(&self) -> usize {
        self.running.lock().len()
    }

    /// Ends a query, if it still runs. Returns at once.
    pub(super) fn cancel(self: &Arc<Self>, id: &str) {
        let Some(cancelled) = self.running.lock().get(id).cloned() else {
            return;
        };
        if cancelled.swap(true, Ordering::Relaxed) {
            return;
        }
        let (queries, id) = (Arc::clone(self), id.to_owned());
        std::thread::spawn(move || queries.kill_until_gone(&id, &cancelled));
    }

    /// Ends all queries.
    pub(super) fn cancel_all(self: &Arc<Self>) {
        let ids: Vec<String> = self.running.lock().keys().cloned().collect();
        ids.iter().for_each(|id| self.cancel(id));
    }

    /// A query may not have reached the engine yet when it is to end, so one attempt is not enough.
    fn kill_until_gone(&self, id: &str, entry: &Arc<AtomicBool>) {
        let statement = format!("KILL QUERY WHERE Settings['{ID_SETTING}'] = {} ASYNC", super::settings::quote(id));
        loop {
            // Held while killing: a new query with the same id must not be taken for this one.
            let running = self.running.lock();
            if !running.get(id).is_some_and(|current| Arc::ptr_eq(current, entry)) {
                return;
            }
            let killed = self.engine.connect().and_then(|c| c.query(&statement, "Null", &[]).map(drop));
            drop(running);
            if let Err(error) = killed {
                tracing::warn!(query_id = id, error = error.message, "a query could not be ended");
            }
            std::thread::sleep(KILL_EVERY);
        }
    }
}

/// A query under way; leaves the list when dropped.
pub(super) struct Query {
    queries: Arc<Queries>,
    id: String,
    cancelled: Arc<AtomicBool>,
}

impl Query {
    /// Fails once the client has gone or the front is stopping.
    pub(super) fn check(&self) -> Result<(), Exception> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Exception::new(394, "Query was cancelled: the client has gone or the server is stopping"));
        }
        Ok(())
    }

    /// Ends the query when dropped, unless it has ended by itself.
    pub(super) fn canceller(&self) -> Canceller {
        Canceller { queries: Arc::clone(&self.queries), id: self.id.clone(), entry: Arc::clone(&self.cancelled) }
    }
}

impl Drop for Query {
    fn drop(&mut self) {
        self.queries.running.lock().remove(&self.id);
    }
}

/// Held by the client's side of a query: gone with it.
pub(super) struct Canceller {
    queries: Arc<Queries>,
    id: String,
    entry: Arc<AtomicBool>,
}

impl Drop for Canceller {
    fn drop(&mut self) {
        let same = self.queries.running.lock().get(&self.id).is_some_and(|entry| Arc::ptr_eq(entry, &self.entry));
        if same {
            self.queries.cancel(&self.id);
        }
    }
}
