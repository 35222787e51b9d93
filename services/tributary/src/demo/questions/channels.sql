-- Which channels bring revenue? Linear attribution and last click side by side
SELECT
    channel,
    round(sumIf(credit_minor, model = 'linear') / 100, 2) AS linear_revenue,
    round(sumIf(credit_minor, model = 'last') / 100, 2) AS last_click_revenue,
    round(sumIf(share, model = 'linear'), 1) AS linear_conversions
FROM attribution
GROUP BY channel
ORDER BY linear_revenue DESC, channel
LIMIT 10
