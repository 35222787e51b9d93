use clickhouse::Row;
use schemas::{Conversion, Key, Position, Text, TouchRow};
use serde::Deserialize;
use uuid::Uuid;

use super::KEYS_PER_QUERY;
use crate::{Result, Store};

#[derive(Row, Deserialize)]
struct StoredConversion {
    #[serde(with = "clickhouse::serde::uuid")]
    topic_id: Uuid,
    partition: i32,
    offset: i64,
    ordinal: u16,
    source: String,
    event_id: String,
    name: String,
    kind: String,
    order_id: String,
    #[serde(with = "clickhouse::serde::uuid")]
    identity_key: Uuid,
    conversion_time_ms: i64,
    value_minor: i64,
    currency: String,
}

#[derive(Row, Deserialize)]
struct StoredTouch {
    #[serde(with = "clickhouse::serde::uuid")]
    topic_id: Uuid,
    partition: i32,
    offset: i64,
    ordinal: u16,
    #[serde(with = "clickhouse::serde::uuid")]
    identity_key: Uuid,
    touch_time_ms: i64,
    kind: String,
    channel: String,
    campaign_source: String,
    campaign_medium: String,
    campaign: String,
}

impl Store {
    /// Every conversion record of these identity keys, ascending by (time, position, ordinal).
    pub async fn load_conversions(&self, keys: &[Key]) -> Result<Vec<Conversion>> {
        let sql = format!(
            "SELECT topic_id, partition, offset, ordinal, toString(source) AS source, event_id, \
                    toString(name) AS name, toString(kind) AS kind, order_id, identity_key, \
                    toUnixTimestamp64Milli(conversion_time) AS conversion_time_ms, value_minor, \
                    toString(currency) AS currency \
             FROM {} WHERE identity_key IN {{keys:Array(UUID)}}",
            self.table("conversions")
        );
        let mut conversions = Vec::new();
        for chunk in keys.chunks(KEYS_PER_QUERY) {
            let keys = as_text(chunk);
            let read = || self.pool().query_raw(&sql).param("keys", &keys).fetch_all();
            let rows: Vec<StoredConversion> = self.read("loading conversions", read).await?;
            conversions.extend(rows.into_iter().map(Conversion::from));
        }
        conversions.sort_by_key(|c| (c.conversion_time_ms, c.position, c.ordinal));
        Ok(conversions)
    }

    /// Every touch of these identity keys in `[from_ms, to_ms]`, ascending by (time, position, ordinal).
    pub async fn load_touches(&self, keys: &[Key], from_ms: i64, to_ms: i64) -> Result<Vec<TouchRow>> {
        let sql = format!(
            "SELECT topic_id, partition, offset, ordinal, identity_key, \
                    toUnixTimestamp64Milli(touch_time) AS touch_time_ms, toString(kind) AS kind, \
                    toString(channel) AS channel, toString(campaign_source) AS campaign_source, \
                    toString(campaign_medium) AS campaign_medium, toString(campaign) AS campaign \
             FROM {} WHERE identity_key IN {{keys:Array(UUID)}} \
               AND touch_time BETWEEN fromUnixTimestamp64Milli({{from:Int64}}, 'UTC') \
                                  AND fromUnixTimestamp64Milli({{to:Int64}}, 'UTC')",
            self.table("touchpoints")
        );
        let mut touches = Vec::new();
        for chunk in keys.chunks(KEYS_PER_QUERY) {
            let keys = as_text(chunk);
            let read = || {
                let query = self.pool().query_raw(&sql).param("keys", &keys);
                query.param("from", from_ms).param("to", to_ms).fetch_all()
            };
            let rows: Vec<StoredTouch> = self.read("loading touches", read).await?;
            touches.extend(rows.into_iter().map(TouchRow::from));
        }
        touches.sort_by_key(|t| (t.touch_time_ms, t.position, t.ordinal));
        Ok(touches)
    }
}

fn as_text(keys: &[Key]) -> Vec<String> {
    keys.iter().map(Key::to_string).collect()
}

impl From<StoredConversion> for Conversion {
    fn from(row: StoredConversion) -> Self {
        Conversion {
            position: Position { topic_id: row.topic_id, partition: row.partition, offset: row.offset },
            ordinal: row.ordinal,
            source: Text::from(row.source),
            event_id: Text::from(row.event_id),
            name: Text::from(row.name),
            kind: Text::from(row.kind),
            order_id: Text::from(row.order_id),
            identity_key: Key(row.identity_key.as_u128()),
            conversion_time_ms: row.conversion_time_ms,
            value_minor: row.value_minor,
            currency: Text::from(row.currency),
        }
    }
}

impl From<StoredTouch> for TouchRow {
    fn from(row: StoredTouch) -> Self {
        TouchRow {
            position: Position { topic_id: row.topic_id, partition: row.partition, offset: row.offset },
            ordinal: row.ordinal,
            identity_key: Key(row.identity_key.as_u128()),
            touch_time_ms: row.touch_time_ms,
            kind: Text::from(row.kind),
            channel: Text::from(row.channel),
            campaign_source: Text::from(row.campaign_source),
            campaign_medium: Text::from(row.campaign_medium),
            campaign: Text::from(row.campaign),
        }
    }
}
