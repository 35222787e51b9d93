use crate::{Key, Position, Text};

/// Why a customer's attribution should be computed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestReason {
    /// A conversion was stored.
    Conversion,
    /// The component changed.
    Identity,
    /// A touch was stored late.
    LateTouch,
    /// The customer a request named has merged into another.
    Forwarded,
}

/// "Recompute this customer's conversions."
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttributionRequest {
    /// Customer id, or any key of the customer.
    pub customer: Key,
    /// Why.
    pub reason: RequestReason,
}

/// A touchpoint as read back from ClickHouse.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields are the columns of `touchpoints` of the same names")]
pub struct TouchRow {
    pub position: Position,
    pub ordinal: u16,
    pub identity_key: Key,
    pub touch_time_ms: i64,
    pub kind: Text,
    pub channel: Text,
    pub campaign_source: Text,
    pub campaign_medium: Text,
    pub campaign: Text,
}

/// A conversion record as read back from ClickHouse.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields are the columns of `conversions` of the same names")]
pub struct Conversion {
    pub position: Position,
    pub ordinal: u16,
    pub source: Text,
    pub event_id: Text,
    pub name: Text,
    pub kind: Text,
    pub order_id: Text,
    pub identity_key: Key,
    pub conversion_time_ms: i64,
    pub value_minor: i64,
    pub currency: Text,
}

/// The rule models, all computed for every conversion. The order is that of the arrays in `attribution_paths`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Model {
    /// All to the first touch.
    First,
    /// All to the last touch.
    Last,
    /// All to the last touch whose channel is not Direct; to the last when all are.
    LastNonDirect,
    /// Equal parts.
    Linear,
    /// Halved for every half-life between touch and conversion.
    TimeDecay,
    /// 40 % first, 40 % last, 20 % between.
    Position,
}

impl Model {
    /// All models.
    pub const ALL: [Model; 6] =
        [Model::First, Model::Last, Model::LastNonDirect, Model::Linear, Model::TimeDecay, Model::Position];

    /// Name in ClickHouse.
    pub const fn as_str(self) -> &'static str {
        match self {
            Model::First => "first",
            Model::Last => "last",
            Model::LastNonDirect => "last_non_direct",
            Model::Linear => "linear",
            Model::TimeDecay => "time_decay",
            Model::Position => "position",
        }
    }
}

/// One touch on a conversion's path, with its credit under every model, in [`Model::ALL`]'s order.
#[derive(Debug, Clone, PartialEq)]
pub struct PathTouch {
    /// The touch.
    pub touch: TouchRow,
    /// Credit in minor units of the conversion's currency; over the path they sum exactly to its value.
    pub credit_minor: [i64; 6],
    /// Share in millionths; over the path they sum exactly to 1,000,000, also for conversions without a value.
    pub share_ppm: [u32; 6],
}

/// A conversion with the credit of every touch that led to it: one row of `attribution_paths`.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributionPath {
    /// The conversion.
    pub conversion: Conversion,
    /// Customer at the time of computing.
    pub customer_id: Key,
    /// Eligible touches, ascending by (time, position, ordinal); empty when there were none.
    pub touches: Vec<PathTouch>,
    /// (log offset of the component's last change) << 64 | request offset: the greater replaces the lesser.
    pub version: u128,
}
