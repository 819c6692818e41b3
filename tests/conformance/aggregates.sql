-- COUNT, SUM, MIN and MAX.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT COUNT(*) AS n, COUNT(i) AS ni, SUM(i) AS s, MIN(i) AS low, MAX(i) AS high FROM numbers WHERE id <> 4;
--: n BIGINT NOT NULL, ni BIGINT NOT NULL, s INT, low INT, high INT
--> [5, 4, 120, 0, 100]

SELECT SUM(t) AS t, SUM(s) AS s, SUM(b) AS b, SUM(f) AS f, SUM(d) AS d, SUM(n) AS n FROM numbers WHERE id <> 4;
--: t TINYINT, s SMALLINT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(38, 2)
--> [5, 8, 993, 1.25, 0.8500000000000001, 8.25]
--local batch: t TINYINT, s SMALLINT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(38, 2)
--local batch> [5, 8, 993, 1.25, 0.85, 8.25]

SELECT MIN(t) AS t, MAX(b) AS b, MIN(f) AS f, MAX(d) AS d, MIN(n) AS n FROM numbers;
--: t TINYINT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2)
--> [-3, 9223372036854775807, -0.5, 1.7976931348623157e308, -3.25]

SELECT MIN(flag) AS f, MAX(flag) AS t FROM numbers;
--: f BOOLEAN, t BOOLEAN
--> [false, true]

SELECT MIN(a) AS low, MAX(a) AS high FROM (VALUES ('b'), ('A'), (CAST(NULL AS STRING)), ('')) AS t(a);
--: low STRING, high STRING
--> ["", "b"]

SELECT MIN(a) AS low, MAX(a) AS high FROM (VALUES (DATE '2024-01-02'), (DATE '2023-12-31')) AS t(a);
--: low DATE, high DATE
--> ["2023-12-31", "2024-01-02"]

SELECT COUNT(1) AS a, COUNT(*) + 1 AS b, SUM(1) AS c FROM numbers;
--: a BIGINT NOT NULL, b BIGINT NOT NULL, c INT
--> [6, 7, 6]

SELECT SUM(i) AS s FROM numbers WHERE id IN (4, 1);
--: s INT
--> [-2147483549]
