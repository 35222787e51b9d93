use crate::{Position, Source, Text};

/// Name of an identifier's type as configured in the identity rules: `user_id`, `email`, `anonymous_id`, …
pub type IdentifierType = Text;

/// An identifier as the source wrote it. Raw personal data: never logged, never stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RawIdentifier {
    /// Type name.
    pub kind: IdentifierType,
    /// Value as written by the source.
    pub value: Text,
}

/// A decoded and validated record, whichever source and encoding it came in.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Where the record stands in the log.
    pub position: Position,
    /// What kind of record it is.
    pub source: Source,
    /// Receipt time: the broker's append time, ms since the epoch.
    pub received_at_ms: i64,
    /// The source's id of the event, unique per topic and partition within the window; when the source gives none, made
    /// from the position (and so never a duplicate).
    pub event_id: Text,
    /// What happened, in snake_case: `page_viewed`, `order_completed`, `form_submitted`, `sale`, `refund`, …
    pub event_type: Text,
    /// When it happened, ms since the epoch, never later than `received_at_ms`. Only advertising cost may be: its day's
    /// midnight, which comes earlier in the east.
    pub event_time_ms: i64,
    /// Identifiers of the acting person, in the order in which the record names them.
    pub identifiers: Vec<RawIdentifier>,
    /// The page it happened on.
    pub page: Page,
    /// Campaign fields given explicitly (a form's hidden fields); those in the page's URL are read by `enrich`.
    pub utm: Utm,
    /// User-Agent header, empty when absent.
    pub user_agent: Text,
    /// Client IP already truncated (IPv4 to /24, IPv6 to /48), empty when absent.
    pub ip: Text,
    /// Order, sale, refund or deal.
    pub order: Option<Order>,
    /// Advertising cost; only on [`Source::AdSpend`].
    pub spend: Option<Spend>,
    /// Everything else as one JSON object, keys as the source wrote them; `{}` when there is nothing else.
    pub properties: String,
}

/// Page fields; empty strings when absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Full URL.
    pub url: String,
    /// Title.
    pub title: String,
    /// Referring URL.
    pub referrer: String,
}

/// Campaign fields as written; empty when absent. Not yet cleaned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the utm_* parameters of the same names")]
pub struct Utm {
    pub id: Text,
    pub source: Text,
    pub medium: Text,
    pub campaign: Text,
    pub term: Text,
    pub content: Text,
    pub source_platform: Text,
}

/// Money that changed hands, or is expected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The shop's id of the order; a refund names the order it refunds. Empty when the source has none.
    pub order_id: Text,
    /// Signed integer in the currency's minor units (ISO 4217 exponent). Negative for refunds.
    pub value_minor: i64,
    /// ISO 4217 code, upper case.
    pub currency: Text,
}

/// One day of one campaign's cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spend {
    /// Platform that reports it: `google_ads`, …
    pub platform: Text,
    /// Campaign id, and its name.
    pub campaign_id: Text,
    /// Campaign name.
    pub campaign: Text,
    /// `utm_source` and `utm_medium` that the campaign's links carry, if reported.
    pub utm_source: Text,
    /// See `utm_source`.
    pub utm_medium: Text,
    /// Cost in minor units.
    pub cost_minor: i64,
    /// ISO 4217 code.
    pub currency: Text,
    /// Times shown.
    pub impressions: u64,
    /// Clicks.
    pub clicks: u64,
}
