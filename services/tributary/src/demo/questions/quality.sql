-- Which records contradict others? They are stored, and do not count twice
SELECT kind, source, order_id, at, value_minor, detail
FROM data_quality
ORDER BY at, event_id
LIMIT 10
