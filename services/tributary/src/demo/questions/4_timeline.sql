-- One customer's whole timeline, across every source that knows them.
WITH seen_everywhere AS
(
    SELECT customer_id
    FROM resolved_events
    GROUP BY customer_id
    ORDER BY uniqExact(source) DESC, count() DESC, customer_id
    LIMIT 1
)
SELECT
    event_time,
    source,
    event_type,
    channel,
    if(order_id = '', '', concat(toString(value_minor / 100), ' ', currency)) AS value,
    substring(toString(identity_key), 1, 8) AS recognised_by
FROM resolved_events
WHERE customer_id IN seen_everywhere
ORDER BY event_time, source
LIMIT 25
