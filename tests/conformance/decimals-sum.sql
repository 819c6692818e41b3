-- Precision and scale of sums and differences.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT 1.5 + 2.25 AS a, 1.5 - 2.25 AS b, 99.9 + 0.1 AS c;

SELECT n + n AS a, n - 1 AS b, n + 0.5 AS c, n + t AS d, n + i AS e, n + b AS f FROM numbers WHERE id IN (1, 2);

SELECT CAST(1 AS DECIMAL(38, 0)) + CAST(1 AS DECIMAL(38, 0)) AS a;

SELECT CAST(1.5 AS DECIMAL(38, 10)) + CAST(1.25 AS DECIMAL(38, 20)) AS a;

SELECT CAST(1.5 AS DECIMAL(30, 10)) - CAST(1.25 AS DECIMAL(10, 5)) AS a;

SELECT -n AS a, +n AS b FROM numbers WHERE id = 2;
