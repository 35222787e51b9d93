-- What did identity resolution join, and what did it refuse?
SELECT what, count
FROM
(
    SELECT 1 AS part, concat('customers known by: ', arrayStringConcat(identifier_types, ', ')) AS what, count() AS count
    FROM customers
    GROUP BY what
    ORDER BY count DESC
    LIMIT 8
    UNION ALL
    SELECT 2, concat('link ', kind, ' by ', rule, ': ', type_a, ' and ', type_b), count()
    FROM identity_conflicts FINAL
    GROUP BY kind, rule, type_a, type_b
)
ORDER BY part, count DESC, what
