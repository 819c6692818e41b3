-- Comparisons, BETWEEN and IN.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT 1 = 1 AS a, 1 <> 2 AS b, 1 < 1.5 AS c, 'a' < 'b' AS d, 1 = CAST(NULL AS INT) AS e, 'B' < 'a' AS f;
--: a BOOLEAN NOT NULL, b BOOLEAN NOT NULL, c BOOLEAN NOT NULL, d BOOLEAN NOT NULL, e BOOLEAN, f BOOLEAN NOT NULL
--> [true, true, true, true, null, true]

SELECT 2 BETWEEN 1 AND 3 AS a, 2 NOT BETWEEN 1 AND 3 AS b, 2 BETWEEN CAST(NULL AS INT) AND 1 AS c, 1 BETWEEN SYMMETRIC 3 AND 0 AS d;
--: a BOOLEAN NOT NULL, b BOOLEAN NOT NULL, c BOOLEAN, d BOOLEAN NOT NULL
--> [true, false, false, true]
--local! expected AND, found 3

SELECT 1 IN (1, 2) AS a, 3 IN (1, 2) AS b, 3 NOT IN (1, 2) AS c;
--: a BOOLEAN NOT NULL, b BOOLEAN NOT NULL, c BOOLEAN NOT NULL
--> [true, false, true]

SELECT id, i IN (100, 3) AS a, i NOT IN (100, 3) AS b FROM numbers;
--: id INT, a BOOLEAN, b BOOLEAN
--> [1, true, false]
--> [2, false, true]
--> [3, null, null]
--> [4, false, true]
--> [5, false, true]
--> [6, true, false]

SELECT 3 IN (1, CAST(NULL AS INT)) AS a, 1 IN (1, CAST(NULL AS INT)) AS b, 3 NOT IN (1, CAST(NULL AS INT)) AS c;
--: a BOOLEAN, b BOOLEAN, c BOOLEAN
--> [null, true, null]

SELECT a IS DISTINCT FROM b AS d, a IS NOT DISTINCT FROM b AS n FROM (VALUES (1, 1), (1, 2), (1, CAST(NULL AS INT)), (CAST(NULL AS INT), CAST(NULL AS INT))) AS t(a, b);
--: d BOOLEAN NOT NULL, n BOOLEAN NOT NULL
--> [false, true]
--> [false, true]
--> [true, false]
--> [true, false]

SELECT id FROM numbers WHERE t < i;
--: id INT
--> [1]
--> [2]
--> [4]

SELECT id FROM numbers WHERE n = 10.5;
--: id INT
--> [1]

SELECT id FROM numbers WHERE f = 0.25;
--: id INT
--> [6]

SELECT id, d > f AS a FROM numbers;
--: id INT, a BOOLEAN
--> [1, true]
--> [2, true]
--> [3, null]
--> [4, true]
--> [5, false]
--> [6, false]

SELECT '1' = 1 AS a;
--! org.apache.flink.table.api.ValidationException: implicit type conversion between CHAR and INTEGER is not supported now
--local: a BOOLEAN
--local> [true]

SELECT id FROM numbers WHERE i > '50';
--: id INT
--> [1]
--> [4]
