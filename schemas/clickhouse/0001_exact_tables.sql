-- Tables whose rows are each stored exactly once. Every one carries the same nine columns of provenance:
-- where the record stands in the log (topic_id, partition, offset, ordinal), in which batch it was written
-- (batch_first, batch_end, lease_until), and when the broker received it (received_at).
-- `non_replicated_deduplication_window` makes insert tokens work; without it they do nothing.

CREATE TABLE IF NOT EXISTS {db}.events
(
    identity_key        UUID                        COMMENT 'strongest identifier of the record; never changes',
    customer_id         UUID                        COMMENT 'customer as known at ingestion; the view resolved_events has the current one',
    customer_version    UInt64                      COMMENT 'log offset + 1 of the last change of the component as known at ingestion',
    generation          UInt8                       COMMENT 'generation of identity_key; always 0 for now',
    anonymous_key       UUID                        COMMENT 'key of the anonymous id, or nil',
    source              LowCardinality(String),
    event_type          LowCardinality(String),
    event_id            String,
    event_time          DateTime64(3, 'UTC'),
    page_url            String,
    page_host           LowCardinality(String),
    page_path           String,
    page_title          String,
    referrer            String,
    referrer_host       String,
    campaign_id         String,
    campaign_source     LowCardinality(String),
    campaign_medium     LowCardinality(String),
    campaign            LowCardinality(String),
    campaign_term       String,
    campaign_content    String,
    campaign_platform   LowCardinality(String),
    click_ids           Map(LowCardinality(String), String),
    channel             LowCardinality(String)      COMMENT 'GA4 default channel group; empty for sources that are no visits',
    browser             LowCardinality(String),
    os                  LowCardinality(String),
    device              LowCardinality(String),
    is_bot              Bool,
    ip                  String                      COMMENT 'truncated: /24 or /48',
    session_id          UUID                        COMMENT 'nil when the event has no session',
    session_started_at  DateTime64(3, 'UTC'),
    session_last_at     DateTime64(3, 'UTC')        COMMENT 'greatest event time of the session up to this event',
    session_touch_hash  UInt64,
    order_id            String,
    value_minor         Int64,
    currency            LowCardinality(String),
    properties          String                      COMMENT 'unknown fields as one JSON object',
    topic_id            UUID,
    partition           Int32,
    offset              Int64,
    ordinal             UInt16,
    batch_first         Int64,
    batch_end           Int64,
    lease_until         DateTime64(3, 'UTC'),
    received_at         DateTime64(3, 'UTC'),
    INDEX received_at_minmax received_at TYPE minmax GRANULARITY 1,
    INDEX event_id_bloom event_id TYPE bloom_filter(0.01) GRANULARITY 2
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(event_time)
ORDER BY (identity_key, event_time, topic_id, partition, offset, ordinal)
{ttl:event_time:events}
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS {db}.touchpoints
(
    identity_key        UUID,
    customer_id         UUID,
    customer_version    UInt64,
    touch_time          DateTime64(3, 'UTC'),
    kind                LowCardinality(String)      COMMENT 'session_start, campaign_change or form',
    source              LowCardinality(String),
    event_id            String,
    session_id          UUID,
    channel             LowCardinality(String),
    campaign_id         String,
    campaign_source     LowCardinality(String),
    campaign_medium     LowCardinality(String),
    campaign            LowCardinality(String),
    campaign_term       String,
    campaign_content    String,
    click_ids           Map(LowCardinality(String), String),
    referrer_host       String,
    landing_page        String,
    topic_id            UUID,
    partition           Int32,
    offset              Int64,
    ordinal             UInt16,
    batch_first         Int64,
    batch_end           Int64,
    lease_until         DateTime64(3, 'UTC'),
    received_at         DateTime64(3, 'UTC'),
    INDEX received_at_minmax received_at TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(touch_time)
ORDER BY (identity_key, touch_time, topic_id, partition, offset, ordinal)
{ttl:touch_time:touchpoints}
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS {db}.conversions
(
    identity_key        UUID,
    customer_id         UUID,
    customer_version    UInt64,
    conversion_time     DateTime64(3, 'UTC'),
    name                LowCardinality(String)      COMMENT 'configured conversion: order, sale, lead, won',
    kind                LowCardinality(String)      COMMENT 'conversion or refund',
    source              LowCardinality(String),
    event_id            String,
    order_id            String                      COMMENT 'a refund names the order it refunds',
    value_minor         Int64                       COMMENT 'minor units; negative for refunds',
    currency            LowCardinality(String),
    topic_id            UUID,
    partition           Int32,
    offset              Int64,
    ordinal             UInt16,
    batch_first         Int64,
    batch_end           Int64,
    lease_until         DateTime64(3, 'UTC'),
    received_at         DateTime64(3, 'UTC'),
    INDEX received_at_minmax received_at TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(conversion_time)
ORDER BY (identity_key, conversion_time, topic_id, partition, offset, ordinal)
{ttl:conversion_time:conversions}
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS {db}.ad_spend
(
    day                 Date,
    platform            LowCardinality(String),
    campaign_id         String,
    campaign            LowCardinality(String),
    campaign_source     LowCardinality(String),
    campaign_medium     LowCardinality(String),
    cost_minor          Int64,
    currency            LowCardinality(String),
    impressions         UInt64,
    clicks              UInt64,
    event_id            String,
    topic_id            UUID,
    partition           Int32,
    offset              Int64,
    ordinal             UInt16,
    batch_first         Int64,
    batch_end           Int64,
    lease_until         DateTime64(3, 'UTC'),
    received_at         DateTime64(3, 'UTC'),
    INDEX received_at_minmax received_at TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (platform, campaign_id, day, topic_id, partition, offset, ordinal)
{ttl:day:ad_spend}
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS {db}.dead_letters
(
    source              LowCardinality(String),
    reason              LowCardinality(String),
    field               String,
    byte_offset         Nullable(UInt64)            COMMENT 'byte of the payload where reading failed, if known',
    detail              String                      COMMENT 'what was found and what was expected',
    event_id            String,
    record_key          String                      COMMENT 'message key, untouched bytes',
    payload             String                      COMMENT 'message value, untouched bytes',
    topic_id            UUID,
    partition           Int32,
    offset              Int64,
    ordinal             UInt16,
    batch_first         Int64,
    batch_end           Int64,
    lease_until         DateTime64(3, 'UTC'),
    received_at         DateTime64(3, 'UTC'),
    INDEX received_at_minmax received_at TYPE minmax GRANULARITY 1,
    INDEX event_id_bloom event_id TYPE bloom_filter(0.01) GRANULARITY 2
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (source, reason, topic_id, partition, offset, ordinal)
{ttl:received_at:dead_letters}
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS {db}.batches
(
    source              LowCardinality(String),
    records             UInt64                      COMMENT 'messages read in [batch_first, batch_end)',
    stored              UInt64,
    duplicate           UInt64,
    rejected            Map(LowCardinality(String), UInt64) COMMENT 'by reason',
    topic_id            UUID,
    partition           Int32,
    offset              Int64                       COMMENT 'same as batch_first',
    ordinal             UInt16,
    batch_first         Int64,
    batch_end           Int64,
    lease_until         DateTime64(3, 'UTC'),
    received_at         DateTime64(3, 'UTC')        COMMENT 'append time of the first record',
    INDEX received_at_minmax received_at TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (topic_id, partition, batch_first, ordinal)
{ttl:received_at:batches}
SETTINGS non_replicated_deduplication_window = 10000;
