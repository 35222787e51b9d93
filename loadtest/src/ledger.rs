use schemas::Source;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

use crate::Record;

/// What must become of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is stored, and may be a conversion.
    Stored {
        /// Its event id.
        event_id: String,
        /// Set when it counts as a conversion.
        conversion: Option<Conversion>,
    },
    /// It was delivered before.
    Duplicate,
    /// It goes to the dead letters.
    Rejected(&'static str),
}

/// A conversion as the shop's books know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    /// Order id; empty for leads.
    pub order_id: String,
    /// Minor units, negative for a refund.
    pub value_minor: i64,
}

/// What must become of all records of a scenario.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Records produced.
    pub records: u64,
    /// Records by source.
    pub by_source: BTreeMap<&'static str, u64>,
    /// Event ids that must be stored, each once.
    pub stored: BTreeSet<String>,
    /// Deliveries of something stored already.
    pub duplicate: u64,
    /// Rejections: (reason, SHA-256 of the payload in upper-case hex) and how often.
    pub rejected: BTreeMap<(&'static str, String), u64>,
    /// Distinct orders and leads, refunds left out.
    pub conversions: u64,
    /// Revenue of distinct orders less refunds, minor units.
    pub revenue_minor: i64,
    orders: BTreeSet<(&'static str, String)>,
}

impl Ledger {
    /// Records that must be rejected.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Rejections by reason.
    pub fn rejected_by_reason(&self) -> BTreeMap<&'static str, u64> {
        let mut reasons = BTreeMap::new();
        for ((reason, _), count) in &self.rejected {
            *reasons.entry(*reason).or_default() += count;
        }
        reasons
    }

    pub(crate) fn add(&mut self, record: &Record, fate: Fate) {
        self.records += 1;
        *self.by_source.entry(record.source.as_str()).or_default() += 1;
        match fate {
            Fate::Stored { event_id, conversion } => {
                self.stored.insert(event_id);
                if let Some(conversion) = conversion {
                    self.add_conversion(record.source, conversion);
                }
            }
            Fate::Duplicate => self.duplicate += 1,
            Fate::Rejected(reason) => {
                *self.rejected.entry((reason, payload_digest(&record.payload))).or_default() += 1;
            }
        }
    }

    fn add_conversion(&mut self, source: Source, conversion: Conversion) {
        if conversion.value_minor < 0 {
            self.revenue_minor += conversion.value_minor;
        } else if conversion.order_id.is_empty() || self.orders.insert((source.as_str(), conversion.order_id)) {
            self.conversions += 1;
            self.revenue_minor += conversion.value_minor;
        }
    }
}

/// As ClickHouse's `hex(SHA256(payload))` gives it.
fn payload_digest(payload: &[u8]) -> String {
    Sha256::digest(payload).iter().map(|byte| format!("{byte:02X}")).collect()
}
