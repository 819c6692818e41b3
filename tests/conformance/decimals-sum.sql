-- Precision and scale of sums and differences.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT 1.5 + 2.25 AS a, 1.5 - 2.25 AS b, 99.9 + 0.1 AS c;
--: a DECIMAL(4, 2) NOT NULL, b DECIMAL(4, 2) NOT NULL, c DECIMAL(4, 1) NOT NULL
--> [3.75, -0.75, 100.0]

SELECT n + n AS a, n - 1 AS b, n + 0.5 AS c, n + t AS d, n + i AS e, n + b AS f FROM numbers WHERE id IN (1, 2);
--: a DECIMAL(11, 2), b DECIMAL(13, 2), c DECIMAL(11, 2), d DECIMAL(11, 2), e DECIMAL(13, 2), f DECIMAL(22, 2)
--> [-6.50, -4.25, -2.75, -6.25, 13.75, -12.25]
--> [21.00, 9.50, 11.00, 11.50, 110.50, 1010.50]

SELECT CAST(1 AS DECIMAL(38, 0)) + CAST(1 AS DECIMAL(38, 0)) AS a;
--: a DECIMAL(38, 0) NOT NULL
--> [2]

SELECT CAST(1.5 AS DECIMAL(38, 10)) + CAST(1.25 AS DECIMAL(38, 20)) AS a;
--: a DECIMAL(38, 9) NOT NULL
--> [2.750000000]

SELECT CAST(1.5 AS DECIMAL(30, 10)) - CAST(1.25 AS DECIMAL(10, 5)) AS a;
--: a DECIMAL(31, 10) NOT NULL
--> [0.2500000000]

SELECT -n AS a, +n AS b FROM numbers WHERE id = 2;
--: a DECIMAL(10, 2), b DECIMAL(10, 2)
--> [3.25, -3.25]
