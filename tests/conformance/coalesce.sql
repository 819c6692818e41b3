-- COALESCE, NULLIF and their like.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT COALESCE(CAST(NULL AS INT), 1, 2) AS a, COALESCE(CAST(NULL AS STRING), 'x') AS b, COALESCE(CAST(NULL AS INT), CAST(NULL AS INT)) AS c;

SELECT NULLIF(1, 1) AS a, NULLIF(1, 2) AS b, NULLIF('a', 'b') AS c, NULLIF(CAST(NULL AS INT), 1) AS d;

SELECT id, COALESCE(i, 0) AS a, COALESCE(t, b) AS b, COALESCE(n, 0) AS c, NULLIF(i, 0) AS d FROM numbers;

SELECT IFNULL(CAST(NULL AS INT), 5) AS a, IF(1 > 2, 'a', 'bc') AS b;

SELECT GREATEST(1, 3, 2) AS a, LEAST(1, 3, 2) AS b;

SELECT GREATEST(1, CAST(NULL AS INT)) AS a, LEAST(1, CAST(NULL AS INT)) AS b;

SELECT COALESCE(1, 2.5) AS a, COALESCE('a', 'bcd') AS b;
