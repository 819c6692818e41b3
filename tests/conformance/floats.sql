-- Floating-point numbers.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id, f, d FROM numbers;

SELECT id, f + d AS a, f * 2 AS b, d / 3 AS c, f / f AS e FROM numbers WHERE id <> 4;

SELECT CAST(1 AS DOUBLE) / 3 AS a, CAST(1 AS FLOAT) / 3 AS b, 1e0 + 1 AS c, 1.5 + 1e0 AS d;

SELECT CAST('NaN' AS DOUBLE) AS a, CAST('Infinity' AS DOUBLE) AS b, CAST('-Infinity' AS FLOAT) AS c;

SELECT 0.1e0 + 0.2e0 AS a, CAST(0.1 AS FLOAT) AS b, CAST(CAST(0.1 AS FLOAT) AS DOUBLE) AS c;

SELECT f + i AS a, f + b AS b, d + n AS c, f + n AS e FROM numbers WHERE id = 1;

SELECT MOD(CAST(7.5 AS DOUBLE), CAST(2 AS DOUBLE)) AS a;
