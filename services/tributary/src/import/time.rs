//! Times as exports write them, to instants.

use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};
use serde::Deserialize;

/// The `[time]` section of a mapping file.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimeSection {
    /// Zone of times that name none: an IANA name.
    pub zone: String,
    /// `auto`, `rfc3339`, `epoch_s`, `epoch_ms`, or a strftime pattern (`%d.%m.%Y %H:%M`).
    pub format: String,
}

impl Default for TimeSection {
    fn default() -> Self {
        TimeSection { zone: "UTC".to_owned(), format: "auto".to_owned() }
    }
}

/// How times are written.
#[derive(Debug, Clone, PartialEq)]
enum Format {
    Auto,
    Rfc3339,
    EpochSeconds,
    EpochMillis,
    Pattern(String),
}

/// Reads times of one export.
#[derive(Debug, Clone)]
pub(crate) struct TimeReader {
    zone: TimeZone,
    format: Format,
}

impl TimeReader {
    /// A reader for a mapping's section; the error says which key is wrong.
    pub(crate) fn new(section: &TimeSection) -> Result<Self, String> {
        let zone = TimeZone::get(&section.zone).map_err(|_| {
            format!("time.zone: `{}` is no time zone, expected a name like Europe/Berlin", section.zone)
        })?;
        let format = match section.format.as_str() {
            "auto" => Format::Auto,
            "rfc3339" => Format::Rfc3339,
            "epoch_s" => Format::EpochSeconds,
            "epoch_ms" => Format::EpochMillis,
            pattern if pattern.contains('%') => Format::Pattern(pattern.to_owned()),
            other => {
                return Err(format!(
                    "time.format: `{other}` is none of auto, rfc3339, epoch_s, epoch_ms or a pattern like %Y-%m-%d %H:%M:%S"
                ));
            }
        };
        Ok(TimeReader { zone, format })
    }

    /// The instant, cut to milliseconds.
    pub(crate) fn instant(&self, text: &str) -> Result<Timestamp, String> {
        let text = text.trim();
        let found = match &self.format {
            Format::Auto => self.auto(text),
            Format::Rfc3339 => text.parse::<Timestamp>().map_err(|_| "expected RFC 3339 with an offset".to_owned()),
            Format::EpochSeconds => epoch(text, 1_000),
            Format::EpochMillis => epoch(text, 1),
            Format::Pattern(pattern) => self.pattern(pattern, text),
        }?;
        found
            .round(jiff::TimestampRound::new().smallest(Unit::Millisecond).mode(jiff::RoundMode::Floor))
            .map_err(|_| "out of range".to_owned())
    }

    /// The calendar day in the mapping's zone.
    pub(crate) fn day(&self, text: &str) -> Result<Date, String> {
        if let (Format::Auto, Ok(day)) = (&self.format, text.trim().parse::<Date>()) {
            return Ok(day);
        }
        Ok(self.instant(text)?.to_zoned(self.zone.clone()).date())
    }

    fn auto(&self, text: &str) -> Result<Timestamp, String> {
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Ok(instant);
        }
        if text.len() >= 9 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            let whole = text.split('.').next().unwrap_or(text);
            return epoch(text, if whole.len() > 11 { 1 } else { 1_000 });
        }
        let civil = text
            .parse::<DateTime>()
            .map_err(|_| "expected a date and time like 2025-03-04T12:30:00Z or 2025-03-04 12:30:00, or epoch seconds or milliseconds".to_owned())?;
        self.at(civil)
    }

    fn pattern(&self, pattern: &str, text: &str) -> Result<Timestamp, String> {
        let parsed = strtime::parse(pattern, text).map_err(|_| format!("expected the form {pattern}"))?;
        if parsed.offset().is_some() || parsed.timestamp().is_some() {
            return parsed.to_timestamp().map_err(|_| "out of range".to_owned());
        }
        let date = parsed.to_date().map_err(|_| format!("the pattern {pattern} names no day"))?;
        let time = parsed.to_time().unwrap_or_default();
        self.at(date.to_datetime(time))
    }

    /// A wall-clock time in the zone: one that a clock change skips moves on by the change, one that happens twice is
    /// the first.
    fn at(&self, civil: DateTime) -> Result<Timestamp, String> {
        self.zone.to_ambiguous_timestamp(civil).compatible().map_err(|_| "out of range".to_owned())
    }
}

fn epoch(text: &str, millis_per_unit: i64) -> Result<Timestamp, String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let expected = || "expected a number of seconds or milliseconds since 1970".to_owned();
    let whole: i64 = whole.parse().map_err(|_| expected())?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(expected());
    }
    let digits: i64 = format!("{:0<3.3}", fraction).parse().map_err(|_| expected())?;
    let fraction_ms = if millis_per_unit == 1_000 { digits } else { 0 };
    whole
        .checked_mul(millis_per_unit)
        .and_then(|millis| millis.checked_add(if whole < 0 { -fraction_ms } else { fraction_ms }))
        .and_then(|millis| Timestamp::from_millisecond(millis).ok())
        .ok_or_else(|| "out of range".to_owned())
}

/// How an instant is written on the wire.
pub(crate) fn wire_text(instant: Timestamp) -> String {
    format!("{instant:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(format: &str, zone: &str, text: &str, expected: &str) {
        let reader = TimeReader::new(&TimeSection { zone: zone.to_owned(), format: format.to_owned() }).unwrap();
        let found = reader.instant(text).map(wire_text).unwrap_or_else(|error| format!("error: {error}"));
        assert!(found.starts_with(expected), "{text} as {format} in {zone}: {found}, expected {expected}");
    }

    #[test]
    fn formats() {
        check("auto", "UTC", "2025-02-23T00:00:01.750Z", "2025-02-23T00:00:01.750Z");
        check("auto", "UTC", "2025-02-23 00:00:01", "2025-02-23T00:00:01.000Z");
        check("auto", "America/New_York", "2025-02-23 00:00:01", "2025-02-23T05:00:01.000Z");
        check("auto", "America/New_York", "2025-02-23T00:00:01+01:00", "2025-02-22T23:00:01.000Z");
        check("auto", "UTC", "1740268801", "2025-02-23T00:00:01.000Z");
        check("auto", "UTC", "1740268801.25", "2025-02-23T00:00:01.250Z");
        check("auto", "UTC", "1740268801750", "2025-02-23T00:00:01.750Z");
        check("auto", "Asia/Shanghai", "2025-02-23", "2025-02-22T16:00:00.000Z");
        check("rfc3339", "UTC", "2025-02-23T00:00:01.7509Z", "2025-02-23T00:00:01.750Z");
        check("epoch_s", "UTC", "5", "1970-01-01T00:00:05.000Z");
        check("epoch_ms", "UTC", "5", "1970-01-01T00:00:00.005Z");
        check("%Y%m%d", "UTC", "19970101", "1997-01-01T00:00:00.000Z");
        check("%d.%m.%Y %H:%M", "Europe/Berlin", "04.03.2025 12:30", "2025-03-04T11:30:00.000Z");
        check("%Y-%m-%d %H:%M:%S %z", "Europe/Berlin", "2025-03-04 12:30:00 +0000", "2025-03-04T12:30:00.000Z");
    }

    #[test]
    fn clock_changes() {
        check("auto", "Europe/Berlin", "2025-03-30 02:30:00", "2025-03-30T01:30:00.000Z");
        check("auto", "Europe/Berlin", "2025-10-26 02:30:00", "2025-10-26T00:30:00.000Z");
    }

    #[test]
    fn refused() {
        check("auto", "UTC", "yesterday", "error: expected a date");
        check("rfc3339", "UTC", "2025-02-23 00:00:01", "error: expected RFC 3339");
        check("%Y%m%d", "UTC", "1997-01-01", "error: expected the form");
        check("epoch_s", "UTC", "99999999999999", "error: out of range");
        let zone = TimeReader::new(&TimeSection { zone: "Mars/Base".to_owned(), format: "auto".to_owned() });
        assert!(zone.unwrap_err().starts_with("time.zone"));
    }

    #[test]
    fn days() {
        let reader = TimeReader::new(&TimeSection::default()).unwrap();
        assert_eq!(reader.day("2025-03-04").unwrap().to_string(), "2025-03-04");
        let reader =
            TimeReader::new(&TimeSection { zone: "Asia/Tokyo".to_owned(), format: "%m/%d/%y".to_owned() }).unwrap();
        assert_eq!(reader.day("03/04/25").unwrap().to_string(), "2025-03-04");
    }
}
