-- Arithmetic of integers: division and remainder cut off towards zero.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT 7 / 2 AS a, -7 / 2 AS b, 7 / -2 AS c, 7 % 3 AS d, -7 % 3 AS e, MOD(7, -3) AS f;
--: a INT NOT NULL, b INT NOT NULL, c INT NOT NULL, d INT NOT NULL, e INT NOT NULL, f INT NOT NULL
--> [3, -3, -3, 1, -1, 1]

SELECT 1 + 1 AS a, 1 - 2 AS b, 3 * 4 AS c, -(5) AS d, +5 AS e;
--: a INT NOT NULL, b INT NOT NULL, c INT NOT NULL, d INT NOT NULL, e INT NOT NULL
--> [2, -1, 12, -5, 5]

SELECT id, i / 2 AS half, i % 7 AS rest, -i AS negative FROM numbers;
--: id INT, half INT, rest INT, negative INT
--> [1, 50, 2, -100]
--> [2, 8, 3, -17]
--> [3, null, null, null]
--> [4, 1073741823, 1, -2147483647]
--> [5, 0, 0, 0]
--> [6, 1, 3, -3]

SELECT id, t + s AS a, t * i AS b, s - b AS c, i + b AS d FROM numbers;
--: id INT, a SMALLINT, b INT, c BIGINT, d BIGINT
--> [1, 11, 100, -990, 1100]
--> [2, -10, -51, 2, 8]
--> [3, null, null, null, null]
--> [4, -32642, 2147483521, -9223372036854743040, -9223372034707292162]
--> [5, 0, 0, 0, 0]
--> [6, 12, 21, 3, 5]

SELECT 1 + CAST(2 AS BIGINT) AS a, CAST(1 AS TINYINT) + CAST(2 AS TINYINT) AS b, CAST(1 AS SMALLINT) * CAST(2 AS TINYINT) AS c;
--: a BIGINT NOT NULL, b TINYINT NOT NULL, c SMALLINT NOT NULL
--> [3, 3, 2]

SELECT i + 1 AS a, b + 1 AS b FROM numbers WHERE id = 4;
--: a INT, b BIGINT
--> [-2147483648, -9223372036854775808]

SELECT CAST(t + CAST(1 AS TINYINT) AS INT) AS a FROM numbers WHERE id = 4;
--: a INT
--> [-128]
