-- What could not be stored, and why?
SELECT reason, count() AS records, any(field) AS for_example_in, any(detail) AS for_example
FROM dead_letters
GROUP BY reason
ORDER BY records DESC, reason
