-- What did identity resolution do: how large are customers, and which links did the rules refuse?
SELECT 'customers with one identifier' AS what, toString(count()) AS value FROM customers WHERE length(identifier_types) <= 1
UNION ALL
SELECT 'customers with two or more kinds of identifier', toString(count()) FROM customers WHERE length(identifier_types) > 1
UNION ALL
SELECT concat('conflict: ', kind, ' by ', rule, ' (', type_a, ' - ', type_b, ')'), toString(count())
FROM identity_conflicts FINAL
GROUP BY kind, rule, type_a, type_b
