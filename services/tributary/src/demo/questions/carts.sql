-- Whose cart was left behind? Something was put in, and no order came within a day
WITH carts AS
(
    SELECT customer_id, max(event_time) AS carted_at
    FROM resolved_events
    WHERE event_type = 'product_added_to_cart' AND NOT is_bot
    GROUP BY customer_id
)
SELECT
    count() AS carts,
    countIf(orders.last_order_at < carted_at OR orders.last_order_at > carted_at + INTERVAL 1 DAY) AS abandoned,
    round(100 * abandoned / carts, 1) AS percent
FROM carts
LEFT JOIN
(
    SELECT customer_id, max(event_time) AS last_order_at
    FROM resolved_events
    WHERE event_type IN ('order_completed', 'sale')
    GROUP BY customer_id
) AS orders USING customer_id
