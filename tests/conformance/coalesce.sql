-- COALESCE, NULLIF and their like.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT COALESCE(CAST(NULL AS INT), 1, 2) AS a, COALESCE(CAST(NULL AS STRING), 'x') AS b, COALESCE(CAST(NULL AS INT), CAST(NULL AS INT)) AS c;
--: a INT NOT NULL, b STRING NOT NULL, c INT
--> [1, "x", null]

SELECT NULLIF(1, 1) AS a, NULLIF(1, 2) AS b, NULLIF('a', 'b') AS c, NULLIF(CAST(NULL AS INT), 1) AS d;
--: a INT, b INT, c CHAR(1), d INT
--> [null, 1, "a", null]

SELECT id, COALESCE(i, 0) AS a, COALESCE(t, b) AS b, COALESCE(n, 0) AS c, NULLIF(i, 0) AS d FROM numbers;
--: id INT, a INT NOT NULL, b BIGINT, c DECIMAL(12, 2) NOT NULL, d INT
--> [1, 100, 1, 10.50, 100]
--> [2, 17, -3, -3.25, 17]
--> [3, 0, null, 0.00, null]
--> [4, 2147483647, 127, 99999999.99, 2147483647]
--> [5, 0, 0, 0.00, null]
--> [6, 3, 7, 1.00, 3]

SELECT IFNULL(CAST(NULL AS INT), 5) AS a, IF(1 > 2, 'a', 'bc') AS b;
--: a INT NOT NULL, b VARCHAR(2) NOT NULL
--> [5, "bc"]

SELECT GREATEST(1, 3, 2) AS a, LEAST(1, 3, 2) AS b;
--: a INT NOT NULL, b INT NOT NULL
--> [3, 1]

SELECT GREATEST(1, CAST(NULL AS INT)) AS a, LEAST(1, CAST(NULL AS INT)) AS b;
--: a INT, b INT
--> [null, null]

SELECT COALESCE(1, 2.5) AS a, COALESCE('a', 'bcd') AS b;
--: a DECIMAL(11, 1) NOT NULL, b VARCHAR(3) NOT NULL
--> [1.0, "a"]
