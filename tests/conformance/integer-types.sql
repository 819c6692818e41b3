-- The types of expressions over integers.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT t + 1 AS a, s + 1 AS b, i + 1 AS c, b + 1 AS d, i + 2147483648 AS e FROM numbers WHERE id = 1;
--: a INT, b INT, c INT, d BIGINT, e BIGINT
--> [2, 11, 101, 1001, 2147483748]

SELECT t / t AS a, s / t AS b, i / s AS c, b / i AS d, t % i AS e, b % t AS f FROM numbers WHERE id = 1;
--: a TINYINT, b SMALLINT, c INT, d BIGINT, e INT, f TINYINT
--> [1, 10, 10, 10, 1, 0]

SELECT -t AS a, -s AS b, -i AS c, -b AS d FROM numbers WHERE id = 1;
--: a TINYINT, b SMALLINT, c INT, d BIGINT
--> [-1, -10, -100, -1000]

SELECT ABS(t) AS a, ABS(s) AS b, ABS(i) AS c, ABS(b) AS d, ABS(f) AS e, ABS(d) AS f, ABS(n) AS g FROM numbers WHERE id = 2;
--: a TINYINT, b SMALLINT, c INT, d BIGINT, e FLOAT, f DOUBLE, g DECIMAL(10, 2)
--> [3, 7, 17, 9, 0.5, 0.1, 3.25]

SELECT SIGN(i) AS a, SIGN(b) AS b, SIGN(d) AS c, SIGN(n) AS d FROM numbers WHERE id = 2;
--: a INT, b BIGINT, c DOUBLE, d DECIMAL(10, 2)
--> [1, -1, 1.0, -1.00]
