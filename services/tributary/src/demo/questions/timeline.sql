-- What did one customer do? The whole timeline of somebody whom all sources know
WITH known_everywhere AS
(
    SELECT customer_id
    FROM resolved_events
    GROUP BY customer_id
    HAVING count() BETWEEN 8 AND 25
    ORDER BY uniqExact(source) DESC, uniqExact(event_type) DESC, count(), customer_id
    LIMIT 1
)
SELECT
    event_time,
    source,
    event_type,
    channel,
    if(page_path = '', '', concat(page_path, if(campaign = '', '', concat(' (', campaign, ')')))) AS page,
    if(currency = '', '', concat(toString(value_minor / 100), ' ', currency)) AS value,
    substring(toString(identity_key), 1, 8) AS recognised_by
FROM resolved_events
WHERE customer_id IN known_everywhere
ORDER BY event_time, source
