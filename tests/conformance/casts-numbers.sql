-- Casts between numbers: what does not fit wraps around, a fraction is cut off.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT CAST(300 AS TINYINT) AS a, CAST(40000 AS SMALLINT) AS b, CAST(3000000000 AS INT) AS c;

SELECT id, CAST(b AS INT) AS b FROM numbers WHERE id = 4;

SELECT CAST(1.9e0 AS INT) AS a, CAST(-1.9e0 AS INT) AS b, CAST(1e20 AS INT) AS c, CAST(1e20 AS BIGINT) AS d;

SELECT CAST(CAST('NaN' AS DOUBLE) AS INT) AS a;

SELECT id, CAST(d AS FLOAT) AS f, CAST(n AS INT) AS i, CAST(i AS DOUBLE) AS d FROM numbers WHERE id IN (1, 2, 3);

SELECT CAST(1 AS BOOLEAN) AS a, CAST(0 AS BOOLEAN) AS b, CAST(TRUE AS INT) AS c, CAST(FALSE AS BIGINT) AS d;

SELECT CAST(1.7 AS BOOLEAN) AS a;
