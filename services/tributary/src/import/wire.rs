//! The fields a record may have on the wire, per source: what a mapping file may name on its left-hand sides.

use schemas::Source;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::record::Object;

/// How a field's value is read from an export and written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A string, trimmed.
    Text,
    /// An instant; written as RFC 3339 in UTC.
    Time,
    /// A calendar day; written as `YYYY-MM-DD`.
    Day,
    /// An amount; written as integer minor units into the field `<name>_minor`.
    Money,
    /// A whole number that is not negative.
    Count,
}

/// Path and kind of one wire field.
type Field = (&'static str, Kind);

/// Fields of every source.
const EVERY: &[Field] = &[("event_id", Kind::Text)];

/// Fields of every source that tells what a person did.
const PERSONAL: &[Field] = &[
    ("event_time", Kind::Time),
    ("sent_at", Kind::Time),
    ("anonymous_id", Kind::Text),
    ("user_id", Kind::Text),
    ("email", Kind::Text),
    ("phone", Kind::Text),
    ("loyalty_id", Kind::Text),
    ("page.url", Kind::Text),
    ("page.title", Kind::Text),
    ("page.referrer", Kind::Text),
    ("utm.id", Kind::Text),
    ("utm.source", Kind::Text),
    ("utm.medium", Kind::Text),
    ("utm.campaign", Kind::Text),
    ("utm.term", Kind::Text),
    ("utm.content", Kind::Text),
    ("utm.source_platform", Kind::Text),
    ("user_agent", Kind::Text),
    ("ip", Kind::Text),
];

const WEB: &[Field] = &[
    ("crm_id", Kind::Text),
    ("order.order_id", Kind::Text),
    ("order.value", Kind::Money),
    ("order.currency", Kind::Text),
];
const FORM: &[Field] = &[("crm_id", Kind::Text), ("form_id", Kind::Text)];
const POS: &[Field] =
    &[("transaction_id", Kind::Text), ("value", Kind::Money), ("currency", Kind::Text), ("store_id", Kind::Text)];
const SUPPORT: &[Field] = &[
    ("ticket_id", Kind::Text),
    ("channel", Kind::Text),
    ("subject", Kind::Text),
    ("requester.email", Kind::Text),
    ("requester.phone", Kind::Text),
    ("requester.user_id", Kind::Text),
    ("requester.name", Kind::Text),
];
const CRM: &[Field] = &[
    ("lead_id", Kind::Text),
    ("reason", Kind::Text),
    ("opportunity_id", Kind::Text),
    ("value", Kind::Money),
    ("currency", Kind::Text),
];
const AD_SPEND: &[Field] = &[
    ("day", Kind::Day),
    ("platform", Kind::Text),
    ("campaign_id", Kind::Text),
    ("campaign", Kind::Text),
    ("utm_source", Kind::Text),
    ("utm_medium", Kind::Text),
    ("cost", Kind::Money),
    ("currency", Kind::Text),
    ("impressions", Kind::Count),
    ("clicks", Kind::Count),
];

/// All fields of a source, its own before those that others have as well.
pub(crate) fn fields(source: Source) -> impl Iterator<Item = Field> {
    let own = match source {
        Source::Web => WEB,
        Source::Form => FORM,
        Source::Pos => POS,
        Source::Support => SUPPORT,
        Source::Crm => CRM,
        Source::AdSpend => AD_SPEND,
    };
    let personal: &[Field] = if source == Source::AdSpend { &[] } else { PERSONAL };
    EVERY.iter().chain(own).chain(personal).copied()
}

/// The kind of a field of a source; `None` when the source has no such field. `identifiers.<type>` is open: the types
/// are configuration.
pub(crate) fn kind(source: Source, path: &str) -> Option<Kind> {
    if source != Source::AdSpend && path.strip_prefix("identifiers.").is_some_and(|name| !name.is_empty()) {
        return Some(Kind::Text);
    }
    fields(source).find(|(known, _)| *known == path).map(|(_, kind)| kind)
}

/// The wire field that says what happened; none for advertising cost, which is one kind of thing.
pub(crate) const fn event_field(source: Source) -> Option<&'static str> {
    match source {
        Source::Web | Source::Form | Source::Support => Some("event"),
        Source::Pos => Some("type"),
        Source::Crm => Some("stage"),
        Source::AdSpend => None,
    }
}

/// The wire field that says when it happened.
pub(crate) const fn time_field(source: Source) -> &'static str {
    match source {
        Source::AdSpend => "day",
        _ => "event_time",
    }
}

/// The field that names the currency of a money field: its sibling.
pub(crate) fn currency_field(money_path: &str) -> String {
    match money_path.rsplit_once('.') {
        Some((parent, _)) => format!("{parent}.currency"),
        None => "currency".to_owned(),
    }
}

/// The Kafka key of a record: what keeps one person's records in one partition, and so in order. A record without
/// it is keyed by its event id, so that a repeated import finds the same partition.
pub(crate) fn message_key(source: Source, record: &Object, event_id: &str) -> String {
    let text = |path: &str| record.text(path).map(str::to_owned);
    let hashed = |path: &str| record.text(path).map(hash_hex);
    let key = match source {
        Source::Web => text("anonymous_id"),
        Source::Form => text("anonymous_id").or_else(|| hashed("email")),
        Source::Pos => text("loyalty_id").or_else(|| text("transaction_id")),
        Source::Support => ["requester.email", "requester.phone", "requester.user_id", "email", "phone", "user_id"]
            .iter()
            .find_map(|path| hashed(path)),
        Source::Crm => text("lead_id"),
        Source::AdSpend => text("campaign_id").or_else(|| text("campaign")),
    };
    key.or_else(|| text("user_id")).or_else(|| hashed("email")).unwrap_or_else(|| event_id.to_owned())
}

/// SHA-256 of the trimmed, lower-case text in hex; a text that is such a hash already stays as it is.
fn hash_hex(value: &str) -> String {
    let value = value.trim().to_lowercase();
    if value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return value;
    }
    Sha256::digest(value.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The wire form of a money field: `value` becomes `value_minor`.
pub(crate) fn minor_field(money_path: &str) -> String {
    format!("{money_path}_minor")
}

/// The amount a mapped record carries and its currency, for summaries.
pub(crate) fn amount(source: Source, record: &Object) -> Option<(i64, &str)> {
    let (path, _) = fields(source).find(|(_, kind)| *kind == Kind::Money)?;
    let minor = record.get(&minor_field(path)).and_then(Value::as_i64)?;
    Some((minor, record.text(&currency_field(path)).unwrap_or("")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_keeps_a_person_together() {
        let mut record = Object::default();
        record.set("email", Value::from(" Ann@Example.com "));
        let by_mail = message_key(Source::Form, &record, "id");
        assert_eq!(by_mail, hash_hex("ann@example.com"));
        assert_eq!(hash_hex(&by_mail), by_mail, "a hash is not hashed again");
        record.set("anonymous_id", Value::from("a-1"));
        assert_eq!(message_key(Source::Form, &record, "id"), "a-1");
        assert_eq!(message_key(Source::Pos, &Object::default(), "id"), "id");
    }

    #[test]
    fn every_source_knows_its_time_field() {
        for source in Source::ALL {
            assert!(kind(source, time_field(source)).is_some(), "{source}");
        }
    }

    #[test]
    fn identifiers_are_open_but_not_for_cost() {
        assert_eq!(kind(Source::Web, "identifiers.wechat_unionid"), Some(Kind::Text));
        assert_eq!(kind(Source::AdSpend, "identifiers.wechat_unionid"), None);
        assert_eq!(kind(Source::Web, "identifiers."), None);
    }
}
