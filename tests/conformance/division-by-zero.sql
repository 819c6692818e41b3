-- What a division by zero is depends on the type.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT 1 / 0 AS a;

SELECT i / 0 AS a FROM numbers;

SELECT id / i AS a FROM numbers WHERE id = 5;

SELECT MOD(id, 0) AS a FROM numbers WHERE id = 5;

SELECT 1e0 / 0e0 AS a, -1e0 / 0e0 AS b, 0e0 / 0e0 AS c;

SELECT id / d AS a FROM numbers WHERE id = 5;

SELECT n / 0 AS a FROM numbers WHERE id = 1;

SELECT 1.0 / 0.0 AS a;

SELECT n / i AS a FROM numbers WHERE id = 5;
