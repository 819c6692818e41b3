-- VALUES.

VALUES (1, 'a'), (2, 'b');

SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t(n, s);

SELECT * FROM (VALUES (1), (2.5)) AS t(a);

SELECT * FROM (VALUES (1), (CAST(NULL AS INT))) AS t(a);

SELECT * FROM (VALUES ('a'), ('bcd')) AS t(a);

SELECT a + b AS c FROM (VALUES (1, 2), (3, 4)) AS t(a, b);

SELECT * FROM (VALUES 1, 2, 3) AS t(a);

SELECT * FROM (VALUES (DATE '2024-01-01', TRUE, 1.50, x'ab')) AS t(a, b, c, d);

VALUES (1), (2, 3);
