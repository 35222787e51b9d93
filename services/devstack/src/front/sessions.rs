//! Sessions: a connection each, kept between requests until it has not been used for a while.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::engine::{Connection, Engine};
use super::exception::Exception;
use super::request::SessionName;

enum Slot {
    InUse,
    Idle { connection: Connection, until: Instant },
}

/// The sessions of this process.
pub(super) struct Sessions {
    engine: Arc<Engine>,
    slots: Mutex<HashMap<String, Slot>>,
}

impl Sessions {
    pub(super) fn new(engine: Arc<Engine>) -> Arc<Self> {
        Arc::new(Self { engine, slots: Mutex::default() })
    }

    /// The connection of a session, to use alone; or a new one for a request without a session.
    pub(super) fn lease(self: &Arc<Self>, name: Option<&SessionName>) -> Result<Lease, Exception> {
        let Some(name) = name else {
            return Ok(Lease { connection: Some(self.engine.connect()?), back: None });
        };
        let kept = self.take(name)?;
        let mut lease = Lease { connection: None, back: Some((Arc::clone(self), name.id.clone(), name.timeout)) };
        lease.connection = Some(match kept {
            Some(connection) => connection,
            None => self.engine.connect()?,
        });
        Ok(lease)
    }

    fn take(&self, name: &SessionName) -> Result<Option<Connection>, Exception> {
        let mut slots = self.slots.lock();
        match slots.remove(&name.id) {
            Some(Slot::InUse) => {
                slots.insert(name.id.clone(), Slot::InUse);
                Err(Exception::new(373, format!("Session {} is locked by a concurrent client", name.id)))
            }
            Some(Slot::Idle { connection, until }) if until > Instant::now() => {
                slots.insert(name.id.clone(), Slot::InUse);
                Ok(Some(connection))
            }
            _ if name.must_exist => Err(Exception::new(372, format!("Session {} not found", name.id))),
            _ => {
                slots.insert(name.id.clone(), Slot::InUse);
                Ok(None)
            }
        }
    }

    /// Closes the sessions whose time is over.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let mut expired = Vec::new();
        let mut slots = self.slots.lock();
        let over = |slot: &Slot| matches!(slot, Slot::Idle { until, .. } if *until <= now);
        let ids: Vec<String> = slots.iter().filter(|(_, slot)| over(slot)).map(|(id, _)| id.clone()).collect();
        expired.extend(ids.iter().filter_map(|id| slots.remove(id)));
        // Closing a connection takes the engine a while; others need not wait for it.
        drop(slots);
        drop(expired);
    }

    /// Closes all sessions that are not in use.
    pub(super) fn clear(&self) {
        let slots = std::mem::take(&mut *self.slots.lock());
        drop(slots);
    }
}

/// The use of a connection for one request.
pub(super) struct Lease {
    connection: Option<Connection>,
    back: Option<(Arc<Sessions>, String, Duration)>,
}

impl Lease {
    /// The connection.
    pub(super) fn connection(&self) -> Result<&Connection, Exception> {
        self.connection.as_ref().ok_or_else(|| Exception::new(49, "a lease lost its connection"))
    }

    /// Whether the connection outlives the request.
    pub(super) fn is_session(&self) -> bool {
        self.back.is_some()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some((sessions, id, timeout)) = self.back.take() else {
            return;
        };
        let mut slots = sessions.slots.lock();
        match self.connection.take() {
            Some(connection) => {
                slots.insert(id, Slot::Idle { connection, until: Instant::now() + timeout });
            }
            None => {
                slots.remove(&id);
            }
        }
    }
}
