-- Precision and scale of quotients and remainders.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT 1.0 / 3 AS a, 10.50 / 2 AS b, 1 / 3.0 AS c, 2.0 / 3.0 AS d;
--: a DECIMAL(13, 12) NOT NULL, b DECIMAL(15, 13) NOT NULL, c DECIMAL(17, 6) NOT NULL, d DECIMAL(8, 6) NOT NULL
--> [0.333333333333, 5.2500000000000, 0.333333, 0.666667]

SELECT n / 3 AS a, n / n AS b, n / 0.7 AS c, n / t AS d FROM numbers WHERE id IN (1, 2);
--: a DECIMAL(21, 13), b DECIMAL(23, 13), c DECIMAL(15, 6), d DECIMAL(14, 6)
--> [-1.0833333333333, 1.0000000000000, -4.642857, 1.083333]
--> [3.5000000000000, 1.0000000000000, 15.000000, 10.500000]

SELECT CAST(1 AS DECIMAL(38, 10)) / CAST(3 AS DECIMAL(38, 10)) AS a;
--: a DECIMAL(38, 6) NOT NULL
--> [0.333333]

SELECT CAST(1 AS DECIMAL(20, 0)) / CAST(3 AS DECIMAL(20, 0)) AS a;
--: a DECIMAL(38, 18) NOT NULL
--> [0.333333333333333333]

SELECT MOD(10.5, 3) AS a, MOD(-10.5, 3.25) AS b, 7.25 % 2 AS c;
--: a DECIMAL(3, 1) NOT NULL, b DECIMAL(3, 2) NOT NULL, c DECIMAL(3, 2) NOT NULL
--> [1.5, -0.75, 1.25]
--1.20! AssertionError: Conversion to relational algebra failed to preserve datatypes

SELECT n % 3 AS a, n % 0.75 AS b FROM numbers WHERE id IN (1, 2);
--: a DECIMAL(10, 2), b DECIMAL(3, 2)
--> [-0.25, -0.25]
--> [1.50, 0.00]
--1.20! AssertionError: Conversion to relational algebra failed to preserve datatypes
