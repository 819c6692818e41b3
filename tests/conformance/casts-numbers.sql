-- Casts between numbers: what does not fit wraps around, a fraction is cut off.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT CAST(300 AS TINYINT) AS a, CAST(40000 AS SMALLINT) AS b, CAST(3000000000 AS INT) AS c;
--: a TINYINT NOT NULL, b SMALLINT NOT NULL, c INT NOT NULL
--> [44, -25536, -1294967296]

SELECT id, CAST(b AS INT) AS b FROM numbers WHERE id = 4;
--: id INT, b INT
--> [4, -1]

SELECT CAST(1.9e0 AS INT) AS a, CAST(-1.9e0 AS INT) AS b, CAST(1e20 AS INT) AS c, CAST(1e20 AS BIGINT) AS d;
--: a INT NOT NULL, b INT NOT NULL, c INT NOT NULL, d BIGINT NOT NULL
--> [1, -1, 2147483647, 9223372036854775807]

SELECT CAST(CAST('NaN' AS DOUBLE) AS INT) AS a;
--: a INT NOT NULL
--> [0]

SELECT id, CAST(d AS FLOAT) AS f, CAST(n AS INT) AS i, CAST(i AS DOUBLE) AS d FROM numbers WHERE id IN (1, 2, 3);
--: id INT, f FLOAT, i INT, d DOUBLE
--> [1, 2.25, 10, 100.0]
--> [2, 0.1, -3, 17.0]
--> [3, null, null, null]

SELECT CAST(1 AS BOOLEAN) AS a, CAST(0 AS BOOLEAN) AS b, CAST(TRUE AS INT) AS c, CAST(FALSE AS BIGINT) AS d;
--: a BOOLEAN NOT NULL, b BOOLEAN NOT NULL, c INT NOT NULL, d BIGINT NOT NULL
--> [true, false, 1, 0]

SELECT CAST(1.7 AS BOOLEAN) AS a;
--: a BOOLEAN NOT NULL
--> [true]
