-- SUM has the type of its argument, and a DECIMAL the widest.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT SUM(n) AS a, SUM(n * 2) AS b, SUM(CAST(i AS DECIMAL(38, 10))) AS c FROM numbers WHERE id <> 4;
--: a DECIMAL(38, 2), b DECIMAL(38, 2), c DECIMAL(38, 10)
--> [8.25, 16.50, 120.0000000000]

SELECT SUM(a) AS s FROM (VALUES (1.5), (2.25)) AS t(a);
--: s DECIMAL(38, 2)
--> [3.75]

SELECT SUM(i) AS s FROM numbers;
--: s INT
--> [-2147483529]

SELECT SUM(b) AS s FROM numbers;
--: s BIGINT
--> [-9223372036854774816]

SELECT flag, SUM(n) AS n, SUM(i) AS i FROM numbers WHERE id <> 4 GROUP BY flag;
--: flag BOOLEAN, n DECIMAL(38, 2), i INT
--> [false, -3.25, 17]
--> [null, 1.00, 3]
--> [true, 10.50, 100]

SELECT SUM(a) / COUNT(*) AS m FROM (VALUES (1), (2)) AS t(a);
--: m BIGINT
--> [1]
