-- Comparisons, BETWEEN and IN.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT 1 = 1 AS a, 1 <> 2 AS b, 1 < 1.5 AS c, 'a' < 'b' AS d, 1 = CAST(NULL AS INT) AS e, 'B' < 'a' AS f;

SELECT 2 BETWEEN 1 AND 3 AS a, 2 NOT BETWEEN 1 AND 3 AS b, 2 BETWEEN CAST(NULL AS INT) AND 1 AS c, 1 BETWEEN SYMMETRIC 3 AND 0 AS d;

SELECT 1 IN (1, 2) AS a, 3 IN (1, 2) AS b, 3 NOT IN (1, 2) AS c;

SELECT id, i IN (100, 3) AS a, i NOT IN (100, 3) AS b FROM numbers;

SELECT 3 IN (1, CAST(NULL AS INT)) AS a, 1 IN (1, CAST(NULL AS INT)) AS b, 3 NOT IN (1, CAST(NULL AS INT)) AS c;

SELECT a IS DISTINCT FROM b AS d, a IS NOT DISTINCT FROM b AS n FROM (VALUES (1, 1), (1, 2), (1, CAST(NULL AS INT)), (CAST(NULL AS INT), CAST(NULL AS INT))) AS t(a, b);

SELECT id FROM numbers WHERE t < i;

SELECT id FROM numbers WHERE n = 10.5;

SELECT id FROM numbers WHERE f = 0.25;

SELECT id, d > f AS a FROM numbers;

SELECT '1' = 1 AS a;

SELECT id FROM numbers WHERE i > '50';
