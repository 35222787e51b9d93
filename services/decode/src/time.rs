//! Event times.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use schemas::Reason;

use crate::fault::Fault;
use crate::limits::Limits;
use crate::node::Node;

/// Below this a number is taken for seconds: as milliseconds it would be in 1973 or earlier.
const LEAST_MS: u64 = 100_000_000_000;
/// Above this a number is taken for microseconds: as milliseconds it would be in the year 5138.
const GREATEST_MS: u64 = 100_000_000_000_000;

/// The time of an event, ms since the epoch, as written.
pub(crate) fn parse(node: Node, field: &str) -> Result<i64, Fault> {
    let invalid = |detail: &str| Fault::new(Reason::InvalidTime, field, detail);
    match node {
        Node::Null => Err(Fault::missing(field)),
        Node::Int(number) => epoch_ms(number, field),
        Node::Number(text) => match text.parse() {
            Ok(number) => epoch_ms(number, field),
            Err(_) => Err(invalid("expected whole milliseconds since the epoch")),
        },
        Node::Text(text) if crate::text::is_blank(&text) => Err(Fault::missing(field)),
        Node::Text(text) => match text.trim().parse::<i64>() {
            Ok(number) => epoch_ms(number, field),
            Err(_) => rfc_3339(text.trim(), field),
        },
        other => Err(invalid(&format!(
            "expected a time as RFC 3339 text or milliseconds since the epoch, found {}",
            other.describe()
        ))),
    }
}

/// Midnight, UTC, of a day written `YYYY-MM-DD`.
pub(crate) fn parse_day(node: Node, field: &str) -> Result<i64, Fault> {
    let invalid =
        |found: &str| Fault::new(Reason::InvalidTime, field, format!("expected a day as `YYYY-MM-DD`, found {found}"));
    match node {
        Node::Null => Err(Fault::missing(field)),
        Node::Text(text) if crate::text::is_blank(&text) => Err(Fault::missing(field)),
        Node::Text(text) => {
            let text = text.trim();
            let is_plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
            let day: Option<Date> = if is_plain { text.parse().ok() } else { None };
            let midnight = day.and_then(|day| day.to_zoned(TimeZone::UTC).ok());
            midnight.map(|zoned| zoned.timestamp().as_millisecond()).ok_or_else(|| invalid("another text"))
        }
        other => Err(invalid(other.describe())),
    }
}

/// Holds a time against its receipt. A clock that is a little fast is set to the receipt time.
pub(crate) fn clamp(event_time_ms: i64, received_at_ms: i64, limits: &Limits, field: &str) -> Result<i64, Fault> {
    check_range(event_time_ms, received_at_ms, limits, field)?;
    Ok(event_time_ms.min(received_at_ms))
}

/// The same check, without setting anything.
pub(crate) fn check_range(time_ms: i64, received_at_ms: i64, limits: &Limits, field: &str) -> Result<(), Fault> {
    let ahead_ms = time_ms.saturating_sub(received_at_ms);
    let out_of_range = |detail| Err(Fault::new(Reason::TimeOutOfRange, field, detail));
    if ahead_ms > limits.max_event_ahead_ms {
        let limit = span(limits.max_event_ahead_ms);
        return out_of_range(format!("{} ahead of its receipt, at most {limit} are allowed", span(ahead_ms)));
    }
    if ahead_ms < limits.max_event_age_ms.saturating_neg() {
        let limit = span(limits.max_event_age_ms);
        let age = span(ahead_ms.saturating_neg());
        return out_of_range(format!("{age} before its receipt, at most {limit} are allowed"));
    }
    Ok(())
}

fn epoch_ms(number: i64, field: &str) -> Result<i64, Fault> {
    let looks_like = match number.unsigned_abs() {
        ..LEAST_MS => "seconds (or no time at all)",
        GREATEST_MS.. => "microseconds or nanoseconds",
        _ => return Ok(number),
    };
    let detail = format!("expected milliseconds since the epoch, but the number looks like {looks_like}");
    Err(Fault::new(Reason::InvalidTime, field, detail))
}

fn rfc_3339(text: &str, field: &str) -> Result<i64, Fault> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp.as_millisecond());
    }
    let detail = if text.parse::<DateTime>().is_ok() || text.parse::<Date>().is_ok() {
        "a time without a zone can mean 24 different hours; add an offset, such as `Z` or `+08:00`"
    } else {
        "not a time in RFC 3339, such as `2026-03-01T09:30:00.000Z` or `2026-03-01T17:30:00+08:00`"
    };
    Err(Fault::new(Reason::InvalidTime, field, detail))
}

/// A length of time for people, in the greatest unit that shows it.
fn span(ms: i64) -> String {
    const UNITS: [(i64, &str); 5] = [
        (365 * 86_400_000, "years"),
        (86_400_000, "days"),
        (3_600_000, "hours"),
        (60_000, "minutes"),
        (1_000, "seconds"),
    ];
    let unit = UNITS.iter().find(|(length, _)| ms >= 2 * length);
    unit.map_or_else(|| format!("{ms} ms"), |(length, name)| format!("{} {name}", ms / length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn text(text: &str) -> Node<'_> {
        Node::Text(Cow::Borrowed(text))
    }

    fn number(text: &str) -> Node<'_> {
        Node::Number(Cow::Borrowed(text))
    }

    #[test]
    fn times_are_read_to_the_millisecond() {
        for (node, expected) in [
            (text("2026-03-01T09:30:00Z"), 1_772_357_400_000),
            (text("2026-03-01T17:30:00.1239+08:00"), 1_772_357_400_123),
            (text("2026-03-01 09:30:00Z"), 1_772_357_400_000),
            (text(" 1772357400000 "), 1_772_357_400_000),
            (number("1772357400000"), 1_772_357_400_000),
            (Node::Int(1_772_357_400_000), 1_772_357_400_000),
            (text("1969-12-31T23:59:59.9999Z"), 0),
        ] {
            assert_eq!(parse(node.clone(), "event_time").unwrap(), expected, "{node:?}");
        }
    }

    #[test]
    fn what_is_no_time_says_why() {
        for (node, expected) in [
            (text("2026-03-01T09:30:00"), "without a zone"),
            (text("2026-03-01"), "without a zone"),
            (text("yesterday"), "RFC 3339"),
            (number("1772357400"), "looks like seconds"),
            (number("1772357400.5"), "whole milliseconds"),
            (number("1.7e12"), "whole milliseconds"),
            (number("1772357400000000"), "looks like microseconds"),
            (number("99999999999999999999999"), "whole milliseconds"),
            (Node::Bool(true), "found a boolean"),
        ] {
            let fault = parse(node.clone(), "event_time").unwrap_err();
            assert_eq!(fault.reason(), Reason::InvalidTime);
            assert!(fault.detail().contains(expected), "{node:?}: {}", fault.detail());
        }
        assert_eq!(parse(text(" "), "event_time").unwrap_err().reason(), Reason::MissingField);
    }

    #[test]
    fn days_are_read_strictly() {
        assert_eq!(parse_day(text("1970-01-02"), "day").unwrap(), 86_400_000);
        for wrong in ["2026-3-1", "2026-02-30", "20260301", "2026-03-01T00:00:00Z", "01.03.2026"] {
            assert_eq!(parse_day(text(wrong), "day").unwrap_err().reason(), Reason::InvalidTime, "{wrong}");
        }
    }

    #[test]
    fn times_stay_within_their_range() {
        let limits = Limits::default();
        let received = 1_772_357_400_000;
        let clamp = |time| clamp(time, received, &limits, "event_time");
        assert_eq!(clamp(received - 1).unwrap(), received - 1);
        assert_eq!(clamp(received + limits.max_event_ahead_ms).unwrap(), received);
        let ahead = clamp(received + 3 * 86_400_000).unwrap_err();
        assert_eq!(ahead.detail(), "3 days ahead of its receipt, at most 24 hours are allowed");
        assert_eq!(clamp(0).unwrap_err().reason(), Reason::TimeOutOfRange);
        assert!(clamp(i64::MIN).is_err() && clamp(i64::MAX).is_err());
    }
}
