use uuid::Uuid;

use crate::{Result, StreamError};

/// Kafka keeps this much beside a committed offset (`offset.metadata.max.bytes`).
const MAX_BYTES: usize = 4096;

/// Version of the text form. It is also part of every insert's token: another version is another plan.
const FORMAT: &str = "tributary1";

/// What is committed before anything of it is inserted: the batches in flight from the committed offset on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The topic that the offsets are of; a plan for another topic is void.
    pub topic_id: Uuid,
    /// How long what is inserted under it may take effect.
    pub lease_ms: u64,
    /// Hash over everything that decides a record's fate: schemas, limits, conversion definitions.
    pub decision_hash: u64,
    /// Exclusive ends of the batches, ascending, the first of which begins at the committed offset.
    pub ends: Vec<i64>,
}

impl Plan {
    /// So many batches always fit, whatever their offsets.
    pub const MAX_ENDS: usize = 128;

    /// As the metadata of a commit of `offset`.
    pub fn encode(&self, offset: i64) -> Result<String> {
        use std::fmt::Write;
        let mut text = format!("{FORMAT} {} {:x} {:016x} ", self.topic_id.simple(), self.lease_ms, self.decision_hash);
        let mut before = offset;
        for (index, end) in self.ends.iter().enumerate() {
            let length = end.checked_sub(before).filter(|length| *length > 0).ok_or_else(|| {
                StreamError::PlanInvalid(format!("batch {index} would end at {end}, before it begins at {before}"))
            })?;
            let separator = if index == 0 { "" } else { "," };
            // Writing to a string cannot fail.
            let _ = write!(text, "{separator}{length:x}");
            before = *end;
        }
        if text.len() > MAX_BYTES {
            return Err(StreamError::PlanTooLarge { ends: self.ends.len(), bytes: text.len() });
        }
        Ok(text)
    }

    /// The plan beside a committed `offset`; `None` when there was none.
    pub fn decode(metadata: &str, offset: i64) -> Result<Option<Self>> {
        if metadata.is_empty() {
            return Ok(None);
        }
        parse(metadata, offset).map(Some).ok_or_else(|| {
            let shown: String = metadata.chars().take(60).collect();
            StreamError::PlanInvalid(format!("`{}`", shown.escape_debug()))
        })
    }
}

fn parse(metadata: &str, offset: i64) -> Option<Plan> {
    let mut parts = metadata.split(' ');
    if parts.next()? != FORMAT {
        return None;
    }
    let topic_id = Uuid::try_parse(parts.next()?).ok()?;
    let lease_ms = u64::from_str_radix(parts.next()?, 16).ok()?;
    let decision_hash = u64::from_str_radix(parts.next()?, 16).ok()?;
    let lengths = parts.next()?;
    if parts.next().is_some() {
        return None;
    }
    let mut end = offset;
    let mut ends = Vec::new();
    if !lengths.is_empty() {
        for length in lengths.split(',') {
            let length = i64::from_str_radix(length, 16).ok().filter(|length| *length > 0)?;
            end = end.checked_add(length)?;
            ends.push(end);
        }
    }
    Some(Plan { topic_id, lease_ms, decision_hash, ends })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan(ends: Vec<i64>) -> Plan {
        Plan { topic_id: Uuid::from_u128(7), lease_ms: 60_000, decision_hash: 0xfeed, ends }
    }

    #[test]
    fn reads_as_it_should_in_kafkas_tools() {
        let text = plan(vec![110, 111]).encode(100).unwrap();
        assert_eq!(text, "tributary1 00000000000000000000000000000007 ea60 000000000000feed a,1");
    }

    #[test]
    fn a_batch_that_ends_before_it_begins_is_refused() {
        assert!(plan(vec![100]).encode(100).is_err());
        assert!(plan(vec![120, 110]).encode(100).is_err());
    }

    #[test]
    fn foreign_metadata_is_an_error_and_none_is_none() {
        assert_eq!(Plan::decode("", 5).unwrap(), None);
        for text in ["x", "tributary2 0 0 0 1", "tributary1 0 0 0", "NO_METADATA", "tributary1 a b c d e f"] {
            assert!(Plan::decode(text, 5).is_err(), "{text}");
        }
        let good = plan(vec![10]).encode(5).unwrap();
        for bad in [format!("{good},0"), format!("{good},-1"), format!("{good},7fffffffffffffff"), format!("{good} ")] {
            assert!(Plan::decode(&bad, 5).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn comes_back_as_it_was_within_what_kafka_keeps(
            topic in any::<u128>(),
            lease_ms in any::<u64>(),
            decision_hash in any::<u64>(),
            offset in 0..i64::MAX / 2,
            lengths in prop::collection::vec(1..i64::MAX / 4096, 0..=Plan::MAX_ENDS),
        ) {
            let ends = lengths.iter().scan(offset, |at, length| { *at += length; Some(*at) }).collect();
            let plan = Plan { topic_id: Uuid::from_u128(topic), lease_ms, decision_hash, ends };
            let text = plan.encode(offset).unwrap();
            prop_assert!(text.len() <= MAX_BYTES);
            prop_assert_eq!(Plan::decode(&text, offset).unwrap(), Some(plan));
        }

        #[test]
        fn never_panics_on_what_others_wrote(text in "\\PC{0,200}", offset in any::<i64>()) {
            let _ = Plan::decode(&text, offset);
        }
    }
}
