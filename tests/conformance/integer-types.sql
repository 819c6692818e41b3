-- The types of expressions over integers.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT t + 1 AS a, s + 1 AS b, i + 1 AS c, b + 1 AS d, i + 2147483648 AS e FROM numbers WHERE id = 1;

SELECT t / t AS a, s / t AS b, i / s AS c, b / i AS d, t % i AS e, b % t AS f FROM numbers WHERE id = 1;

SELECT -t AS a, -s AS b, -i AS c, -b AS d FROM numbers WHERE id = 1;

SELECT ABS(t) AS a, ABS(s) AS b, ABS(i) AS c, ABS(b) AS d, ABS(f) AS e, ABS(d) AS f, ABS(n) AS g FROM numbers WHERE id = 2;

SELECT SIGN(i) AS a, SIGN(b) AS b, SIGN(d) AS c, SIGN(n) AS d FROM numbers WHERE id = 2;
