-- Who looked at the prices and never bought? Customers to invite back, across all their devices
WITH
    lookers AS (SELECT DISTINCT customer_id FROM resolved_events WHERE page_path = '/pricing' AND NOT is_bot),
    buyers AS (SELECT customer_id FROM customers WHERE orders > 0)
SELECT
    count() AS visited_pricing,
    countIf(customer_id NOT IN buyers) AS never_bought
FROM lookers
