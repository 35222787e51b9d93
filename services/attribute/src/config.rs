use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How far back touches count, and how fast their credit fades.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttributionConfig {
    /// A touch counts when it lies at most this many days (of exactly 24 hours) before the conversion.
    pub lookback_days: u32,
    /// Time decay: a touch this many days older gets half the credit.
    pub half_life_days: NonZeroU32,
}

impl Default for AttributionConfig {
    fn default() -> Self {
        AttributionConfig { lookback_days: 30, half_life_days: NonZeroU32::MIN.saturating_add(6) }
    }
}

impl AttributionConfig {
    /// The lookback as an exact duration: callers load touches from this long before the earliest conversion.
    pub fn lookback_ms(&self) -> i64 {
        i64::from(self.lookback_days) * DAY_MS
    }

    /// The half-life as an exact duration; never 0.
    pub fn half_life_ms(&self) -> i64 {
        i64::from(self.half_life_days.get()) * DAY_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_thirty_and_seven_days() {
        let config: AttributionConfig = toml::from_str("").unwrap();
        assert_eq!(config, AttributionConfig::default());
        assert_eq!(config.lookback_ms(), 2_592_000_000);
        assert_eq!(config.half_life_ms(), 604_800_000);
    }

    #[test]
    fn unknown_keys_and_a_half_life_of_zero_are_errors() {
        assert!(toml::from_str::<AttributionConfig>("look_back = 3").is_err());
        assert!(toml::from_str::<AttributionConfig>("half_life_days = 0").is_err());
    }
}
