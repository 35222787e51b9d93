//! What the ads of a month cost, day by day, as the ad platforms report it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rand::Rng;
use schemas::Source;
use serde_json::json;

use crate::journey::Planned;
use crate::{Record, Scenario};

const DAY_MS: i64 = 86_400_000;
const DAYS: i64 = 29;

/// A campaign: platform, id, name, utm source and medium, cents a day.
const CAMPAIGNS: [(&str, &str, &str, &str, &str, u64); 5] = [
    ("google_ads", "g-1", "brand", "google", "cpc", 4_000),
    ("google_ads", "g-2", "shoes sale", "google", "cpc", 9_000),
    ("meta", "m-1", "spring", "facebook", "paid_social", 6_500),
    ("tiktok", "t-1", "clips", "tiktok", "paid_social", 1_500),
    ("partner", "p-1", "blogs", "partner", "affiliate", 900),
];

/// One record per campaign and day of the scenario's month.
pub(crate) fn spend(scenario: &Scenario, random: &mut impl Rng) -> Vec<Planned> {
    let mut planned = Vec::new();
    for days_ago in 1..=DAYS {
        let time_ms = scenario.now_ms - days_ago * DAY_MS;
        let day = day(time_ms);
        for (platform, campaign_id, campaign, utm_source, utm_medium, cents) in CAMPAIGNS {
            let clicks = random.random_range(20..200_u64);
            let cost = cents + random.random_range(0..cents / 2);
            let event_id = format!("spend-{:x}-{campaign_id}-{days_ago}", scenario.seed);
            let value = json!({
                "event_id": event_id,
                "day": day,
                "platform": platform,
                "campaign_id": campaign_id,
                "campaign": campaign,
                "utm_source": utm_source,
                "utm_medium": utm_medium,
                "cost": format!("{}.{:02}", cost / 100, cost % 100),
                "currency": "USD",
                "impressions": clicks * random.random_range(15..60_u64),
                "clicks": clicks,
            });
            let record = Record::json(Source::AdSpend, campaign_id, &value);
            planned.push(Planned { time_ms, event_id, conversion: None, record });
        }
    }
    planned
}

fn day(time_ms: i64) -> String {
    let moment = Timestamp::from_millisecond(time_ms).unwrap_or_default();
    moment.to_zoned(TimeZone::UTC).date().to_string()
}
