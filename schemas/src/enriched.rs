use serde::{Deserialize, Serialize};

use crate::{IdentifiedEvent, Key, Text};

/// An event with everything marketing wants to know of it: the last state before rows.
#[derive(Debug, Clone, PartialEq)]
pub struct EnrichedEvent {
    /// The event and its customer.
    pub identified: IdentifiedEvent,
    /// Host of the page, lower case, without `www.`; empty when absent.
    pub page_host: Text,
    /// Path of the page, without query and fragment; empty when absent.
    pub page_path: Text,
    /// Host of the referrer, lower case, without `www.`; empty when absent or the same site.
    pub referrer_host: Text,
    /// Campaign, from explicit fields first, then from the page's URL.
    pub campaign: Campaign,
    /// Ad click ids in the page's URL, verbatim, in the order of the table of click ids.
    pub click_ids: Vec<ClickId>,
    /// Default channel group (GA4), e.g. `Paid Search`; `Direct` when nothing says otherwise. Empty for sources that
    /// are no visits.
    pub channel: &'static str,
    /// Browser, system and device.
    pub agent: Agent,
    /// The visit it belongs to; web events with an anonymous id only.
    pub session: Option<Session>,
    /// Set when this event is a touchpoint.
    pub touch: Option<Touch>,
    /// Set when this event is a conversion.
    pub conversion: Option<ConversionName>,
}

/// Cleaned campaign fields; empty when absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the fields are the utm_* parameters of the same names")]
pub struct Campaign {
    pub id: Text,
    pub source: Text,
    pub medium: Text,
    pub campaign: Text,
    pub term: Text,
    pub content: Text,
    pub source_platform: Text,
}

/// An ad platform's click id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClickId {
    /// Parameter name: `gclid`, `msclkid`, …
    pub kind: &'static str,
    /// Value, verbatim.
    pub value: Text,
}

/// What the User-Agent header says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agent {
    /// Browser's name.
    pub browser: Text,
    /// Operating system's name.
    pub os: Text,
    /// `desktop`, `mobile`, `tablet`, `bot`, `other`, or empty when there is no header.
    pub device: &'static str,
    /// Whether it is an automated client. Flagged, stored, and left out of channels.
    pub is_bot: bool,
}

/// The visit an event belongs to, as known after this event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Hash of the anonymous key and the session's first event: a replay finds the same one.
    pub id: Key,
    /// Event time of the session's first event, ms.
    pub started_at_ms: i64,
    /// Greatest event time seen in the session up to and including this event, ms.
    pub last_event_ms: i64,
    /// Hash of the campaign (fields and click ids) of the session's last touch; 0 when that had none.
    pub touch_hash: u64,
}

/// Why an event is a touchpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TouchKind {
    /// First event of a session.
    SessionStart,
    /// A new campaign inside a session.
    CampaignChange,
    /// A form submission with UTM fields.
    Form,
}

impl TouchKind {
    /// Name in ClickHouse.
    pub const fn as_str(self) -> &'static str {
        match self {
            TouchKind::SessionStart => "session_start",
            TouchKind::CampaignChange => "campaign_change",
            TouchKind::Form => "form",
        }
    }
}

/// A touchpoint: one row in `touchpoints`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touch {
    /// Why.
    pub kind: TouchKind,
}

/// What a conversion counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConversionKind {
    /// Adds to revenue or to leads.
    Conversion,
    /// Takes back an earlier conversion of the same order id.
    Refund,
}

impl ConversionKind {
    /// Name in ClickHouse.
    pub const fn as_str(self) -> &'static str {
        match self {
            ConversionKind::Conversion => "conversion",
            ConversionKind::Refund => "refund",
        }
    }
}

/// Which configured conversion an event is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversionName {
    /// Configured name: `order`, `sale`, `lead`, `won`.
    pub name: Text,
    /// Conversion or refund.
    pub kind: ConversionKind,
}
