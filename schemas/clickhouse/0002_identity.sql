-- The identity graph as ClickHouse sees it. All idempotent: written at least once, the greatest version wins.

CREATE TABLE IF NOT EXISTS {db}.identity_map
(
    identity_key        UUID,
    customer_id         UUID,
    version             UInt64                      COMMENT 'log offset + 1 of the component''s last change',
    INDEX customer_id_bloom customer_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ReplacingMergeTree(version)
ORDER BY identity_key;

CREATE TABLE IF NOT EXISTS {db}.identity_links
(
    log_offset          Int64,
    ordinal             UInt32                      COMMENT 'index of the edge within its message',
    key_a               UUID                        COMMENT 'the hub',
    type_a              LowCardinality(String),
    key_b               UUID,
    type_b              LowCardinality(String),
    source              LowCardinality(String),
    event_id            String,
    event_time          DateTime64(3, 'UTC'),
    logged_at           DateTime64(3, 'UTC')        COMMENT 'append time of the log message',
    INDEX key_a_bloom key_a TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX key_b_bloom key_b TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ReplacingMergeTree
ORDER BY (log_offset, ordinal);

CREATE TABLE IF NOT EXISTS {db}.identity_conflicts
(
    log_offset          Int64,
    ordinal             UInt32                      COMMENT 'index of the conflict within its message',
    kind                LowCardinality(String)      COMMENT 'refused or shared',
    rule                LowCardinality(String)      COMMENT 'which rule: account_conflict, max_per_customer, max_links, …',
    key_a               UUID,
    type_a              LowCardinality(String),
    key_b               UUID,
    type_b              LowCardinality(String),
    source              LowCardinality(String),
    event_id            String,
    event_time          DateTime64(3, 'UTC'),
    logged_at           DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (log_offset, ordinal);

CREATE TABLE IF NOT EXISTS {db}.identifiers
(
    identifier_key      UUID,
    identity_key        UUID,
    type                SimpleAggregateFunction(any, LowCardinality(String)),
    first_seen          SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen           SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    INDEX identity_key_bloom identity_key TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = AggregatingMergeTree
ORDER BY (identifier_key, identity_key);

CREATE TABLE IF NOT EXISTS {db}.profiles
(
    identity_key        UUID,
    first_seen          SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen           SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    is_bot              SimpleAggregateFunction(max, UInt8)
)
ENGINE = AggregatingMergeTree
ORDER BY identity_key;

CREATE DICTIONARY IF NOT EXISTS {db}.identity_map_dict
(
    identity_key        UUID,
    customer_id         UUID,
    version             UInt64
)
PRIMARY KEY identity_key
SOURCE(CLICKHOUSE(QUERY 'SELECT identity_key, customer_id, version FROM {db}.identity_map FINAL' {dictionary_credentials}))
LAYOUT(COMPLEX_KEY_HASHED_ARRAY())
LIFETIME(0);
