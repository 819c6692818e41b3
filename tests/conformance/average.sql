-- AVG has the type of its argument; a DECIMAL gets more digits.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT AVG(t) AS t, AVG(s) AS s, AVG(i) AS i, AVG(b) AS b, AVG(f) AS f, AVG(d) AS d, AVG(n) AS n FROM numbers WHERE id <> 4;
--: t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(38, 6)
--> [1, 2, 30, 248, 0.3125, 0.21250000000000002, 2.062500]
--local batch: t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(38, 6)
--local batch> [1, 2, 30, 248, 0.3125, 0.2125, 2.062500]

SELECT AVG(a) AS m FROM (VALUES (1), (2)) AS t(a);
--: m INT
--> [1]

SELECT AVG(a) AS m FROM (VALUES (-1), (-2)) AS t(a);
--: m INT
--> [-1]

SELECT AVG(a) AS m FROM (VALUES (1.0), (2.0), (2.0)) AS t(a);
--: m DECIMAL(38, 6)
--> [1.666667]

SELECT AVG(CAST(a AS DOUBLE)) AS m FROM (VALUES (1), (2)) AS t(a);
--: m DOUBLE
--> [1.5]

SELECT flag, AVG(n) AS n, AVG(i) AS i FROM numbers WHERE id <> 4 GROUP BY flag;
--: flag BOOLEAN, n DECIMAL(38, 6), i INT
--> [false, -1.625000, 8]
--> [null, 1.000000, 3]
--> [true, 10.500000, 100]

SELECT AVG(CAST(a AS DECIMAL(20, 10))) AS m FROM (VALUES (1), (2), (4)) AS t(a);
--: m DECIMAL(38, 10)
--> [2.3333333333]
