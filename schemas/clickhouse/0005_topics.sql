-- How many partitions a source topic had when its first record was stored. Event ids and sessions are looked up per
-- partition, so a topic whose partition count changed is refused.

CREATE TABLE IF NOT EXISTS {db}.topics
(
    topic_id            UUID,
    name                String,
    partitions          Int32
)
ENGINE = ReplacingMergeTree
ORDER BY topic_id;
