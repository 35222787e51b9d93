-- Which ad platforms brought visitors, and how many of them bought? Told by the click ids in the landing pages
SELECT
    arrayJoin(mapKeys(click_ids)) AS click_id,
    uniqExact(customer_id) AS visitors,
    uniqExactIf(customer_id, customer_id IN (SELECT customer_id FROM counted_conversions WHERE source = 'web')) AS buyers,
    round(100 * buyers / visitors, 2) AS percent
FROM resolved_events
WHERE NOT is_bot
GROUP BY click_id
ORDER BY visitors DESC, click_id
LIMIT 10
