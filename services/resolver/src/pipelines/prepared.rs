use ::identity::KeyedEvent;
use schemas::{RawBatch, Rejection};

/// A batch whose records were decoded and whose identifiers are keys.
pub(crate) struct Prepared {
    pub(super) raw: RawBatch,
    pub(super) events: Vec<KeyedEvent>,
    pub(super) rejections: Vec<Rejection>,
    /// Hash of what decided their fate.
    pub(super) decision_hash: u64,
}
