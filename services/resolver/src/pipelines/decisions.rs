//! A hash of everything that decides whether a record is stored, rejected or a duplicate, and into which rows it goes.

use ::identity::Hasher;

use crate::Settings;

/// What the settings decide; the identity rules are added, for the log may change them at any time.
pub(crate) struct Decisions(blake3::Hasher);

impl Decisions {
    /// Under these settings.
    pub(crate) fn new(settings: &Settings) -> Self {
        let mut hash = blake3::Hasher::new();
        let mut add = |part: &[u8]| {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        for schema in schemas::avro::ALL {
            add(schema.current.as_bytes());
        }
        add(&decode::SEMANTICS_VERSION.to_le_bytes());
        add(format!("{:?}", settings.decode).as_bytes());
        add(format!("{:?}", settings.enrich).as_bytes());
        add(format!("{:?}", settings.conversions).as_bytes());
        add(&settings.resolver.event_id_window_ms.to_le_bytes());
        add(&settings.resolver.event_id_window_offsets.to_le_bytes());
        Decisions(hash)
    }

    /// The hash under these rules.
    pub(crate) fn under(&self, hasher: &Hasher) -> u64 {
        let mut hash = self.0.clone();
        hash.update(&hasher.rules_hash());
        let mut first = [0; 8];
        first.copy_from_slice(&hash.finalize().as_bytes()[..8]);
        u64::from_le_bytes(first)
    }
}
