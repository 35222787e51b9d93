-- Who buys again? Customers of the till by number of purchases
SELECT
    if(purchases >= 5, '5 or more', toString(purchases)) AS bought,
    count() AS customers,
    round(sum(value_minor) / 100, 2) AS revenue,
    round(sum(value_minor) / 100 / sum(purchases), 2) AS revenue_per_purchase
FROM
(
    SELECT customer_id, countIf(kind = 'conversion') AS purchases, sum(value_minor) AS value_minor
    FROM counted_conversions
    WHERE source = 'pos'
    GROUP BY customer_id
)
GROUP BY bought
ORDER BY bought
