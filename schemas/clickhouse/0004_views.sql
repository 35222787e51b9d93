-- What analysts read. Every view shows the customer as known now, through the dictionary over identity_map; an
-- identifier that was never linked is its own customer. Which record of a repeated order id counts is decided here
-- and nowhere else.

CREATE VIEW IF NOT EXISTS {db}.resolved_events
(
    customer_id              UUID                   COMMENT 'customer as known now',
    event_time               DateTime64(3, 'UTC')   COMMENT 'when it happened',
    received_at              DateTime64(3, 'UTC')   COMMENT 'when the broker received it',
    source                   LowCardinality(String) COMMENT 'web, form, pos, support or crm',
    event_type               LowCardinality(String) COMMENT 'page_viewed, order_completed, form_submitted, sale, …',
    event_id                 String                 COMMENT 'the source''s id of the event',
    session_id               UUID                   COMMENT 'visit; nil when the event belongs to none',
    session_started_at       DateTime64(3, 'UTC'),
    channel                  LowCardinality(String) COMMENT 'GA4 default channel group; empty for sources that are no visits',
    campaign_source          LowCardinality(String) COMMENT 'utm_source',
    campaign_medium          LowCardinality(String) COMMENT 'utm_medium',
    campaign                 LowCardinality(String) COMMENT 'utm_campaign',
    campaign_id              String                 COMMENT 'utm_id',
    campaign_term            String                 COMMENT 'utm_term',
    campaign_content         String                 COMMENT 'utm_content',
    campaign_platform        LowCardinality(String) COMMENT 'utm_source_platform',
    click_ids                Map(LowCardinality(String), String) COMMENT 'ad click ids by name: gclid, msclkid, …',
    page_url                 String,
    page_host                LowCardinality(String),
    page_path                String,
    page_title               String,
    referrer                 String,
    referrer_host            String,
    browser                  LowCardinality(String),
    os                       LowCardinality(String),
    device                   LowCardinality(String),
    is_bot                   Bool                   COMMENT 'automated client',
    ip                       String                 COMMENT 'truncated: /24 or /48',
    order_id                 String,
    value_minor              Int64                  COMMENT 'minor units of currency; negative for refunds',
    currency                 LowCardinality(String) COMMENT 'ISO 4217; empty when there is no money',
    properties               String                 COMMENT 'everything else as one JSON object',
    identity_key             UUID                   COMMENT 'strongest identifier of the record; never changes',
    customer_id_at_ingestion UUID                   COMMENT 'customer as known when the event was stored',
    topic_id                 UUID,
    partition                Int32,
    offset                   Int64,
    ordinal                  UInt16
)
AS SELECT
    dictGetOrDefault('{db}.identity_map_dict', 'customer_id', tuple(e.identity_key), e.identity_key) AS customer_id,
    event_time, received_at, source, event_type, event_id, session_id, session_started_at,
    channel, campaign_source, campaign_medium, campaign, campaign_id, campaign_term, campaign_content,
    campaign_platform, click_ids, page_url, page_host, page_path, page_title, referrer, referrer_host,
    browser, os, device, is_bot, ip, order_id, value_minor, currency, properties,
    e.identity_key AS identity_key, e.customer_id AS customer_id_at_ingestion,
    topic_id, partition, offset, ordinal
FROM {db}.events AS e;

CREATE VIEW IF NOT EXISTS {db}.counted_conversions
(
    customer_id     UUID                    COMMENT 'customer as known now',
    conversion_time DateTime64(3, 'UTC'),
    name            LowCardinality(String)  COMMENT 'configured conversion: order, sale, lead, won',
    kind            LowCardinality(String)  COMMENT 'conversion or refund',
    source          LowCardinality(String),
    order_id        String                  COMMENT 'a refund names the order it refunds; empty when the source gives none',
    event_id        String,
    value_minor     Int64                   COMMENT 'minor units of currency; negative for refunds: sum it for revenue',
    currency        LowCardinality(String)  COMMENT 'ISO 4217; empty when there is no money',
    identity_key    UUID,
    topic_id        UUID,
    partition       Int32,
    offset          Int64,
    ordinal         UInt16
)
AS SELECT
    dictGetOrDefault('{db}.identity_map_dict', 'customer_id', tuple(c.identity_key), c.identity_key) AS customer_id,
    conversion_time, name, kind, source, order_id, event_id, value_minor, currency,
    c.identity_key AS identity_key, topic_id, partition, offset, ordinal
FROM
(
    -- Of the records of one order, the least (time, event id). Refunds of one order are each their own, so their
    -- event id is part of what must not repeat. Records without order id all count.
    SELECT *
    FROM {db}.conversions
    ORDER BY conversion_time, event_id, topic_id, partition, offset, ordinal
    LIMIT 1 BY
        source,
        kind,
        order_id,
        if(kind = 'refund' OR order_id = '', event_id, ''),
        if(order_id = '', (topic_id, partition, offset, ordinal), (toUUID('00000000-0000-0000-0000-000000000000'), 0::Int32, 0::Int64, 0::UInt16))
) AS c;

CREATE VIEW IF NOT EXISTS {db}.customers
(
    customer_id      UUID                          COMMENT 'customer as known now, anonymous ones included',
    first_seen       DateTime64(3, 'UTC')          COMMENT 'time of the first event',
    last_seen        DateTime64(3, 'UTC')          COMMENT 'time of the last event',
    channels         Array(LowCardinality(String)) COMMENT 'channels of all touches, in the order in which they were first seen',
    first_channel    LowCardinality(String)        COMMENT 'channel of the first touch',
    last_channel     LowCardinality(String)        COMMENT 'channel of the last touch',
    orders           UInt64                        COMMENT 'distinct orders, sales and deals',
    revenue_minor    Map(LowCardinality(String), Int64) COMMENT 'by currency, in its minor units, less refunds',
    refunds          UInt64                        COMMENT 'refunds',
    leads            UInt64                        COMMENT 'conversions without money',
    first_order_at   Nullable(DateTime64(3, 'UTC')),
    last_order_at    Nullable(DateTime64(3, 'UTC')),
    identifier_types Array(LowCardinality(String)) COMMENT 'types of all known identifiers: email, anonymous_id, …',
    is_known         Bool                          COMMENT 'whether anything but an anonymous id or a transaction id is known',
    is_bot           Bool                          COMMENT 'whether any event came from an automated client'
)
AS SELECT
    customer_id,
    p.first_seen AS first_seen,
    p.last_seen AS last_seen,
    t.channels AS channels,
    t.first_channel AS first_channel,
    t.last_channel AS last_channel,
    c.orders AS orders,
    c.revenue_minor AS revenue_minor,
    c.refunds AS refunds,
    c.leads AS leads,
    c.first_order_at AS first_order_at,
    c.last_order_at AS last_order_at,
    arraySort(i.types) AS identifier_types,
    arrayExists(type -> type NOT IN ('anonymous_id', 'transaction_id'), i.types) AS is_known,
    p.is_bot AS is_bot
FROM
(
    SELECT
        dictGetOrDefault('{db}.identity_map_dict', 'customer_id', tuple(identity_key), identity_key) AS customer_id,
        min(first_seen) AS first_seen,
        max(last_seen) AS last_seen,
        max(is_bot) AS is_bot
    FROM {db}.profiles
    GROUP BY customer_id
) AS p
LEFT JOIN
(
    SELECT
        dictGetOrDefault('{db}.identity_map_dict', 'customer_id', tuple(identity_key), identity_key) AS customer_id,
        minMap(map(channel, touch_time)) AS first_times,
        arraySort((channel, first_time) -> first_time, mapKeys(first_times), mapValues(first_times)) AS channels,
        argMin(channel, touch_time) AS first_channel,
        argMax(channel, touch_time) AS last_channel
    FROM {db}.touchpoints
    WHERE channel != ''
    GROUP BY customer_id
) AS t USING (customer_id)
LEFT JOIN
(
    SELECT
        customer_id,
        countIf(kind = 'conversion' AND NOT is_lead) AS orders,
        countIf(kind = 'refund') AS refunds,
        countIf(kind = 'conversion' AND is_lead) AS leads,
        minOrNullIf(conversion_time, kind = 'conversion' AND NOT is_lead) AS first_order_at,
        maxOrNullIf(conversion_time, kind = 'conversion' AND NOT is_lead) AS last_order_at,
        mapFilter((currency, value) -> currency != '', sumMap(map(currency, value_minor))) AS revenue_minor
    FROM (SELECT *, name = 'lead' OR currency = '' AS is_lead FROM {db}.counted_conversions)
    GROUP BY customer_id
) AS c USING (customer_id)
LEFT JOIN
(
    SELECT
        dictGetOrDefault('{db}.identity_map_dict', 'customer_id', tuple(identity_key), identity_key) AS customer_id,
        groupUniqArray(type) AS types
    FROM {db}.identifiers
    GROUP BY customer_id
) AS i USING (customer_id);

CREATE VIEW IF NOT EXISTS {db}.attribution
(
    model           LowCardinality(String)  COMMENT 'first, last, last_non_direct, linear, time_decay or position',
    channel         LowCardinality(String)  COMMENT 'channel of the touch; Unattributed when nothing led to the conversion',
    campaign_source LowCardinality(String)  COMMENT 'utm_source of the touch',
    campaign_medium LowCardinality(String)  COMMENT 'utm_medium of the touch',
    campaign        LowCardinality(String)  COMMENT 'utm_campaign of the touch',
    credit_minor    Int64                   COMMENT 'part of the value, minor units of currency; negative for refunds. Over a conversion and model it sums to value_minor',
    share           Float64                 COMMENT 'part of the conversion; over a conversion and model it sums to 1. Count conversions by sumIf(share, kind = ''conversion'')',
    currency        LowCardinality(String)  COMMENT 'ISO 4217; empty when there is no money',
    conversion_time DateTime64(3, 'UTC'),
    name            LowCardinality(String)  COMMENT 'configured conversion: order, sale, lead, won',
    kind            LowCardinality(String)  COMMENT 'conversion or refund',
    source          LowCardinality(String)  COMMENT 'source of the conversion',
    order_id        String,
    event_id        String                  COMMENT 'event id of the conversion',
    value_minor     Int64                   COMMENT 'value of the whole conversion, repeated in each of its rows',
    customer_id     UUID                    COMMENT 'customer as known now',
    touch_number    UInt32                  COMMENT 'place of the touch in the path, from 1; 0 when Unattributed',
    touches         UInt32                  COMMENT 'length of the path',
    touch_time      DateTime64(3, 'UTC')    COMMENT 'the epoch when Unattributed',
    touch_kind      LowCardinality(String)  COMMENT 'session_start, campaign_change or form',
    topic_id        UUID                    COMMENT 'position of the conversion record',
    partition       Int32,
    offset          Int64,
    ordinal         UInt16
)
AS SELECT
    credit.1 AS model,
    channel, campaign_source, campaign_medium, campaign,
    credit.2 AS credit_minor,
    credit.3 / 1000000 AS share,
    currency, conversion_time, name, kind, source, order_id, event_id, value_minor, customer_id,
    touch_number, touches, touch_time, touch_kind, topic_id, partition, offset, ordinal
FROM
(
    SELECT
        p.*,
        dictGetOrDefault('{db}.identity_map_dict', 'customer_id', tuple(p.identity_key), p.identity_key) AS customer_id,
        toUInt32(length(p.touch_time)) AS touches,
        if(touches = 0, [0::UInt32], arrayMap(number -> toUInt32(number), arrayEnumerate(p.touch_time))) AS numbers
    FROM
    (
        SELECT * EXCEPT (customer_id)
        FROM {db}.attribution_paths FINAL
        WHERE (topic_id, partition, offset, ordinal) IN
            (SELECT topic_id, partition, offset, ordinal FROM {db}.counted_conversions)
    ) AS p
)
ARRAY JOIN
    numbers AS touch_number,
    if(touches = 0, [toDateTime64(0, 3, 'UTC')], touch_time) AS touch_time,
    if(touches = 0, [''], touch_kind) AS touch_kind,
    if(touches = 0, ['Unattributed'], touch_channel) AS channel,
    if(touches = 0, [''], touch_source) AS campaign_source,
    if(touches = 0, [''], touch_medium) AS campaign_medium,
    if(touches = 0, [''], touch_campaign) AS campaign,
    -- Each column by itself: a lambda over all of them would hold the whole path once per touch.
    if(touches = 0, [value_minor], credit_first) AS first_minor,
    if(touches = 0, [1000000::UInt32], share_first) AS first_ppm,
    if(touches = 0, [value_minor], credit_last) AS last_minor,
    if(touches = 0, [1000000::UInt32], share_last) AS last_ppm,
    if(touches = 0, [value_minor], credit_last_non_direct) AS last_non_direct_minor,
    if(touches = 0, [1000000::UInt32], share_last_non_direct) AS last_non_direct_ppm,
    if(touches = 0, [value_minor], credit_linear) AS linear_minor,
    if(touches = 0, [1000000::UInt32], share_linear) AS linear_ppm,
    if(touches = 0, [value_minor], credit_time_decay) AS time_decay_minor,
    if(touches = 0, [1000000::UInt32], share_time_decay) AS time_decay_ppm,
    if(touches = 0, [value_minor], credit_position) AS position_minor,
    if(touches = 0, [1000000::UInt32], share_position) AS position_ppm
ARRAY JOIN [
    ('first', first_minor, first_ppm),
    ('last', last_minor, last_ppm),
    ('last_non_direct', last_non_direct_minor, last_non_direct_ppm),
    ('linear', linear_minor, linear_ppm),
    ('time_decay', time_decay_minor, time_decay_ppm),
    ('position', position_minor, position_ppm)
] AS credit;

CREATE VIEW IF NOT EXISTS {db}.data_quality
(
    kind        LowCardinality(String)  COMMENT 'repeated_order_id, repeated_refund, refund_without_order, refund_exceeds_order or order_without_id',
    source      LowCardinality(String),
    order_id    String,
    event_id    String                  COMMENT 'event id of the record that is told about',
    at          DateTime64(3, 'UTC')    COMMENT 'event time of that record',
    value_minor Int64,
    currency    LowCardinality(String),
    detail      String                  COMMENT 'what is wrong, and what was done about it',
    customer_id UUID                    COMMENT 'customer as known now',
    topic_id    UUID                    COMMENT 'position of the record',
    partition   Int32,
    offset      Int64,
    ordinal     UInt16
)
AS
WITH
    records AS
    (
        SELECT
            *,
            (topic_id, partition, offset, ordinal) IN
                (SELECT topic_id, partition, offset, ordinal FROM {db}.counted_conversions) AS is_counted
        FROM {db}.conversions
    ),
    orders AS
    (
        SELECT
            source,
            order_id,
            countIf(kind = 'conversion' AND is_counted) AS counted,
            anyIf(event_id, kind = 'conversion' AND is_counted) AS counted_event_id,
            anyIf(value_minor, kind = 'conversion' AND is_counted) AS counted_value_minor,
            anyIf(currency, kind = 'conversion' AND is_counted) AS counted_currency,
            sumIf(value_minor, kind = 'refund' AND is_counted) AS refunded_minor
        FROM records
        WHERE order_id != ''
        GROUP BY source, order_id
    ),
    judged AS
    (
        SELECT
            r.*,
            o.counted_event_id AS counted_event_id,
            multiIf(
                r.order_id = '' AND r.kind = 'conversion' AND r.currency != '', 'order_without_id',
                r.order_id = '', '',
                r.kind = 'conversion' AND NOT r.is_counted, 'repeated_order_id',
                r.kind = 'conversion', '',
                NOT r.is_counted, 'repeated_refund',
                o.counted = 0, 'refund_without_order',
                r.currency = o.counted_currency AND -o.refunded_minor > o.counted_value_minor, 'refund_exceeds_order',
                ''
            ) AS problem,
            multiIf(
                problem = 'order_without_id', 'it has no order id, so repeats of it cannot be told apart; it counts',
                problem = 'repeated_order_id' AND (r.value_minor, r.currency) = (o.counted_value_minor, o.counted_currency),
                    concat('event ', o.counted_event_id, ' of the same order counts, this one does not'),
                problem = 'repeated_order_id',
                    concat('event ', o.counted_event_id, ' of the same order counts with another value (',
                        toString(o.counted_value_minor), ' ', o.counted_currency, '), this one does not'),
                problem = 'repeated_refund', 'a refund with this event id counts already, this one does not',
                problem = 'refund_without_order', 'no order of this source has this id; the refund counts',
                problem = 'refund_exceeds_order',
                    concat('refunds of the order sum to ', toString(-o.refunded_minor), ', its value is ',
                        toString(o.counted_value_minor), '; they count'),
                ''
            ) AS detail
        FROM records AS r
        LEFT JOIN orders AS o ON r.source = o.source AND r.order_id = o.order_id
    )
SELECT
    problem AS kind, source, order_id, event_id, conversion_time AS at, value_minor, currency, detail,
    dictGetOrDefault('{db}.identity_map_dict', 'customer_id', tuple(j.identity_key), j.identity_key) AS customer_id,
    topic_id, partition, offset, ordinal
FROM judged AS j
WHERE problem != '';

CREATE VIEW IF NOT EXISTS {db}.conservation
(
    source          LowCardinality(String),
    topic_id        UUID,
    partition       Int32,
    batches         UInt64                  COMMENT 'finished batches',
    next_offset     Int64                   COMMENT 'end of the last finished batch',
    records         UInt64                  COMMENT 'messages read',
    stored          UInt64                  COMMENT 'of them stored, as counted when the batch was written',
    duplicate       UInt64                  COMMENT 'of them known already',
    rejected        UInt64                  COMMENT 'of them in dead_letters',
    rejected_by_reason Map(LowCardinality(String), UInt64),
    rows_stored     UInt64                  COMMENT 'rows of events or ad_spend below next_offset; fewer than stored once a TTL has removed some',
    rows_rejected   UInt64                  COMMENT 'rows of dead_letters below next_offset',
    holds           Bool                    COMMENT 'ST-1: records = stored + duplicate + rejected, and the rows are there, each once'
)
AS SELECT
    b.source AS source,
    b.topic_id AS topic_id,
    b.partition AS partition,
    b.batches AS batches,
    b.next_offset AS next_offset,
    b.records AS records,
    b.stored AS stored,
    b.duplicate AS duplicate,
    arraySum(mapValues(b.rejected_by_reason)) AS rejected,
    b.rejected_by_reason AS rejected_by_reason,
    r.rows_stored AS rows_stored,
    r.rows_rejected AS rows_rejected,
    b.records = b.stored + b.duplicate + rejected
        AND b.stored = r.rows_stored AND rejected = r.rows_rejected
        AND r.rows_stored + r.rows_rejected = r.positions AS holds
FROM
(
    SELECT
        source, topic_id, partition,
        count() AS batches,
        max(batch_end) AS next_offset,
        sum(records) AS records,
        sum(stored) AS stored,
        sum(duplicate) AS duplicate,
        sumMap(rejected) AS rejected_by_reason
    FROM {db}.batches
    GROUP BY source, topic_id, partition
) AS b
LEFT JOIN
(
    SELECT
        topic_id, partition,
        countIf(NOT is_rejected) AS rows_stored,
        countIf(is_rejected) AS rows_rejected,
        uniqExact(offset, ordinal) AS positions
    FROM
    (
        SELECT topic_id, partition, offset, ordinal, false AS is_rejected FROM {db}.events
        UNION ALL SELECT topic_id, partition, offset, ordinal, false FROM {db}.ad_spend
        UNION ALL SELECT topic_id, partition, offset, ordinal, true FROM {db}.dead_letters
    ) AS p
    INNER JOIN
    (
        SELECT topic_id, partition, max(batch_end) AS next_offset
        FROM {db}.batches
        GROUP BY topic_id, partition
    ) AS f USING (topic_id, partition)
    -- A batch that is being written has rows, and no row in batches yet.
    WHERE offset < next_offset
    GROUP BY topic_id, partition
) AS r ON b.topic_id = r.topic_id AND b.partition = r.partition;
