-- What operators told the identity graph, and how far the squash has come.

CREATE TABLE IF NOT EXISTS {db}.identity_commands
(
    log_offset          Int64,
    ordinal             UInt32                      COMMENT 'index of the command within its message',
    command             LowCardinality(String)      COMMENT 'merge, unlink, allow, split, share, unshare, erase or rules',
    key_a               UUID                        COMMENT 'the identifier it names; nil for rules',
    type_a              LowCardinality(String),
    key_b               UUID                        COMMENT 'the other identifier, or nil',
    type_b              LowCardinality(String),
    suppress            Bool                        COMMENT 'erase: whether the identifiers are refused for ever',
    note                String                      COMMENT 'who and why, in the operator''s words',
    rules               String                      COMMENT 'rules: what is in force from here on, as JSON',
    logged_at           DateTime64(3, 'UTC')        COMMENT 'append time of the log message',
    INDEX key_a_bloom key_a TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX key_b_bloom key_b TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ReplacingMergeTree
ORDER BY (log_offset, ordinal);

CREATE TABLE IF NOT EXISTS {db}.squash_progress
(
    name                LowCardinality(String),
    version             SimpleAggregateFunction(max, UInt64)                COMMENT 'rows of every component that changed up to here are rewritten',
    swept_to            SimpleAggregateFunction(max, DateTime64(3, 'UTC'))  COMMENT 'and those of rows stored later than they were resolved, up to this server time'
)
ENGINE = AggregatingMergeTree
ORDER BY name;

ALTER TABLE {db}.identity_conflicts COMMENT COLUMN kind 'refused, shared, moved or retired';

ALTER TABLE {db}.events COMMENT COLUMN generation 'generation of identity_key: how often its identifier was closed before';
