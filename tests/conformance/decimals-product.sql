-- Precision and scale of products.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT 1.5 * 2.25 AS a, 1.10 * 3 AS b, -0.5 * 0.5 AS c;

SELECT n * n AS a, n * 2 AS b, n * 0.5 AS c, n * t AS d, n * b AS e FROM numbers WHERE id IN (1, 2);

SELECT CAST(1.5 AS DECIMAL(20, 10)) * CAST(1.25 AS DECIMAL(20, 10)) AS a;

SELECT CAST(1.5 AS DECIMAL(38, 10)) * CAST(1.25 AS DECIMAL(38, 10)) AS a;

SELECT CAST(12345678901234567890 AS DECIMAL(38, 0)) * CAST(12345678901234567890 AS DECIMAL(38, 0)) AS a;

SELECT CAST(99999999999999999999 AS DECIMAL(20, 0)) * CAST(99999999999999999999 AS DECIMAL(20, 0)) AS a;
