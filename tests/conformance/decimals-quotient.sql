-- Precision and scale of quotients and remainders.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT 1.0 / 3 AS a, 10.50 / 2 AS b, 1 / 3.0 AS c, 2.0 / 3.0 AS d;

SELECT n / 3 AS a, n / n AS b, n / 0.7 AS c, n / t AS d FROM numbers WHERE id IN (1, 2);

SELECT CAST(1 AS DECIMAL(38, 10)) / CAST(3 AS DECIMAL(38, 10)) AS a;

SELECT CAST(1 AS DECIMAL(20, 0)) / CAST(3 AS DECIMAL(20, 0)) AS a;

SELECT MOD(10.5, 3) AS a, MOD(-10.5, 3.25) AS b, 7.25 % 2 AS c;

SELECT n % 3 AS a, n % 0.75 AS b FROM numbers WHERE id IN (1, 2);
